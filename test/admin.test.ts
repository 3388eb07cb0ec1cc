import { once } from 'node:events'
import { get, type IncomingMessage } from 'node:http'
import { text } from 'node:stream/consumers'
import bcrypt from 'bcrypt'
import type { FastifyInstance } from 'fastify'
import { describe, expect, onTestFinished, test } from 'vitest'
import { buildApp } from '../src/app.js'
import { createAdmin } from '../src/domains/auth/admin-login.js'
import { createUser } from '../src/domains/user/accounts.js'
import { CSV_PAGE, csvCell, csvLine, csvStream, pagesOf } from '../src/shared/csv.js'
import { businessDay } from '../src/shared/time.js'
import {
  type Diner,
  ledgerFaults,
  login,
  newDiner,
  newMobile,
  type TestAppOptions,
  testConfig,
  until
} from './helpers/app.js'
import { openSocket } from './helpers/socket.js'

async function createAdminApp({ config, ...options }: TestAppOptions = {}): Promise<FastifyInstance> {
  const app = await buildApp({ overload: { maxEventLoopDelayMs: 0 }, ...options, config: testConfig(config) })
  onTestFinished(() => app.close())
  await app.listen({ port: 0, host: '127.0.0.1' })
  return app
}

type Admin = Pick<Diner, 'userId' | 'access' | 'get' | 'post'>

async function newAdmin(app: FastifyInstance): Promise<Admin> {
  const [username, mobile] = [`admin${newMobile()}`, newMobile()]
  const passwordHash = await bcrypt.hash('right password', 4)
  await app.tx((uow) => createAdmin(uow, { username, passwordHash, mobile, newUserPoints: 1000 }))
  const payload = { username, password: 'right password' }
  const { data } = (await app.inject({ method: 'POST', url: '/api/auth/admin-login', payload })).json()
  const authorization = `Bearer ${data.access_token}`
  return {
    userId: data.user_info.user_id,
    access: data.access_token,
    get: (url) => app.inject({ method: 'GET', url: `/api/admin${url}`, headers: { authorization } }),
    post: (url, body, headers = {}) =>
      app.inject({
        method: 'POST',
        url: `/api/admin${url}`,
        headers: { authorization, ...headers },
        ...(body === undefined ? {} : { payload: body })
      })
  }
}

const apply = (app: FastifyInstance, userId: number) =>
  app.db.merchantApplication
    .create({
      data: {
        userId,
        businessName: '阿明小馆',
        contactPerson: '陈明',
        contactPhone: app.cipher.encrypt('075512345678'),
        businessLicense: app.cipher.encrypt('91440300MA5EXAMPLE')
      }
    })
    .then(({ applicationId }) => applicationId)

/** The last privileged acts on a target, newest first. */
const acts = async (by: Admin, type: string, id: number) =>
  (await by.get(`/audit-logs?target_type=${type}&target_id=${id}`)).json().data.logs

const reason = '测试'
const ROUTES = [
  ['GET', '/merchant-applications'],
  ['POST', '/merchant-applications/1/approve'],
  ['POST', '/merchant-applications/1/reject'],
  ['GET', '/users'],
  ['POST', '/users/1/ban'],
  ['POST', '/users/1/unban'],
  ['POST', '/users/1/points'],
  ['GET', '/points-records'],
  ['GET', '/points-records?format=csv'],
  ['GET', '/audit-logs'],
  ['GET', '/audit-logs?format=csv'],
  ['GET', '/login-logs']
] as const

test('every route is closed to diners, merchants and strangers', async () => {
  const app = await createAdminApp()
  const [diner, merchant] = [await newDiner(app), await newDiner(app)]
  await app.db.user.update({ where: { userId: merchant.userId }, data: { isMerchant: true } })
  for (const [method, path] of ROUTES) {
    const url = `/api/admin${path}`
    const body = method === 'POST' ? { payload: { reason, change: 1 } } : {}
    for (const { access } of [diner, merchant]) {
      const reply = await app.inject({ method, url, ...body, headers: { authorization: `Bearer ${access}` } })
      expect([path, reply.statusCode, reply.json().code]).toEqual([path, 403, 2003])
    }
    const stranger = await app.inject({ method, url, ...body })
    expect([path, stranger.statusCode, stranger.json().code]).toEqual([path, 401, 2001])
  }
})

