import { type Static, Type } from '@sinclair/typebox'
import { DateTime, Nullable, PageQuery, Pagination, StringEnum } from '../../shared/schemas.js'

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

export const Vouchers = Type.Object({ vouchers: Type.Array(Voucher), pagination: Pagination })
