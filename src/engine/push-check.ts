import type { Db } from './tx.js'

/** A user who has pushes that `users.push_seq` does not know of: their next number is taken. */
interface PushFault {
  readonly userId: number
  /** The number of the last row that is kept. */
  readonly expected: number
  readonly found: number
}

/** Holds the push numbers of the users from `from` to `to` against the pushes that are kept. */
export async function checkPushes(db: Db, from: number, to: number): Promise<PushFault[]> {
  const rows = await db.$queryRaw<{ user_id: number; expected: bigint | number; found: bigint | number }[]>`
    SELECT u.user_id, u.push_seq AS found, MAX(e.seq) AS expected
    FROM push_events AS e JOIN users AS u ON u.user_id = e.user_id
    WHERE e.user_id BETWEEN ${from} AND ${to}
    GROUP BY u.user_id, u.push_seq
    HAVING expected > found
    ORDER BY u.user_id`
  return rows.map(({ user_id: userId, expected, found }) => ({
    userId,
    expected: Number(expected),
    found: Number(found)
  }))
}

/** Has a user's next push numbered after all that are kept, so that whoever acts for them can push again. */
export async function renumberPushes(db: Db, userId: number): Promise<void> {
  await db.$executeRaw`
    UPDATE users AS u SET u.push_seq =
      GREATEST(u.push_seq, (SELECT COALESCE(MAX(e.seq), 0) FROM push_events AS e WHERE e.user_id = ${userId}))
    WHERE u.user_id = ${userId}`
}
