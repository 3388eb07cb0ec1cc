import type { Outbox } from '../../engine/bus.js'
import { pageFrom, type Sort } from '../../engine/keyset.js'
import type { Db, Tx } from '../../engine/tx.js'
import type { Prisma } from '../../generated/prisma/client.js'
import type { Vault } from '../../shared/cipher.js'
import { refuse } from '../../shared/refusal.js'
import type { PageQuery } from '../../shared/schemas.js'
import { type Actor, recordAct } from '../audit/audit.js'
import { openAccount, post } from '../points/ledger.js'
import { pointsUpdate, stockUpdate } from '../realtime/events.js'
import { allows, maskDelivery, openDelivery, STEPS, type Step } from './rules.js'
import type { Cancelled, DeliveryInfo, ExchangeStatistics, Order, OrdersQuery, ShownDelivery } from './schemas.js'

const VOUCHER = { select: { codeEnc: true } } as const
export type OrderRow = Prisma.ExchangeOrderGetPayload<object>
const NEWEST = { direction: 'desc', columns: { orderId: 'bigint' } } as const satisfies Sort

/** Delivery data of an order; unmasked only for the merchant who has it to ship (contract section 2). */
export function deliveryOf(vault: Vault, row: OrderRow, show: 'masked' | 'open'): ShownDelivery | null {
  if (row.deliveryInfo === null) return null
  const delivery = JSON.parse(vault.decrypt(row.deliveryInfo)) as DeliveryInfo
  return show === 'open' ? openDelivery(delivery) : maskDelivery(delivery)
}

/** An order as its diner sees it, but for the code; `code` is null for everybody else. */
export function toOrder(row: OrderRow, code: string | null, delivery: ShownDelivery | null): Order {
  return {
    order_id: Number(row.orderId),
    order_no: row.orderNo,
    product_name: row.productName,
    commodity_name: row.productName,
    image: row.image,
    quantity: row.quantity,
    unit_points: row.unitPoints,
    total_points: row.totalPoints,
    points_cost: row.totalPoints,
    status: row.status,
    exchange_code: code,
    delivery_info: delivery,
    timeline: {
      ordered_at: row.createdAt,
      confirmed_at: row.confirmedAt,
      shipped_at: row.shippedAt,
      completed_at: row.completedAt,
      cancelled_at: row.cancelledAt
    },
    created_at: row.createdAt
  }
}

/** A page of orders, newest first. */
export async function pageOfOrders<T extends Prisma.ExchangeOrderInclude>(
  db: Db,
  query: PageQuery,
  where: Prisma.ExchangeOrderWhereInput,
  include: T
) {
  return pageFrom(query, NEWEST, where, {
    read: (part) => db.exchangeOrder.findMany({ ...part, include }),
    count: (all) => db.exchangeOrder.count({ where: all })
  })
}

/** A diner's orders, newest first, with the codes in clear. */
export async function listOrders(db: Db, vault: Vault, userId: number, query: OrdersQuery) {
  const where = { userId, ...(query.status === undefined ? {} : { status: query.status }) }
  const { rows, ...rest } = await pageOfOrders(db, query, where, { voucher: VOUCHER })
  return { orders: rows.map((row) => toOwnOrder(vault, row)), ...rest }
}

function toOwnOrder(vault: Vault, row: OrderRow & { voucher: { codeEnc: string } | null }): Order {
  const code = row.voucher === null ? null : vault.decrypt(row.voucher.codeEnc)
  return toOrder(row, code, deliveryOf(vault, row, 'masked'))
}

/** @throws Refusal ORDER_NOT_FOUND when there is none, or it is somebody else's */
export async function readOrder(db: Db, vault: Vault, userId: number, orderId: number): Promise<Order> {
  const row = await db.exchangeOrder.findFirst({ where: { orderId, userId }, include: { voucher: VOUCHER } })
  if (row === null) throw refuse('ORDER_NOT_FOUND')
  return toOwnOrder(vault, row)
}

/**
 * Locks an order and takes a step with it, once, whoever races.
 * @param owner whose it must be; undefined for a merchant
 * @returns the order as it was before
 * @throws Refusal ORDER_NOT_FOUND or STATE_CONFLICT
 */
