import type { FastifyInstance } from 'fastify'
import { describe, expect, test } from 'vitest'
import { businessDay, dayStart } from '../src/shared/time.js'
import { createApp, type Diner, ledgerFaults, newDiner, newMerchant } from './helpers/app.js'
import { openSocket } from './helpers/socket.js'
import { picture, upload } from './helpers/upload.js'

const idOf = async (app: FastifyInstance, diner: Diner, amount = '58.5', bytes?: Buffer): Promise<string> =>
  (await upload(app, diner, { amount, ...(bytes === undefined ? {} : { bytes }) })).json().data.upload_id

const review = (who: Diner, body: object, headers: Record<string, string> = {}) =>
  who.post('/api/merchant/review', body, headers)

describe('a review', () => {
  test('approved gives the points of the terms promised at upload, and the diner hears of it', async () => {
    const app = await createApp()
    await app.listen({ port: 0, host: '127.0.0.1' })
    const [diner, merchant] = [await newDiner(app), await newMerchant(app)]
    const [mine, theirs] = [await openSocket(app, diner.access), await openSocket(app, merchant.access)]
    const uploadId = await idOf(app, diner, '60')
    const [notice] = await theirs.take('new_review')
    expect(notice?.data).toMatchObject({ upload_id: uploadId, user_id: diner.userId, amount: 60 })

    // A rate changed since shrinks nothing that was promised.
    const later = await createApp({
      config: { PHOTO_POINTS_RATE: 1, MAX_POINTS_AWARD: 60, DATA_DIR: app.config.DATA_DIR }
    })
    const token = { authorization: `Bearer ${merchant.access}` }
    const elsewhere = await later.inject({
      method: 'GET',
      url: '/api/merchant/reviews/pending',
      headers: token
    })
    expect(
      elsewhere.json().data.reviews.find((row: { upload_id: string }) => row.upload_id === uploadId)
    ).toMatchObject({
      expected_points: 600
    })
    const reply = await merchant.post(`/api/merchant/reviews/${uploadId}/approve`, {
      actual_amount: 58.5,
      reason: '金额以小票为准'
    })
    expect(reply.json().data).toMatchObject({
      upload_id: uploadId,
      action: 'approved',
      status: 'approved',
      actual_amount: 58.5,
      points_awarded: 585,
      user_new_balance: 1585
    })
    const [result] = await mine.take('review_result')
    expect(result?.data).toMatchObject({
      upload_id: uploadId,
      status: 'approved',
      points_awarded: 585,
      actual_amount: 58.5,
      review_reason: '金额以小票为准',
      message: '恭喜！您的消费凭证审核通过，获得585积分奖励'
    })
    const [points] = await mine.take('points_update')
    expect(points?.data).toMatchObject({ total_points: 1585, change_points: 585, reason: 'photo_review' })
    expect(mine.frames.map((frame) => frame.type)).toEqual(['connected', 'review_result', 'points_update'])
    expect((await diner.get(`/api/photo/review/${uploadId}`)).json().data).toMatchObject({
      status: 'approved',
      actual_amount: 58.5
    })
    expect(await ledgerFaults(app, [diner.userId])).toEqual([])
    const audit = await app.db.auditLog.findMany({ where: { targetId: uploadId } })
    expect(audit).toMatchObject([{ actorId: merchant.userId, action: 'review.approved', targetType: 'review' }])
    expect(JSON.parse(audit[0]?.after ?? '')).toEqual({ status: 'approved', actual_amount: 58.5, points_awarded: 585 })
  })

  test('rejected gives none, and says why', async () => {
    const app = await createApp()
    const [diner, merchant] = [await newDiner(app), await newMerchant(app)]
    const uploadId = await idOf(app, diner)
    const reply = await merchant.post(`/api/merchant/reviews/${uploadId}/reject`, { reason: '小票不清晰' })
    expect(reply.json().data).toMatchObject({
      status: 'rejected',
      actual_amount: null,
      points_awarded: 0,
      user_new_balance: 1000
    })
    expect((await diner.get('/api/photo/history')).json().data.history[0]).toMatchObject({
      status: 'rejected',
      review_reason: '小票不清晰',
      points_awarded: 0
    })
  })

  test('by two merchants 50 times at once, approving and rejecting, happens once', async () => {
    const app = await createApp()
    const diner = await newDiner(app)
    const merchants = [await newMerchant(app), await newMerchant(app)]
    const uploadId = await idOf(app, diner, '100')
    const replies = await Promise.all(
      Array.from({ length: 50 }, (_, index) =>
        review(merchants[index % 2] as Diner, { upload_id: uploadId, action: 'approved', actual_amount: 100 })
      )
    )
    expect(replies.filter((reply) => reply.statusCode === 200)).toHaveLength(1)
    for (const reply of replies.filter((one) => one.statusCode !== 200)) {
      expect(reply.json()).toMatchObject({ code: 4004, error: 'REVIEW_ALREADY_DONE', details: { status: 'approved' } })
    }
    expect((await diner.get('/api/user/info')).json().data.total_points).toBe(2000)
    expect(await app.db.auditLog.count({ where: { targetId: uploadId } })).toBe(1)
    expect(await ledgerFaults(app, [diner.userId])).toEqual([])
  })

  test('while the diner takes the receipt back: one of the two happens', async () => {
    const app = await createApp()
    const [diner, merchant] = [await newDiner(app), await newMerchant(app)]
    for (let round = 0; round < 5; round += 1) {
      const uploadId = await idOf(app, diner, '10')
      const before = (await diner.get('/api/user/info')).json().data.total_points
      const [withdrawn, reviewed] = await Promise.all([
        app.inject({
          method: 'DELETE',
          url: `/api/photo/${uploadId}`,
          headers: { authorization: `Bearer ${diner.access}` }
        }),
        review(merchant, { upload_id: uploadId, action: 'approved', actual_amount: 10 })
      ])
      expect([withdrawn.statusCode, reviewed.statusCode].sort()).toEqual(
        withdrawn.statusCode === 200 ? [200, 404] : [200, 409]
      )
      const after = (await diner.get('/api/user/info')).json().data.total_points
      expect(after - before).toBe(reviewed.statusCode === 200 ? 100 : 0)
    }
  })

  test('of one’s own upload, of an unknown one, or with wrong fields is refused, and changes nothing', async () => {
    const app = await createApp()
    const [diner, merchant] = [await newDiner(app), await newMerchant(app)]
    const own = await idOf(app, merchant)
    const other = await idOf(app, diner)
    const error = async (body: object) => {
      const reply = await review(merchant, body)
      return [reply.statusCode, reply.json().code, reply.json().error]
    }
    expect(await error({ upload_id: own, action: 'approved', actual_amount: 5 })).toEqual([
      403,
      4005,
      'REVIEW_OWN_UPLOAD'
    ])
    expect(await error({ upload_id: 'unknown', action: 'rejected' })).toEqual([404, 4003, 'REVIEW_NOT_FOUND'])
    for (const nothing of [{}, { actual_amount: null }]) {
      const refused = await error({ upload_id: other, action: 'approved', ...nothing })
      expect(refused).toEqual([400, 4002, 'ACTUAL_AMOUNT_REQUIRED'])
    }
    for (const actual_amount of [0, 0.001, -5, 10_000.01, '58.5', 1e308, 2 ** 53 + 1]) {
      expect(await error({ upload_id: other, action: 'approved', actual_amount })).toEqual([400, 4001, 'REVIEW_PARAMS'])
    }
    expect(await error({ upload_id: other, action: 'maybe' })).toEqual([400, 4001, 'REVIEW_PARAMS'])
    expect(await error({ action: 'rejected' })).toEqual([400, 4001, 'REVIEW_PARAMS'])
    expect(await error({ upload_id: other, action: 'rejected', reason: 'x'.repeat(501) })).toEqual([
      400,
      4001,
      'REVIEW_PARAMS'
    ])
    expect((await diner.get(`/api/photo/review/${other}`)).json().data.status).toBe('pending')
  })

  test('with a key is done once; the same key for another decision is a conflict', async () => {
    const app = await createApp()
    const [diner, merchant] = [await newDiner(app), await newMerchant(app)]
    const uploadId = await idOf(app, diner, '10')
    const body = { upload_id: uploadId, action: 'approved', actual_amount: 10 }
    const key = { 'idempotency-key': 'decision' }
    const replies = await Promise.all(Array.from({ length: 10 }, () => review(merchant, body, key)))
    expect(new Set(replies.map((reply) => reply.body)).size).toBe(1)
    expect(replies.filter((reply) => reply.headers['idempotent-replayed'] === 'true')).toHaveLength(9)
    expect((await review(merchant, { ...body, actual_amount: 11 }, key)).json().error).toBe('IDEMPOTENCY_CONFLICT')
    expect((await diner.get('/api/user/info')).json().data.total_points).toBe(1100)
  })
})

