import assert from 'node:assert/strict'
import type { FastifyInstance } from 'fastify'
import { openPage, pageSql, type Sort } from '../../../engine/keyset.js'
import { type ReadsDb, readOf } from '../../../engine/reads.js'
import type { RawDb } from '../../../engine/tx.js'
import { Prisma } from '../../../generated/prisma/client.js'
import type { Cipher } from '../../../shared/cipher.js'
import { refuse } from '../../../shared/refusal.js'
import type { PageQuery } from '../../../shared/schemas.js'
import { lockDiners } from '../store.js'
import type { RulesVersion } from '../versions.js'
import type { EpochItem, Fairness } from './schemas.js'

/** A diner's commitments; all null where they have no epoch yet. */
export interface EpochStanding {
  readonly epoch: number | null
  readonly nonce: number | null
  readonly serverSeedHash: string | null
  readonly clientSeed: string | null
  readonly nextHash: string | null
}

/** Columns of {@link EpochStanding}, and the joins they want, where `p` is the diner's pity row. */
export const EPOCH_STANDING = {
  columns: `p.epoch, p.nonce, e.server_seed_hash AS serverSeedHash, e.client_seed AS clientSeed,
    n.server_seed_hash AS nextHash`,
  joins: `LEFT JOIN fairness_epochs AS e ON e.user_id = p.user_id AND e.epoch = p.epoch
    LEFT JOIN fairness_epochs AS n ON n.user_id = p.user_id AND n.epoch = p.epoch + 1`
} as const

/** A diner's commitments as a transaction sees them: theirs, once it ends an epoch. @throws Error without an epoch */
export async function fairnessIn(
  db: RawDb,
  userId: number,
  version: RulesVersion,
  verifyUrl: string
): Promise<Fairness> {
  const found = toFairness(await standingOf(db, userId), version, verifyUrl)
  assert(found !== null, 'a locked diner has an epoch')
  return found
}

/** What reads, and gives an epoch to a diner who has none. */
export type EpochDb = ReadsDb & Pick<FastifyInstance, 'fastTx'>

/**
 * What a diner's next draw is committed to. One from before there were epochs gets the first now.
 * @param standing where it was read already
 */
export async function fairnessOf(
  app: EpochDb,
  userId: number,
  version: RulesVersion,
  verifyUrl: string,
  standing?: EpochStanding
): Promise<Fairness> {
  const known = toFairness(standing ?? (await standingOf(app.db, userId)), version, verifyUrl)
  if (known !== null) return known
  await app.fastTx((uow) => lockDiners(uow, [{ userId }]))
  const made = toFairness(await standingOf(app.db, userId), version, verifyUrl)
  if (made === null) throw refuse('TOKEN_INVALID')
  return made
}

/** What is shown of a standing; null where the diner has no epoch yet. */
function toFairness(
  standing: EpochStanding | undefined,
  { version, sha256 }: RulesVersion,
  verifyUrl: string
): Fairness | null {
  const { epoch, nonce, serverSeedHash, clientSeed, nextHash } = standing ?? {}
  if (epoch == null || nonce == null || serverSeedHash == null || nextHash == null) return null
  return {
    epoch,
    server_seed_hash: serverSeedHash,
    next_server_seed_hash: nextHash,
    client_seed: clientSeed ?? '',
    nonce,
    rules_version: version,
    rules_sha256: sha256,
    verify_url: verifyUrl
  }
}

async function standingOf(db: RawDb, userId: number): Promise<EpochStanding | undefined> {
  const [row] = await db.$queryRaw<EpochStanding[]>`
    SELECT ${Prisma.raw(EPOCH_STANDING.columns)} FROM lottery_pity AS p ${Prisma.raw(EPOCH_STANDING.joins)}
    WHERE p.user_id = ${userId}`
  return row
}

interface EpochRow {
  readonly epoch: number
  readonly server_seed: string
  readonly server_seed_hash: string
  readonly client_seed: string | null
  readonly draws: number
  readonly started_at: Date
  readonly ended_at: Date | null
}

const NEWEST = { direction: 'desc', columns: { epoch: 'int' } } as const satisfies Sort
const CURRENT = readOf<{ epoch: number; nonce: number }, [userId: number]>(
  'SELECT epoch, nonce FROM lottery_pity WHERE user_id = ?'
)

/** A diner's epochs that have begun, newest first; the seed of each that is over. */
export async function listEpochs({ reads }: ReadsDb, cipher: Cipher, userId: number, query: PageQuery) {
  const page = openPage(query, NEWEST)
  const part = pageSql(page, NEWEST, { epoch: 'epoch' })
  const [found, [current]] = await reads(
    readOf<EpochRow>(`
      SELECT epoch, server_seed, server_seed_hash, client_seed, draws, started_at, ended_at
      FROM fairness_epochs WHERE user_id = ? AND started_at IS NOT NULL${part.sql}`)(userId, ...part.values),
    CURRENT(userId)
  )
  const { rows, ...rest } = page.close(found, current?.epoch ?? 0)
  const epochs = rows.map(
    (row): EpochItem => ({
      epoch: row.epoch,
      server_seed_hash: row.server_seed_hash,
      server_seed: row.ended_at === null ? null : cipher.decrypt(row.server_seed),
      client_seed: row.client_seed ?? '',
      draws: row.ended_at === null && row.epoch === current?.epoch ? current.nonce : row.draws,
      started_at: row.started_at,
      ended_at: row.ended_at
    })
  )
  return { epochs, ...rest }
}
