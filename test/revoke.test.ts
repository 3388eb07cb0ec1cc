import fc from 'fast-check'
import type { FastifyInstance } from 'fastify'
import { describe, expect, test } from 'vitest'
import { checkAll } from '../scripts/reconcile.js'
import { Account, NEW_ACCOUNT } from '../src/domains/points/account.js'
import { createApp, type Diner, ledgerFaults, newAdmin, newDiner, newMerchant, sql } from './helpers/app.js'
import { debtFaults } from './helpers/debts.js'
import { newProduct, submit } from './helpers/shop.js'
import { openSocket } from './helpers/socket.js'
import { upload } from './helpers/upload.js'

const revoke = (admin: Diner, id: string, key?: string) =>
  admin.post(`/api/admin/reviews/${id}/revoke`, { reason: '小票系伪造' }, key ? { 'idempotency-key': key } : {})
const info = async (diner: Diner) => (await diner.get('/api/user/info')).json().data
const give = (admin: Diner, diner: Diner, change: number) =>
  admin.post(`/api/admin/users/${diner.userId}/points`, { change, reason: '补偿' })

async function approved(app: FastifyInstance, diner: Diner, merchant: Diner, amount = '58.5'): Promise<string> {
  const id = (await upload(app, diner, { amount })).json().data.upload_id as string
  await merchant.post(`/api/merchant/reviews/${id}/approve`, { actual_amount: Number(amount) })
  return id
}

async function people(points = 1000) {
  const app = await createApp()
  const [diner, merchant, admin] = [await newDiner(app, { points }), await newMerchant(app), await newAdmin(app)]
  return { app, diner, merchant, admin }
}

describe('an account that owes', () => {
  test('whatever happens to it: never below zero, and what was taken back is taken, paid or owed, to the point', () => {
    const acts = fc.array(
      fc.record({ act: fc.constantFrom('credit', 'debit', 'takeBack'), points: fc.integer({ min: 1, max: 500 }) }),
      { maxLength: 30 }
    )
    fc.assert(
      fc.property(acts, (list) => {
        const account = new Account(1, NEW_ACCOUNT)
        let [credits, debits, revoked] = [0, 0, 0]
        for (const { act, points } of list) {
          if (act === 'credit') {
            account.credit(points, { source: 'admin' })
            credits += points
          } else if (act === 'takeBack') {
            account.takeBack(points, {})
            revoked += points
          } else if (account.balance >= points) {
            account.debit(points, { source: 'lottery' })
            debits += points
          }
          expect(Math.min(account.balance, account.debt)).toBe(0)
          expect(account.balance - account.debt).toBe(credits - debits - revoked)
        }
        let balance = 0
        for (const movement of account.movements) {
          balance += movement.points
          expect(movement.balanceAfter).toBe(balance)
          expect(balance).toBeGreaterThanOrEqual(0)
        }
      })
    )
  })
})

describe('a receipt that is taken back', () => {
  test('takes its points as far as they are there, the rest is owed and paid of what comes later, told each time', async () => {
    const { app, diner, merchant, admin } = await people(0)
    await app.listen({ port: 0, host: '127.0.0.1' })
    const id = await approved(app, diner, merchant)
    await give(admin, diner, -500)
    const socket = await openSocket(app, diner.access)
    const answer = (await revoke(admin, id)).json().data
    expect(answer).toMatchObject({
      upload_id: id,
      status: 'revoked',
      points_revoked: 585,
      points_taken: 85,
      points_debt: 500,
      user_new_balance: 0
    })
    const [points] = await socket.take('points_update')
    expect(points?.data).toMatchObject({ total_points: 0, change_points: -85, reason: 'clawback' })
    const [notice] = await socket.take('system_notice')
    expect(notice?.data).toMatchObject({ type: 'receipt_revoked', content: expect.stringContaining('尚欠500积分') })
    expect(await info(diner)).toMatchObject({ total_points: 0, points_debt: 500 })
    const shown = (await diner.get(`/api/photo/review/${id}`)).json().data
    expect(shown).toMatchObject({
      status: 'revoked',
      review_reason: '小票系伪造',
      reason_code: null,
      appeal_until: null
    })
    const history = (await diner.get('/api/photo/history?status=revoked')).json().data
    expect(history.history).toHaveLength(1)
    expect(history.summary).toMatchObject({ total_uploads: 1, approved_uploads: 0, revoked_uploads: 1 })
    expect(history.summary.total_points_earned).toBe(0)
    expect((await diner.get('/api/photo/history?status=approved')).json().data.history).toEqual([])
    const figures = (await merchant.get('/api/merchant/statistics')).json().data
    expect(figures.overall).toMatchObject({ total_reviews: 1, approved_reviews: 0, revoked_reviews: 1 })
    expect(figures.points.total_awarded).toBe(0)

    expect((await give(admin, diner, 200)).json().data.total_points).toBe(0)
    expect(await info(diner)).toMatchObject({ total_points: 0, points_debt: 300 })
    await approved(app, diner, merchant, '40')
    expect(await info(diner)).toMatchObject({ total_points: 100, points_debt: 0 })
    const rows = await app.db.pointsRecord.findMany({ where: { userId: diner.userId }, orderBy: { seq: 'asc' } })
    expect(rows.slice(-5).map((row) => [row.source, row.points, row.balanceAfter])).toEqual([
      ['clawback', -85, 0],
      ['admin', 200, 200],
      ['debt_payment', -200, 0],
      ['photo_review', 400, 400],
      ['debt_payment', -300, 100]
    ])
    expect((await diner.get('/api/user/points-records?type=spend')).json().data.records[0]).toMatchObject({
      source: 'debt_payment',
      description: '偿还欠分'
    })
    const [act] = await app.db.auditLog.findMany({ where: { action: 'review.revoked', targetId: id } })
    expect(JSON.parse(act?.after ?? '')).toEqual({ status: 'revoked', points_taken: 85, points_debt: 500 })
    expect(act).toMatchObject({ actorId: admin.userId, reason: '小票系伪造' })
    expect(await ledgerFaults(app, [diner.userId])).toEqual([])
    expect(await debtFaults(app)).toEqual([])
  })

  test('is taken by admins alone, once, approved, with a reason; a repetition by key is answered as before', async () => {
    const { app, diner, merchant, admin } = await people()
    const id = await approved(app, diner, merchant)
    const waiting = (await upload(app, diner)).json().data.upload_id as string
    expect((await revoke(merchant, id)).json().error).toBe('FORBIDDEN')
    expect((await revoke(admin, 'none')).json().error).toBe('REVIEW_NOT_FOUND')
    expect((await revoke(admin, waiting)).json()).toMatchObject({
      error: 'REVIEW_ALREADY_DONE',
      details: { status: 'pending' }
    })
    expect((await admin.post(`/api/admin/reviews/${id}/revoke`, { reason: ' ' })).json().error).toBe(
      'VALIDATION_FAILED'
    )
    expect(await info(diner)).toMatchObject({ total_points: 1585, points_debt: 0 })
    const first = await revoke(admin, id, 'key')
    const again = await revoke(admin, id, 'key')
    expect([again.headers['idempotent-replayed'], again.json()]).toEqual(['true', first.json()])
    expect((await revoke(admin, id)).json()).toMatchObject({
      error: 'REVIEW_ALREADY_DONE',
      details: { status: 'revoked' }
    })
    expect((await merchant.post(`/api/merchant/reviews/${id}/approve`, { actual_amount: 1 })).json().error).toBe(
      'REVIEW_ALREADY_DONE'
    )
    expect(await info(diner)).toMatchObject({ total_points: 1000, points_debt: 0 })
  })
})

