import type { Sweep } from '../../engine/sweep.js'
import { voucherTotals } from './totals.js'

/** Fewer than most sweeps take: whoever redeems one of them waits for the step. */
const EXPIRE_AT_A_TIME = 500

/** Marks vouchers past their time as expired. One that is being redeemed at that moment is left to its redemption. */
export const voucherSweep: Sweep = {
  name: 'vouchers',
  step: ({ tx, now }) =>
    tx(async (uow) => {
      const rows = await uow.tx.$queryRaw<{ voucher_id: bigint; user_id: number }[]>`
        SELECT voucher_id, user_id FROM vouchers WHERE status = 'unused' AND expires_at <= ${now}
        ORDER BY expires_at LIMIT ${EXPIRE_AT_A_TIME} FOR UPDATE SKIP LOCKED`
      if (rows.length === 0) return 0
      const voucherId = { in: rows.map((row) => row.voucher_id) }
      // They are locked: what the look found holds still.
      await uow.tx.voucher.updateMany({ where: { voucherId }, data: { status: 'expired' } })
      for (const { user_id: userId } of rows) {
        uow.tallies.add(voucherTotals, userId, 'unused', { total: -1 })
        uow.tallies.add(voucherTotals, userId, 'expired', { total: 1 })
      }
      return rows.length
    })
}
