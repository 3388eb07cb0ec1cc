import type { Db } from '../../engine/tx.js'

/** A breach of the ledger's promises (contract section 2). */
export interface LedgerFault {
  readonly userId: number
  /** The ledger row at fault; null when the user's balance is. */
  readonly recordId: number | null
  readonly fault: 'balance is not the sum of the ledger' | 'balance_after does not follow from the row before'
  readonly expected: number
  readonly found: number
}

interface FaultRow {
  user_id: number
  id: bigint | null
  expected: bigint | number
  found: bigint | number
}

/** The highest user id there is: how far {@link checkLedger} has to go. */
export async function lastUserId(db: Db): Promise<number> {
  const { _max } = await db.user.aggregate({ _max: { userId: true } })
  return _max.userId ?? 0
}

/**
 * Checks the ledgers of the users from `from` to `to`: every `balance_after` is the one before plus the points, and
 * the balance is the sum. The database compares; only faults come back. Each check is one statement, and so sees one
 * moment: it can run beside a service at work.
 */
export async function checkLedger(db: Db, from: number, to: number): Promise<LedgerFault[]> {
  const chains = await db.$queryRaw<FaultRow[]>`
    SELECT c.user_id, c.id, c.expected, c.found
    FROM (
      SELECT r.user_id, r.id, r.balance_after AS found,
        r.points + COALESCE(LAG(r.balance_after) OVER (PARTITION BY r.user_id ORDER BY r.id), 0) AS expected
      FROM points_records AS r
      WHERE r.user_id BETWEEN ${from} AND ${to}
    ) AS c
    WHERE c.expected <> c.found
    ORDER BY c.user_id, c.id`
  const sums = await db.$queryRaw<FaultRow[]>`
    SELECT s.user_id, NULL AS id, s.expected, s.found
    FROM (
      SELECT u.user_id, u.total_points AS found,
        CAST(COALESCE((SELECT SUM(r.points) FROM points_records AS r WHERE r.user_id = u.user_id), 0) AS SIGNED)
          AS expected
      FROM users AS u
      WHERE u.user_id BETWEEN ${from} AND ${to}
    ) AS s
    WHERE s.expected <> s.found
    ORDER BY s.user_id`
  const toFault =
    (fault: LedgerFault['fault']) =>
    (row: FaultRow): LedgerFault => ({
      userId: row.user_id,
      recordId: row.id === null ? null : Number(row.id),
      fault,
      expected: Number(row.expected),
      found: Number(row.found)
    })
  return [
    ...chains.map(toFault('balance_after does not follow from the row before')),
    ...sums.map(toFault('balance is not the sum of the ledger'))
  ]
}
