import type { FastifyInstance } from 'fastify'
import { describe, expect, test } from 'vitest'
import { createApp, type Diner, ledgerFaults, newAdmin, newDiner, newMerchant, sql } from './helpers/app.js'
import { debtFaults } from './helpers/debts.js'
import { openSocket } from './helpers/socket.js'
import { upload } from './helpers/upload.js'

const DAY_MS = 24 * 60 * 60 * 1000
const newId = async (app: FastifyInstance, diner: Diner, amount = '85.8') =>
  (await upload(app, diner, { amount })).json().data.upload_id as string
const approve = (merchant: Diner, id: string, amount: number) =>
  merchant.post(`/api/merchant/reviews/${id}/approve`, { actual_amount: amount })
const reject = (merchant: Diner, id: string) =>
  merchant.post(`/api/merchant/reviews/${id}/reject`, { reason_code: 'amount_mismatch', reason: '金额不符' })
const appeal = (diner: Diner, id: string, body: object = { message: '请再看一下' }, key?: string) =>
  diner.post(`/api/photo/${id}/appeal`, body, key === undefined ? {} : { 'idempotency-key': key })
const overturn = (merchant: Diner, id: string, amount: unknown = 85.8) =>
  merchant.post(`/api/merchant/appeals/${id}/overturn`, { actual_amount: amount, reason: '已核对' })
const uphold = (merchant: Diner, id: string) => merchant.post(`/api/merchant/appeals/${id}/uphold`, { reason: '维持' })
const shown = async (diner: Diner, id: string) => (await diner.get(`/api/photo/review/${id}`)).json().data
const listed = async (merchant: Diner, query = '') =>
  (await merchant.get(`/api/merchant/appeals${query}`)).json().data.appeals as Record<string, never>[]

async function people(options: Parameters<typeof createApp>[0] = {}) {
  const app = await createApp(options)
  const [diner, first, second] = [await newDiner(app), await newMerchant(app), await newMerchant(app)]
  return { app, diner, first, second }
}

