import { randomBytes } from 'node:crypto'
import type { FastifyInstance } from 'fastify'
import { describe, expect, test } from 'vitest'
import { createLogger } from '../src/observe/logger.js'
import { createApp, ledgerFaults, newDiner, newMobile, type TestAppOptions, testConfig } from './helpers/app.js'
import { logLines } from './helpers/stand-in.js'
import { APPID, type FakeWechat, fakeWechat, PHONE, SECRET, SESSION, TOKEN } from './helpers/wechat.js'

const newOpenid = () => `o${randomBytes(13).toString('hex')}`
const masked = (mobile: string) => `${mobile.slice(0, 3)}****${mobile.slice(7)}`
const busy = { body: { errcode: -1, errmsg: 'system error' } }

async function withWechat({ config, ...options }: TestAppOptions = {}): Promise<[FastifyInstance, FakeWechat]> {
  const wechat = await fakeWechat()
  const settings = { WECHAT_APPID: APPID, WECHAT_SECRET: SECRET, WECHAT_API_BASE: wechat.base }
  return [await createApp({ ...options, config: { ...settings, ...config } }), wechat]
}
const enter = (app: FastifyInstance, code: string, phone_code?: string) =>
  app.inject({ method: 'POST', url: '/api/auth/wechat-login', payload: { code, phone_code } })

