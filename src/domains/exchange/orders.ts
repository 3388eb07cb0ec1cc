import { openPage, ownRows, pageFrom, pageSql, type Sort } from '../../engine/keyset.js'
import { SystemNotice } from '../../engine/push.js'
import { filtersOf, type Reads, readOf } from '../../engine/reads.js'
import { sumOf, totalsRead } from '../../engine/totals.js'
import type { Db, Tx } from '../../engine/tx.js'
import type { PrivilegedWork, UnitOfWork } from '../../engine/unit-of-work.js'
import type { Prisma } from '../../generated/prisma/client.js'
import type { Cipher } from '../../shared/cipher.js'
import { refuse } from '../../shared/refusal.js'
import type { PageQuery } from '../../shared/schemas.js'
import { recordAct } from '../audit/audit.js'
import { openAccount } from '../points/accounts.js'
import { post } from '../points/ledger.js'
import { pushBalance } from '../points/pushes.js'
import { changeVouchers } from '../voucher/vouchers.js'
import { pushStock } from './pushes.js'
import { maskDelivery, ORDER_STEPS, type OrderStep, openDelivery, orderAllows } from './rules.js'
import type {
  Cancelled,
  DeliveryInfo,
  ExchangeStatistics,
  Order,
  OrderStatus,
  OrdersQuery,
  ShownDelivery
} from './schemas.js'
import { categoryTotals, orderTotals } from './totals.js'

export type OrderRow = Prisma.ExchangeOrderGetPayload<object>
const NEWEST = { direction: 'desc', columns: { orderId: 'bigint' } } as const satisfies Sort

/** Delivery data of an order; unmasked only for the merchant who has it to ship (contract section 2). */
export function deliveryOf(
  cipher: Cipher,
  row: Pick<OrderRow, 'deliveryInfo'>,
  show: 'masked' | 'open'
): ShownDelivery | null {
  if (row.deliveryInfo === null) return null
  const delivery = JSON.parse(cipher.decrypt(row.deliveryInfo)) as DeliveryInfo
  return show === 'open' ? openDelivery(delivery) : maskDelivery(delivery)
}

/** The columns that {@link toOrder} and {@link deliveryOf} want. */
type ShownRow = Omit<OrderRow, 'orderId' | 'userId' | 'productId' | 'category'> & { readonly orderId: bigint | number }

