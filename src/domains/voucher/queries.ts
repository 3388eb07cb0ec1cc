import { pageFrom, type Sort } from '../../engine/keyset.js'
import type { Db } from '../../engine/tx.js'
import type { Prisma } from '../../generated/prisma/client.js'
import type { Cipher } from '../../shared/cipher.js'
import { pastTime, usable, voucherStatus } from './rules.js'
import type { Voucher, VoucherStatus, VouchersQuery } from './schemas.js'

const NEWEST = { direction: 'desc', columns: { voucherId: 'bigint' } } as const satisfies Sort

/** What a filter by state means, whatever the rows of vouchers past their time say yet. */
function statusFilter(status: VoucherStatus | undefined, now: Date): Prisma.VoucherWhereInput {
  if (status === 'unused') return usable(now)
  if (status === 'expired') return { OR: [{ status }, pastTime(now)] }
  return status === undefined ? {} : { status }
}

/** A diner's wallet, newest first, with the codes in clear: only their owner sees them. */
export async function listVouchers(db: Db, cipher: Cipher, userId: number, query: VouchersQuery, now: Date) {
  const where: Prisma.VoucherWhereInput = { userId, ...statusFilter(query.status, now) }
  const { rows, ...rest } = await pageFrom(query, NEWEST, where, {
    read: (part) => db.voucher.findMany(part),
    count: (all) => db.voucher.count({ where: all })
  })
  const vouchers = rows.map(
    (row): Voucher => ({
      code: cipher.decrypt(row.codeEnc),
      title: row.title,
      kind: row.kind,
      source: row.source,
      status: voucherStatus(row, now),
      issued_at: row.issuedAt,
      expires_at: row.expiresAt,
      used_at: row.usedAt
    })
  )
  return { vouchers, ...rest }
}
