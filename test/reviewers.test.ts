import { expect, test } from 'vitest'
import { createApp, type Diner, newAdmin, newDiner, newMerchant, sql } from './helpers/app.js'
import { openSocket } from './helpers/socket.js'
import { upload } from './helpers/upload.js'

const MINUTE = 60_000

test('how each reviewer decides: as it was decided first, whatever became of it', async () => {
  const app = await createApp()
  const [diner, admin] = [await newDiner(app), await newAdmin(app)]
  const [busy, other, idle] = [await newMerchant(app), await newMerchant(app), await newMerchant(app)]
  let minutes = 0
  /** Uploads a receipt over 100 yuan and decides it, each time ten minutes later than the last. */
  const decide = async (merchant: Diner, amount: number | undefined): Promise<string> => {
    const id = (await upload(app, diner, { amount: '100' })).json().data.upload_id as string
    await merchant.post(
      `/api/merchant/reviews/${id}/${amount === undefined ? 'reject' : 'approve'}`,
      amount === undefined ? { reason_code: 'unreadable' } : { actual_amount: amount }
    )
    minutes += 10
    const { reviewTime } = await app.db.receipt.findUniqueOrThrow({ where: { uploadId: id } })
    const createdAt = new Date((reviewTime?.getTime() ?? 0) - minutes * MINUTE)
    await app.db.receipt.update({ where: { uploadId: id }, data: { createdAt } })
    return id
  }
  const rejected = await decide(busy, undefined)
  const less = await decide(busy, 50)
  await decide(busy, 80)
  const bad = await decide(busy, 90)
  const late = await decide(other, undefined)
  await diner.post(`/api/photo/${rejected}/appeal`, { message: '请看' })
  await diner.post(`/api/photo/${less}/appeal`, { message: '请看' })
  await diner.post(`/api/photo/${late}/appeal`, { message: '请看' })
  const reason = '已核对'
  await other.post(`/api/merchant/appeals/${rejected}/overturn`, { actual_amount: 100, reason })
  await other.post(`/api/merchant/appeals/${less}/overturn`, { actual_amount: 100, reason })
  await busy.post(`/api/merchant/appeals/${late}/uphold`, { reason })
  await admin.post(`/api/admin/reviews/${bad}/revoke`, { reason })

  const figures = async (query = '') => (await admin.get(`/api/admin/reviewers${query}`)).json().data
  const { days, reviewers } = await figures()
  expect(days).toBe(30)
  expect(reviewers).toEqual([
    {
      reviewer: { user_id: busy.userId, nickname: expect.any(String), mobile: expect.stringContaining('****') },
      decisions: 4,
      approved: 3,
      rejected: 1,
      approval_rate: 0.75,
      median_amount_ratio: 0.8,
      median_minutes: 25,
      overturned: 2,
      overturned_rate: 0.5,
      revoked: 1
    },
    {
      reviewer: expect.objectContaining({ user_id: other.userId }),
      decisions: 1,
      approved: 0,
      rejected: 1,
      approval_rate: 0,
      median_amount_ratio: null,
      median_minutes: 50,
      overturned: 0,
      overturned_rate: 0,
      revoked: 0
    }
  ])
  expect(JSON.stringify(reviewers)).not.toContain(`"user_id":${idle.userId},`)
  await sql('UPDATE photo_reviews SET review_time = NOW(3) - INTERVAL 3 DAY WHERE reviewer_id = ?', [other.userId])
  expect((await figures('?days=2')).reviewers).toHaveLength(1)
  expect((await figures('?days=4')).reviewers).toHaveLength(2)
  for (const bad of ['0', '91', 'x']) {
    expect((await admin.get(`/api/admin/reviewers?days=${bad}`)).json().error).toBe('VALIDATION_FAILED')
  }
  expect((await busy.get('/api/admin/reviewers')).json().error).toBe('FORBIDDEN')
})

test('reviewers hear of what others decided, admins too, and of what its diner took back; diners do not', async () => {
  const app = await createApp()
  await app.listen({ port: 0, host: '127.0.0.1' })
  const [diner, admin] = [await newDiner(app), await newAdmin(app)]
  const [one, other] = [await newMerchant(app), await newMerchant(app)]
  const newId = async () => (await upload(app, diner, { amount: '100' })).json().data.upload_id as string
  const [approved, rejected, withdrawn] = [await newId(), await newId(), await newId()]
  const hears = await openSocket(app, other.access)
  const office = await openSocket(app, admin.access)
  const own = await openSocket(app, diner.access)
  // What an event makes the sockets look up again leaves an admin's as it was.
  app.bus.publish({ kind: 'user_changed', userId: admin.userId })
  const name = (await one.get('/api/user/info')).json().data.nickname
  const by = (merchant: Diner, nickname: string) => ({ user_id: merchant.userId, nickname })

  await one.post(`/api/merchant/reviews/${approved}/approve`, { actual_amount: 58.5 })
  await one.post(`/api/merchant/reviews/${rejected}/reject`, { reason_code: 'unreadable' })
  await diner.delete(`/api/photo/${withdrawn}`)
  await diner.post(`/api/photo/${approved}/appeal`, { message: '请看' })
  await other.post(`/api/merchant/appeals/${approved}/uphold`, { reason: '已核对' })
  const expected = [
    [approved, 'approved', 58.5, 585, null, by(one, name)],
    [rejected, 'rejected', null, 0, null, by(one, name)],
    [withdrawn, 'withdrawn', null, 0, null, null],
    [approved, 'approved', 58.5, 585, 'upheld', by(other, (await other.get('/api/user/info')).json().data.nickname)]
  ]
  for (const socket of [hears, office]) {
    const told = await socket.take('review_decided', 4)
    expect(
      told.map(({ data: { upload_id, status, actual_amount, points_awarded, appeal, reviewer } }) => [
        upload_id,
        status,
        actual_amount,
        points_awarded,
        appeal,
        reviewer
      ])
    ).toEqual(expected)
  }
  await own.take('review_result', 3)
  expect(own.frames.filter(({ type }) => type === 'review_decided')).toEqual([])
})