test('a batch of 50 with five bad ones decides 45, each by itself; over 50 is refused whole', async () => {
  const app = await createApp()
  const [diner, merchant] = [await newDiner(app), await newMerchant(app)]
  const bytes = await picture(40, 40)
  const ids: string[] = []
  for (let index = 0; index < 46; index += 1) ids.push(await idOf(app, diner, '10', bytes))
  const own = await idOf(app, merchant, '10', bytes)
  const reviews: unknown[] = ids.slice(0, 45).map((upload_id) => ({ upload_id, action: 'approved', actual_amount: 10 }))
  reviews.splice(3, 0, { upload_id: 'unknown', action: 'rejected' })
  reviews.splice(9, 0, { upload_id: ids[0], action: 'rejected' })
  reviews.splice(20, 0, { upload_id: own, action: 'approved', actual_amount: 10 })
  reviews.splice(30, 0, { upload_id: ids[45], action: 'approved' }, null)
  const headers = { 'idempotency-key': 'batch' }
  const reply = await merchant.post('/api/merchant/reviews/batch', { reviews }, headers)
  const { data } = reply.json()
  expect(data).toMatchObject({ total: 50, success_count: 45, fail_count: 5 })
  const failed = data.results.filter((result: { success: boolean }) => !result.success)
  expect(failed.map((result: { error: string }) => result.error)).toEqual([
    'REVIEW_NOT_FOUND',
    'REVIEW_ALREADY_DONE',
    'REVIEW_OWN_UPLOAD',
    'ACTUAL_AMOUNT_REQUIRED',
    'REVIEW_PARAMS'
  ])
  expect((await diner.get('/api/user/info')).json().data.total_points).toBe(1000 + 45 * 100)
  const again = (await merchant.post('/api/merchant/reviews/batch', { reviews }, headers)).json().data
  expect(again).toMatchObject({ success_count: 45, fail_count: 5 })
  expect((await diner.get('/api/user/info')).json().data.total_points).toBe(1000 + 45 * 100)
  expect(await ledgerFaults(app, [diner.userId])).toEqual([])
  for (const wrong of [[], [...reviews, ...reviews], 'x', undefined]) {
    const refused = await merchant.post('/api/merchant/reviews/batch', { reviews: wrong })
    expect(refused.json()).toMatchObject({ code: 4001, error: 'REVIEW_PARAMS' })
  }
})

