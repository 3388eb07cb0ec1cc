import { maskText } from '../../shared/mask.js'
import { DAY_MS } from '../../shared/time.js'
import type { DeliveryInfo, OrderStatus, ProductState, ShownDelivery } from './schemas.js'

/** What can be done to an order. */
export type OrderStep = 'confirm' | 'ship' | 'complete' | 'redeem' | 'cancel' | 'withdraw'

interface StepRule {
  readonly from: readonly OrderStatus[]
  readonly to: OrderStatus
  /** The column that says when. */
  readonly at: 'confirmedAt' | 'shippedAt' | 'completedAt' | 'cancelledAt'
}

/**
 * The states of an order and the steps between them, whole (contract section 5). A merchant confirms, ships, completes
 * and cancels; a voucher shown at the counter redeems; a diner withdraws.
 */
export const ORDER_STEPS: Readonly<Record<OrderStep, StepRule>> = {
  confirm: { from: ['pending'], to: 'confirmed', at: 'confirmedAt' },
  ship: { from: ['confirmed'], to: 'shipped', at: 'shippedAt' },
  complete: { from: ['shipped'], to: 'completed', at: 'completedAt' },
  redeem: { from: ['pending', 'confirmed', 'shipped'], to: 'completed', at: 'completedAt' },
  cancel: { from: ['pending', 'confirmed'], to: 'cancelled', at: 'cancelledAt' },
  withdraw: { from: ['pending'], to: 'cancelled', at: 'cancelledAt' }
}

/** Whether a state allows a step. */
export function orderAllows(status: OrderStatus, step: OrderStep): boolean {
  return ORDER_STEPS[step].from.includes(status)
}

/** How a product stands for a diner: sold out at zero, whatever else. */
export function productState(row: { status: 'available' | 'unavailable'; stock: number }): ProductState {
  if (row.status === 'unavailable') return 'unavailable'
  return row.stock > 0 ? 'available' : 'sold_out'
}

const DELIVERY_DAYS = 3

/** The business day by which an order should arrive; null where it is fetched at the counter. */
export function estimatedDelivery(day: string, delivery: DeliveryInfo | undefined): string | null {
  if (delivery === undefined) return null
  return new Date(Date.parse(day) + DELIVERY_DAYS * DAY_MS).toISOString().slice(0, 10)
}

/** Says whose it is and where it goes, and not how to reach them: `王*`, `138****5678`, `上海市静安****`. */
export function maskDelivery(delivery: DeliveryInfo): ShownDelivery {
  const name = delivery.recipient_name.trim()
  const address = [...delivery.delivery_address]
  return {
    recipient_name: `${[...name][0] ?? ''}*`,
    recipient_phone: maskText(delivery.recipient_phone),
    delivery_address: `${address.slice(0, Math.min(6, Math.floor(address.length / 2))).join('')}****`,
    delivery_note: delivery.delivery_note === undefined || delivery.delivery_note === '' ? '' : '****'
  }
}

/** Delivery data as it is, for the merchant who ships the order. */
export function openDelivery(delivery: DeliveryInfo): ShownDelivery {
  return { ...delivery, delivery_note: delivery.delivery_note ?? '' }
}
