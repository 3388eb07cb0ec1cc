import assert from 'node:assert/strict'
import { writeAll } from '../../../engine/tx.js'
import type { UnitOfWork } from '../../../engine/unit-of-work.js'
import { refuse } from '../../../shared/refusal.js'
import { lockDiners } from '../store.js'
import type { RulesVersion } from '../versions.js'
import { type Epoch, epochOf, readNextEpochs, turnOf, turnWrites } from './epochs.js'
import { fairnessIn } from './queries.js'
import type { Rotated } from './schemas.js'

interface RotateRequest {
  readonly userId: number
  /** Of the epoch that begins; the last one's goes on where there is none. It has no fault. */
  readonly clientSeed: string | undefined
  /** The epoch that the diner means to end: the one that ran when they asked. */
  readonly epoch: number
  readonly rules: RulesVersion
  readonly verifyUrl: string
}

/**
 * Ends a diner's epoch, which tells its seed, and begins the next, whose commitment they have had all along. Of two
 * requests at once one ends it, and the other is answered that it is over; one that brings a client seed of its own,
 * which did not begin the new epoch, is refused instead.
 * @returns what is revealed; it may be told once the transaction has committed
 * @throws Refusal ACCOUNT_DISABLED, STATE_CONFLICT
 */
export async function rotate(uow: UnitOfWork, request: RotateRequest): Promise<Rotated> {
  const revealed = await endEpoch(uow, request)
  return { revealed, current: await fairnessIn(uow.tx, request.userId, request.rules, request.verifyUrl) }
}

async function endEpoch(uow: UnitOfWork, request: RotateRequest): Promise<Rotated['revealed']> {
  const { userId, clientSeed } = request
  const diners = await lockDiners(uow, [{ userId }])
  const current = epochOf(diners.acting(userId).row)
  if (current.epoch !== request.epoch) {
    if (clientSeed !== undefined && clientSeed !== current.clientSeed) {
      throw refuse('STATE_CONFLICT', { epoch: current.epoch })
    }
    return endedEpoch(uow, userId, request.epoch)
  }
  const next = (await readNextEpochs(uow.tx, [userId])).get(userId)
  assert(next !== undefined, 'there is always a next epoch')
  const turn = turnOf(userId, current, next, uow.now, clientSeed)
  await writeAll(uow.tx, turnWrites(uow, [turn]))
  await uow.tx.$executeRaw`UPDATE lottery_pity SET epoch = ${turn.begun.epoch}, nonce = 0 WHERE user_id = ${userId}`
  return reveal(uow, current)
}

const reveal = (
  { cipher }: UnitOfWork,
  { epoch, serverSeed, serverSeedHash, clientSeed, nonce }: Epoch
): Rotated['revealed'] => ({
  epoch,
  server_seed: cipher.decrypt(serverSeed),
  server_seed_hash: serverSeedHash,
  client_seed: clientSeed,
  draws: nonce
})

async function endedEpoch(uow: UnitOfWork, userId: number, epoch: number): Promise<Rotated['revealed']> {
  const row = await uow.tx.fairnessEpoch.findUniqueOrThrow({ where: { userId_epoch: { userId, epoch } } })
  assert(row.endedAt !== null && row.startedAt !== null, 'an epoch that is no longer the current one has ended')
  const { serverSeed, serverSeedHash, clientSeed, draws: nonce, startedAt } = row
  return reveal(uow, { epoch, serverSeed, serverSeedHash, clientSeed: clientSeed ?? '', nonce, startedAt })
}