test('lists: what waits is oldest first, all is newest first, filtered by state, reviewer and day, and exported', async () => {
  const app = await createApp()
  const [diner, merchant] = [await newDiner(app), await newMerchant(app)]
  const bytes = await picture(40, 40)
  const ids: string[] = []
  for (const amount of ['10', '20', '30']) ids.push(await idOf(app, diner, amount, bytes))
  await review(merchant, { upload_id: ids[1], action: 'rejected', reason: '=HYPERLINK("http://evil","x")' })
  const mine = (rows: { upload_id: string }[]) => rows.map((row) => ids.indexOf(row.upload_id)).filter((at) => at >= 0)

  const pending = (await merchant.get('/api/merchant/reviews/pending?limit=50')).json().data
  expect(mine(pending.list)).toEqual([0, 2])
  expect(pending.reviews).toEqual(pending.list)
  expect(pending.list.at(-1)).toMatchObject({
    user: { user_id: diner.userId, mobile: expect.stringContaining('****') },
    expected_points: 300,
    points_terms: { rate: 10, min: 50, max: 2000 },
    waiting_minutes: 0
  })
  const list = async (query: string) => (await merchant.get(`/api/merchant/reviews?limit=50&${query}`)).json().data
  expect(mine((await list('')).reviews)).toEqual([2, 1, 0])
  expect(mine((await list('status=rejected')).reviews)).toEqual([1])
  expect(mine((await list(`reviewer_id=${merchant.userId}`)).reviews)).toEqual([1])
  const today = businessDay(new Date(), 'Asia/Shanghai')
  expect(mine((await list(`from=${today}&to=${today}`)).reviews)).toEqual([2, 1, 0])
  expect((await list('to=2020-01-01')).pagination.total).toBe(0)
  expect((await merchant.get('/api/merchant/reviews?from=tomorrow')).json().error).toBe('VALIDATION_FAILED')

  const csv = await merchant.get(`/api/merchant/reviews?format=csv&reviewer_id=${merchant.userId}`)
  expect(csv.headers).toMatchObject({
    'content-type': 'text/csv; charset=utf-8',
    'content-disposition': `attachment; filename="reviews-${today}.csv"`
  })
  const token = { authorization: `Bearer ${merchant.access}` }
  const headOnly = await app.inject({ method: 'HEAD', url: '/api/merchant/reviews?format=csv', headers: token })
  expect(headOnly.statusCode).toBe(404)
  const [head, row, end] = csv.body.split('\r\n')
  expect(head?.startsWith('\uFEFFupload_id,user_id,nickname,mobile,amount')).toBe(true)
  expect(row).toContain(`"'=HYPERLINK(""http://evil"",""x"")"`)
  expect(end).toBe('')
})