describe('an appeal', () => {
  test('against a rejection is told to merchants, overturned by another one, and pays by the terms of the upload', async () => {
    const { app, diner, first, second } = await people()
    await app.listen({ port: 0, host: '127.0.0.1' })
    const [merchants, own] = [await openSocket(app, second.access), await openSocket(app, diner.access)]
    const id = await newId(app, diner)
    await sql('UPDATE photo_reviews SET points_rate = 20 WHERE upload_id = ?', [id])
    await reject(first, id)
    const before = await shown(diner, id)
    expect(before.appeal).toBeNull()
    expect(Date.parse(before.appeal_until) - Date.parse(before.review_time)).toBe(7 * DAY_MS)
    const made = (await appeal(diner, id, { message: ' 小票上是 85.8 元\n请看 ', amount: 85.8 })).json().data
    expect(made).toMatchObject({ appeal_id: id, upload_id: id, status: 'open', amount: 85.8, decided_at: null })
    const [told] = await merchants.take('new_appeal')
    expect(told?.data).toMatchObject({ appeal_id: id, upload_id: id, user_id: diner.userId, amount: 85.8 })
    expect(own.frames.filter(({ type }) => type === 'new_appeal')).toEqual([])
    await app.comparer.idle()
    expect(await listed(second)).toMatchObject([
      {
        appeal_id: id,
        status: 'open',
        message: ' 小票上是 85.8 元\n请看 ',
        first_decision: {
          status: 'rejected',
          actual_amount: null,
          points_awarded: 0,
          reason: '金额不符',
          reason_code: 'amount_mismatch',
          reviewer_id: first.userId
        },
        upload: { upload_id: id, amount: 85.8, user: { user_id: diner.userId } },
        evidence: [],
        risk: 'none'
      }
    ])
    const decided = (await overturn(second, id)).json().data
    expect(decided).toMatchObject({
      appeal_status: 'overturned',
      status: 'approved',
      actual_amount: 85.8,
      points_awarded: 1716,
      points_paid: 1716,
      user_new_balance: 2716
    })
    const [, result] = await own.take('review_result', 2)
    expect(result?.data).toMatchObject({ upload_id: id, status: 'approved', points_awarded: 1716, actual_amount: 85.8 })
    await own.take('points_update')
    expect(await shown(diner, id)).toMatchObject({
      status: 'approved',
      points_awarded: 1716,
      actual_amount: 85.8,
      reason_code: null,
      appeal: { status: 'overturned', reason: '已核对' },
      appeal_until: null
    })
    expect(await listed(second)).toEqual([])
    expect(await listed(second, '?status=overturned')).toHaveLength(1)
    const [row] = await app.db.auditLog.findMany({ where: { targetId: id, action: 'appeal.overturned' } })
    expect(row).toMatchObject({ actorId: second.userId, reason: '已核对' })
    const figures = (await second.get('/api/merchant/statistics')).json().data
    expect(figures.today).toMatchObject({ total_reviews: 1, approved_reviews: 1, rejected_reviews: 0 })
    expect([figures.points.total_awarded, figures.reasons.amount_mismatch]).toEqual([1716, 0])
    expect(await ledgerFaults(app, [diner.userId])).toEqual([])
  })

  test('against an approval for less pays the difference alone; upheld it pays nothing; both are told', async () => {
    const { app, diner, first, second } = await people()
    await app.listen({ port: 0, host: '127.0.0.1' })
    const socket = await openSocket(app, diner.access)
    const [less, fair] = [await newId(app, diner), await newId(app, diner, '20')]
    await approve(first, less, 58.5)
    await approve(first, fair, 19.99)
    await appeal(diner, less)
    await appeal(diner, fair)
    expect((await listed(second)).map(({ upload_id }) => upload_id)).toEqual([less, fair])
    expect((await overturn(second, less)).json().data).toMatchObject({ points_paid: 273, points_awarded: 858 })
    expect((await uphold(second, fair)).json().data).toMatchObject({
      appeal_status: 'upheld',
      status: 'approved',
      points_paid: 0,
      points_awarded: 199,
      user_new_balance: 1000 + 858 + 199
    })
    expect(await shown(diner, fair)).toMatchObject({ status: 'approved', appeal: { status: 'upheld', reason: '维持' } })
    const told = await socket.take('review_result', 4)
    expect(told.map(({ data }) => data.message).slice(2)).toEqual([
      '您的申诉已通过，补发273积分',
      '您的申诉已处理，维持原审核结果'
    ])
    expect(await ledgerFaults(app, [diner.userId])).toEqual([])
  })

  test('is taken once, within seven days, of a decision that was not as claimed; of others and strangers not', async () => {
    let now = new Date('2026-11-01T00:00:00Z')
    const { app, diner, first, second } = await people({
      clock: () => now,
      config: { JWT_EXPIRES_IN: '36500d' }
    })
    const refused = async (reply: ReturnType<typeof appeal>) => {
      const { error, details } = (await reply).json()
      return [error, details?.status, details?.appeal]
    }
    const [pending, full, late, twice, more] = [
      await newId(app, diner),
      await newId(app, diner),
      await newId(app, diner),
      await newId(app, diner),
      await newId(app, diner)
    ]
    await approve(first, full, 85.8)
    await approve(first, more, 90)
    await reject(first, late)
    await reject(first, twice)
    expect(await refused(appeal(diner, pending))).toEqual(['APPEAL_NOT_OPEN', 'pending', null])
    expect(await refused(appeal(diner, full))).toEqual(['APPEAL_NOT_OPEN', 'approved', null])
    expect(await refused(appeal(diner, more))).toEqual(['APPEAL_NOT_OPEN', 'approved', null])
    expect((await shown(diner, full)).appeal_until).toBeNull()
    expect((await appeal(second, twice)).json().error).toBe('REVIEW_NOT_FOUND')
    expect((await appeal(diner, 'none')).json().error).toBe('REVIEW_NOT_FOUND')
    for (const [body, error] of [
      [{}, 'VALIDATION_FAILED'],
      [{ message: ' \n ' }, 'VALIDATION_FAILED'],
      [{ message: 'x'.repeat(501) }, 'VALIDATION_FAILED'],
      [{ message: 'x', amount: 0 }, 'VALIDATION_FAILED'],
      [{ message: 'x', amount: 1.001 }, 'VALIDATION_FAILED'],
      [{ message: 'x', amount: 10_001 }, 'VALIDATION_FAILED']
    ] as const) {
      expect((await appeal(diner, twice, body)).json().error).toBe(error)
    }
    expect((await appeal(diner, twice, { message: 'x'.repeat(500) }, 'k')).statusCode).toBe(200)
    expect((await appeal(diner, twice, { message: 'x'.repeat(500) }, 'k')).headers['idempotent-replayed']).toBe('true')
    expect(await refused(appeal(diner, twice))).toEqual(['APPEAL_NOT_OPEN', 'rejected', 'open'])
    await uphold(second, twice)
    expect(await refused(appeal(diner, twice))).toEqual(['APPEAL_NOT_OPEN', 'rejected', 'upheld'])
    now = new Date(now.getTime() + 7 * DAY_MS)
    expect(await refused(appeal(diner, late))).toEqual(['APPEAL_NOT_OPEN', 'rejected', null])
    now = new Date(now.getTime() - 1)
    expect((await appeal(diner, late)).statusCode).toBe(200)
  })

  test('is decided by somebody else than its reviewer and its diner, an admin always, once, for more than before', async () => {
    const { app, diner, first, second } = await people()
    const admin = await newAdmin(app)
    const [id, byAdmin] = [await newId(app, diner), await newId(app, diner)]
    await approve(first, id, 58.5)
    await reject(admin, byAdmin)
    expect((await overturn(second, id)).json().error).toBe('APPEAL_NOT_FOUND')
    await appeal(diner, id)
    await appeal(diner, byAdmin)
    for (const decide of [uphold, overturn]) {
      expect((await decide(first, id)).json()).toMatchObject({ error: 'APPEAL_OWN_DECISION', code: 4008 })
      expect((await decide(diner, id)).json().error).toBe('MERCHANT_REQUIRED')
      expect((await decide(second, 'none')).json()).toMatchObject({ error: 'APPEAL_NOT_FOUND', code: 4010 })
    }
    for (const amount of [58.5, 10, 0, 1.001, 10_001, 'many']) {
      expect((await overturn(second, id, amount)).json().error).toBe('REVIEW_PARAMS')
    }
    await app.db.user.update({ where: { userId: diner.userId }, data: { isMerchant: true } })
    app.bus.publish({ kind: 'user_changed', userId: diner.userId })
    expect((await overturn(diner, id)).json().error).toBe('REVIEW_OWN_UPLOAD')
    for (const each of [id, byAdmin]) expect((await shown(diner, each)).appeal.status).toBe('open')
    expect((await overturn(admin, byAdmin)).statusCode).toBe(200)
    expect((await overturn(second, id)).statusCode).toBe(200)
    for (const decide of [uphold, overturn]) {
      expect((await decide(second, id)).json()).toMatchObject({ error: 'APPEAL_NOT_OPEN', code: 4009 })
    }
  })
})

