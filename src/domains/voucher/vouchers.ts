import { pageFrom, type Sort } from '../../engine/keyset.js'
import { insertInto, sqlTime } from '../../engine/sql.js'
import { type Db, type RawTx, type Tx, type Write, writeAll } from '../../engine/tx.js'
import type { Prisma } from '../../generated/prisma/client.js'
import type { Vault } from '../../shared/cipher.js'
import { expiryOf } from './rules.js'
import type { Voucher, VoucherStatus, VouchersQuery } from './schemas.js'

const HMAC_PURPOSE = 'voucher'
const NEWEST = { direction: 'desc', columns: { voucherId: 'bigint' } } as const satisfies Sort

/** A claim on the counter to be written. Exactly one of `recordId` and `orderId` is set. */
export interface NewVoucher {
  readonly userId: number
  readonly code: string
  readonly title: string
  readonly kind: 'coupon' | 'physical' | 'product'
  readonly source: 'lottery' | 'exchange'
  readonly recordId?: string
  readonly orderId?: number
}

const writeVouchers = insertInto('vouchers', [
  'user_id INT',
  'code_hmac CHAR(64)',
  'code_enc VARCHAR(255)',
  'title VARCHAR(100)',
  'kind VARCHAR(10)',
  'source VARCHAR(10)',
  'record_id CHAR(36)',
  'order_id BIGINT',
  'issued_at DATETIME(3)',
  'expires_at DATETIME(3)'
])

/** Issues vouchers in the transaction of their cause, in one statement. Codes are kept encrypted. */
export async function issue(
  tx: RawTx,
  vault: Vault,
  vouchers: readonly NewVoucher[],
  now: Date,
  days: number
): Promise<void> {
  await writeAll(tx, issuing(vault, vouchers, now, days))
}

/** The write of {@link issue}, for a transaction that sends it with others; none where there are no vouchers. */
export function issuing(vault: Vault, vouchers: readonly NewVoucher[], now: Date, days: number): Write[] {
  const [issuedAt, expiresAt] = [sqlTime(now), sqlTime(expiryOf(now, days))]
  return writeVouchers(
    vouchers.map(({ userId, code, title, kind, source, recordId, orderId }) => [
      userId,
      codeHmac(vault, code),
      vault.encrypt(code),
      title,
      kind,
      source,
      recordId ?? null,
      orderId ?? null,
      issuedAt,
      expiresAt
    ])
  )
}

/** What a code's row holds, so that it is found without being readable in the table. */
export function codeHmac(vault: Vault, code: string): string {
  return vault.hmac(HMAC_PURPOSE, code)
}

/** What it may hold while the key changes: one of these. */
export function codeHmacs(vault: Vault, code: string): string[] {
  return [...vault.hmacs(HMAC_PURPOSE, code)]
}

/** What a filter by state means: a voucher past its time is expired, whether or not its row says so yet. */
function statusFilter(status: VoucherStatus | undefined, now: Date): Prisma.VoucherWhereInput {
  if (status === 'unused') return { status, expiresAt: { gt: now } }
  if (status === 'expired') return { OR: [{ status }, { status: 'unused', expiresAt: { lte: now } }] }
  return status === undefined ? {} : { status }
}

/** A diner's wallet, newest first, with the codes in clear: only their owner sees them. */
export async function listVouchers(db: Db, vault: Vault, userId: number, query: VouchersQuery, now: Date) {
  const where: Prisma.VoucherWhereInput = { userId, ...statusFilter(query.status, now) }
  const { rows, ...rest } = await pageFrom(query, NEWEST, where, {
    read: (part) => db.voucher.findMany(part),
    count: (all) => db.voucher.count({ where: all })
  })
  const vouchers = rows.map(
    (row): Voucher => ({
      code: vault.decrypt(row.codeEnc),
      title: row.title,
      kind: row.kind,
      source: row.source,
      status: row.status === 'unused' && row.expiresAt <= now ? 'expired' : row.status,
      issued_at: row.issuedAt,
      expires_at: row.expiresAt,
      used_at: row.usedAt
    })
  )
  return { vouchers, ...rest }
}

/** Rows that one step of {@link expireVouchers} changes: few enough that nobody waits for it. */
const EXPIRE_AT_A_TIME = 500

/**
 * Marks vouchers past their time as expired. Any number of instances may do it at once: each takes rows that no other
 * has locked, and a voucher that is being redeemed at that moment is left to its redemption.
 * @param transaction runs one step in a transaction of its own
 * @returns how many were marked
 */
export async function expireVouchers(
  transaction: <T>(work: (tx: Tx) => Promise<T>) => Promise<T>,
  now: Date
): Promise<number> {
  let marked = 0
  for (;;) {
    const count = await transaction(async (tx) => {
      const rows = await tx.$queryRaw<{ voucher_id: bigint }[]>`
        SELECT voucher_id FROM vouchers WHERE status = 'unused' AND expires_at <= ${now}
        ORDER BY expires_at LIMIT ${EXPIRE_AT_A_TIME} FOR UPDATE SKIP LOCKED`
      if (rows.length === 0) return 0
      const voucherId = { in: rows.map((row) => row.voucher_id) }
      await tx.voucher.updateMany({ where: { voucherId, status: 'unused' }, data: { status: 'expired' } })
      return rows.length
    })
    marked += count
    if (count < EXPIRE_AT_A_TIME) return marked
  }
}
