import { type Static, Type } from '@sinclair/typebox'
import { Count, Nullable, StringEnum } from '../../shared/schemas.js'
import { OrderStatus } from '../exchange/schemas.js'
import { Voucher } from '../voucher/schemas.js'

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
        status: OrderStatus
      })
    )
  })
])
export type CounterVoucher = Static<typeof CounterVoucher>
