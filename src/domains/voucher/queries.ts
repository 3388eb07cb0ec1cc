import { openPage, ownRows, pageSql, type Sort } from '../../engine/keyset.js'
import { filtersOf, type Reads, readOf } from '../../engine/reads.js'
import type { Total } from '../../engine/tallies.js'
import { sumOf, totalsRead } from '../../engine/totals.js'
import type { Cipher } from '../../shared/cipher.js'
import { voucherStatus } from './rules.js'
import type { Voucher, VoucherStatus, VouchersQuery } from './schemas.js'
import { voucherTotals } from './totals.js'

const NEWEST = { direction: 'desc', columns: { voucherId: 'bigint' } } as const satisfies Sort

/** What a filter by state means, whatever the rows of vouchers past their time say yet. */
function statusFilter(status: VoucherStatus | undefined, now: Date): { sql: string; values: unknown[] } {
  if (status === 'unused') return { sql: " AND status = 'unused' AND expires_at > ?", values: [now] }
  if (status === 'expired') {
    return { sql: " AND (status = 'expired' OR (status = 'unused' AND expires_at <= ?))", values: [now] }
  }
  return filtersOf({ 'status = ?': status })
}

/** The columns of a voucher as its diner sees it, and its code as it is kept. */
interface VoucherRow extends Omit<Voucher, 'code'> {
  readonly voucherId: number
  readonly code_enc: string
}

const COLUMNS = 'voucher_id AS voucherId, code_enc, title, kind, source, status, issued_at, expires_at, used_at'

const TOTALS = totalsRead(voucherTotals)
const LAPSED = readOf<{ total: number }, [userId: number, now: Date]>(
  "SELECT COUNT(*) AS total FROM vouchers WHERE user_id = ? AND status = 'unused' AND expires_at <= ?"
)

/** @param lapsed how many are past their time, and say `unused` yet */
function countOf(totals: readonly Total<VoucherStatus>[], lapsed: number, status: VoucherStatus | undefined): number {
  const kept = sumOf(totals, 'total', (label) => status === undefined || label === status)
  if (status === 'unused') return kept - lapsed
  return status === 'expired' ? kept + lapsed : kept
}

/** A diner's wallet, newest first, with the codes in clear: only their owner sees them. */
export async function listVouchers(reads: Reads, cipher: Cipher, userId: number, query: VouchersQuery, now: Date) {
  const filter = statusFilter(query.status, now)
  const page = openPage(query, NEWEST)
  const part = pageSql(page, NEWEST, { voucherId: 'voucher_id' })
  const [found, totals, [lapsed]] = await reads(
    readOf<VoucherRow>(
      `SELECT ${COLUMNS} FROM vouchers ${ownRows('PRIMARY')} WHERE user_id = ?${filter.sql}${part.sql}`
    )(userId, ...filter.values, ...part.values),
    TOTALS(userId),
    LAPSED(userId, now)
  )
  const { rows, ...rest } = page.close(found, countOf(totals, lapsed?.total ?? 0, query.status))
  const vouchers = rows.map(
    (row): Voucher => ({
      code: cipher.decrypt(row.code_enc),
      title: row.title,
      kind: row.kind,
      source: row.source,
      status: voucherStatus({ status: row.status, expiresAt: row.expires_at }, now),
      issued_at: row.issued_at,
      expires_at: row.expires_at,
      used_at: row.used_at
    })
  )
  return { vouchers, ...rest }
}