describe('races', () => {
  test('an appeal overturned by eight at once, and upheld by as many, is decided once and paid once or never', async () => {
    const { app, diner, first } = await people()
    const deciders = await Promise.all(Array.from({ length: 4 }, () => newMerchant(app)))
    for (let round = 0; round < 5; round += 1) {
      const id = await newId(app, diner)
      await approve(first, id, 58.5)
      await appeal(diner, id)
      const before = (await app.db.user.findUniqueOrThrow({ where: { userId: diner.userId } })).totalPoints
      const replies = await Promise.all(
        deciders.flatMap((who) => [overturn(who, id), uphold(who, id), overturn(who, id)])
      )
      const won = replies.filter(({ statusCode }) => statusCode === 200)
      expect(won).toHaveLength(1)
      expect(new Set(replies.map((reply) => reply.json().error))).toEqual(new Set([undefined, 'APPEAL_NOT_OPEN']))
      const paid = won[0]?.json().data.points_paid
      expect([0, 273]).toContain(paid)
      const after = await app.db.user.findUniqueOrThrow({ where: { userId: diner.userId } })
      expect(after.totalPoints - before).toBe(paid)
    }
    expect(await ledgerFaults(app, [diner.userId])).toEqual([])
  })

  test('an appeal, a revocation and a second appeal at once leave one appeal at most, void where it was revoked', async () => {
    const { app, diner, first, second } = await people()
    const admin = await newAdmin(app)
    for (let round = 0; round < 8; round += 1) {
      const id = await newId(app, diner)
      await approve(first, id, 58.5)
      const [one, revoked, two] = await Promise.all([
        appeal(diner, id),
        admin.post(`/api/admin/reviews/${id}/revoke`, { reason: '伪造' }),
        appeal(diner, id)
      ])
      expect(revoked.statusCode).toBe(200)
      const taken = [one, two].filter(({ statusCode }) => statusCode === 200)
      expect(taken.length).toBeLessThanOrEqual(1)
      const rows = await app.db.appeal.findMany({ where: { uploadId: id } })
      expect(rows.map(({ status }) => status)).toEqual(taken.map(() => 'void'))
      expect((await overturn(second, id)).json().error).toBe(taken.length > 0 ? 'APPEAL_NOT_OPEN' : 'APPEAL_NOT_FOUND')
    }
    // Where an appeal is open, whoever comes first decides: paid and taken back, or void and nothing paid.
    for (let round = 0; round < 8; round += 1) {
      const id = await newId(app, diner)
      await reject(first, id)
      await appeal(diner, id)
      const [won, revoked] = await Promise.all([
        overturn(second, id),
        admin.post(`/api/admin/reviews/${id}/revoke`, { reason: '伪造' })
      ])
      expect(won.statusCode).toBe(200)
      expect([200, 409]).toContain(revoked.statusCode)
    }
    expect(await ledgerFaults(app, [diner.userId])).toEqual([])
    expect(await debtFaults(app)).toEqual([])
  })
})