describe('applications', () => {
  test('are listed newest first, with the licence in clear, and telephone and mobile masked', async () => {
    const app = await createAdminApp()
    const by = await newAdmin(app)
    const diner = await newDiner(app)
    const ids = [await apply(app, diner.userId), await apply(app, diner.userId), await apply(app, diner.userId)]
    const page = (await by.get('/merchant-applications?status=pending&limit=2')).json().data
    expect(page.applications.map((row: { application_id: number }) => row.application_id)).toEqual([ids[2], ids[1]])
    expect(page.pagination).toMatchObject({ page: 1, limit: 2 })
    expect(page.applications[0]).toEqual({
      application_id: ids[2],
      status: 'pending',
      user: {
        user_id: diner.userId,
        nickname: `用户${diner.mobile.slice(-4)}`,
        mobile: `${diner.mobile.slice(0, 3)}****${diner.mobile.slice(7)}`
      },
      business_name: '阿明小馆',
      contact_person: '陈明',
      contact_phone: '075****5678',
      business_license: '91440300MA5EXAMPLE',
      business_address: null,
      reason: null,
      applied_at: expect.any(String),
      decided_at: null,
      reject_reason: null
    })
    await by.post(`/merchant-applications/${ids[2]}/reject`)
    const rejected = (await by.get('/merchant-applications?status=rejected&limit=1')).json().data.applications
    expect(rejected).toMatchObject([{ application_id: ids[2], status: 'rejected', reject_reason: null }])
  })

  test('one is decided once, by whichever of 20 comes first, and the others are told how it stands', async () => {
    const app = await createAdminApp()
    const admins = [await newAdmin(app), await newAdmin(app)] as const
    const { userId } = await newDiner(app)
    const id = await apply(app, userId)
    const replies = await Promise.all(
      Array.from({ length: 20 }, (_, n) => {
        const by = admins[n % 4 < 2 ? 0 : 1]
        return n % 2 === 0
          ? by.post(`/merchant-applications/${id}/approve`)
          : by.post(`/merchant-applications/${id}/reject`, { reason })
      })
    )
    const [winner, ...more] = replies.filter((reply) => reply.statusCode === 200)
    expect(more).toEqual([])
    const status = winner?.json().data.status
    for (const reply of replies.filter((reply) => reply.statusCode !== 200)) {
      expect(reply.json()).toMatchObject({ code: 3006, error: 'STATE_CONFLICT', details: { status } })
    }
    const user = await app.db.user.findUniqueOrThrow({ where: { userId } })
    expect(user.isMerchant).toBe(status === 'approved')
    expect(await acts(admins[0], 'application', id)).toMatchObject([
      {
        action: status === 'approved' ? 'application.approve' : 'application.reject',
        before: { status: 'pending', is_merchant: false },
        after: { status, is_merchant: status === 'approved' }
      }
    ])
  })

  test('an approval counts at once in a session and a socket that are open', async () => {
    const app = await createAdminApp()
    const by = await newAdmin(app)
    const diner = await newDiner(app)
    const socket = await openSocket(app, diner.access)
    expect((await diner.get('/api/user/info')).json().data.is_merchant).toBe(false)
    const before = await app.identity.authenticate(diner.access)
    const id = await apply(app, diner.userId)
    const reply = await by.post(`/merchant-applications/${id}/approve`)
    expect(reply.json().data).toMatchObject({
      application_id: id,
      status: 'approved',
      decided_at: expect.any(String),
      reject_reason: null
    })
    expect([before.isMerchant, (await app.identity.authenticate(diner.access)).isMerchant]).toEqual([false, true])
    await until(() => {
      const review = { upload_id: 'u', user_id: 1, amount: 1, image_url: '', uploaded_at: new Date() }
      app.bus.publish({ kind: 'push', audience: 'merchants', type: 'new_review', data: review })
      return socket.frames.some((frame) => frame.type === 'new_review')
    })
    const row = await app.db.merchantApplication.findUniqueOrThrow({ where: { applicationId: id } })
    expect(row.decidedBy).toBe(by.userId)
  })

  test('a rejection keeps its reason, and changes nothing else', async () => {
    const app = await createAdminApp()
    const by = await newAdmin(app)
    const { userId } = await newDiner(app)
    const id = await apply(app, userId)
    const reply = await by.post(`/merchant-applications/${id}/reject`, { reason: '营业执照看不清' })
    expect(reply.json().data).toMatchObject({ status: 'rejected', reject_reason: '营业执照看不清' })
    expect((await app.db.user.findUniqueOrThrow({ where: { userId } })).isMerchant).toBe(false)
    expect(await acts(by, 'application', id)).toMatchObject([{ actor_id: by.userId, reason: '营业执照看不清' }])
  })

  test('one that is not there is 4007; one whose user is gone cannot be approved, and stays as it was', async () => {
    const app = await createAdminApp()
    const by = await newAdmin(app)
    for (const what of ['approve', 'reject']) {
      const reply = await by.post(`/merchant-applications/2147483647/${what}`)
      expect(reply.json()).toMatchObject({ code: 4007, error: 'APPLICATION_NOT_FOUND' })
    }
    expect((await by.post('/merchant-applications/0/approve')).json().code).toBe(1003)
    const { userId } = await newDiner(app)
    const id = await apply(app, userId)
    await app.db.user.update({ where: { userId }, data: { deletedAt: new Date() } })
    expect((await by.post(`/merchant-applications/${id}/approve`)).json().error).toBe('USER_NOT_FOUND')
    const row = await app.db.merchantApplication.findUniqueOrThrow({ where: { applicationId: id } })
    expect(row).toMatchObject({ status: 'pending', decidedAt: null })
    expect(await acts(by, 'application', id)).toEqual([])
  })
})