describe('races', () => {
  test('revoked by six at once while the points are drawn and spent: taken once, never below zero, the debt exact', async () => {
    const { app, diner, merchant, admin } = await people(0)
    for (let round = 0; round < 4; round += 1) {
      const id = await approved(app, diner, merchant, '70')
      const [revoked] = await Promise.all([
        Promise.all(Array.from({ length: 6 }, () => revoke(admin, id))),
        Promise.all(Array.from({ length: 12 }, () => diner.post('/api/lottery/draw')))
      ])
      expect(revoked.filter(({ statusCode }) => statusCode === 200)).toHaveLength(1)
      const answer = revoked.find(({ statusCode }) => statusCode === 200)?.json().data
      expect(answer.points_taken).toBeLessThanOrEqual(700)
    }
    expect(await ledgerFaults(app, [diner.userId])).toEqual([])
    expect(await debtFaults(app)).toEqual([])
  })

  test('a debt is paid by credits that come at once, whatever they are for: to the point, and then they count', async () => {
    const { app, diner, merchant, admin } = await people(0)
    const id = await approved(app, diner, merchant, '100')
    await give(admin, diner, -1000)
    await revoke(admin, id)
    expect(await info(diner)).toMatchObject({ total_points: 0, points_debt: 1000 })
    const ids = await Promise.all(
      Array.from(
        { length: 6 },
        async () => (await upload(app, diner, { amount: '20' })).json().data.upload_id as string
      )
    )
    await Promise.all([
      ...Array.from({ length: 10 }, () => give(admin, diner, 30)),
      ...ids.map((each) => merchant.post(`/api/merchant/reviews/${each}/approve`, { actual_amount: 20 }))
    ])
    expect(await info(diner)).toMatchObject({ total_points: 300 + 1200 - 1000, points_debt: 0 })
    expect(await ledgerFaults(app, [diner.userId])).toEqual([])
    expect(await debtFaults(app)).toEqual([])
  })

  test('an order that is cancelled pays a debt first, while others draw on nothing; who owes cannot draw', async () => {
    const { app, diner, merchant, admin } = await people(0)
    const id = await approved(app, diner, merchant, '100')
    const productId = await newProduct(app, { exchangePoints: 900, stock: 5 })
    const order = (await submit(diner, productId)).json().data.order_id
    await revoke(admin, id)
    expect(await info(diner)).toMatchObject({ total_points: 0, points_debt: 900 })
    const [cancelled, ...draws] = await Promise.all([
      diner.post(`/api/exchange/orders/${order}/cancel`, {}),
      ...Array.from({ length: 5 }, () => diner.post('/api/lottery/draw'))
    ])
    expect(cancelled?.statusCode).toBe(200)
    expect(draws.map((reply) => reply.json().error)).toEqual(Array(5).fill('POINTS_INSUFFICIENT'))
    expect(await info(diner)).toMatchObject({ total_points: 0, points_debt: 0 })
    expect(await ledgerFaults(app, [diner.userId])).toEqual([])
    expect(await debtFaults(app)).toEqual([])
  })
})

test('reconcile finds a debt that is not what was taken back', async () => {
  const { app, diner, merchant, admin } = await people(0)
  const id = await approved(app, diner, merchant)
  await give(admin, diner, -585)
  await revoke(admin, id)
  expect(await checkAll(app.db as never)).toBe(0)
  await sql('UPDATE users SET points_debt = points_debt - 1 WHERE user_id = ?', [diner.userId])
  expect(await debtFaults(app)).toEqual([
    { userId: diner.userId, recordId: null, fault: expect.stringContaining('owed'), expected: 585, found: 584 }
  ])
  expect(await checkAll(app.db as never)).toBe(1)
})
