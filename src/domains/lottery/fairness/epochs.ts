import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { insertInto, sqlTime } from '../../../engine/sql.js'
import { type RawTx, type Write, writeAll } from '../../../engine/tx.js'
import type { UnitOfWork } from '../../../engine/unit-of-work.js'
import { Prisma } from '../../../generated/prisma/client.js'
import type { Cipher } from '../../../shared/cipher.js'
import { commitmentTo } from './dice.js'

/** An epoch ends before it would have more draws than this, and at the first draw after so many days. */
const EPOCH_DRAWS = 1000
const EPOCH_DAYS = 30

const SEED_BYTES = 32
const CLIENT_SEED_BYTES = 12
const DAY_MS = 86_400_000

/** An epoch that draws, as a draw needs it. */
export interface Epoch {
  readonly epoch: number
  /** Encrypted. */
  readonly serverSeed: string
  readonly serverSeedHash: string
  readonly clientSeed: string
  /** Of the next draw. */
  readonly nonce: number
  readonly startedAt: Date
}

/** A diner's epoch as the statement that locks them reads it; null for one from before there were any. */
export interface EpochColumns {
  readonly epoch: number | null
  readonly nonce: number | null
  readonly server_seed: string | null
  readonly server_seed_hash: string | null
  readonly client_seed: string | null
  readonly started_at: Date | null
}

/** The epoch of a locked diner: it was read, or made, under the lock. */
export function epochOf(columns: EpochColumns): Epoch {
  const { epoch, nonce, server_seed, server_seed_hash, client_seed, started_at } = columns
  assert(epoch !== null && nonce !== null && server_seed !== null && server_seed_hash !== null && started_at !== null)
  return {
    epoch,
    nonce,
    serverSeed: server_seed,
    serverSeedHash: server_seed_hash,
    clientSeed: client_seed ?? '',
    startedAt: started_at
  }
}

/** An epoch whose commitment is known, and that has not begun. */
export interface NextEpoch {
  readonly epoch: number
  readonly server_seed: string
  readonly server_seed_hash: string
}

/** One epoch ended and the next begun. */
export interface EpochTurn {
  readonly userId: number
  readonly ended: Epoch
  readonly begun: Epoch
}

const insertEpochs = insertInto('fairness_epochs', [
  'user_id',
  'epoch',
  'server_seed',
  'server_seed_hash',
  'client_seed',
  'started_at'
])

type EpochRow = Parameters<typeof insertEpochs>[0][number]

/** An epoch with a fresh seed that has not begun. */
function newEpoch(cipher: Cipher, userId: number, epoch: number): EpochRow {
  const seed = randomBytes(SEED_BYTES)
  return {
    user_id: userId,
    epoch,
    server_seed: cipher.encrypt(seed.toString('hex')),
    server_seed_hash: commitmentTo(seed),
    client_seed: null,
    started_at: null
  }
}

/**
 * Gives an epoch to diners without one: the first. One whose pity row was removed by hand goes on with the epoch that
 * runs, where its draws left it: no nonce comes twice. Their pity rows are there and locked.
 */
export async function beginEpochs(uow: UnitOfWork<RawTx>, userIds: readonly number[]): Promise<void> {
  const running = await uow.tx.$queryRaw<{ user_id: number; epoch: number; nonce: number | bigint }[]>`
    SELECT e.user_id, e.epoch, CAST((SELECT COALESCE(SUM(d.draw_count), 0) FROM lottery_draws AS d
      WHERE d.user_id = e.user_id AND d.epoch = e.epoch) AS SIGNED) AS nonce
    FROM fairness_epochs AS e
    WHERE e.user_id IN (${Prisma.join([...userIds])}) AND e.started_at IS NOT NULL AND e.ended_at IS NULL`
  const known = new Set(running.map((row) => row.user_id))
  const restored = running.map(({ user_id, epoch, nonce }) => ({
    statement: Prisma.sql`
      UPDATE lottery_pity SET epoch = ${epoch}, nonce = ${Number(nonce)} WHERE user_id = ${user_id}`
  }))
  const first = firstEpochWrites(
    uow,
    userIds.filter((userId) => !known.has(userId))
  )
  await writeAll(uow.tx, [...restored, ...first])
}