describe('users', () => {
  test('are found by part of a nickname, a whole mobile or an id; newest first, deleted ones never', async () => {
    const app = await createAdminApp()
    const by = await newAdmin(app)
    const diners = [await newDiner(app), await newDiner(app), await newDiner(app)] as const
    const [first, second, third] = diners
    const name = (userId: number, nickname: string) => app.db.user.update({ where: { userId }, data: { nickname } })
    await name(first.userId, '寻人100%一')
    await name(second.userId, '寻人100x二')
    await name(third.userId, '寻人_三')
    const find = async (query: string) => {
      const reply = await by.get(`/users?${query}`)
      return reply.json().data.users.map((user: { user_id: number }) => user.user_id)
    }
    const search = (text: string) => find(`search=${encodeURIComponent(text)}`)
    expect(await search('寻人')).toEqual([third.userId, second.userId, first.userId])
    expect(await search('100%')).toEqual([first.userId])
    expect(await search('人_')).toEqual([third.userId])
    expect(await search('\\')).toEqual([])
    expect(await search(second.mobile)).toEqual([second.userId])
    expect(await search(second.mobile.slice(0, 10))).not.toContain(second.userId)
    expect(await search(String(first.userId))).toContain(first.userId)
    expect(await search("' OR 1=1 --")).toEqual([])
    await app.db.user.update({ where: { userId: second.userId }, data: { status: 'inactive', isMerchant: true } })
    const among = `search=${encodeURIComponent('寻人')}`
    expect(await find(`${among}&status=inactive`)).toEqual([second.userId])
    expect(await find(`${among}&is_merchant=false`)).toEqual([third.userId, first.userId])
    expect(await find(`${among}&is_merchant=true&status=active`)).toEqual([])
    const page = (await by.get(`/users?${among}&page=2&limit=2`)).json().data
    expect(page.users.map((user: { user_id: number }) => user.user_id)).toEqual([first.userId])
    expect(page.pagination).toEqual({ total: 3, page: 2, limit: 2, total_pages: 2 })
    expect(page.users[0]).toMatchObject({ mobile: expect.stringContaining('****'), total_points: 1000 })
    await app.db.user.update({ where: { userId: third.userId }, data: { deletedAt: new Date() } })
    expect(await search('寻人')).toEqual([second.userId, first.userId])
    for (const query of ['status=gone', 'is_merchant=maybe', 'limit=0', 'page=0', 'search=a&search=b']) {
      expect([query, (await by.get(`/users?${query}`)).json().code]).toEqual([query, 1003])
    }
  })

  test('a ban closes open sockets with 4003 and refuses tokens with 2004, at once; unban lets both in again', async () => {
    const app = await createAdminApp()
    const by = await newAdmin(app)
    const [diner, other] = [await newDiner(app), await newDiner(app)]
    const sockets = [await openSocket(app, diner.access), await openSocket(app, diner.access)]
    const bystander = await openSocket(app, other.access)
    expect((await diner.get('/api/user/info')).statusCode).toBe(200)
    const reply = await by.post(`/users/${diner.userId}/ban`, { reason: '恶意刷单' })
    expect(reply.json().data).toMatchObject({ user_id: diner.userId, status: 'banned' })
    expect((await diner.get('/api/user/info')).json()).toMatchObject({ code: 2004, error: 'ACCOUNT_DISABLED' })
    for (const socket of sockets) expect(await socket.closeCode()).toBe(4003)
    expect(bystander.closed).toBeUndefined()
    await expect(openSocket(app, diner.access)).rejects.toMatchObject({ status: 403, body: { code: 2004 } })
    expect((await login(app, diner.mobile)).json().code).toBe(2004)
    const refresh = { method: 'POST', url: '/api/auth/refresh', payload: { refresh_token: diner.refresh } } as const
    expect((await app.inject(refresh)).json().code).toBe(2004)

    const again = await by.post(`/users/${diner.userId}/ban`, { reason })
    expect(again.json()).toMatchObject({ code: 3006, details: { status: 'banned' } })
    expect((await by.post(`/users/${diner.userId}/unban`, { reason: '误封' })).json().data.status).toBe('active')
    expect((await diner.get('/api/user/info')).statusCode).toBe(200)
    await (await openSocket(app, diner.access)).take('connected')
    const twice = await by.post(`/users/${diner.userId}/unban`, { reason })
    expect(twice.json()).toMatchObject({ code: 3006, details: { status: 'active' } })

    const common = { actor_id: by.userId, ip: '127.0.0.1', target_type: 'user', target_id: String(diner.userId) }
    expect(await acts(by, 'user', diner.userId)).toMatchObject([
      { ...common, action: 'user.unban', before: { status: 'banned' }, after: { status: 'active' }, reason: '误封' },
      {
        ...common,
        action: 'user.ban',
        before: { status: 'active' },
        after: { status: 'banned' },
        reason: '恶意刷单',
        request_id: reply.headers['x-request-id']
      }
    ])
  })

  test('of 20 bans at once one acts', async () => {
    const app = await createAdminApp()
    const by = await newAdmin(app)
    const { userId } = await newDiner(app)
    const replies = await Promise.all(Array.from({ length: 20 }, () => by.post(`/users/${userId}/ban`, { reason })))
    expect(replies.filter((reply) => reply.statusCode === 200)).toHaveLength(1)
    expect(await acts(by, 'user', userId)).toHaveLength(1)
  })

  test('nobody bans themselves; whoever is gone is 4001; a reason is needed', async () => {
    const app = await createAdminApp()
    const by = await newAdmin(app)
    expect((await by.post(`/users/${by.userId}/ban`, { reason })).json().code).toBe(2003)
    expect((await by.get('/users?limit=1')).statusCode).toBe(200)
    const { userId } = await newDiner(app)
    for (const body of [
      undefined,
      {},
      { reason: '' },
      { reason: '  ' },
      { reason: null },
      { reason: 'x'.repeat(201) }
    ]) {
      const reply = await by.post(`/users/${userId}/ban`, body)
      expect([body, reply.json().code]).toEqual([body, 1003])
    }
    expect((await by.post(`/users/${userId}/ban`, { reason: 'x'.repeat(200) })).statusCode).toBe(200)
    await app.db.user.update({ where: { userId }, data: { deletedAt: new Date() } })
    for (const id of [userId, 2_147_483_647]) {
      for (const what of ['ban', 'unban', 'points']) {
        const reply = await by.post(`/users/${id}/${what}`, { reason, change: 5 })
        expect([what, reply.json().error]).toEqual([what, 'USER_NOT_FOUND'])
      }
    }
  })
})

