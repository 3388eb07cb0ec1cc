import { expect, test } from 'vitest'
import type { DecidedOrder } from '../src/domains/exchange/order-request.js'
import { readProducts, takeStock } from '../src/domains/exchange/store.js'
import { openConnection } from '../src/engine/connection.js'
import { StaleRead } from '../src/engine/database-errors.js'
import { createApp, type Diner, databaseUrl, ledgerFaults, newDiner, newMerchant, signIn, sql } from './helpers/app.js'
import { newProduct, stockOf, submit, tally } from './helpers/shop.js'

const codeOf = (reply: { json(): { code: number; error?: string } }) => reply.json().error ?? 'done'
/** Goes round and round a list. */
const at = <T>(list: readonly T[], index: number): T => list[index % list.length] as T

const ids = (people: readonly Diner[]) => people.map(({ userId }) => userId)

/** The same diner, as another instance lets them in. */
const elsewhere = (app: Parameters<typeof signIn>[0], diner: Diner) => signIn(app, diner.mobile)

test('200 orders at once on two instances for a stock of 5: five orders, five debits, five vouchers, none left', async () => {
  const [one, two] = [await createApp(), await createApp()]
  const productId = await newProduct(one, { exchangePoints: 100, stock: 5 })
  const diners: Diner[] = []
  for (let index = 0; index < 40; index += 1) {
    const diner = await newDiner(one)
    diners.push(diner, await elsewhere(two, diner))
  }
  const replies = await Promise.all(Array.from({ length: 200 }, (_, index) => submit(at(diners, index), productId)))
  expect(tally(replies.map(codeOf))).toEqual({ done: 5, STOCK_INSUFFICIENT: 195 })
  expect(await stockOf(one, productId)).toBe(0)
  const ids = diners.map(({ userId }) => userId)
  const [figures] = await sql<Record<string, unknown>>(
    `SELECT (SELECT COUNT(*) FROM exchange_orders WHERE commodity_id = ?) AS orders,
      (SELECT COUNT(*) FROM vouchers v JOIN exchange_orders o USING (order_id) WHERE o.commodity_id = ?) AS vouchers,
      (SELECT COUNT(*) FROM points_records WHERE source = 'exchange' AND user_id IN (?)) AS debits,
      (SELECT sales_count FROM commodity_pool WHERE commodity_id = ?) AS sales`,
    [productId, productId, ids, productId]
  )
  expect(Object.values(figures ?? {}).map(Number)).toEqual([5, 5, 5, 5])
  expect(await ledgerFaults(one, [...new Set(ids)])).toEqual([])
})

test('orders of several pieces never take more than there is, nor leave what somebody could have had', async () => {
  const [one, two] = [await createApp(), await createApp()]
  const productId = await newProduct(one, { exchangePoints: 1, stock: 50 })
  const diners: Diner[] = []
  for (let index = 0; index < 20; index += 1) {
    const diner = await newDiner(one)
    diners.push(diner, await elsewhere(two, diner))
  }
  const replies = await Promise.all(
    Array.from({ length: 60 }, (_, index) => submit(at(diners, index), productId, { quantity: 1 + (index % 4) }))
  )
  const taken = replies.filter((reply) => reply.json().code === 0).map((reply) => reply.json().data.quantity as number)
  const left = await stockOf(one, productId)
  expect(left).toBe(50 - taken.reduce((sum, quantity) => sum + quantity, 0))
  expect(left).toBeGreaterThanOrEqual(0)
  // Whoever was refused asked for more than there was at that moment, and so for more than there is now.
  for (const reply of replies.filter((refused) => refused.json().code !== 0)) {
    const { details } = reply.json()
    expect(details.requested_quantity).toBeGreaterThan(details.available_stock)
    expect(details.requested_quantity).toBeGreaterThan(left)
  }
})

test('a diner with points for 7 who orders 100 times at once gets exactly 7', async () => {
  const app = await createApp()
  const diner = await newDiner(app, { points: 750 })
  const productId = await newProduct(app, { exchangePoints: 100, stock: 1000 })
  const replies = await Promise.all(Array.from({ length: 100 }, () => submit(diner, productId)))
  expect(tally(replies.map(codeOf))).toEqual({ done: 7, POINTS_INSUFFICIENT: 93 })
  expect(await stockOf(app, productId)).toBe(993)
  expect(await ledgerFaults(app, [diner.userId])).toEqual([])
})

test('cancel, confirm and cancel race for one order, 50 times: one of them wins, and the books are right', async () => {
  const [one, two] = [await createApp(), await createApp()]
  const diner = await newDiner(one, { points: 100 })
  const merchant = await newMerchant(two)
  const productId = await newProduct(one, { exchangePoints: 100, stock: 1 })
  const outcomes: string[] = []
  for (let round = 0; round < 50; round += 1) {
    const { order_id: id } = (await submit(diner, productId)).json().data
    const mine = `/api/exchange/orders/${id}/cancel`
    const theirs = `/api/merchant/orders/${id}`
    const [first, confirm, second] = await Promise.all([
      diner.post(mine),
      merchant.post(`${theirs}/confirm`),
      merchant.post(`${theirs}/cancel`)
    ])
    const won = { withdrawn: codeOf(first), confirmed: codeOf(confirm), cancelled: codeOf(second) }
    const order = await one.db.exchangeOrder.findUniqueOrThrow({ where: { orderId: id }, include: { voucher: true } })
    // However they interleave, one cancels: a merchant may cancel what is confirmed.
    expect([won.withdrawn, won.cancelled].filter((outcome) => outcome === 'done')).toHaveLength(1)
    expect([order.status, order.voucher?.status]).toEqual(['cancelled', 'cancelled'])
    expect(await stockOf(one, productId)).toBe(1)
    outcomes.push(won.withdrawn)
  }
  const refunds = await one.db.pointsRecord.count({ where: { userId: diner.userId, source: 'refund' } })
  expect(refunds).toBe(50)
  expect(await ledgerFaults(one, [diner.userId])).toEqual([])
})

