import type { Db } from '../../engine/tx.js'
import type { LedgerFault } from '../points/reconcile.js'

/**
 * Checks what the users from `from` to `to` owe: what was awarded for receipts that are revoked, less what the ledger
 * says was taken back or paid since (contract section 15). One statement, and so one moment: it can run beside a
 * service at work.
 */
export async function checkDebts(db: Db, from: number, to: number): Promise<LedgerFault[]> {
  const rows = await db.$queryRaw<{ user_id: number; found: bigint | number; expected: bigint | number }[]>`
    SELECT * FROM (
      SELECT u.user_id, u.points_debt AS found,
        CAST(COALESCE(r.revoked, 0) + COALESCE(p.settled, 0) AS SIGNED) AS expected
      FROM users AS u
      LEFT JOIN (
        SELECT user_id, SUM(points_awarded) AS revoked FROM photo_reviews
        WHERE user_id BETWEEN ${from} AND ${to} AND review_status = 'revoked' GROUP BY user_id
      ) AS r ON r.user_id = u.user_id
      LEFT JOIN (
        SELECT user_id, SUM(points) AS settled FROM points_records
        WHERE user_id BETWEEN ${from} AND ${to} AND source IN ('clawback', 'debt_payment') GROUP BY user_id
      ) AS p ON p.user_id = u.user_id
      WHERE u.user_id BETWEEN ${from} AND ${to}
    ) AS debts
    WHERE found <> expected
    ORDER BY user_id`
  return rows.map(({ user_id: userId, found, expected }) => ({
    userId,
    recordId: null,
    fault: 'what is owed is not what was taken back of receipts and is not paid',
    expected: Number(expected),
    found: Number(found)
  }))
}