describe('points', () => {
  test('are given and taken through the ledger, and the diner hears of it', async () => {
    const app = await createAdminApp()
    const by = await newAdmin(app)
    const diner = await newDiner(app)
    const socket = await openSocket(app, diner.access)
    const url = `/users/${diner.userId}/points`
    const given = await by.post(url, { change: 200, reason: '活动补偿' })
    expect(given.json().data).toEqual({ user_id: diner.userId, change: 200, total_points: 1200 })
    const taken = await by.post(url, { change: -1200, reason: '更正😀' })
    expect(taken.json().data).toEqual({ user_id: diner.userId, change: -1200, total_points: 0 })
    const pushes = await socket.take('points_update', 2)
    expect(pushes.map(({ data }) => [data.total_points, data.change_amount, data.reason])).toEqual([
      [1200, 200, 'admin'],
      [0, -1200, 'admin']
    ])
    const ledger = (await by.get(`/points-records?user_id=${diner.userId}&limit=2`)).json().data
    expect(ledger.records).toMatchObject([
      { user_id: diner.userId, type: 'spend', points: -1200, balance_after: 0, source: 'admin', description: '更正😀' },
      { user_id: diner.userId, type: 'earn', points: 200, balance_after: 1200, source: 'admin' }
    ])
    expect(ledger.pagination.total).toBe(3)
    expect(await acts(by, 'user', diner.userId)).toMatchObject([
      { action: 'user.points', before: { total_points: 1200 }, after: { total_points: 0 }, reason: '更正😀' },
      { action: 'user.points', before: { total_points: 1000 }, after: { total_points: 1200 }, reason: '活动补偿' }
    ])
    expect(await ledgerFaults(app, [diner.userId])).toEqual([])
  })

  test('never fall below zero, of 20 at once either; what is refused changes nothing', async () => {
    const app = await createAdminApp()
    const by = await newAdmin(app)
    const diner = await newDiner(app)
    const url = `/users/${diner.userId}/points`
    const refused = await by.post(url, { change: -1001, reason })
    expect(refused.json()).toMatchObject({
      code: 3002,
      error: 'POINTS_INSUFFICIENT',
      details: { required: 1001, current: 1000, shortage: 1 }
    })
    expect(await acts(by, 'user', diner.userId)).toEqual([])
    const replies = await Promise.all(Array.from({ length: 20 }, () => by.post(url, { change: -300, reason })))
    expect(replies.filter((reply) => reply.statusCode === 200)).toHaveLength(3)
    expect((await app.db.user.findUniqueOrThrow({ where: { userId: diner.userId } })).totalPoints).toBe(100)
    expect(await acts(by, 'user', diner.userId)).toHaveLength(3)
    expect(await ledgerFaults(app, [diner.userId])).toEqual([])
  })

  test('a change that is no whole number from 1 to 1,000,000 either way is refused, and changes nothing', async () => {
    const app = await createAdminApp()
    const by = await newAdmin(app)
    const { userId } = await newDiner(app)
    const url = `/users/${userId}/points`
    const post = (text: string) =>
      app.inject({
        method: 'POST',
        url: `/api/admin${url}`,
        headers: { authorization: `Bearer ${by.access}`, 'content-type': 'application/json' },
        payload: text
      })
    const bad = '0 -0 0.0 1.5 "100" null true [] {} 1e308 1e309 -1e308 9007199254740993 1000001 -1000001'.split(' ')
    for (const change of bad) {
      const reply = await post(`{"change":${change},"reason":"x"}`)
      expect([change, reply.json().code]).toEqual([change, 1003])
    }
    for (const text of [
      '',
      '{}',
      '[]',
      '{"change":NaN}',
      '{"change":5}',
      '{"reason":"x"}',
      '{"change":5,"reason":1}'
    ]) {
      expect([text, (await post(text)).json().code]).toEqual([text, 1003])
    }
    for (const odd of ['\\u0000', 'a\\u0000b', '\\ud800', 'x\\udc00']) {
      expect([odd, (await post(`{"change":5,"reason":"${odd}"}`)).json().code]).toEqual([odd, 1003])
    }
    expect((await app.db.user.findUniqueOrThrow({ where: { userId } })).totalPoints).toBe(1000)
    expect(await app.db.pointsRecord.count({ where: { userId } })).toBe(1)
    expect(await acts(by, 'user', userId)).toEqual([])
    for (const change of ['1000000', '-1000000', '1e2'])
      expect((await post(`{"change":${change},"reason":"x"}`)).statusCode).toBe(200)
  })

  test('a balance stops where its column ends', async () => {
    const app = await createAdminApp()
    const by = await newAdmin(app)
    const userId = await app.tx((uow) => createUser(uow, { mobile: newMobile(), points: 2_147_000_000 }))
    const url = `/users/${userId}/points`
    const refused = await by.post(url, { change: 483_648, reason })
    expect(refused.json()).toMatchObject({ code: 1003, details: [{ field: 'change' }] })
    expect((await by.post(url, { change: 483_647, reason })).json().data.total_points).toBe(2_147_483_647)
    expect(await ledgerFaults(app, [userId])).toEqual([])
  })

  test('a key makes a repetition answer the first result, of 10 at once too, and pushes once', async () => {
    const app = await createAdminApp()
    const by = await newAdmin(app)
    const [diner, other] = [await newDiner(app), await newDiner(app)]
    const socket = await openSocket(app, diner.access)
    const key = { 'idempotency-key': 'give-once' }
    const body = { change: 100, reason }
    const url = `/users/${diner.userId}/points`
    const replies = await Promise.all(Array.from({ length: 10 }, () => by.post(url, body, key)))
    expect(new Set(replies.map((reply) => reply.body)).size).toBe(1)
    expect(replies[0]?.json().data.total_points).toBe(1100)
    expect(replies.filter((reply) => reply.headers['idempotent-replayed'] === 'true')).toHaveLength(9)
    for (const [path, changed] of [
      [url, { ...body, change: 200 }],
      [url, { ...body, reason: 'other' }],
      [`/users/${other.userId}/points`, body]
    ] as const) {
      expect((await by.post(path, changed, key)).json()).toMatchObject({ code: 3007, error: 'IDEMPOTENCY_CONFLICT' })
    }
    expect((await by.post(url, body, { 'idempotency-key': 'x'.repeat(65) })).json().code).toBe(1003)
    expect((await by.post(url, { change: 1, reason })).json().data.total_points).toBe(1101)
    await socket.take('points_update', 2)
    expect(socket.frames.filter((frame) => frame.type === 'points_update')).toHaveLength(2)
    expect(await acts(by, 'user', diner.userId)).toHaveLength(2)
    expect(await ledgerFaults(app, [diner.userId, other.userId])).toEqual([])
  })

  test('two admins who adjust each other under keys, 40 times at once, all get through', async () => {
    const app = await createAdminApp()
    const [one, two] = [await newAdmin(app), await newAdmin(app)]
    const replies = await Promise.all(
      Array.from({ length: 40 }, (_, n) => {
        const [by, of] = n % 2 === 0 ? [one, two] : [two, one]
        return by.post(`/users/${of.userId}/points`, { change: 1, reason }, { 'idempotency-key': `k${n}` })
      })
    )
    expect(replies.map((reply) => reply.statusCode)).toEqual(Array(40).fill(200))
    expect(await ledgerFaults(app, [one.userId, two.userId])).toEqual([])
  })
})