test('a redemption and a cancellation of one order race, 30 times: it is either used or paid back', async () => {
  const [one, two] = [await createApp(), await createApp()]
  const diner = await newDiner(one, { points: 3000 })
  const merchant = await newMerchant(two)
  const productId = await newProduct(one, { exchangePoints: 100, stock: 30 })
  let redeemed = 0
  for (let round = 0; round < 30; round += 1) {
    const { order_id: id, exchange_code: code } = (await submit(diner, productId)).json().data
    const [cancel, redeem] = await Promise.all([
      diner.post(`/api/exchange/orders/${id}/cancel`),
      merchant.post('/api/merchant/vouchers/redeem', { code })
    ])
    const order = await one.db.exchangeOrder.findUniqueOrThrow({ where: { orderId: id }, include: { voucher: true } })
    const used = codeOf(redeem) === 'done'
    expect(codeOf(cancel)).toBe(used ? 'STATE_CONFLICT' : 'done')
    expect([order.status, order.voucher?.status]).toEqual(used ? ['completed', 'used'] : ['cancelled', 'cancelled'])
    if (used) redeemed += 1
  }
  expect(await stockOf(one, productId)).toBe(30 - redeemed)
  const info = (await diner.get('/api/user/info')).json().data
  expect(info.total_points).toBe(3000 - redeemed * 100)
  expect(await ledgerFaults(one, [diner.userId])).toEqual([])
})

test('a voucher shown to two merchants at once is redeemed by one, 30 times', async () => {
  const [one, two] = [await createApp(), await createApp()]
  const diner = await newDiner(one, { points: 3000 })
  const merchants = [await newMerchant(one), await newMerchant(two)]
  const { results } = (await diner.post('/api/lottery/draw', { draw_type: 'ten' })).json().data
  for (let time = 0; time < 2; time += 1) {
    results.push(...(await diner.post('/api/lottery/draw', { draw_type: 'ten' })).json().data.results)
  }
  for (const { voucher_code: code } of results) {
    const replies = await Promise.all(merchants.map((who) => who.post('/api/merchant/vouchers/redeem', { code })))
    expect(tally(replies.map(codeOf))).toEqual({ done: 1, VOUCHER_NOT_USABLE: 1 })
  }
  expect(await one.db.auditLog.count({ where: { action: 'voucher.redeem', actorId: { in: ids(merchants) } } })).toBe(30)
})

test('stock that comes in and goes out while it is sold adds up', async () => {
  const [one, two] = [await createApp(), await createApp()]
  const merchant = await newMerchant(two)
  const productId = await newProduct(one, { exchangePoints: 1, stock: 20 })
  const diners: Diner[] = []
  for (let index = 0; index < 20; index += 1) diners.push(await newDiner(one))
  const orders = diners.map((diner) => submit(diner, productId, { quantity: 2 }))
  const moves = [5, -3, 7, -4, 2].map((change) =>
    merchant.post(`/api/merchant/products/${productId}/stock`, { change, reason: '盘点' })
  )
  const [placed, moved] = await Promise.all([Promise.all(orders), Promise.all(moves)])
  const sold = placed.filter((reply) => reply.json().code === 0).length * 2
  const net = moved
    .map((reply, index) => (reply.json().code === 0 ? (at([5, -3, 7, -4, 2], index) as number) : 0))
    .reduce((sum, change) => sum + change, 0)
  expect(await stockOf(one, productId)).toBe(20 + net - sold)
})

test('an order that waits for a locked diner holds up no other', async () => {
  const app = await createApp()
  const productId = await newProduct(app, { exchangePoints: 1, stock: 100 })
  const [blocked, ...others] = await Promise.all(Array.from({ length: 6 }, () => newDiner(app)))
  if (blocked === undefined) throw new Error('six diners')
  const holder = await openConnection(databaseUrl())
  await holder.query('BEGIN')
  await holder.query('SELECT user_id FROM users WHERE user_id = ? FOR UPDATE', [blocked.userId])
  const waiting = submit(blocked, productId, {}, { 'idempotency-key': 'waits' })
  const free = await Promise.all(others.map((diner) => submit(diner, productId)))
  expect(tally(free.map(codeOf))).toEqual({ done: 5 })
  await holder.query('ROLLBACK')
  await holder.end()
  expect(codeOf(await waiting)).toBe('done')
  expect(await stockOf(app, productId)).toBe(94)
})

test('what was bought, repriced, taken off the shelf or deleted since it was read is not sold as it was read', async () => {
  const app = await createApp()
  const changes = {
    'its price': { exchangePoints: 99 },
    'its shelf': { status: 'unavailable' },
    'its deletion': { deletedAt: new Date() },
    'its stock': { stock: 1 }
  } as const
  for (const [what, data] of Object.entries(changes)) {
    const productId = await newProduct(app, { exchangePoints: 100, stock: 5 })
    const take = () =>
      app.fastTx(async ({ tx }) => {
        const product = (await readProducts(tx, [productId])).get(productId)
        // Between the read and the write, by another connection.
        await app.db.product.update({ where: { productId }, data })
        await takeStock(tx, [{ product, request: { quantity: 2 } } as unknown as DecidedOrder])
      })
    await expect(take(), what).rejects.toBeInstanceOf(StaleRead)
    const { stock, salesCount } = await app.db.product.findUniqueOrThrow({ where: { productId } })
    expect([what, stock, salesCount]).toEqual([what, what === 'its stock' ? 1 : 5, 0])
  }
})
