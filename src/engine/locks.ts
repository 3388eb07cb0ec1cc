import type { RawTx } from './tx.js'
import type { UnitOfWork } from './unit-of-work.js'

/**
 * Locks a user's row where no points move: whoever pushes to a user holds it, so that their pushes have an order; and
 * of two requests with one key the second waits there. A user who was deleted is pushed nothing, and locked all the
 * same. Where points move, `openAccounts` of the points does it.
 */
export async function lockUser(uow: UnitOfWork<RawTx>, userId: number): Promise<void> {
  await lockUsers(uow, [userId])
}

/** Locks the rows of several users, in the order of their ids, as every transaction does. */
export async function lockUsers(uow: UnitOfWork<RawTx>, userIds: readonly number[]): Promise<void> {
  for (const userId of [...new Set(userIds)].sort((a, b) => a - b)) {
    const [row] = await uow.tx.$queryRaw<{ push_seq: bigint | number }[]>`
      SELECT push_seq FROM users WHERE user_id = ${userId} FOR UPDATE`
    if (row !== undefined) uow.pushNumbers.locked(userId, Number(row.push_seq), true)
  }
}