describe('logs', () => {
  test('privileged acts are filtered by who, what, whom and day, page by page', async () => {
    const app = await createAdminApp()
    const by = await newAdmin(app)
    const target = newMobile()
    const at = (instant: string, action: string) => ({
      actorId: by.userId,
      action,
      targetType: 'review',
      targetId: target,
      requestId: instant,
      createdAt: new Date(instant)
    })
    // Days start at midnight in Shanghai, which is 16:00 UTC.
    await app.db.auditLog.createMany({
      data: [
        at('2026-03-01T15:59:59.999Z', 'review.approve'),
        at('2026-03-01T16:00:00.000Z', 'review.reject'),
        at('2026-03-02T15:59:59.999Z', 'review.approve'),
        at('2026-03-02T16:00:00.000Z', 'review.approve')
      ]
    })
    const find = async (query: string) => {
      const { data } = (await by.get(`/audit-logs?target_id=${target}&${query}`)).json()
      return data.logs.map((log: { request_id: string }) => log.request_id.slice(8, 13))
    }
    expect(await find('')).toEqual(['02T16', '02T15', '01T16', '01T15'])
    expect(await find('from=2026-03-02&to=2026-03-02')).toEqual(['02T15', '01T16'])
    expect(await find('from=2026-03-03')).toEqual(['02T16'])
    expect(await find('to=2026-03-01')).toEqual(['01T15'])
    expect(await find('action=review.reject')).toEqual(['01T16'])
    expect(await find(`actor_id=${by.userId}&target_type=review&limit=3&page=2`)).toEqual(['01T15'])
    expect(await find('target_type=user')).toEqual([])
    expect(await find('actor_id=2147483647')).toEqual([])
    expect(await find('from=2000-01-01&to=2099-12-31')).toHaveLength(4)
    for (const query of ['from=2026-02-30', 'to=yesterday', 'from=0000-01-01', 'actor_id=me', 'format=xml']) {
      expect([query, (await by.get(`/audit-logs?${query}`)).json().code]).toEqual([query, 1003])
    }
    const [log] = (await by.get(`/audit-logs?target_id=${target}`)).json().data.logs
    expect(log).toMatchObject({ before: null, after: null, reason: null })
  })

  test('logins are filtered by user, way and outcome', async () => {
    const app = await createAdminApp()
    const by = await newAdmin(app)
    const diner = await newDiner(app)
    await app.inject({ method: 'POST', url: '/api/auth/login', payload: { mobile: diner.mobile, code: '000000' } })
    const find = async (query: string) => (await by.get(`/login-logs?${query}`)).json().data
    const masked = `${diner.mobile.slice(0, 3)}****${diner.mobile.slice(7)}`
    const own = await find(`user_id=${diner.userId}`)
    expect(own.pagination.total).toBe(1)
    expect(own.logs).toMatchObject([{ method: 'sms', account: masked, success: true, error: null }])
    const [failed] = (await find('method=sms&success=false&limit=1')).logs
    expect(failed).toMatchObject({ account: masked, user_id: null, success: false, error: 'CODE_INVALID' })
    expect((await find(`method=admin&user_id=${by.userId}`)).logs).toHaveLength(1)
    expect((await find(`method=wechat&user_id=${by.userId}`)).logs).toEqual([])
    const ids = (await find('limit=50')).logs.map((log: { id: number }) => log.id)
    expect(ids).toEqual([...ids].sort((a, b) => b - a))
    for (const query of ['method=fax', 'success=perhaps', 'user_id=0']) {
      expect([query, (await by.get(`/login-logs?${query}`)).json().code]).toEqual([query, 1003])
    }
  })
})

