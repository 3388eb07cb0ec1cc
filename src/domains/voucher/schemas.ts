import { type Static, Type } from '@sinclair/typebox'
import { DateTime, Nullable, Page, PageQuery, StringEnum } from '../../shared/schemas.js'

export const VoucherStatus = StringEnum(['unused', 'used', 'expired', 'cancelled'])
export type VoucherStatus = Static<typeof VoucherStatus>

export const VouchersQuery = Type.Composite([PageQuery, Type.Object({ status: Type.Optional(VoucherStatus) })])
export type VouchersQuery = Static<typeof VouchersQuery>

/** What a voucher is claimed for. */
const VoucherKind = StringEnum(['coupon', 'physical', 'product'])
export type VoucherKind = Static<typeof VoucherKind>

export const Voucher = Type.Object({
  code: Type.String(),
  title: Type.String(),
  kind: VoucherKind,
  source: StringEnum(['lottery', 'exchange']),
  status: VoucherStatus,
  issued_at: DateTime,
  expires_at: DateTime,
  used_at: Nullable(DateTime)
})
export type Voucher = Static<typeof Voucher>

export const Vouchers = Page({ vouchers: Type.Array(Voucher) })
