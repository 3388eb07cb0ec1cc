import assert from 'node:assert/strict'
import { StaleRead } from '../../engine/database-errors.js'
import { answerWrites } from '../../engine/idempotency.js'
import { pushWrites } from '../../engine/push-log.js'
import { inList, insertInto, jsonColumns, jsonRows, padded, sqlTime } from '../../engine/sql.js'
import { totalsWrites } from '../../engine/totals.js'
import { type RawTx, writeAll } from '../../engine/tx.js'
import type { UnitOfWork } from '../../engine/unit-of-work.js'
import { Prisma } from '../../generated/prisma/client.js'
import { ledgerWrites } from '../points/ledger.js'
import { voucherWrites } from '../voucher/vouchers.js'
import type { DecidedOrder, OrderTools, ProductSnapshot } from './order-request.js'
import type { Submitted } from './schemas.js'
import { categoryTotals, orderTotals } from './totals.js'

const TAKEN = jsonColumns('id INT', 'price INT', 'taken INT')
const insertOrders = insertInto('exchange_orders', [
  'order_no',
  'user_id',
  'commodity_id',
  'product_name',
  'category',
  'image',
  'quantity',
  'unit_points',
  'total_points',
  'delivery_info',
  'created_at'
])

/** Reads products as they are committed, without a lock. */
export async function readProducts(tx: RawTx, productIds: readonly number[]): Promise<Map<number, ProductSnapshot>> {
  const ids = inList(padded([...new Set(productIds)]))
  const rows = await tx.$queryRaw<ProductSnapshot[]>`
    SELECT commodity_id, name, category, image, exchange_points, stock, status
    FROM commodity_pool WHERE commodity_id IN (${ids}) AND deleted_at IS NULL`
  return new Map(rows.map((row) => [row.commodity_id, row]))
}

/** What a product lost to the orders of one transaction, and what it has now. */
interface StockTaken {
  readonly product: ProductSnapshot
  readonly taken: number
  readonly stock: number
}

/**
 * Takes the stock of all orders: one conditional update, which matches a product only while it has enough, is on the
 * shelf, and costs what the orders were decided at.
 * @throws StaleRead when a product was bought, changed or taken away since it was read
 */
export async function takeStock(tx: RawTx, decided: readonly DecidedOrder[]): Promise<StockTaken[]> {
  const taken = new Map<number, { product: ProductSnapshot; taken: number }>()
  for (const { product, request } of decided) {
    const sofar = taken.get(product.commodity_id)?.taken ?? 0
    taken.set(product.commodity_id, { product, taken: sofar + request.quantity })
  }
  // In product order, so that two transactions lock their products in the same one.
  const rows = [...taken.values()].sort((a, b) => a.product.commodity_id - b.product.commodity_id)
  const json = jsonRows(rows.map(({ product, taken: count }) => [product.commodity_id, product.exchange_points, count]))
  await writeAll(tx, [
    {
      statement: Prisma.sql`
        UPDATE JSON_TABLE(${json}, '$[*]' COLUMNS (${TAKEN})) AS j
        STRAIGHT_JOIN commodity_pool AS c FORCE INDEX (PRIMARY) ON c.commodity_id = j.id AND c.stock >= j.taken
          AND c.exchange_points = j.price AND c.status = 'available' AND c.deleted_at IS NULL
        SET c.stock = c.stock - j.taken, c.sales_count = c.sales_count + j.taken`,
      check: (matched) => {
        if (matched !== rows.length) throw new StaleRead(`${matched} of ${rows.length} products were as read`)
      }
    }
  ])
  const now = await readProducts(tx, [...taken.keys()])
  return rows.map((row) => ({ ...row, stock: now.get(row.product.commodity_id)?.stock ?? 0 }))
}

/**
 * Writes decided orders, each with its debit and its voucher, one statement a table.
 * @returns the answers by order number
 */
export async function writeOrders(
  uow: UnitOfWork<RawTx>,
  { voucherDays }: Pick<OrderTools, 'voucherDays'>,
  decided: readonly DecidedOrder[]
): Promise<Map<string, Submitted>> {
  const { tx, now } = uow
  await writeAll(tx, insertOrders(decided.map((one) => orderRow(uow, one))))
  const numbers = inList(padded(decided.map(({ orderNo }) => orderNo)))
  const ids = await tx.$queryRaw<{ order_id: number | bigint; order_no: string }[]>`
    SELECT order_id, order_no FROM exchange_orders WHERE order_no IN (${numbers})`
  const idOf = new Map(ids.map((row) => [row.order_no, Number(row.order_id)]))
  const answers = new Map(decided.map((one) => [one.orderNo, answerOf(one, idOf.get(one.orderNo) ?? 0, now)]))
  const vouchers = decided.map(({ request, product, orderNo, code }) => ({
    userId: request.userId,
    code,
    title: product.name,
    kind: 'product' as const,
    source: 'exchange' as const,
    orderId: idOf.get(orderNo) ?? 0
  }))
  const keep = decided.flatMap(({ request, orderNo }) =>
    request.keyed === undefined
      ? []
      : [{ userId: request.userId, request: request.keyed, answer: answers.get(orderNo) }]
  )
  const accounts = decided.map(({ account }) => account)
  await writeAll(tx, [
    ...ledgerWrites(uow, accounts),
    ...voucherWrites(uow, vouchers, voucherDays),
    ...answerWrites(uow, keep),
    ...pushWrites(uow),
    ...totalsWrites(uow)
  ])
  return answers
}

function orderRow(
  { cipher, now, tallies }: UnitOfWork<RawTx>,
  { request, product, orderNo, totalPoints }: DecidedOrder
): Parameters<typeof insertOrders>[0][number] {
  tallies.add(orderTotals, request.userId, 'pending', { total: 1, spent: totalPoints })
  tallies.add(categoryTotals, request.userId, product.category, { total: request.quantity })
  return {
    order_no: orderNo,
    user_id: request.userId,
    commodity_id: product.commodity_id,
    product_name: product.name,
    category: product.category,
    image: product.image,
    quantity: request.quantity,
    unit_points: product.exchange_points,
    total_points: totalPoints,
    delivery_info: request.delivery === undefined ? null : cipher.encrypt(JSON.stringify(request.delivery)),
    created_at: sqlTime(now)
  }
}

function answerOf(one: DecidedOrder, orderId: number, now: Date): Submitted {
  const { product, request, orderNo, code, totalPoints, account } = one
  assert(orderId > 0, `order ${orderNo} has its id`)
  return {
    order_id: orderId,
    order_no: orderNo,
    product_name: product.name,
    commodity_name: product.name,
    quantity: request.quantity,
    points_cost: totalPoints,
    total_points: totalPoints,
    remaining_points: account.balance,
    status: 'pending',
    exchange_code: code,
    estimated_delivery: one.estimatedDelivery,
    created_at: now
  }
}