describe('whose account it is', () => {
  test('a first login makes an account of openid and mobile; the next ones need no mobile', async () => {
    const [app, wechat] = await withWechat()
    const [openid, mobile] = [newOpenid(), newMobile()]
    const first = await enter(app, wechat.login(openid), wechat.phone(mobile))
    expect(first.json()).toMatchObject({
      code: 0,
      data: {
        expires_in: 7200,
        is_new_user: true,
        user_info: { mobile: masked(mobile), nickname: `用户${mobile.slice(-4)}`, total_points: 1000 }
      }
    })
    expect(first.body).not.toContain('session')
    const { data } = first.json()
    const headers = { authorization: `Bearer ${data.access_token}` }
    expect((await app.inject({ method: 'GET', url: '/api/user/info', headers })).statusCode).toBe(200)
    const again = await enter(app, wechat.login(openid))
    expect(again.json().data).toMatchObject({ is_new_user: false, user_info: { user_id: data.user_info.user_id } })
    expect(await ledgerFaults(app, [data.user_info.user_id])).toEqual([])
    expect(await app.db.user.findUnique({ where: { mobile } })).toMatchObject({ wxOpenid: openid })
  })

  test('an unknown openid without a phone code is told what is needed, and nothing is made', async () => {
    const [app, wechat] = await withWechat()
    const users = await app.db.user.count()
    const reply = await enter(app, wechat.login(newOpenid()))
    expect(reply.json()).toMatchObject({ error: 'VALIDATION_FAILED', details: [{ field: 'phone_code' }] })
    expect(await app.db.user.count()).toBe(users)
  })

  test('an account of that mobile is bound, not doubled, and keeps its points', async () => {
    const [app, wechat] = await withWechat()
    const diner = await newDiner(app, { points: 2500 })
    const openid = newOpenid()
    const { data } = (await enter(app, wechat.login(openid), wechat.phone(diner.mobile, 86))).json()
    expect(data).toMatchObject({ is_new_user: false, user_info: { user_id: diner.userId, total_points: 2500 } })
    expect(await app.db.user.count({ where: { mobile: diner.mobile } })).toBe(1)
    expect(await app.db.user.findUnique({ where: { wxOpenid: openid } })).toMatchObject({ userId: diner.userId })
  })

  test('a mobile whose account has another WeChat is refused; the first WeChat stays', async () => {
    const [app, wechat] = await withWechat()
    const [openid, mobile] = [newOpenid(), newMobile()]
    await enter(app, wechat.login(openid), wechat.phone(mobile))
    const reply = await enter(app, wechat.login(newOpenid()), wechat.phone(mobile))
    expect(reply.json()).toMatchObject({ code: 2003, error: 'FORBIDDEN', details: [{ field: 'phone_code' }] })
    expect(await app.db.user.findUnique({ where: { mobile } })).toMatchObject({ wxOpenid: openid })
  })

  test('two openids that differ in the case of a letter are two people', async () => {
    const [app, wechat] = await withWechat()
    const [openid, mobile] = [newOpenid(), newMobile()]
    await enter(app, wechat.login(`${openid}a`), wechat.phone(mobile))
    const other = await enter(app, wechat.login(`${openid}A`), wechat.phone(newMobile()))
    expect(other.json().data.is_new_user).toBe(true)
    const stranger = await enter(app, wechat.login(`${openid}A`.toUpperCase()))
    expect(stranger.json().error).toBe('VALIDATION_FAILED')
  })

  test('a known openid logs in to its account, whatever mobile comes with it; the phone code is not even spent', async () => {
    const [app, wechat] = await withWechat()
    const [openid, mobile, other] = [newOpenid(), newMobile(), newMobile()]
    await enter(app, wechat.login(openid), wechat.phone(mobile))
    const asked = wechat.calls(PHONE)
    const reply = await enter(app, wechat.login(openid), wechat.phone(other))
    expect(reply.json().data.user_info.mobile).toBe(masked(mobile))
    expect(wechat.calls(PHONE)).toBe(asked)
    expect(await app.db.user.findUnique({ where: { mobile: other } })).toBeNull()
  })

  test('ten first logins at once make one user; two of one mobile and two WeChats bind one of them', async () => {
    const [app, wechat] = await withWechat()
    const [openid, mobile] = [newOpenid(), newMobile()]
    const replies = await Promise.all(
      Array.from({ length: 10 }, () => enter(app, wechat.login(openid), wechat.phone(mobile)))
    )
    expect(replies.map((reply) => reply.statusCode)).toEqual(Array(10).fill(200))
    expect(new Set(replies.map((reply) => reply.json().data.user_info.user_id)).size).toBe(1)
    expect(replies.filter((reply) => reply.json().data.is_new_user)).toHaveLength(1)
    const { userId } = await app.db.user.findUniqueOrThrow({ where: { mobile } })
    expect(await app.db.pointsRecord.count({ where: { userId } })).toBe(1)

    const contested = newMobile()
    const rivals = await Promise.all(
      [newOpenid(), newOpenid()].map((rival) => enter(app, wechat.login(rival), wechat.phone(contested)))
    )
    expect(rivals.map((reply) => reply.statusCode).sort()).toEqual([200, 403])
  })

  test('a disabled account is refused, and not bound on the way', async () => {
    const [app, wechat] = await withWechat()
    const diner = await newDiner(app)
    await app.db.user.update({ where: { userId: diner.userId }, data: { status: 'banned' } })
    const reply = await enter(app, wechat.login(newOpenid()), wechat.phone(diner.mobile))
    expect(reply.json()).toMatchObject({ code: 2004, error: 'ACCOUNT_DISABLED' })
    expect(await app.db.user.findUnique({ where: { userId: diner.userId } })).toMatchObject({ wxOpenid: null })
  })

  test('every try is written down, with a masked mobile or openid', async () => {
    const [app, wechat] = await withWechat()
    const [openid, mobile] = [newOpenid(), newMobile()]
    await enter(app, wechat.login(openid))
    const { user_id: userId } = (await enter(app, wechat.login(openid), wechat.phone(mobile))).json().data.user_info
    await enter(app, 'no-such-code')
    const logs = await app.db.loginLog.findMany({ where: { method: 'wechat' }, orderBy: { id: 'desc' }, take: 3 })
    const openidShown = `${openid.slice(0, 3)}****${openid.slice(-4)}`
    expect(logs).toMatchObject([
      { account: '***', success: false, error: 'WECHAT_CODE_INVALID', userId: null },
      { account: masked(mobile), success: true, error: null, userId },
      { account: openidShown, success: false, error: 'VALIDATION_FAILED', userId: null }
    ])
  })
})