test('statistics agree with what was uploaded and decided', async () => {
  const app = await createApp()
  const [diner, merchant] = [await newDiner(app), await newMerchant(app)]
  const read = async () => (await merchant.get('/api/merchant/statistics')).json().data
  const before = await read()
  const bytes = await picture(40, 40)
  const ids: string[] = []
  for (let index = 0; index < 5; index += 1) ids.push(await idOf(app, diner, '10', bytes))
  await Promise.all(
    ids.slice(0, 3).map((upload_id) => review(merchant, { upload_id, action: 'approved', actual_amount: 12 }))
  )
  await review(merchant, { upload_id: ids[3], action: 'rejected' })
  await app.inject({
    method: 'DELETE',
    url: `/api/photo/${ids[4]}`,
    headers: { authorization: `Bearer ${diner.access}` }
  })
  const waiting = await idOf(app, diner, '10', bytes)
  expect(waiting).toBeTruthy()
  const after = await read()
  for (const part of ['overall', 'today', 'monthly'] as const) {
    expect(after[part].total_reviews - before[part].total_reviews).toBe(5)
    expect(after[part].approved_reviews - before[part].approved_reviews).toBe(3)
    expect(after[part].rejected_reviews - before[part].rejected_reviews).toBe(1)
    expect(after[part].pending_reviews - before[part].pending_reviews).toBe(1)
  }
  expect(after.points.total_awarded - before.points.total_awarded).toBe(360)
  expect(after.daily).toHaveLength(30)
  expect(after.daily.at(-1).date).toBe(businessDay(new Date(), 'Asia/Shanghai'))
  const { approved_reviews: approved, rejected_reviews: rejected, approval_rate: rate } = after.overall
  expect(rate).toBe(Math.round((approved / (approved + rejected)) * 10_000) / 10_000)
  const rows = await app.db.receipt.groupBy({ by: ['reviewStatus'], _count: true })
  expect(after.overall.total_reviews).toBe(rows.reduce((sum, row) => sum + row._count, 0))
})

