import type { Db } from '../../engine/tx.js'
import { Prisma } from '../../generated/prisma/client.js'
import { CHAINED_SQL, GENESIS } from './chain.js'

/** A breach of the ledger's promises (contract sections 2 and 15). */
export interface LedgerFault {
  readonly userId: number
  /** The ledger row at fault; null when the user's row is. */
  readonly recordId: number | null
  readonly fault: string
  readonly expected: number | string
  readonly found: number | string
}

/** What is wrong where two columns of {@link FaultRow} differ. */
const ROW_FAULTS = {
  seq: 'seq does not follow from the row before',
  balance: 'balance_after does not follow from the row before',
  hash: 'hash does not follow from the row before'
} as const
const USER_FAULTS = {
  seq: 'ledger_seq is not that of the last row',
  balance: 'balance is not the sum of the ledger',
  hash: 'ledger_hash is not that of the last row'
} as const

type Column = keyof typeof ROW_FAULTS
type FaultRow = { readonly user_id: number; readonly id: bigint | number | null } & Readonly<
  Record<`${'expected' | 'found'}_${Column}`, bigint | number | string>
>

/** The highest user id there is: how far {@link checkLedger} has to go. */
export async function lastUserId(db: Db): Promise<number> {
  const { _max } = await db.user.aggregate({ _max: { userId: true } })
  return _max.userId ?? 0
}

/**
 * Checks the ledgers of the users from `from` to `to`: rows are numbered 1, 2, 3 …; every `balance_after` is the one
 * before plus the points, every `hash` that of the row and the hash before; the user's row has the sum, and the last
 * number and hash. The database compares; only faults come back. Each check is one statement, and so sees one moment:
 * it can run beside a service at work.
 */
export async function checkLedger(db: Db, from: number, to: number): Promise<LedgerFault[]> {
  const differ = Prisma.sql`
    found_seq <> expected_seq OR found_balance <> expected_balance OR CAST(found_hash AS BINARY) <> expected_hash`
  const rows = await db.$queryRaw<FaultRow[]>`
    SELECT c.* FROM (
      SELECT r.user_id, r.id, r.seq AS found_seq, r.balance_after AS found_balance, r.hash AS found_hash,
        COALESCE(r.previous_seq, 0) + 1 AS expected_seq, r.points + COALESCE(r.previous_balance, 0) AS expected_balance,
        ${Prisma.raw(CHAINED_SQL)} AS expected_hash
      FROM (
        SELECT p.*, LAG(p.seq) OVER own AS previous_seq, LAG(p.balance_after) OVER own AS previous_balance,
          COALESCE(LAG(p.hash) OVER own, ${GENESIS}) AS previous
        FROM points_records AS p
        WHERE p.user_id BETWEEN ${from} AND ${to}
        WINDOW own AS (PARTITION BY p.user_id ORDER BY p.seq)
      ) AS r
    ) AS c
    WHERE ${differ}
    ORDER BY user_id, found_seq`
  const users = await db.$queryRaw<FaultRow[]>`
    SELECT c.* FROM (
      SELECT u.user_id, NULL AS id, u.ledger_seq AS found_seq, u.total_points AS found_balance,
        u.ledger_hash AS found_hash, COALESCE(s.seq, 0) AS expected_seq, COALESCE(s.balance, 0) AS expected_balance,
        COALESCE(l.hash, ${GENESIS}) AS expected_hash
      FROM users AS u
      LEFT JOIN (
        SELECT user_id, MAX(seq) AS seq, CAST(SUM(points) AS SIGNED) AS balance
        FROM points_records WHERE user_id BETWEEN ${from} AND ${to} GROUP BY user_id
      ) AS s ON s.user_id = u.user_id
      LEFT JOIN points_records AS l ON l.user_id = s.user_id AND l.seq = s.seq
      WHERE u.user_id BETWEEN ${from} AND ${to}
    ) AS c
    WHERE ${differ}
    ORDER BY user_id`
  return [...rows.flatMap((row) => faultsOf(row, ROW_FAULTS)), ...users.flatMap((row) => faultsOf(row, USER_FAULTS))]
}

function faultsOf(row: FaultRow, names: Readonly<Record<Column, string>>): LedgerFault[] {
  const [userId, recordId] = [row.user_id, row.id === null ? null : Number(row.id)]
  const plain = (value: bigint | number | string) => (typeof value === 'string' ? value : Number(value))
  return (Object.keys(names) as Column[]).flatMap((column) => {
    const [expected, found] = [plain(row[`expected_${column}`]), plain(row[`found_${column}`])]
    return expected === found ? [] : [{ userId, recordId, fault: names[column], expected, found }]
  })
}
