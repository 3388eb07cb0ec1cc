import type { FastifyInstance } from 'fastify'
import { beforeEach, expect, test } from 'vitest'
import { voucherSweep } from '../src/domains/voucher/expiry.js'
import { sweepAll } from '../src/engine/sweep.js'
import { createApp, newDiner, newMerchant, sql, until } from './helpers/app.js'
import { holdLock, underWay } from './helpers/blocker.js'
import { newProduct, submit } from './helpers/shop.js'
import { openSocket } from './helpers/socket.js'

const LONG = { JWT_EXPIRES_IN: '90d', JWT_REFRESH_EXPIRES_IN: '90d' }
const redeem = '/api/merchant/vouchers/redeem'

// What other tests left behind would expire with what this one looks at.
beforeEach(async () => {
  await sql("UPDATE vouchers SET status = 'cancelled' WHERE status = 'unused'")
})

const expireVouchers = ({ db, tx }: FastifyInstance, now: Date) => sweepAll(voucherSweep, { db, tx, now })

test('a prize is looked up and redeemed at the counter, once; its diner hears of it, and the audit knows by whom', async () => {
  const app = await createApp()
  await app.listen({ port: 0, host: '127.0.0.1' })
  const [diner, merchant] = [await newDiner(app), await newMerchant(app)]
  const socket = await openSocket(app, diner.access)
  const { results } = (await diner.post('/api/lottery/draw')).json().data
  const { voucher_code: code, prize_name: title, prize_type: kind } = results[0]

  const typed = `${code.slice(0, 4)} ${code.slice(4, 8)}-${code.slice(8)}`.toLowerCase()
  const seen = (await merchant.get(`/api/merchant/vouchers/${encodeURIComponent(typed)}`)).json().data
  expect(seen).toEqual({
    code,
    title,
    kind,
    source: 'lottery',
    status: 'unused',
    issued_at: expect.any(String),
    expires_at: expect.any(String),
    used_at: null,
    valid: true,
    reason: null,
    user: {
      nickname: `用户${diner.mobile.slice(-4)}`,
      mobile: `${diner.mobile.slice(0, 3)}****${diner.mobile.slice(-4)}`
    },
    order: null
  })
  const used = (await merchant.post(redeem, { code: typed })).json().data
  expect(used).toMatchObject({ status: 'used', valid: false, reason: 'used', used_at: expect.any(String) })
  const [notice] = await socket.take('system_notice')
  expect(notice?.data).toMatchObject({ type: 'voucher_redeemed', content: expect.stringContaining(title) })
  expect((await merchant.post(redeem, { code })).json()).toMatchObject({
    error: 'VOUCHER_NOT_USABLE',
    details: { status: 'used' }
  })
  expect((await merchant.get(`/api/merchant/vouchers/${code}`)).json().data).toMatchObject({ reason: 'used' })
  expect((await diner.get('/api/user/vouchers?status=used')).json().data.vouchers).toMatchObject([{ code }])
  expect((await diner.get('/api/lottery/records')).json().data.records[0].status).toBe('used')
  const row = await app.db.voucher.findFirstOrThrow({ where: { userId: diner.userId } })
  expect(row.usedBy).toBe(merchant.userId)
  const acts = await app.db.auditLog.findMany({ where: { action: 'voucher.redeem', targetId: String(row.voucherId) } })
  expect(acts).toHaveLength(1)
  expect(JSON.stringify([acts[0]?.before, acts[0]?.after])).not.toContain(code)
})

test('the voucher of an order completes it, whatever step it is at', async () => {
  const app = await createApp()
  const [diner, merchant] = [await newDiner(app), await newMerchant(app)]
  const productId = await newProduct(app)
  for (const steps of [[], ['confirm'], ['confirm', 'ship']]) {
    const placed = (await submit(diner, productId, { quantity: 2 })).json().data
    for (const step of steps) await merchant.post(`/api/merchant/orders/${placed.order_id}/${step}`)
    const code = placed.exchange_code
    expect((await merchant.get(`/api/merchant/vouchers/${code}`)).json().data.order).toMatchObject({
      order_no: placed.order_no,
      quantity: 2
    })
    expect((await merchant.post(redeem, { code })).json().data.order.status).toBe('completed')
    const order = (await diner.get(`/api/exchange/orders/${placed.order_id}`)).json().data
    expect([order.status, order.timeline.completed_at]).toEqual(['completed', expect.any(String)])
  }
})

test('a code that is none, and a diner at the counter, get nowhere', async () => {
  const app = await createApp()
  const [diner, merchant] = [await newDiner(app), await newMerchant(app)]
  const { results } = (await diner.post('/api/lottery/draw')).json().data
  expect((await merchant.get('/api/merchant/vouchers/AAAAAAAAAAAA')).json().error).toBe('VOUCHER_NOT_FOUND')
  expect((await merchant.post(redeem, { code: 'AAAAAAAAAAAA' })).json().error).toBe('VOUCHER_NOT_FOUND')
  for (const code of ['', 'short', 'A'.repeat(30), "AAAAAAAAAAA'", 7, null, undefined, ['AAAAAAAAAAAA']]) {
    expect([code, (await merchant.post(redeem, { code })).json().error]).toEqual([code, 'VALIDATION_FAILED'])
  }
  expect((await diner.post(redeem, { code: results[0].voucher_code })).json().error).toBe('MERCHANT_REQUIRED')
  expect((await diner.get('/api/user/vouchers')).json().data.vouchers[0].status).toBe('unused')
})