describe('an application', () => {
  const form = {
    business_name: '川味小馆',
    contact_person: '王经理',
    contact_phone: '13900001234',
    business_license: '91310000MA1K'
  }

  test('waits for an admin; asking makes nobody a merchant; its telephone and licence are encrypted and masked', async () => {
    const app = await createApp()
    const diner = await newDiner(app)
    expect((await diner.get('/api/merchant/application')).json()).toMatchObject({
      code: 4007,
      error: 'APPLICATION_NOT_FOUND'
    })
    const reply = await diner.post('/api/merchant/apply', { ...form, is_merchant: true, status: 'approved' })
    expect(reply.json().data).toMatchObject({
      status: 'pending',
      business_name: '川味小馆',
      contact_phone: '139****1234',
      business_license: '913****MA1K'
    })
    expect((await diner.get('/api/merchant/application')).json().data.status).toBe('pending')
    expect((await diner.get('/api/merchant/statistics')).json()).toMatchObject({
      code: 3001,
      error: 'MERCHANT_REQUIRED'
    })
    const row = await app.db.merchantApplication.findFirstOrThrow({ where: { userId: diner.userId } })
    expect(JSON.stringify(row)).not.toMatch(/13900001234|91310000MA1K/)
    expect((await diner.post('/api/merchant/apply', form)).json()).toMatchObject({
      code: 3009,
      error: 'APPLICATION_PENDING'
    })
    const merchant = await newMerchant(app)
    expect((await merchant.post('/api/merchant/apply', form)).json()).toMatchObject({
      code: 3002,
      error: 'ALREADY_MERCHANT'
    })
  })

  test('handed in 20 times at once is one', async () => {
    const app = await createApp()
    const diner = await newDiner(app)
    const replies = await Promise.all(Array.from({ length: 20 }, () => diner.post('/api/merchant/apply', form)))
    expect(replies.filter((reply) => reply.statusCode === 200)).toHaveLength(1)
    expect(await app.db.merchantApplication.count({ where: { userId: diner.userId } })).toBe(1)
  })

  test.each([
    {},
    { ...form, business_name: '' },
    { ...form, business_name: '   ' },
    { ...form, contact_phone: 'none' },
    { ...form, contact_person: 5 }
  ])('without what it needs is incomplete: %j', async (body) => {
    const app = await createApp()
    const diner = await newDiner(app)
    expect((await diner.post('/api/merchant/apply', body)).json()).toMatchObject({
      code: 3003,
      error: 'APPLICATION_INCOMPLETE'
    })
  })
})

test('every merchant route refuses a diner with 3001 and a stranger with 2001', async () => {
  const app = await createApp()
  const diner = await newDiner(app)
  const routes: ['GET' | 'POST', string][] = [
    ['GET', '/reviews/pending'],
    ['GET', '/reviews'],
    ['GET', '/reviews?format=csv'],
    ['POST', '/review'],
    ['POST', '/reviews/x/approve'],
    ['POST', '/reviews/x/reject'],
    ['POST', '/reviews/batch'],
    ['GET', '/statistics']
  ]
  for (const [method, path] of routes) {
    const url = `/api/merchant${path}`
    const reply = await app.inject({ method, url, headers: { authorization: `Bearer ${diner.access}` } })
    expect([url, reply.statusCode, reply.json().error]).toEqual([url, 403, 'MERCHANT_REQUIRED'])
    expect((await app.inject({ method, url })).json().error).toBe('TOKEN_MISSING')
  }
})

test('a business day starts where the restaurant is', () => {
  expect(dayStart('2026-11-22', 'Asia/Shanghai').toISOString()).toBe('2026-11-21T16:00:00.000Z')
  expect(dayStart('2026-03-08', 'America/New_York').toISOString()).toBe('2026-03-08T05:00:00.000Z')
  expect(dayStart('2026-11-02', 'America/New_York').toISOString()).toBe('2026-11-02T05:00:00.000Z')
})

test('a receipt is paid by the terms of its upload, whatever they are when it is approved', async () => {
  const generous = await createApp({ config: { PHOTO_POINTS_RATE: 20, MIN_POINTS_AWARD: 60, MAX_POINTS_AWARD: 3000 } })
  const usual = await createApp()
  const [diner, merchant] = [await newDiner(generous), await newMerchant(usual)]
  for (const [actual_amount, points] of [
    [10, 200],
    [1, 60],
    [500, 3000]
  ] as const) {
    const { upload_id, expected_points } = (await upload(generous, diner, { amount: String(actual_amount) })).json()
      .data
    const body = { upload_id, action: 'approved', actual_amount }
    const { data } = (await merchant.post('/api/merchant/review', body)).json()
    expect([data.points_awarded, expected_points]).toEqual([points, points])
  }
})
