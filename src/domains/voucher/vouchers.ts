import { insertInto, sqlTime } from '../../engine/sql.js'
import type { RawTx, Write } from '../../engine/tx.js'
import type { UnitOfWork } from '../../engine/unit-of-work.js'
import type { Prisma } from '../../generated/prisma/client.js'
import type { Cipher } from '../../shared/cipher.js'
import { expiryOf } from './rules.js'
import type { VoucherKind, VoucherStatus } from './schemas.js'
import { voucherTotals } from './totals.js'

const HMAC_PURPOSE = 'voucher'

/** A claim on the counter to be written. Exactly one of `recordId` and `orderId` is set. */
export interface NewVoucher {
  readonly userId: number
  readonly code: string
  readonly title: string
  readonly kind: VoucherKind
  readonly source: 'lottery' | 'exchange'
  readonly recordId?: string
  readonly orderId?: number
}

const insertVouchers = insertInto('vouchers', [
  'user_id',
  'code_hmac',
  'code_enc',
  'title',
  'kind',
  'source',
  'record_id',
  'order_id',
  'issued_at',
  'expires_at'
])

/** The write that issues vouchers in the transaction of their cause; none where there are none. Codes are encrypted. */
export function voucherWrites(
  { cipher, now, tallies }: UnitOfWork<RawTx>,
  vouchers: readonly NewVoucher[],
  days: number
): Write[] {
  for (const { userId } of vouchers) tallies.add(voucherTotals, userId, 'unused', { total: 1 })
  const [issuedAt, expiresAt] = [sqlTime(now), sqlTime(expiryOf(now, days))]
  return insertVouchers(
    vouchers.map(({ userId, code, title, kind, source, recordId, orderId }) => ({
      user_id: userId,
      code_hmac: codeHmac(cipher, code),
      code_enc: cipher.encrypt(code),
      title,
      kind,
      source,
      record_id: recordId ?? null,
      order_id: orderId ?? null,
      issued_at: issuedAt,
      expires_at: expiresAt
    }))
  )
}

/**
 * Takes vouchers of a user from one state to another, as far as they are still in it.
 * @returns how many were
 */
export async function changeVouchers(
  { tx, tallies }: UnitOfWork,
  userId: number,
  from: Prisma.VoucherWhereInput & { readonly status: VoucherStatus },
  to: { readonly status: VoucherStatus; readonly usedAt?: Date; readonly usedBy?: number }
): Promise<number> {
  const { count } = await tx.voucher.updateMany({ where: { ...from, userId }, data: to })
  if (count > 0) {
    tallies.add(voucherTotals, userId, from.status, { total: -count })
    tallies.add(voucherTotals, userId, to.status, { total: count })
  }
  return count
}

/** What a code's row holds, so that it is found without being readable in the table. */
export function codeHmac(cipher: Cipher, code: string): string {
  return cipher.hmac(HMAC_PURPOSE, code)
}

/** What it may hold while the key changes: one of these. */
export function codeHmacs(cipher: Cipher, code: string): string[] {
  return [...cipher.hmacs(HMAC_PURPOSE, code)]
}
