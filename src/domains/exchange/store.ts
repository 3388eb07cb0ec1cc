import assert from 'node:assert/strict'
import type { OwnPush } from '../../engine/bus.js'
import { StaleRead } from '../../engine/database-errors.js'
import { keepingAnswers, type StoredAnswer, storedAnswers } from '../../engine/idempotency.js'
import { loggingPushes } from '../../engine/push-log.js'
import { inList, insertInto, jsonColumns, jsonRows, padded, sqlTime, type Value } from '../../engine/sql.js'
import { noteLocks, type RawTx, writeAll } from '../../engine/tx.js'
import { Prisma } from '../../generated/prisma/client.js'
import { posting } from '../points/ledger.js'
import { issuing } from '../voucher/vouchers.js'
import type { Submitted } from './schemas.js'
import type { DecidedOrder, OrderRequest, OrderTools } from './submit.js'

/** A diner's row as the lock found it, and what is kept for their key. */
export interface Buyer extends StoredAnswer {
  user_id: number
  total_points: number
  status: 'active' | 'inactive' | 'banned'
  deleted_at: Date | null
}

/** A product as it stood when the orders were decided. */
export interface Offer {
  commodity_id: number
  name: string
  category: string
  image: string
  exchange_points: number
  stock: number
  status: 'available' | 'unavailable'
}

const TAKEN = jsonColumns('id INT', 'price INT', 'taken INT')
const writeOrderRows = insertInto('exchange_orders', [
  'order_no VARCHAR(32)',
  'user_id INT',
  'commodity_id INT',
  'product_name VARCHAR(100)',
  'category VARCHAR(50)',
  'image VARCHAR(500)',
  'quantity INT',
  'unit_points INT',
  'total_points INT',
  'delivery_info TEXT',
  'created_at DATETIME(3)'
])

/** Locks the diners in user order, so that no two transactions wait for each other. */
export async function lockBuyers(
  tx: RawTx,
  requests: readonly Pick<OrderRequest, 'userId' | 'keyed'>[]
): Promise<Map<number, Buyer>> {
  const ordered = [...requests].sort((a, b) => a.userId - b.userId)
  const userIds = padded(ordered.map((request) => request.userId))
  assert.equal(new Set(userIds).size, requests.length, 'one request a user')
  const ids = inList(userIds)
  const answers = storedAnswers(ordered, ids)
  const rows = await tx.$queryRaw<Buyer[]>`
    SELECT u.user_id, u.total_points, u.status, u.deleted_at, ${answers.columns}
    FROM users AS u
    ${answers.join}
    WHERE u.user_id IN (${ids})
    ORDER BY u.user_id
    FOR UPDATE`
  const buyers = new Map(rows.map((row) => [row.user_id, row]))
  noteLocks(tx, buyers.keys())
  return buyers
}

/** Reads products as they are committed, without a lock. */
export async function readOffers(tx: RawTx, productIds: readonly number[]): Promise<Map<number, Offer>> {
  const ids = inList(padded([...new Set(productIds)]))
  const rows = await tx.$queryRaw<Offer[]>`
    SELECT commodity_id, name, category, image, exchange_points, stock, status
    FROM commodity_pool WHERE commodity_id IN (${ids}) AND deleted_at IS NULL`
  return new Map(rows.map((row) => [row.commodity_id, row]))
}

/** What a product lost to the orders of one transaction, and what it has now. */
export interface StockTaken {
  readonly offer: Offer
  readonly taken: number
  readonly stock: number
}

/**
 * Takes the stock of all orders: one conditional update, which matches a product only while it has enough, is on the
 * shelf, and costs what the orders were decided at.
 * @throws StaleRead when a product was bought, changed or taken away since it was read
 */
export async function takeStock(tx: RawTx, decided: readonly DecidedOrder[]): Promise<StockTaken[]> {
  const taken = new Map<number, { offer: Offer; taken: number }>()
  for (const { offer, request } of decided) {
    const sofar = taken.get(offer.commodity_id)?.taken ?? 0
    taken.set(offer.commodity_id, { offer, taken: sofar + request.quantity })
  }
  // In product order, so that two transactions lock their products in the same one.
  const rows = [...taken.values()].sort((a, b) => a.offer.commodity_id - b.offer.commodity_id)
  const json = jsonRows(rows.map(({ offer, taken: count }) => [offer.commodity_id, offer.exchange_points, count]))
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
  const now = await readOffers(tx, [...taken.keys()])
  return rows.map((row) => ({ ...row, stock: now.get(row.offer.commodity_id)?.stock ?? 0 }))
}

/**
 * Writes decided orders, each with its debit and its voucher, one statement a table.
 * @returns the answers by order number
 */
export async function writeOrders(
  tx: RawTx,
  { vault, voucherDays }: Pick<OrderTools, 'vault' | 'voucherDays'>,
  decided: readonly DecidedOrder[],
  pushes: readonly OwnPush[],
  now: Date
): Promise<Map<string, Submitted>> {
  await writeAll(tx, writeOrderRows(decided.map((one) => orderRow(vault, one, sqlTime(now)))))
  const numbers = inList(padded(decided.map(({ orderNo }) => orderNo)))
  const ids = await tx.$queryRaw<{ order_id: number | bigint; order_no: string }[]>`
    SELECT order_id, order_no FROM exchange_orders WHERE order_no IN (${numbers})`
  const idOf = new Map(ids.map((row) => [row.order_no, Number(row.order_id)]))
  const answers = new Map(decided.map((one) => [one.orderNo, answerOf(one, idOf.get(one.orderNo) ?? 0, now)]))
  const vouchers = decided.map(({ request, offer, orderNo, code }) => ({
    userId: request.userId,
    code,
    title: offer.name,
    kind: 'product' as const,
    source: 'exchange' as const,
    orderId: idOf.get(orderNo) ?? 0
  }))
  const keep = decided.flatMap(({ request, orderNo }) =>
    request.keyed === undefined
      ? []
      : [{ userId: request.userId, request: request.keyed, answer: answers.get(orderNo) }]
  )
  await writeAll(tx, [
    ...posting(
      decided.map(({ account }) => account),
      now
    ),
    ...issuing(vault, vouchers, now, voucherDays),
    ...keepingAnswers(vault, keep, now),
    ...loggingPushes(vault, pushes, now)
  ])
  return answers
}

function orderRow(
  vault: OrderTools['vault'],
  { request, offer, orderNo, totalPoints }: DecidedOrder,
  at: string
): Value[] {
  return [
    orderNo,
    request.userId,
    offer.commodity_id,
    offer.name,
    offer.category,
    offer.image,
    request.quantity,
    offer.exchange_points,
    totalPoints,
    request.delivery === undefined ? null : vault.encrypt(JSON.stringify(request.delivery)),
    at
  ]
}

function answerOf(one: DecidedOrder, orderId: number, now: Date): Submitted {
  const { offer, request, orderNo, code, totalPoints, account } = one
  assert(orderId > 0, `order ${orderNo} has its id`)
  return {
    order_id: orderId,
    order_no: orderNo,
    product_name: offer.name,
    commodity_name: offer.name,
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
