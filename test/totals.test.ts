import { expect, test } from 'vitest'
import { voucherSweep } from '../src/domains/voucher/expiry.js'
import { sweepAll } from '../src/engine/sweep.js'
import { checkTotals } from '../src/engine/totals.js'
import { TOTALS } from '../src/registry.js'
import { createApp, newDiner, newMerchant } from './helpers/app.js'
import { newProduct, submit } from './helpers/shop.js'
import { upload } from './helpers/upload.js'

test('whatever is done, at once, the kept figures of a diner stay those of the rows', async () => {
  let later = 0
  const app = await createApp({
    clock: () => new Date(Date.now() + later),
    config: { JWT_EXPIRES_IN: '90d', JWT_REFRESH_EXPIRES_IN: '90d' }
  })
  const [diner, merchant] = [await newDiner(app, { points: 100_000 }), await newMerchant(app)]
  const done = async (asked: Promise<{ statusCode: number; body: string }>) => {
    const { statusCode, body } = await asked
    expect([statusCode, body]).toEqual([200, expect.anything()])
    return JSON.parse(body).data
  }
  const figures = async () => {
    const last = merchant.userId
    expect(await checkTotals(app.db, TOTALS, 1, last)).toEqual([])
    const rows = await app.db.userTotal.findMany({ where: { userId: diner.userId } })
    return Object.fromEntries(rows.map(({ topic, label, total }) => [`${topic} ${label}`, total]))
  }
  const [drink, sweet] = [await newProduct(app, { category: '饮品' }), await newProduct(app, { category: '甜品' })]
  const [drawn, orders, receipts] = await Promise.all([
    Promise.all(['single', 'triple', 'ten'].map((draw_type) => done(diner.post('/api/lottery/draw', { draw_type })))),
    Promise.all([drink, drink, drink, sweet, sweet].map((id) => done(submit(diner, id)))),
    Promise.all(Array.from({ length: 4 }, () => done(upload(app, diner))))
  ])
  expect(await figures()).toMatchObject({
    'ledger spend:lottery': 3,
    'ledger spend:exchange': 5,
    'order pending': 5,
    'category 饮品': 3,
    'category 甜品': 2,
    'upload pending': 4
  })

  const [withdrawn, cancelled, redeemed, shipped, lapsed] = orders
  const step = (id: number, name: string) => merchant.post(`/api/merchant/orders/${id}/${name}`)
  const coupons = drawn.flatMap(({ results }) =>
    results.flatMap((result: { voucher_code: string | null }) => result.voucher_code ?? [])
  )
  const review = (id: string, action: string, more: object = {}) =>
    done(merchant.post('/api/merchant/review', { upload_id: id, action, ...more }))
  await Promise.all([
    done(diner.post(`/api/exchange/orders/${withdrawn.order_id}/cancel`)),
    done(step(cancelled.order_id, 'cancel')),
    done(merchant.post('/api/merchant/vouchers/redeem', { code: redeemed.exchange_code })),
    ...(coupons.length > 0 ? [done(merchant.post('/api/merchant/vouchers/redeem', { code: coupons[0] }))] : []),
    done(step(shipped.order_id, 'confirm'))
      .then(() => done(step(shipped.order_id, 'ship')))
      .then(() => done(step(shipped.order_id, 'complete'))),
    review(receipts[0].upload_id, 'approved', { actual_amount: 20 }),
    review(receipts[1].upload_id, 'rejected', { reason: '看不清' }),
    done(diner.delete(`/api/photo/${receipts[2].upload_id}`))
  ])
  expect(await figures()).toMatchObject({
    'ledger earn:refund': 2,
    'ledger earn:photo_review': 1,
    'order pending': 1,
    'order cancelled': 2,
    'order completed': 2,
    'category 饮品': 1,
    'upload pending': 1,
    'upload approved': 1,
    'upload rejected': 1,
    'voucher cancelled': 2,
    'voucher used': 2 + Math.min(1, coupons.length)
  })

  // Past their time, first by the clock alone, then by their rows; and one is cancelled after.
  later = 40 * 86_400_000
  const listed = async (status: string) =>
    (await diner.get(`/api/user/vouchers?status=${status}`)).json().data.pagination.total
  const before = [await listed('unused'), await listed('expired')]
  await sweepAll(voucherSweep, { db: app.db, tx: app.tx, now: app.clock() })
  expect([await listed('unused'), await listed('expired')]).toEqual(before)
  expect(before).toEqual([0, 1 + Math.max(0, coupons.length - 1)])
  await done(diner.post(`/api/exchange/orders/${lapsed.order_id}/cancel`))
  expect(await figures()).toMatchObject({ 'order pending': 0, 'category 甜品': 1, 'voucher cancelled': 3 })
})