/**
 * The writes that give users their first epoch, and the next one's commitment with it. The client seed is the
 * service's until the diner chooses one. Their pity rows are there and locked, and have no epoch.
 */
export function firstEpochWrites({ cipher, now }: UnitOfWork<RawTx>, userIds: readonly number[]): Write[] {
  if (userIds.length === 0) return []
  const rows = userIds.flatMap((userId) => [
    {
      ...newEpoch(cipher, userId, 1),
      client_seed: randomBytes(CLIENT_SEED_BYTES).toString('base64url'),
      started_at: sqlTime(now)
    },
    newEpoch(cipher, userId, 2)
  ])
  const statement = Prisma.sql`
    UPDATE lottery_pity SET epoch = 1, nonce = 0 WHERE user_id IN (${Prisma.join([...userIds])})`
  return [...insertEpochs(rows), { statement }]
}

/** Whether an epoch has to end before that many draws more. */
export function isDue({ nonce, startedAt }: Epoch, draws: number, now: Date): boolean {
  return nonce + draws > EPOCH_DRAWS || now.getTime() - startedAt.getTime() >= EPOCH_DAYS * DAY_MS
}

/**
 * What of an epoch's end is known before it is written: the next one draws from now on.
 * @param clientSeed of the one that begins; the last one's goes on where the diner has not chosen another
 */
export function turnOf(userId: number, ended: Epoch, next: NextEpoch, now: Date, clientSeed?: string): EpochTurn {
  const begun: Epoch = {
    epoch: next.epoch,
    serverSeed: next.server_seed,
    serverSeedHash: next.server_seed_hash,
    clientSeed: clientSeed ?? ended.clientSeed,
    nonce: 0,
    startedAt: now
  }
  return { userId, ended, begun }
}

/** The epochs that begin next, by user. Under the users' locks nobody else changes them. */
export async function readNextEpochs(tx: RawTx, userIds: readonly number[]): Promise<Map<number, NextEpoch>> {
  if (userIds.length === 0) return new Map()
  const rows = await tx.$queryRaw<(NextEpoch & { user_id: number })[]>`
    SELECT e.user_id, e.epoch, e.server_seed, e.server_seed_hash
    FROM lottery_pity AS p JOIN fairness_epochs AS e ON e.user_id = p.user_id AND e.epoch = p.epoch + 1
    WHERE p.user_id IN (${Prisma.join([...userIds])})`
  return new Map(rows.map((row) => [row.user_id, row]))
}

/** The writes of epochs that end, but for the pity rows: the ended, the begun, and a fresh one to come. */
export function turnWrites({ cipher, now }: UnitOfWork<RawTx>, turns: readonly EpochTurn[]): Write[] {
  const at = sqlTime(now)
  const updates = turns.flatMap(({ userId, ended, begun }) => [
    Prisma.sql`UPDATE fairness_epochs SET draws = ${ended.nonce}, ended_at = ${at}
      WHERE user_id = ${userId} AND epoch = ${ended.epoch} AND ended_at IS NULL`,
    Prisma.sql`UPDATE fairness_epochs SET client_seed = ${begun.clientSeed}, started_at = ${at}
      WHERE user_id = ${userId} AND epoch = ${begun.epoch} AND started_at IS NULL`
  ])
  const next = turns.map(({ userId, begun }) => newEpoch(cipher, userId, begun.epoch + 1))
  return [...updates.map((statement) => ({ statement, check: mustMatchOne })), ...insertEpochs(next)]
}

function mustMatchOne(matched: number): void {
  if (matched !== 1) throw new Error('an epoch was ended, or begun, by somebody else under our lock')
}
