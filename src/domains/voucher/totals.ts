import type { TotalKind } from '../../engine/tallies.js'
import { Prisma } from '../../generated/prisma/client.js'
import type { VoucherStatus } from './schemas.js'

/** A diner's vouchers by what their rows say: some of the unused may be past their time, see {@link voucherStatus}. */
export const voucherTotals: TotalKind<VoucherStatus> = {
  topic: 'voucher',
  counted: (from, to) => Prisma.sql`
    SELECT user_id, status AS label, COUNT(*) AS total, 0 AS earned, 0 AS spent
    FROM vouchers WHERE user_id BETWEEN ${from} AND ${to} GROUP BY user_id, status`
}