describe('what WeChat answers', () => {
  test('a wrong code, a used one, a wrong phone code, a person at risk: 1004', async () => {
    const [app, wechat] = await withWechat()
    const code = wechat.login(newOpenid())
    await enter(app, code)
    wechat.next(SESSION, { body: { errcode: 40029, errmsg: 'invalid code' } }, { body: { errcode: 40226 } })
    const replies = [
      await enter(app, 'wrong'),
      await enter(app, 'at risk'),
      await enter(app, code),
      await enter(app, wechat.login(newOpenid()), 'wrong')
    ]
    for (const reply of replies) {
      expect([reply.statusCode, reply.json()]).toMatchObject([400, { code: 1004, error: 'WECHAT_CODE_INVALID' }])
    }
  })

  test('too often is 5001 with a time to wait', async () => {
    const [app, wechat] = await withWechat()
    wechat.next(SESSION, { body: { errcode: 45011, errmsg: 'api minute-quota reach limit' } })
    const reply = await enter(app, wechat.login(newOpenid()))
    expect([reply.statusCode, reply.json().error, reply.headers['retry-after']]).toEqual([429, 'RATE_LIMITED', '60'])
  })

  test('busy is asked once more, and no oftener', async () => {
    const [app, wechat] = await withWechat()
    wechat.next(SESSION, busy)
    expect((await enter(app, wechat.login(newOpenid()), wechat.phone(newMobile()))).statusCode).toBe(200)
    expect(wechat.calls(SESSION)).toBe(2)
    wechat.next(SESSION, busy, busy)
    expect((await enter(app, wechat.login(newOpenid()))).json()).toMatchObject({
      code: 5006,
      error: 'WECHAT_UNAVAILABLE'
    })
    expect(wechat.calls(SESSION)).toBe(4)
  })

  test('a mobile of another country, or none: 1001', async () => {
    const [app, wechat] = await withWechat()
    for (const phone of [wechat.phone('5551234567', '1'), wechat.phone(newMobile(), '852'), wechat.phone('12345')]) {
      expect((await enter(app, wechat.login(newOpenid()), phone)).json()).toMatchObject({ error: 'MOBILE_INVALID' })
    }
  })

  test('our own faults, nonsense, silence and a line that is down are 5006, within the time a mini-program waits', async () => {
    const [app, wechat] = await withWechat()
    const unavailable = async (who = app) => {
      const reply = await enter(who, wechat.login(newOpenid()), wechat.phone(newMobile()))
      expect([reply.statusCode, reply.json()]).toMatchObject([502, { code: 5006, error: 'WECHAT_UNAVAILABLE' }])
    }
    wechat.next(SESSION, { body: '<html>gateway</html>' }, { body: { session_key: 'x' } }, { body: [] })
    for (let time = 0; time < 3; time += 1) await unavailable()
    wechat.next(TOKEN, { body: { errcode: 40125, errmsg: 'invalid appsecret' } })
    await unavailable()
    wechat.next(SESSION, 'hang')
    const start = Date.now()
    await unavailable()
    expect(Date.now() - start).toBeLessThan(9000)
    await unavailable(
      await createApp({ config: { WECHAT_APPID: APPID, WECHAT_SECRET: 'x', WECHAT_API_BASE: 'http://127.0.0.1:1' } })
    )
  })

  test('without an AppID it is 5005', async () => {
    const reply = await enter(await createApp(), 'code')
    expect([reply.statusCode, reply.json()]).toMatchObject([503, { code: 5005, error: 'WECHAT_NOT_CONFIGURED' }])
  })
})

describe('the access token', () => {
  const first = (app: FastifyInstance, wechat: FakeWechat) =>
    enter(app, wechat.login(newOpenid()), wechat.phone(newMobile()))

  test('is fetched once for many, kept, and renewed by one caller before it expires', async () => {
    let now = Date.now()
    const [app, wechat] = await withWechat({ clock: () => new Date(now) })
    const many = () => Promise.all(Array.from({ length: 10 }, () => first(app, wechat)))
    expect((await many()).map((reply) => reply.statusCode)).toEqual(Array(10).fill(200))
    expect(wechat.calls(TOKEN)).toBe(1)
    now += (7200 - 301) * 1000
    await first(app, wechat)
    expect(wechat.calls(TOKEN)).toBe(1)
    now += 2000
    await many()
    expect(wechat.calls(TOKEN)).toBe(2)
  })

  test('that WeChat no longer takes is replaced, once', async () => {
    const [app, wechat] = await withWechat()
    await first(app, wechat)
    wechat.voidTokens()
    expect((await first(app, wechat)).statusCode).toBe(200)
    expect(wechat.calls(TOKEN)).toBe(2)
    const expired = { body: { errcode: 42001, errmsg: 'access_token expired' } }
    wechat.next(PHONE, expired, expired)
    expect((await first(app, wechat)).json().error).toBe('WECHAT_UNAVAILABLE')
    expect(wechat.calls(TOKEN)).toBe(3)
  })

  test('that cannot be renewed serves until its end', async () => {
    let now = Date.now()
    const [app, wechat] = await withWechat({ clock: () => new Date(now) })
    await first(app, wechat)
    now += (7200 - 100) * 1000
    wechat.next(TOKEN, busy, busy)
    expect((await first(app, wechat)).statusCode).toBe(200)
    now += 101_000
    wechat.next(TOKEN, busy, busy)
    expect((await first(app, wechat)).json().error).toBe('WECHAT_UNAVAILABLE')
  })
})