/** Reads CSV as RFC 4180 has it. */
function parseCsv(text: string): string[][] {
  const rows: string[][] = []
  let row: string[] = []
  for (const [, quoted, plain, end] of text.matchAll(/(?:"((?:[^"]|"")*)"|([^",\r\n]*))(,|\r\n)/g)) {
    row.push(quoted?.replaceAll('""', '"') ?? plain ?? '')
    if (end === ',') continue
    rows.push(row)
    row = []
  }
  return rows
}

/** The whole ledger as a file, over the network. */
async function download(app: FastifyInstance, by: Admin): Promise<IncomingMessage> {
  const { port } = app.server.address() as { port: number }
  const url = `http://127.0.0.1:${port}/api/admin/points-records?format=csv`
  const [reply] = await once(get(url, { agent: false, headers: { authorization: `Bearer ${by.access}` } }), 'response')
  return reply
}

describe('CSV', () => {
  test('a cell is quoted where RFC 4180 wants it, and is never a formula', () => {
    const cells: [unknown, string][] = [
      ['plain', 'plain'],
      ['a,b', '"a,b"'],
      ['say "hi"', '"say ""hi"""'],
      ['two\r\nlines', '"two\r\nlines"'],
      ['', ''],
      [null, ''],
      [undefined, ''],
      [true, 'true'],
      [-100, '-100'],
      ['-100', '-100'],
      ['-1.50', '-1.50'],
      [10n, '10'],
      [new Date('2026-11-22T12:00:00Z'), '2026-11-22T12:00:00.000Z'],
      [{ a: 1 }, '"{""a"":1}"'],
      ['=1+1', "'=1+1"],
      ['=HYPERLINK("http://evil","x")', '"\'=HYPERLINK(""http://evil"",""x"")"'],
      ['+1+1', "'+1+1"],
      ['-1+1', "'-1+1"],
      ['-2-3,cmd|x', '"\'-2-3,cmd|x"'],
      ['@SUM(A1)', "'@SUM(A1)"],
      ['\t=1', '"\'\t=1"'],
      ['\r=1', '"\'\r=1"'],
      ['＝1+1', "'＝1+1"],
      ['a=1', 'a=1']
    ]
    for (const [value, text] of cells) expect(csvCell(value)).toBe(text)
    expect(csvLine([1, 'a,b', null])).toBe('1,"a,b",\r\n')
  })

  test('a file is made as it is read: whoever reads a little makes the table be read a little', async () => {
    let reads = 0
    const endless = pagesOf<{ id: number }>(async (last) => {
      reads += 1
      return Array.from({ length: CSV_PAGE }, (_, index) => ({ id: (last?.id ?? 0) + index + 1 }))
    })
    const file = await csvStream(['id'], endless)
    expect(reads).toBe(1)
    let text = ''
    for await (const chunk of file) {
      text += chunk
      if (text.split('\r\n').length > 2 * CSV_PAGE) break
    }
    expect(text.startsWith('\uFEFFid\r\n1\r\n2\r\n')).toBe(true)
    expect(reads).toBeLessThan(6)
    expect(file.destroyed).toBe(true)
  })

  test('a table whose first page fails makes no file; an empty one makes a heading', async () => {
    const failing = pagesOf<{ id: number }>(async () => {
      throw new Error('down')
    })
    await expect(csvStream(['id'], failing)).rejects.toThrow('down')
    const empty = await csvStream(
      ['id'],
      pagesOf<{ id: number }>(async () => [])
    )
    expect((await empty.toArray()).join('')).toBe('\uFEFFid\r\n')
  })

  test('of privileged acts: BOM, name, heading, filters, hostile text defused', async () => {
    const now = new Date()
    const app = await createAdminApp({ clock: () => now })
    const by = await newAdmin(app)
    const { userId } = await newDiner(app)
    await by.post(`/users/${userId}/ban`, { reason: '=HYPERLINK("http://evil","点我")' })
    await by.post(`/users/${userId}/unban`, { reason: '两行,\n"引号"' })
    const reply = await by.get(`/audit-logs?format=csv&target_type=user&target_id=${userId}&limit=1`)
    expect(reply.statusCode).toBe(200)
    expect(reply.headers).toMatchObject({
      'content-type': 'text/csv; charset=utf-8',
      'content-disposition': `attachment; filename="audit-logs-${businessDay(now, 'Asia/Shanghai')}.csv"`
    })
    expect([...reply.rawPayload.subarray(0, 3)]).toEqual([0xef, 0xbb, 0xbf])
    const [heading, ...rows] = parseCsv(reply.rawPayload.subarray(3).toString())
    expect(heading).toEqual(
      'id created_at actor_id action target_type target_id before after reason ip request_id'.split(' ')
    )
    expect(rows.map((row) => row.slice(1, 9))).toEqual([
      [
        now.toISOString(),
        String(by.userId),
        'user.unban',
        'user',
        String(userId),
        '{"status":"banned"}',
        '{"status":"active"}',
        '两行,\n"引号"'
      ],
      [
        now.toISOString(),
        String(by.userId),
        'user.ban',
        'user',
        String(userId),
        '{"status":"active"}',
        '{"status":"banned"}',
        '\'=HYPERLINK("http://evil","点我")'
      ]
    ])
    expect((await by.get('/audit-logs?format=csv&from=2099-12-31')).body.split('\r\n')).toHaveLength(2)
  })

  test('of the ledger: more rows than a page, each once, newest first, and never the table in one read', async () => {
    const reads: string[] = []
    const app = await createAdminApp({ onQuery: (sql) => reads.push(sql) })
    const by = await newAdmin(app)
    const { userId } = await newDiner(app, { points: 0 })
    const count = 2 * CSV_PAGE + 37
    const row = (index: number) =>
      ({ userId, seq: index + 1, hash: '', points: 1, balanceAfter: index + 1, type: 'earn', source: 'admin' }) as const
    await app.db.pointsRecord.createMany({ data: Array.from({ length: count }, (_, index) => row(index)) })
    await app.db.user.update({ where: { userId }, data: { totalPoints: count, ledgerSeq: count } })
    await by.post(`/users/${userId}/points`, { change: -100, reason: '-1+cmd' })
    reads.length = 0
    const reply = await by.get(`/points-records?format=csv&user_id=${userId}`)
    expect(reply.headers['content-disposition']).toMatch(/filename="points-records-\d{4}-\d\d-\d\d\.csv"/)
    const [heading, newest, ...rows] = parseCsv(reply.body.slice(1))
    expect(heading?.slice(0, 5)).toEqual(['id', 'user_id', 'type', 'points', 'balance_after'])
    expect(newest?.slice(1, 7)).toEqual([String(userId), 'spend', '-100', String(count - 100), 'admin', "'-1+cmd"])
    expect(rows.map((cells) => Number(cells[4]))).toEqual(Array.from({ length: count }, (_, index) => count - index))
    const pages = reads.filter((sql) => /^(QUERY|EXECUTE).*points_records/s.test(sql))
    expect(pages).toHaveLength(3)
  })

  test('of all users, over the network, and a reader who leaves does no harm', async () => {
    const app = await createAdminApp()
    const by = await newAdmin(app)
    const userIds = [(await newDiner(app)).userId, (await newDiner(app)).userId]
    const reply = await download(app, by)
    expect(reply.headers).toMatchObject({ 'content-type': 'text/csv; charset=utf-8', 'transfer-encoding': 'chunked' })
    const users = parseCsv((await text(reply)).slice(1)).map((row) => Number(row[1]))
    expect(users).toEqual(expect.arrayContaining(userIds))
    const left = await download(app, by)
    left.destroy()
    await once(left, 'close')
    expect((await by.get('/points-records?limit=1')).json().data.records).toHaveLength(1)
  })

  test('a file that a failing database cuts short is seen to be cut short', async () => {
    const app = await createAdminApp()
    const by = await newAdmin(app)
    const { userId } = await newDiner(app, { points: CSV_PAGE })
    const row = (index: number) =>
      ({ userId, seq: index + 2, hash: '', points: 1, balanceAfter: 1, type: 'earn', source: 'admin' }) as const
    await app.db.pointsRecord.createMany({ data: Array.from({ length: CSV_PAGE }, (_, index) => row(index)) })
    const { pointsRecord } = app.db
    let reads = 0
    const findMany = async (args: object) => {
      reads += 1
      if (reads === 2) throw new Error('the database went away')
      return pointsRecord.findMany(args)
    }
    Object.defineProperty(app.db, 'pointsRecord', { value: { findMany } })
    const reply = await download(app, by)
    expect(reply.statusCode).toBe(200)
    await expect(text(reply)).rejects.toMatchObject({ code: 'ECONNRESET' })
  })
})
