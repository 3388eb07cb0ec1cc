import { hash } from 'node:crypto'

/** The hash before a diner's first row. */
export const GENESIS = '0'.repeat(64)

/** What a ledger row says, and its hash is over. */
interface ChainedRow {
  readonly userId: number
  /** 1, 2, 3 … a diner. */
  readonly seq: number
  /** Signed. */
  readonly points: number
  readonly balanceAfter: number
  readonly source: string
  readonly relatedId: string | null
  readonly createdAt: Date
  readonly description: string
}

/**
 * The hash of a ledger row: SHA-256, in hexadecimal, of these lines in UTF-8, without one at the end: the hash of the
 * row before, user id, seq, points, balance after, source, related id (empty where there is none), the instant in UTC
 * as `2026-11-28T12:34:56.789Z`, description. The description is last, so that line breaks in it hide nothing.
 * {@link CHAINED_SQL} and the migration `ledger_chain` say the same in SQL.
 */
export function chainHash(previous: string, row: ChainedRow): string {
  const { userId, seq, points, balanceAfter, source, relatedId, createdAt, description } = row
  const fields = [userId, seq, points, balanceAfter, source, relatedId ?? '', createdAt.toISOString(), description]
  return hash('sha256', `${previous}\n${fields.join('\n')}`)
}

/** {@link chainHash} of a row `r` whose predecessor's hash is `previous`, as SQL. */
export const CHAINED_SQL = `SHA2(CONCAT_WS('\\n', previous, r.user_id, r.seq, r.points, r.balance_after, r.source,
  COALESCE(r.related_id, ''), CONCAT(LEFT(DATE_FORMAT(r.created_at, '%Y-%m-%dT%H:%i:%s.%f'), 23), 'Z'),
  r.description), 256)`