test('a voucher past its time cannot be redeemed, and two instances expire 1200 of them once', async () => {
  let now = new Date()
  const app = await createApp({ clock: () => now, config: LONG })
  const [diner, merchant] = [await newDiner(app), await newMerchant(app)]
  const { results } = (await diner.post('/api/lottery/draw', { draw_type: 'triple' })).json().data
  const [first] = results
  const template = await app.db.voucher.findFirstOrThrow({ where: { recordId: first.record_id } })
  // Many of one order's kind: the table asks for one cause each.
  const productId = await newProduct(app, { stock: 2000 })
  const orders = Array.from({ length: 1200 }, (_, index) => ({
    orderNo: `bulk${index}`,
    userId: diner.userId,
    productId: productId,
    productName: 'x',
    category: 'x',
    quantity: 1,
    unitPoints: 1,
    totalPoints: 1
  }))
  await app.db.exchangeOrder.createMany({ data: orders })
  const made = await app.db.exchangeOrder.findMany({ where: { productId: productId } })
  await app.db.voucher.createMany({
    data: made.map(({ orderId }, index) => ({
      userId: diner.userId,
      codeHmac: `${index}`.padStart(64, '0'),
      codeEnc: template.codeEnc,
      title: 'x',
      kind: 'product' as const,
      source: 'exchange' as const,
      orderId,
      issuedAt: now,
      expiresAt: template.expiresAt
    }))
  })
  const almost = new Date(template.expiresAt.getTime() - 1)
  expect(await expireVouchers(app, almost)).toBe(0)
  now = template.expiresAt
  expect((await merchant.post(redeem, { code: first.voucher_code })).json()).toMatchObject({
    error: 'VOUCHER_NOT_USABLE',
    details: { status: 'expired' }
  })
  const other = await createApp({ clock: () => now, config: LONG })
  const marked = await Promise.all([expireVouchers(app, now), expireVouchers(other, now)])
  expect(marked[0] + marked[1]).toBe(1203)
  expect(await app.db.voucher.count({ where: { userId: diner.userId, status: 'expired' } })).toBe(1203)
  expect(await expireVouchers(app, now)).toBe(0)
  expect((await merchant.get(`/api/merchant/vouchers/${first.voucher_code}`)).json().data.reason).toBe('expired')
})

test('a voucher that is being redeemed as it expires is left to its redemption', async () => {
  let now = new Date()
  const app = await createApp({ clock: () => now, config: LONG })
  const [diner, merchant] = [await newDiner(app), await newMerchant(app)]
  const { results } = (await diner.post('/api/lottery/draw')).json().data
  const voucher = await app.db.voucher.findFirstOrThrow({ where: { recordId: results[0].record_id } })
  now = new Date(voucher.expiresAt.getTime() - 1)
  await app.tx(async ({ tx }) => {
    await tx.$queryRaw`SELECT voucher_id FROM vouchers WHERE voucher_id = ${voucher.voucherId} FOR UPDATE`
    // The job does not wait for the row.
    expect(await expireVouchers(app, voucher.expiresAt)).toBe(0)
  })
  expect((await merchant.post(redeem, { code: results[0].voucher_code })).json().code).toBe(0)
  expect(await expireVouchers(app, voucher.expiresAt)).toBe(0)
})

test('a voucher that was redeemed stays so, whenever the job comes by', async () => {
  let now = new Date()
  const app = await createApp({ clock: () => now, config: LONG })
  const [diner, merchant] = [await newDiner(app, { points: 2000 }), await newMerchant(app)]
  const { results } = (await diner.post('/api/lottery/draw', { draw_type: 'ten' })).json().data
  const codes = results.map(({ voucher_code }: { voucher_code: string | null }) => voucher_code).filter(Boolean)
  const { expiresAt } = await app.db.voucher.findFirstOrThrow({ where: { userId: diner.userId } })
  now = new Date(expiresAt.getTime() - 1)
  // Redemptions and the job at once, over and over: the job looks as if their time were past.
  let redeeming = true
  const job = async () => {
    while (redeeming) await expireVouchers(app, expiresAt)
  }
  const redeemed = Promise.all(codes.map((code: string) => merchant.post(redeem, { code }))).finally(() => {
    redeeming = false
  })
  const [replies] = await Promise.all([redeemed, job()])
  await expireVouchers(app, expiresAt)
  const done = replies.filter((reply) => reply.json().code === 0).length
  expect(await app.db.voucher.count({ where: { userId: diner.userId, status: 'used' } })).toBe(done)
  expect(await app.db.voucher.count({ where: { userId: diner.userId, status: 'expired' } })).toBe(codes.length - done)

  // And whoever redeems between the job's look and its mark has the row: the job waits for it, or leaves it.
  const [{ voucher_code: code, record_id: recordId }] = (await diner.post('/api/lottery/draw')).json().data.results
  const voucher = await app.db.voucher.findFirstOrThrow({ where: { recordId } })
  const held = await holdLock("UPDATE vouchers SET status = 'used' WHERE voucher_id = ?", [voucher.voucherId])
  const marking = expireVouchers(app, new Date(voucher.expiresAt.getTime() + 1))
  await Promise.race([marking, until(async () => (await underWay('UPDATE%vouchers%')) > 0)])
  await held.commit()
  await marking
  expect((await app.db.voucher.findFirstOrThrow({ where: { recordId } })).status).toBe('used')
  expect((await merchant.post(redeem, { code })).json().error).toBe('VOUCHER_NOT_USABLE')
})
