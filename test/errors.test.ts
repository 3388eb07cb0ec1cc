import { connect } from 'node:net'
import bcrypt from 'bcrypt'
import type { FastifyInstance, LightMyRequestResponse } from 'fastify'
import { afterAll, expect, onTestFinished, test } from 'vitest'
import { createAdmin } from '../src/domains/auth/admin-login.js'
import { catalogue, type ErrorName } from '../src/shared/catalogue.js'
import { createApp, databaseUrl, newAdmin, newDiner, newMerchant, newMobile, sql, until } from './helpers/app.js'
import { createProxy } from './helpers/proxy.js'
import { newProduct, submit } from './helpers/shop.js'
import { openSocket } from './helpers/socket.js'
import { multipart, picture, storageWith, upload } from './helpers/upload.js'
import { APPID, fakeWechat, SECRET, SESSION } from './helpers/wechat.js'

const reached = new Set<string>()

/** An answer of the shape of contract section 1, for the error it should be. */
function expectFailure(error: ErrorName, status: number, body: Record<string, unknown>): void {
  const entry = catalogue[error]
  expect(status).toBe(entry.status)
  expect(body).toMatchObject({
    code: entry.code,
    msg: entry.msg,
    data: null,
    error,
    wechat_tip: entry.tip,
    solution: entry.solution,
    request_id: expect.stringMatching(/^[\w.-]{1,64}$/)
  })
  const allowed = ['code', 'msg', 'data', 'error', 'wechat_tip', 'solution', 'details', 'request_id']
  expect(Object.keys(body).filter((key) => !allowed.includes(key))).toEqual([])
  expect(JSON.stringify(body)).not.toMatch(/SELECT|INSERT|node_modules|\/src\/|at \w+ \(/)
  reached.add(error)
}
const expectReply = (error: ErrorName, reply: LightMyRequestResponse) => {
  expectFailure(error, reply.statusCode, reply.json())
  expect(reply.headers['x-request-id']).toBe(reply.json().request_id)
}

const send = (app: FastifyInstance, url: string, payload?: string | object, headers: Record<string, string> = {}) =>
  app.inject({ method: 'POST', url, headers, ...(payload === undefined ? {} : { payload }) })

test('what is wrong with a request', async () => {
  const app = await createApp({ config: { BODY_LIMIT: 1024 } })
  const json = { 'content-type': 'application/json' }
  for (const mobile of ['12812345678', '1381234567', '138123456789', 'abc', '', 13812345678, null]) {
    const reply = await send(app, '/api/auth/send-code', { mobile })
    expectReply('MOBILE_INVALID', reply)
  }
  const missing = await send(app, '/api/auth/login', { mobile: newMobile() })
  expectReply('VALIDATION_FAILED', missing)
  expect(missing.json().details).toEqual([{ field: 'code', message: expect.any(String) }])
  expectReply('VALIDATION_FAILED', await send(app, '/api/auth/login', '', json))
  expectReply('VALIDATION_FAILED', await send(app, '/api/auth/login'))
  expectReply('CODE_INVALID', await send(app, '/api/auth/login', { mobile: newMobile(), code: '123456' }))
  expectReply('BODY_MALFORMED', await send(app, '/api/auth/login', '{"mobile":', json))
  expectReply('BODY_MALFORMED', await send(app, '/api/auth/login', '{"__proto__":{"a":1}}', json))
  expectReply('BODY_TOO_LARGE', await send(app, '/api/auth/login', `"${'x'.repeat(2000)}"`, json))
  expectReply('MEDIA_TYPE_UNSUPPORTED', await send(app, '/api/auth/login', '<a/>', { 'content-type': 'text/xml' }))
  expectReply('MEDIA_TYPE_UNSUPPORTED', await send(app, '/api/auth/login', 'text', { 'content-type': 'text/plain' }))
  expectReply('NOT_FOUND', await send(app, '/api/nothing'))
  expectReply('NOT_FOUND', await app.inject({ method: 'DELETE', url: '/api/auth/login' }))
  expectReply('NOT_FOUND', await app.inject({ method: 'GET', url: '/' }))
  const undecodable = await app.inject({ method: 'GET', url: '/api/%zz' })
  expectFailure('BODY_MALFORMED', undecodable.statusCode, undecodable.json())
})

test('who may not', async () => {
  const app = await createApp()
  const diner = await newDiner(app)
  expectReply('TOKEN_MISSING', await send(app, '/api/lottery/draw'))
  expectReply('TOKEN_INVALID', await send(app, '/api/lottery/draw', {}, { authorization: 'Bearer x' }))
  expectReply('FORBIDDEN', await diner.post('/api/lottery/draw', { userId: diner.userId + 1 }))
  await app.db.user.update({ where: { userId: diner.userId }, data: { status: 'banned' } })
  app.bus.publish({ kind: 'user_changed', userId: diner.userId })
  expectReply('ACCOUNT_DISABLED', await diner.get('/api/lottery/config'))

  const username = `admin${newMobile()}`
  const passwordHash = await bcrypt.hash('right', 4)
  await app.tx((uow) => createAdmin(uow, { username, passwordHash, mobile: newMobile(), newUserPoints: 0 }))
  for (let time = 0; time < 3; time += 1) {
    expectReply('ADMIN_LOGIN_FAILED', await send(app, '/api/auth/admin-login', { username, password: 'wrong' }))
  }
  expectReply('ADMIN_LOCKED', await send(app, '/api/auth/admin-login', { username, password: 'right' }))
})

test('what the wheel refuses', async () => {
  const app = await createApp()
  const diner = await newDiner(app, { points: 5000 })
  const draw = (body: object, headers: Record<string, string> = {}) => diner.post('/api/lottery/draw', body, headers)
  expectReply('PRICE_CHANGED', await draw({ costPoints: 1 }))
  await draw({ draw_type: 'ten' }, { 'idempotency-key': 'k' })
  expectReply('IDEMPOTENCY_CONFLICT', await draw({}, { 'idempotency-key': 'k' }))
  for (let time = 0; time < 4; time += 1) await draw({ draw_type: 'ten' })
  expectReply('DRAW_LIMIT_REACHED', await draw({}))
  const poor = await newDiner(app, { points: 99 })
  const reply = await poor.post('/api/lottery/draw')
  expectReply('POINTS_INSUFFICIENT', reply)
  expect(reply.json().details).toEqual({ required: 100, current: 99, shortage: 1 })

  const held = await newDiner(app)
  await held.put('/api/user/limits', { daily_draws: 0 })
  expectReply('SELF_LIMIT', await held.post('/api/lottery/draw'))

  await sql('UPDATE lottery_config SET is_active = 0')
  const closed = await createApp()
  expectReply('LOTTERY_CLOSED', await (await newDiner(closed)).post('/api/lottery/draw'))
  await sql('UPDATE lottery_config SET is_active = 1, pity_prize_id = 9')
  const broken = await createApp()
  expectReply('LOTTERY_NOT_READY', await (await newDiner(broken)).post('/api/lottery/draw'))
  await sql('UPDATE lottery_config SET pity_prize_id = 2')
})

test('what the shop and the counter refuse', async () => {
  const app = await createApp()
  const [diner, merchant] = [await newDiner(app, { points: 100 }), await newMerchant(app)]
  const productId = await newProduct(app, { exchangePoints: 100, stock: 2 })
  expectReply('STOCK_INSUFFICIENT', await submit(diner, productId, { quantity: 3 }))
  expectReply('PRODUCT_NOT_FOUND', await submit(diner, 2_000_000_000))
  const { exchange_code: code } = (await submit(diner, productId)).json().data
  await merchant.put(`/api/merchant/products/${productId}`, { status: 'unavailable' })
  expectReply('PRODUCT_UNAVAILABLE', await submit(diner, productId))
  expectReply('ORDER_NOT_FOUND', await diner.get('/api/exchange/orders/999999'))
  expectReply('VOUCHER_NOT_FOUND', await merchant.get('/api/merchant/vouchers/AAAAAAAAAAAA'))
  await merchant.post('/api/merchant/vouchers/redeem', { code })
  expectReply('VOUCHER_NOT_USABLE', await merchant.post('/api/merchant/vouchers/redeem', { code }))
  const image = async (bytes?: Buffer) => {
    const form = await multipart(bytes === undefined ? [['x', 'y']] : [['image', { bytes }]])
    const headers = { ...form.headers, authorization: `Bearer ${merchant.access}` }
    return app.inject({ method: 'POST', url: '/api/merchant/images', payload: form.payload, headers })
  }
  expectReply('IMAGE_REQUIRED', await image())
  expectReply('IMAGE_UNREADABLE', await image(Buffer.from('none')))
  expectReply('IMAGE_TOO_LARGE', await image(Buffer.alloc(5 * 1024 * 1024 + 1)))
})

test('what fails on our side', async () => {
  const sms = { sendCode: async () => Promise.reject(new Error('gateway down')) }
  const app = await createApp({ sms, config: { RATE_LIMIT: true, RATE_LIMIT_SEND_CODE: 1 } })
  expectReply('SMS_UNAVAILABLE', await send(app, '/api/auth/send-code', { mobile: newMobile() }))
  const limited = await send(app, '/api/auth/send-code', { mobile: newMobile() })
  expectReply('RATE_LIMITED', limited)
  expect(Number(limited.headers['retry-after'])).toBeGreaterThan(0)

  const wechatLogin = { code: 'x' }
  expectReply('WECHAT_NOT_CONFIGURED', await send(app, '/api/auth/wechat-login', wechatLogin))
  const wechat = await fakeWechat()
  const settings = { WECHAT_APPID: APPID, WECHAT_SECRET: SECRET, WECHAT_API_BASE: wechat.base }
  const linked = await createApp({ config: settings })
  expectReply('WECHAT_CODE_INVALID', await send(linked, '/api/auth/wechat-login', wechatLogin))
  wechat.next(SESSION, { body: { errcode: 40013, errmsg: 'invalid appid' } })
  expectReply('WECHAT_UNAVAILABLE', await send(linked, '/api/auth/wechat-login', wechatLogin))

  const broken = await createApp({ randomInt: () => Number.NaN })
  const diner = await newDiner(await createApp())
  const headers = { authorization: `Bearer ${diner.access}` }
  expectReply('INTERNAL', await send(broken, '/api/lottery/draw', {}, headers))
})

test('a database that is gone is 5002, and comes back without a restart', async () => {
  // A proxy of our own in front of the database, so that it can be cut.
  const proxy = await createProxy(new URL(databaseUrl()))
  onTestFinished(() => proxy.close())
  const app = await createApp({ config: { DATABASE_URL: proxy.url, DB_POOL: 3 } })
  const diner = await newDiner(app)
  proxy.cut()
  expectReply('DATABASE_UNAVAILABLE', await diner.get('/api/user/info'))
  expectReply('DATABASE_UNAVAILABLE', await diner.post('/api/lottery/draw'))
  const health = await app.inject('/health')
  expect([health.statusCode, health.json().status, health.json().checks.db.status]).toEqual([
    503,
    'unhealthy',
    'unhealthy'
  ])
  expect((await app.inject('/health/ready')).statusCode).toBe(503)
  expect((await app.inject('/health/live')).statusCode).toBe(200)
  proxy.restore()
  await until(async () => (await diner.post('/api/lottery/draw')).statusCode === 200)
  expect((await app.inject('/health')).json().status).toBe('healthy')
})

test('a full house and a stranger are refused before the upgrade', async () => {
  const app = await createApp({ config: { WS_MAX_CONNECTIONS: 1, PORT: 0 } })
  await app.listen({ port: 0, host: '127.0.0.1' })
  const [one, two] = [await newDiner(app), await newDiner(app)]
  const first = await openSocket(app, one.access)
  const full = await openSocket(app, two.access).catch((refused) => refused)
  expectFailure('OVERLOADED', full.status, full.body)
  expect(Number(full.headers['retry-after'])).toBeGreaterThan(0)
  for (const [token, error] of [
    [undefined, 'TOKEN_MISSING'],
    ['x', 'TOKEN_INVALID'],
    [one.refresh, 'TOKEN_INVALID']
  ] as const) {
    const refused = await openSocket(app, token).catch((err) => err)
    expectFailure(error, refused.status, refused.body)
  }
  const plain = await app.inject({ method: 'GET', url: '/ws', headers: { authorization: `Bearer ${two.access}` } })
  expect([503, 400]).toContain(plain.statusCode)
  first.close()
})

test('bytes that are no HTTP get an envelope too', async () => {
  const app = await createApp()
  await app.listen({ port: 0, host: '127.0.0.1' })
  const { port } = app.server.address() as { port: number }
  const text = await new Promise<string>((resolve, reject) => {
    const socket = connect(port, '127.0.0.1', () => socket.write('nonsense\r\n\r\n'))
    let answer = ''
    socket.on('data', (chunk) => {
      answer += chunk
    })
    socket.on('end', () => resolve(answer))
    socket.on('error', reject)
  })
  expect(text).toMatch(/^HTTP\/1\.1 400 /)
  expectFailure('BODY_MALFORMED', 400, JSON.parse(text.slice(text.indexOf('{'))))
})

test('a request id is taken over when it is well formed, else made', async () => {
  const app = await createApp()
  const ask = (id: string) => app.inject({ method: 'GET', url: '/api/none', headers: { 'x-request-id': id } })
  expect((await ask('abc-1.2')).json().request_id).toBe('abc-1.2')
  expect((await ask('a b\u007f')).json().request_id).toMatch(/^[0-9a-f-]{36}$/)
  expect((await ask('x'.repeat(65))).json().request_id).toMatch(/^[0-9a-f-]{36}$/)
})

test('what receipts and their review refuse', async () => {
  let storageFails = true
  const storage = storageWith(async () => {
    if (storageFails) throw new Error('storage down')
  })
  const app = await createApp({ storage })
  const [diner, merchant] = [await newDiner(app), await newDiner(app)]
  const bytes = await picture(40, 40)
  expectReply('PHOTO_STORE_FAILED', await upload(app, diner, { bytes }))
  storageFails = false
  expectReply('PHOTO_REQUIRED', await diner.post('/api/photo/upload', {}))
  expectReply('AMOUNT_INVALID', await upload(app, diner, { bytes, amount: 'abc' }))
  expectReply('AMOUNT_TOO_LARGE', await upload(app, diner, { bytes, amount: '10000.01' }))
  expectReply('PHOTO_TOO_LARGE', await upload(app, diner, { bytes: Buffer.alloc(5 * 1024 * 1024 + 1) }))
  expectReply('PHOTO_UNREADABLE', await upload(app, diner, { bytes: Buffer.from('text') }))
  const { upload_id } = (await upload(app, diner, { bytes })).json().data

  expectReply('MERCHANT_REQUIRED', await merchant.post('/api/merchant/review', { upload_id, action: 'rejected' }))
  expectReply('APPLICATION_INCOMPLETE', await diner.post('/api/merchant/apply', {}))
  expectReply('APPLICATION_NOT_FOUND', await diner.get('/api/merchant/application'))
  const form = { business_name: 'a', contact_person: 'b', contact_phone: '13900001234' }
  await diner.post('/api/merchant/apply', form)
  expectReply('APPLICATION_PENDING', await diner.post('/api/merchant/apply', form))
  await app.db.user.update({ where: { userId: merchant.userId }, data: { isMerchant: true } })
  app.bus.publish({ kind: 'user_changed', userId: merchant.userId })
  expectReply('ALREADY_MERCHANT', await merchant.post('/api/merchant/apply', form))

  const review = (body: object) => merchant.post('/api/merchant/review', body)
  expectReply('REVIEW_PARAMS', await review({ upload_id, action: 'maybe' }))
  expectReply('ACTUAL_AMOUNT_REQUIRED', await review({ upload_id, action: 'approved' }))
  expectReply('REVIEW_NOT_FOUND', await review({ upload_id: 'unknown', action: 'rejected' }))
  const own = (await upload(app, merchant, { bytes })).json().data.upload_id
  expectReply('REVIEW_OWN_UPLOAD', await review({ upload_id: own, action: 'rejected' }))
  await review({ upload_id, action: 'rejected' })
  expectReply('REVIEW_ALREADY_DONE', await review({ upload_id, action: 'rejected' }))
  const uphold = (id: string) => merchant.post(`/api/merchant/appeals/${id}/uphold`, { reason: 'x' })
  expectReply('APPEAL_NOT_FOUND', await uphold(upload_id))
  await diner.post(`/api/photo/${upload_id}/appeal`, { message: 'x' })
  expectReply('APPEAL_OWN_DECISION', await uphold(upload_id))
  expectReply('APPEAL_NOT_OPEN', await diner.post(`/api/photo/${upload_id}/appeal`, { message: 'x' }))
})

test('what avatars refuse', async () => {
  const storage = storageWith(async () => Promise.reject(new Error('storage down')))
  const app = await createApp({ storage })
  const diner = await newDiner(app)
  const send = async (bytes: Buffer) => {
    const { payload, headers } = await multipart([['avatar', { bytes }]])
    const authorization = `Bearer ${diner.access}`
    return app.inject({ method: 'POST', url: '/api/user/avatar', payload, headers: { ...headers, authorization } })
  }
  expectReply('AVATAR_REQUIRED', await diner.post('/api/user/avatar', {}))
  expectReply('AVATAR_TOO_LARGE', await send(Buffer.alloc(5 * 1024 * 1024 + 1)))
  expectReply('AVATAR_UNREADABLE', await send(Buffer.from('text')))
  expectReply('STORAGE_UNAVAILABLE', await send(await picture(40, 40)))
  expect((await diner.get('/api/user/info')).json().data.avatar).toBe('')
})

test('what admins are refused', async () => {
  const app = await createApp()
  const admin = await newAdmin(app)
  const { userId } = await newDiner(app)
  expectReply('USER_NOT_FOUND', await admin.post('/api/admin/users/2000000000/ban', { reason: 'x' }))
  expectReply('STATE_CONFLICT', await admin.post(`/api/admin/users/${userId}/unban`, { reason: 'x' }))
  expectReply('APPLICATION_NOT_FOUND', await admin.post('/api/admin/merchant-applications/2000000000/approve', {}))
})

afterAll(() => {
  expect([...reached].sort()).toEqual(Object.keys(catalogue).sort())
})