export async function takeStep(
  tx: Tx,
  orderId: number | bigint,
  step: Step,
  now: Date,
  owner?: number
): Promise<OrderRow> {
  await tx.$queryRaw`SELECT order_id FROM exchange_orders WHERE order_id = ${orderId} FOR UPDATE`
  const row = await tx.exchangeOrder.findUnique({ where: { orderId } })
  if (row === null || (owner !== undefined && row.userId !== owner)) throw refuse('ORDER_NOT_FOUND')
  if (!allows(row.status, step)) throw refuse('STATE_CONFLICT', { status: row.status })
  const { to, at } = STEPS[step]
  await tx.exchangeOrder.update({ where: { orderId }, data: { status: to, [at]: now } })
  return row
}

/**
 * Cancels an order: points back with a ledger row `refund`, stock back, and its voucher void. Locks the order, then
 * its diner, then the product, which is the order in which an exchange locks them.
 * @throws Refusal ORDER_NOT_FOUND or STATE_CONFLICT
 */
export async function cancelOrder(
  tx: Tx,
  outbox: Outbox,
  orderId: number,
  by: { step: 'withdraw'; userId: number } | { step: 'cancel'; actor: Actor; reason?: string | undefined },
  now: Date
): Promise<Cancelled> {
  const row = await takeStep(tx, orderId, by.step, now, by.step === 'withdraw' ? by.userId : undefined)
  const { userId, totalPoints, quantity, commodityId, productName, orderNo } = row
  const account = await openAccount(tx, userId)
  account.credit(totalPoints, {
    source: 'refund',
    description: `取消兑换${productName}×${quantity}`,
    relatedId: orderNo
  })
  await post(tx, [account], now)
  await tx.voucher.updateMany({
    where: { orderId, status: { in: ['unused', 'expired'] } },
    data: { status: 'cancelled' }
  })
  const product = await tx.commodity.update({
    where: { commodityId },
    data: { stock: { increment: quantity }, salesCount: { decrement: quantity } }
  })
  if (by.step === 'cancel') {
    const act = { action: 'order.cancel', targetType: 'order', targetId: orderId, reason: by.reason } as const
    await recordAct(tx, by.actor, { ...act, before: { status: row.status }, after: { status: 'cancelled' } }, now)
    outbox.push({ userId }, 'system_notice', notice('cancel', row))
  }
  outbox.push(
    'everyone',
    'stock_update',
    stockUpdate(commodityId, product.name, product.stock, quantity, 'cancel', now)
  )
  outbox.push({ userId }, 'points_update', pointsUpdate(userId, account.balance, totalPoints, 'refund', now))
  return { order_id: orderId, status: 'cancelled', refunded_points: totalPoints, remaining_points: account.balance }
}

const NOTICES: Readonly<Record<'confirm' | 'ship' | 'complete' | 'cancel', readonly [string, string]>> = {
  confirm: ['订单已确认', '商家已确认，正在备货'],
  ship: ['订单已发货', '商品已发出，请留意查收'],
  complete: ['订单已完成', '感谢您的兑换'],
  cancel: ['订单已取消', '商家已取消订单，积分已退回']
}

/** What a diner is told when a merchant takes a step with their order. */
export function notice(step: keyof typeof NOTICES, { productName, quantity, orderNo }: OrderRow) {
  const [title, text] = NOTICES[step]
  return { title, content: `${productName}×${quantity}（${orderNo}）：${text}`, type: `order_${STEPS[step].to}` }
}

/** A diner's exchanges in figures. */
export async function exchangeStatistics(db: Db, userId: number): Promise<ExchangeStatistics> {
  const [byStatus, [favorite]] = await Promise.all([
    db.exchangeOrder.groupBy({ by: ['status'], where: { userId }, _count: true, _sum: { totalPoints: true } }),
    db.exchangeOrder.groupBy({
      by: ['category'],
      where: { userId, status: { not: 'cancelled' } },
      _sum: { quantity: true },
      orderBy: [{ _sum: { quantity: 'desc' } }, { category: 'asc' }],
      take: 1
    })
  ])
  const count = (status: string) => byStatus.find((group) => group.status === status)?._count ?? 0
  const kept = byStatus.filter((group) => group.status !== 'cancelled')
  return {
    total_exchanges: byStatus.reduce((sum, group) => sum + group._count, 0),
    total_points_spent: kept.reduce((sum, group) => sum + (group._sum.totalPoints ?? 0), 0),
    pending_count: count('pending'),
    completed_count: count('completed'),
    cancelled_count: count('cancelled'),
    favorite_category: favorite?.category ?? null
  }
}