test('no secret, code, session key, token, openid or mobile is ever logged or answered', async () => {
  const log = logLines()
  const logger = createLogger(testConfig({ LOG_LEVEL: 'trace', NODE_ENV: 'production' }), log.destination)
  const [app, wechat] = await withWechat({ logger })
  const [openid, mobile] = [newOpenid(), newMobile()]
  const replies = [
    await enter(app, wechat.login(openid), wechat.phone(mobile)),
    await enter(app, wechat.login(openid), wechat.phone(mobile)),
    await enter(app, wechat.login(newOpenid()), wechat.phone(mobile))
  ]
  wechat.next(SESSION, { body: { errcode: 40125, errmsg: `invalid appsecret ${SECRET}` } }, { body: SECRET })
  replies.push(await enter(app, wechat.login(openid)), await enter(app, wechat.login(openid)))
  expect(replies.map((reply) => reply.statusCode)).toEqual([200, 200, 403, 502, 502])
  expect(log.text()).toContain('WeChat failed')
  expect(log.text()).toContain('40125')
  const told = log.text() + replies.map((reply) => reply.body).join('')
  for (const secret of [...wechat.secrets, openid, mobile]) expect(told).not.toContain(secret)
})

describe('diagnostics', () => {
  const diagnose = async (config: TestAppOptions['config'], headers: Record<string, string> = {}) => {
    const app = await createApp({ config: config ?? {} })
    const reply = await app.inject({ method: 'GET', url: '/api/wechat/diagnostics', headers })
    expect([reply.statusCode, reply.headers['cache-control']]).toEqual([200, 'no-store'])
    return reply.json().data
  }

  test('names the four lists from the settings, and each of WeChat’s errors with what helps', async () => {
    const data = await diagnose(
      {
        PUBLIC_URL: 'https://api.example.com',
        STORAGE: 's3',
        S3_ENDPOINT: 'https://s3.example.com',
        S3_BUCKET: 'b',
        S3_ACCESS_KEY: 'the-access-key',
        S3_SECRET_KEY: 'the-secret-key',
        S3_PUBLIC_URL: 'https://cdn.example.com/files',
        WECHAT_APPID: APPID,
        WECHAT_SECRET: SECRET,
        TRUST_PROXY: 'true'
      },
      { 'x-forwarded-proto': 'https' }
    )
    expect(data).toMatchObject({
      domains: {
        request: ['https://api.example.com'],
        socket: ['wss://api.example.com'],
        uploadFile: ['https://api.example.com'],
        downloadFile: ['https://api.example.com', 'https://cdn.example.com']
      },
      https: true,
      problems: [],
      websocket: { url: 'wss://api.example.com/ws', status: 'open', max_connections: 1000, max_per_user: 3 }
    })
    expect(Math.abs(Date.parse(data.server_time) - Date.now())).toBeLessThan(60_000)
    expect(data.errors.map((error: { code: number }) => error.code)).toEqual([600001, 600002, 600003, 600011, 600012])
    for (const error of data.errors) expect([error.meaning, error.solution].every((text) => text.length > 5)).toBe(true)
    expect(data.errors[0].solution).toContain('https://api.example.com')
    const text = JSON.stringify(data)
    for (const secret of [SECRET, 'the-access-key', 'the-secret-key', APPID]) expect(text).not.toContain(secret)
  })

  test('goes by the request where nothing is set, and says what WeChat would not take', async () => {
    const data = await diagnose({}, { host: '192.168.1.5:3000' })
    expect(data.domains.request).toEqual(['https://192.168.1.5:3000'])
    expect(data.https).toBe(false)
    expect(data.problems.join()).toMatch(/HTTPS[\s\S]*192\.168\.1\.5/)
    expect((await diagnose({}, { host: 'a b<>' })).domains.request).toEqual(['https://localhost'])
  })
})
