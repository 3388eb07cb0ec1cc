import { type Static, Type } from '@sinclair/typebox'
import { Count, DateTime, NextCursor, Nullable, PageQuery, Pagination, StringEnum } from '../../shared/schemas.js'

export const VoucherStatus = StringEnum(['unused', 'used', 'expired', 'cancelled'])
export type VoucherStatus = Static<typeof VoucherStatus>

export const VouchersQuery = Type.Composite([PageQuery, Type.Object({ status: Type.Optional(VoucherStatus) })])
export type VouchersQuery = Static<typeof VouchersQuery>

export const Voucher = Type.Object({
  code: Type.String(),
  title: Type.String(),
  kind: StringEnum(['coupon', 'physical', 'product']),
  source: StringEnum(['lottery', 'exchange']),
  status: VoucherStatus,
  issued_at: DateTime,
  expires_at: DateTime,
  used_at: Nullable(DateTime)
})
export type Voucher = Static<typeof Voucher>

export const Vouchers = Type.Object({ vouchers: Type.Array(Voucher), pagination: Pagination, next_cursor: NextCursor })

const Code = Type.String({
  minLength: 12,
  maxLength: 20,
  pattern: '^[0-9A-Za-z \\-]+$',
  description: 'blanks, hyphens and small letters are forgiven'
})
export const CodeParams = Type.Object({ code: Code })
export const RedeemBody = Type.Object({ code: Code }, { examples: [{ code: 'K7QXM4PTRW9A' }] })

/** A voucher as the counter sees it: what it is for, and whose. */
export const CounterVoucher = Type.Composite([
  Voucher,
  Type.Object({
    valid: Type.Boolean(),
    reason: Nullable(StringEnum(['used', 'expired', 'cancelled'])),
    user: Type.Object({ nickname: Type.String(), mobile: Type.String({ description: 'masked' }) }),
    order: Nullable(
      Type.Object({
        order_id: Count,
        order_no: Type.String(),
        quantity: Count,
        status: StringEnum(['pending', 'confirmed', 'shipped', 'completed', 'cancelled'])
      })
    )
  })
])
export type CounterVoucher = Static<typeof CounterVoucher>
