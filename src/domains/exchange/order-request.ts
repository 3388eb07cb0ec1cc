import type { BatchAnswer } from '../../engine/batched-decisions.js'
import type { KeyedRequest } from '../../engine/idempotency-key.js'
import type { Account } from '../points/account.js'
import type { DeliveryInfo, Submitted } from './schemas.js'

/** A diner's wish to exchange points for a product. */
export interface OrderRequest {
  readonly userId: number
  readonly productId: number
  readonly quantity: number
  readonly delivery?: DeliveryInfo | undefined
  readonly keyed?: KeyedRequest | undefined
}

/** What became of a request. A refused one has changed nothing. */
export type OrderAnswer = BatchAnswer<Submitted>

/** What an order needs besides its transaction. */
export interface OrderTools {
  readonly randomInt: (below: number) => number
  readonly timeZone: string
  readonly voucherDays: number
}

/** An order that is decided, and not yet written. */
export interface DecidedOrder {
  readonly request: OrderRequest
  readonly product: ProductSnapshot
  readonly account: Account
  readonly orderNo: string
  readonly code: string
  readonly totalPoints: number
  readonly estimatedDelivery: string | null
}

/** A product as it stood when the orders were decided. */
export interface ProductSnapshot {
  commodity_id: number
  name: string
  category: string
  image: string
  exchange_points: number
  stock: number
  status: 'available' | 'unavailable'
}