/** An order as its diner sees it, but for the code; `code` is null for everybody else. */
export function toOrder(row: ShownRow, code: string | null, delivery: ShownDelivery | null): Order {
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

/** An order of a diner's own, and the code of its voucher as it is kept. */
type OwnRow = ShownRow & { readonly codeEnc: string | null }

const OWN_ORDERS = `
  SELECT o.order_id AS orderId, o.order_no AS orderNo, o.product_name AS productName, o.image, o.quantity,
    o.unit_points AS unitPoints, o.total_points AS totalPoints, o.status, o.delivery_info AS deliveryInfo,
    o.created_at AS createdAt, o.confirmed_at AS confirmedAt, o.shipped_at AS shippedAt, o.completed_at AS completedAt,
    o.cancelled_at AS cancelledAt, v.code_enc AS codeEnc
  FROM exchange_orders AS o ${ownRows('PRIMARY')} LEFT JOIN vouchers AS v ON v.order_id = o.order_id`
const OWN_ORDER = readOf<OwnRow, [orderId: number, userId: number]>(
  `${OWN_ORDERS} WHERE o.order_id = ? AND o.user_id = ?`
)

const TOTALS = totalsRead(orderTotals)
const BY_CATEGORY = totalsRead(categoryTotals)

/** A diner's orders, newest first, with the codes in clear. */
export async function listOrders(reads: Reads, cipher: Cipher, userId: number, query: OrdersQuery) {
  const filters = filtersOf({ 'o.status = ?': query.status })
  const where = `WHERE o.user_id = ?${filters.sql}`
  const page = openPage(query, NEWEST)
  const part = pageSql(page, NEWEST, { orderId: 'o.order_id' })
  const [found, totals] = await reads(
    readOf<OwnRow>(`${OWN_ORDERS} ${where}${part.sql}`)(userId, ...filters.values, ...part.values),
    TOTALS(userId)
  )
  const total = sumOf(totals, 'total', (status) => query.status === undefined || status === query.status)
  const { rows, ...rest } = page.close(found, total)
  return { orders: rows.map((row) => toOwnOrder(cipher, row)), ...rest }
}

function toOwnOrder(cipher: Cipher, row: OwnRow): Order {
  const code = row.codeEnc === null ? null : cipher.decrypt(row.codeEnc)
  return toOrder(row, code, deliveryOf(cipher, row, 'masked'))
}

/** @throws Refusal ORDER_NOT_FOUND when there is none, or it is somebody else's */
export async function readOrder(reads: Reads, cipher: Cipher, userId: number, orderId: number): Promise<Order> {
  const [[row]] = await reads(OWN_ORDER(orderId, userId))
  if (row === undefined) throw refuse('ORDER_NOT_FOUND')
  return toOwnOrder(cipher, row)
}

/** Locks an order. Whoever locks its diner and its product too does so after it, in that order. */
export async function lockOrder(tx: Tx, orderId: number | bigint): Promise<void> {
  await tx.$queryRaw`SELECT order_id FROM exchange_orders WHERE order_id = ${orderId} FOR UPDATE`
}

/**
 * Locks an order and takes a step with it, once, whoever races.
 * @param owner whose it must be; undefined for a merchant
 * @returns the order as it was before
 * @throws Refusal ORDER_NOT_FOUND or STATE_CONFLICT
 */
export async function takeStep(
  uow: UnitOfWork,
  orderId: number | bigint,
  step: OrderStep,
  owner?: number
): Promise<OrderRow> {
  const { tx } = uow
  await lockOrder(tx, orderId)
  const row = await tx.exchangeOrder.findUnique({ where: { orderId } })
  if (row === null || (owner !== undefined && row.userId !== owner)) throw refuse('ORDER_NOT_FOUND')
  if (!orderAllows(row.status, step)) throw refuse('STATE_CONFLICT', { status: row.status })
  const { to, at } = ORDER_STEPS[step]
  await tx.exchangeOrder.update({ where: { orderId }, data: { status: to, [at]: uow.now } })
  const { userId, totalPoints, category, quantity } = row
  uow.tallies.add(orderTotals, userId, row.status, { total: -1, spent: -totalPoints })
  uow.tallies.add(orderTotals, userId, to, { total: 1, spent: totalPoints })
  if (to === 'cancelled') uow.tallies.add(categoryTotals, userId, category, { total: -quantity })
  return row
}

/**
 * A diner cancels an order of theirs.
 * @throws Refusal ORDER_NOT_FOUND or STATE_CONFLICT
 */
export async function withdrawOrder(uow: UnitOfWork, userId: number, orderId: number): Promise<Cancelled> {
  return undoOrder(uow, await takeStep(uow, orderId, 'withdraw', userId))
}

/**
 * A merchant cancels an order: audited, and its diner gets a notice.
 * @throws Refusal ORDER_NOT_FOUND or STATE_CONFLICT
 */
export async function cancelOrder(uow: PrivilegedWork, orderId: number, reason?: string): Promise<Cancelled> {
  const row = await takeStep(uow, orderId, 'cancel')
  const act = { action: 'order.cancel', targetType: 'order', targetId: orderId, reason } as const
  await recordAct(uow, { ...act, before: { status: row.status }, after: { status: 'cancelled' } })
  uow.outbox.push({ userId: row.userId }, SystemNotice, notice('cancel', row))
  return undoOrder(uow, row)
}

/**
 * Undoes an order that was cancelled: points back with a ledger row `refund`, stock back, and its voucher void. Its row
 * is locked; then its diner is, then the product, which is the order in which an exchange locks them.
 */
async function undoOrder(uow: UnitOfWork, row: OrderRow): Promise<Cancelled> {
  const { tx } = uow
  const { orderId, userId, totalPoints, quantity, productId, productName, orderNo } = row
  const account = await openAccount(uow, userId)
  account.credit(totalPoints, {
    source: 'refund',
    description: `取消兑换${productName}×${quantity}`,
    relatedId: orderNo
  })
  await post(uow, [account])
  for (const status of ['unused', 'expired'] as const) {
    await changeVouchers(uow, userId, { orderId, status }, { status: 'cancelled' })
  }
  const { name, stock } = await tx.product.update({
    where: { productId },
    data: { stock: { increment: quantity }, salesCount: { decrement: quantity } }
  })
  pushStock(uow, { id: productId, name, stock }, quantity, 'cancel')
  pushBalance(uow, account, 'refund')
  return {
    order_id: Number(orderId),
    status: 'cancelled',
    refunded_points: totalPoints,
    remaining_points: account.balance
  }
}

const NOTICES: Readonly<Record<'confirm' | 'ship' | 'complete' | 'cancel', readonly [string, string]>> = {
  confirm: ['订单已确认', '商家已确认，正在备货'],
  ship: ['订单已发货', '商品已发出，请留意查收'],
  complete: ['订单已完成', '感谢您的兑换'],
  cancel: ['订单已取消', '商家已取消订单，积分已退回']
}

/** The notice to a diner when a merchant takes a step with their order. */
export function notice(step: keyof typeof NOTICES, { productName, quantity, orderNo }: OrderRow) {
  const [title, text] = NOTICES[step]
  return { title, content: `${productName}×${quantity}（${orderNo}）：${text}`, type: `order_${ORDER_STEPS[step].to}` }
}

/** A diner's exchanges in figures. Of categories that were ordered as much, the first by name is the favourite. */
export async function exchangeStatistics(reads: Reads, userId: number): Promise<ExchangeStatistics> {
  const [orders, categories] = await reads(TOTALS(userId), BY_CATEGORY(userId))
  const count = (status?: OrderStatus) => sumOf(orders, 'total', (label) => status === undefined || label === status)
  const [favourite] = categories
    .filter(({ total }) => total > 0)
    .sort((a, b) => b.total - a.total || (a.label < b.label ? -1 : 1))
  return {
    total_exchanges: count(),
    total_points_spent: sumOf(orders, 'spent', (status) => status !== 'cancelled'),
    pending_count: count('pending'),
    completed_count: count('completed'),
    cancelled_count: count('cancelled'),
    favorite_category: favourite?.label ?? null
  }
}
