import { createHmac } from 'node:crypto'
import bcrypt from 'bcrypt'
import type { FastifyInstance } from 'fastify'
import { describe, expect, test } from 'vitest'
import { createAdmin } from '../src/domains/auth/admin-login.js'
import { afterFailure, isLocked, type Lockout, UNLOCKED } from '../src/domains/auth/rules.js'
import { createApp, type Diner, login, newDiner, newMobile, signIn, testConfig, until } from './helpers/app.js'

const post = (app: FastifyInstance, url: string, payload: object, headers: Record<string, string> = {}) =>
  app.inject({ method: 'POST', url: `/api/auth/${url}`, payload, headers })
const sendCode = async (app: FastifyInstance, mobile: string) =>
  (await post(app, 'send-code', { mobile })).json().data.code_hint as string
const bearer = (token: string) => ({ authorization: `Bearer ${token}` })
const info = (app: FastifyInstance, token: string) =>
  app.inject({ method: 'GET', url: '/api/user/info', headers: bearer(token) })
const wrong = (code: string) => (code === '000000' ? '000001' : '000000')

describe('verification codes', () => {
  test('a code logs in once, and a first login makes the user with 1000 points and a ledger row', async () => {
    const app = await createApp()
    const mobile = newMobile()
    const code = await sendCode(app, mobile)
    expect(code).toMatch(/^\d{6}$/)
    const first = await post(app, 'login', { mobile, code })
    expect(first.json()).toMatchObject({
      code: 0,
      data: {
        expires_in: 7200,
        is_new_user: true,
        user_info: {
          mobile: `${mobile.slice(0, 3)}****${mobile.slice(7)}`,
          nickname: `用户${mobile.slice(-4)}`,
          total_points: 1000,
          is_merchant: false,
          status: 'active'
        }
      }
    })
    const again = await post(app, 'login', { mobile, code })
    expect(again.json()).toMatchObject({ code: 1002, error: 'CODE_INVALID' })
    const ledger = await app.db.pointsRecord.findMany({ where: { user: { mobile } } })
    expect(ledger).toMatchObject([{ points: 1000, balanceAfter: 1000, source: 'register' }])
    expect((await login(app, mobile)).json().data.is_new_user).toBe(false)
  })

  test('20 logins with one code at once make one user and one session', async () => {
    const app = await createApp()
    const mobile = newMobile()
    const code = await sendCode(app, mobile)
    const replies = await Promise.all(Array.from({ length: 20 }, () => post(app, 'login', { mobile, code })))
    expect(replies.filter((reply) => reply.statusCode === 200)).toHaveLength(1)
    expect(await app.db.user.count({ where: { mobile } })).toBe(1)
    expect(await app.db.session.count({ where: { user: { mobile } } })).toBe(1)
  })

  test('the fifth wrong try kills a code, however many come at once', async () => {
    const app = await createApp()
    const mobile = newMobile()
    const code = await sendCode(app, mobile)
    const tries = await Promise.all(Array.from({ length: 5 }, () => post(app, 'login', { mobile, code: wrong(code) })))
    for (const reply of tries) expect(reply.json().error).toBe('CODE_INVALID')
    expect((await post(app, 'login', { mobile, code })).json().error).toBe('CODE_INVALID')
    const fresh = await sendCode(app, mobile)
    for (let time = 0; time < 4; time += 1) await post(app, 'login', { mobile, code: wrong(fresh) })
    expect((await post(app, 'login', { mobile, code: fresh })).statusCode).toBe(200)
  })

  test('a code lives five minutes, and a new one replaces it', async () => {
    let now = Date.now()
    const app = await createApp({ clock: () => new Date(now) })
    const mobile = newMobile()
    const old = await sendCode(app, mobile)
    let code = await sendCode(app, mobile)
    while (code === old) code = await sendCode(app, mobile)
    expect((await post(app, 'login', { mobile, code: old })).json().error).toBe('CODE_INVALID')
    now += 300_001
    expect((await post(app, 'login', { mobile, code })).json().error).toBe('CODE_INVALID')
  })

  describe('tries count by the address they come from', () => {
    const at = (app: FastifyInstance, mobile: string, remoteAddress: string) => ({
      ask: async () => {
        const reply = await app.inject({
          method: 'POST',
          url: '/api/auth/send-code',
          payload: { mobile },
          remoteAddress
        })
        return reply.json().data.code_hint as string
      },
      try: async (code: string) => {
        const payload = { mobile, code }
        return (await app.inject({ method: 'POST', url: '/api/auth/login', payload, remoteAddress })).statusCode
      }
    })
    const wrongOf = (code: string) => String((Number(code) + 1) % 1_000_000).padStart(6, '0')

    test('strangers have three together, and take none of the owner’s', async () => {
      const app = await createApp()
      const mobile = newMobile()
      const owner = at(app, mobile, '10.2.0.1')
      const code = await owner.ask()
      const guesses = Array.from({ length: 20 }, (_, n) => at(app, mobile, `10.3.0.${n}`).try(wrongOf(code)))
      expect(await Promise.all(guesses)).toEqual(Array(20).fill(400))
      const row = await app.db.verificationCode.findUniqueOrThrow({ where: { mobile } })
      expect([row.attempts, row.otherAttempts]).toEqual([0, 3])
      // Theirs are used up: not even the right one is taken from them.
      expect(await at(app, mobile, '10.3.0.99').try(code)).toBe(400)
      for (let time = 0; time < 4; time += 1) expect(await owner.try(wrongOf(code))).toBe(400)
      expect(await owner.try(code)).toBe(200)
    })

    test('the fifth wrong one of the owner kills it for that address, not for the phone beside it', async () => {
      const app = await createApp()
      const mobile = newMobile()
      const owner = at(app, mobile, '2001:db8::1')
      const code = await owner.ask()
      // Another address of the same /64 is the same client.
      const wrong = Array.from({ length: 5 }, (_, n) => at(app, mobile, `2001:db8::${n + 1}`).try(wrongOf(code)))
      expect(await Promise.all(wrong)).toEqual(Array(5).fill(400))
      expect(await owner.try(code)).toBe(400)
      expect(await at(app, mobile, '2001:db8:0:1::1').try(code)).toBe(200)
    })

    test('a new code has all its tries again, and belongs to whoever asked for it', async () => {
      const app = await createApp()
      const mobile = newMobile()
      const [owner, stranger] = [at(app, mobile, '10.2.0.1'), at(app, mobile, '10.3.0.1')]
      const first = await stranger.ask()
      for (let time = 0; time < 3; time += 1) expect(await owner.try(wrongOf(first))).toBe(400)
      expect(await owner.try(first)).toBe(400)
      const second = await owner.ask()
      for (let time = 0; time < 4; time += 1) expect(await owner.try(wrongOf(second))).toBe(400)
      expect(await owner.try(second)).toBe(200)
    })
  })

  test('codes are not readable in the database, and production does not echo them', async () => {
    const sent: string[] = []
    const app = await createApp({
      config: { NODE_ENV: 'production' },
      sms: { sendCode: async (_mobile, code) => void sent.push(code) }
    })
    const mobile = newMobile()
    expect((await post(app, 'send-code', { mobile })).json().data).toEqual({ expires_in: 300 })
    const row = await app.db.verificationCode.findUniqueOrThrow({ where: { mobile } })
    expect(JSON.stringify(row)).not.toContain(sent[0])
    expect((await post(app, 'login', { mobile, code: sent[0] })).statusCode).toBe(200)
  })

  test('a gateway that fails leaves no live code', async () => {
    const codes: string[] = []
    const app = await createApp({
      sms: {
        sendCode: async (_mobile, code) => {
          codes.push(code)
          throw new Error('gateway down')
        }
      }
    })
    const mobile = newMobile()
    expect((await post(app, 'send-code', { mobile })).json()).toMatchObject({ code: 5007, error: 'SMS_UNAVAILABLE' })
    expect((await post(app, 'login', { mobile, code: codes[0] })).json().error).toBe('CODE_INVALID')
  })

  test('a mobile gets one code a minute, of ten asked for at once too', async () => {
    let now = Date.now()
    const app = await createApp({
      config: { RATE_LIMIT: true, RATE_LIMIT_SEND_CODE: 1000 },
      clock: () => new Date(now)
    })
    const mobile = newMobile()
    const replies = await Promise.all(Array.from({ length: 10 }, () => post(app, 'send-code', { mobile })))
    expect(replies.filter((reply) => reply.statusCode === 200)).toHaveLength(1)
    const refused = replies.find((reply) => reply.statusCode === 429)
    expect(refused?.json().error).toBe('RATE_LIMITED')
    expect(Number(refused?.headers['retry-after'])).toBe(60)
    now += 60_000
    expect((await post(app, 'send-code', { mobile })).statusCode).toBe(200)
  })

  test('every try is written down with a masked mobile', async () => {
    const app = await createApp()
    const mobile = newMobile()
    await post(app, 'login', { mobile, code: '000000' })
    const { userId } = await signIn(app, mobile)
    const masked = `${mobile.slice(0, 3)}****${mobile.slice(7)}`
    const logs = await app.db.loginLog.findMany({ where: { account: masked }, orderBy: { id: 'asc' } })
    expect(logs).toMatchObject([
      { method: 'sms', success: false, error: 'CODE_INVALID', userId: null },
      { method: 'sms', success: true, error: null, userId }
    ])
  })

  test('a disabled user cannot log in, and is told so', async () => {
    const app = await createApp()
    const { mobile, userId } = await newDiner(app)
    await app.db.user.update({ where: { userId }, data: { status: 'banned' } })
    expect((await login(app, mobile)).json()).toMatchObject({ code: 2004, error: 'ACCOUNT_DISABLED' })
  })
})

describe('tokens', () => {
  test('the payload is that of the contract, with the mobile masked', async () => {
    const app = await createApp()
    const diner = await newDiner(app)
    const payload = JSON.parse(Buffer.from(diner.access.split('.')[1] ?? '', 'base64url').toString())
    expect(Object.keys(payload).sort()).toEqual(['exp', 'iat', 'is_merchant', 'iss', 'mobile', 'sid', 'typ', 'user_id'])
    expect(payload).toMatchObject({ user_id: diner.userId, iss: 'restaurant-lottery', typ: 'access' })
    expect(payload.exp - payload.iat).toBe(7200)
    expect(payload.mobile).toContain('****')
  })

  test('none, another algorithm, an edited payload, a refresh token, an expired one, another issuer: all 401', async () => {
    const app = await createApp()
    const diner = await newDiner(app)
    const [head = '', body = '', signature = ''] = diner.access.split('.')
    const claims = JSON.parse(Buffer.from(body, 'base64url').toString())
    const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url')
    const signed = (header: object, payload: object, hash = 'sha256') => {
      const text = `${part(header)}.${part(payload)}`
      return `${text}.${createHmac(hash, testConfig().JWT_SECRET).update(text).digest('base64url')}`
    }
    const hs256 = { alg: 'HS256', typ: 'JWT' }
    expect((await info(app, signed(hs256, claims))).statusCode).toBe(200)
    const now = Math.floor(Date.now() / 1000)
    const bad: Record<string, string> = {
      'no signature': `${part({ alg: 'none', typ: 'JWT' })}.${body}.`,
      'another algorithm': signed({ alg: 'HS512', typ: 'JWT' }, claims, 'sha512'),
      'an edited payload': `${head}.${part({ ...claims, user_id: claims.user_id + 1 })}.${signature}`,
      'another user of the session': signed(hs256, { ...claims, user_id: claims.user_id + 1 }),
      'a refresh token': diner.refresh,
      'an expired token': signed(hs256, { ...claims, iat: now - 7300, exp: now - 100 }),
      'another issuer': signed(hs256, { ...claims, iss: 'somebody' }),
      'no kind': signed(hs256, { ...claims, typ: undefined }),
      'an unknown session': signed(hs256, { ...claims, sid: '00000000-0000-7000-8000-000000000000' }),
      'no token at all': 'nonsense'
    }
    for (const [what, token] of Object.entries(bad)) {
      const reply = await info(app, token)
      expect([what, reply.statusCode, reply.json().error]).toEqual([what, 401, 'TOKEN_INVALID'])
    }
    for (const headers of [{}, { authorization: '' }, { authorization: 'Basic abc' }]) {
      const reply = await app.inject({ method: 'GET', url: '/api/user/info', headers })
      expect(reply.json()).toMatchObject({ code: 2001, error: 'TOKEN_MISSING' })
    }
    const refreshed = await post(app, 'refresh', { refresh_token: diner.access })
    expect(refreshed.json().error).toBe('TOKEN_INVALID')
  })

  test('verify-token answers whether a token holds, and never refuses', async () => {
    const app = await createApp()
    const diner = await newDiner(app)
    const verify = (headers: Record<string, string>) =>
      app.inject({ method: 'GET', url: '/api/auth/verify-token', headers })
    expect((await verify(bearer(diner.access))).json().data).toMatchObject({
      valid: true,
      user_info: { user_id: diner.userId }
    })
    for (const headers of [{}, bearer('nonsense'), bearer(diner.refresh)]) {
      expect((await verify(headers)).json()).toMatchObject({ code: 0, data: { valid: false } })
    }
  })

  test('a ban is noticed within 30 s though no event tells of it', async () => {
    const app = await createApp()
    const diner = await newDiner(app)
    expect((await diner.get('/api/user/info')).statusCode).toBe(200)
    await app.db.user.update({ where: { userId: diner.userId }, data: { status: 'banned' } })
    const start = Date.now()
    await until(async () => (await diner.get('/api/user/info')).json().error === 'ACCOUNT_DISABLED', 30_000)
    expect(Date.now() - start).toBeLessThan(30_000)
  })

  test('a change that is told of is noticed at once', async () => {
    const app = await createApp()
    const diner = await newDiner(app)
    expect((await diner.get('/api/user/info')).statusCode).toBe(200)
    await app.tx(async ({ tx, outbox }) => {
      await tx.user.update({ where: { userId: diner.userId }, data: { status: 'inactive' } })
      outbox.notify({ kind: 'user_changed', userId: diner.userId })
    })
    expect((await diner.get('/api/user/info')).json().error).toBe('ACCOUNT_DISABLED')
  })
})

describe('refresh', () => {
  const refresh = (app: FastifyInstance, token: string) => post(app, 'refresh', { refresh_token: token })

  test('it rotates; the token just replaced gets the same successor for ten seconds', async () => {
    // At the end of a second, since tokens count in whole ones.
    let now = Math.floor(Date.now() / 1000) * 1000 + 999
    const app = await createApp({ clock: () => new Date(now) })
    const diner = await newDiner(app)
    now += 2000
    const first = await refresh(app, diner.refresh)
    expect(first.json().data.refresh_token).not.toBe(diner.refresh)
    now += 10_000
    expect((await refresh(app, diner.refresh)).json().data).toEqual(first.json().data)
    expect((await info(app, first.json().data.access_token)).statusCode).toBe(200)
    const asBearer = await post(app, 'refresh', {}, bearer(first.json().data.refresh_token))
    expect(asBearer.statusCode).toBe(200)
  })

  test('of 20 at once all get the same successor', async () => {
    const app = await createApp()
    const diner = await newDiner(app)
    const replies = await Promise.all(Array.from({ length: 20 }, () => refresh(app, diner.refresh)))
    expect(replies.map((reply) => reply.statusCode)).toEqual(Array(20).fill(200))
    expect(new Set(replies.map((reply) => reply.body)).size).toBe(1)
  })

  test('used later than ten seconds after, it ends the session: the thief and the owner are both out', async () => {
    let now = Date.now()
    const app = await createApp({ clock: () => new Date(now) })
    const diner = await newDiner(app)
    const stolen = diner.refresh
    const { refresh_token: next, access_token: access } = (await refresh(app, stolen)).json().data
    expect((await info(app, access)).statusCode).toBe(200)
    now += 12_000
    expect((await refresh(app, stolen)).json().error).toBe('TOKEN_INVALID')
    expect((await refresh(app, next)).json().error).toBe('TOKEN_INVALID')
    expect((await info(app, access)).json().error).toBe('TOKEN_INVALID')
  })

  test('an older one ends the session at once', async () => {
    const app = await createApp()
    const diner = await newDiner(app)
    const second = (await refresh(app, diner.refresh)).json().data.refresh_token
    const third = (await refresh(app, second)).json().data.refresh_token
    expect((await refresh(app, diner.refresh)).json().error).toBe('TOKEN_INVALID')
    expect((await refresh(app, third)).json().error).toBe('TOKEN_INVALID')
  })

  test('it refuses none, and a disabled user', async () => {
    const app = await createApp()
    const diner = await newDiner(app)
    expect((await post(app, 'refresh', {})).json().error).toBe('TOKEN_MISSING')
    await app.db.user.update({ where: { userId: diner.userId }, data: { status: 'inactive' } })
    expect((await refresh(app, diner.refresh)).json().error).toBe('ACCOUNT_DISABLED')
  })

  test('logout ends this session, and no other of the user', async () => {
    const app = await createApp()
    const phone = await newDiner(app)
    const tablet: Diner = await signIn(app, phone.mobile)
    expect((await phone.post('/api/auth/logout')).json()).toEqual({ code: 0, msg: 'success', data: null })
    expect((await phone.get('/api/user/info')).json().error).toBe('TOKEN_INVALID')
    expect((await refresh(app, phone.refresh)).json().error).toBe('TOKEN_INVALID')
    expect((await tablet.get('/api/user/info')).statusCode).toBe(200)
  })
})

describe('admins', () => {
  const makeAdmin = async (app: FastifyInstance) => {
    const username = `admin${newMobile()}`
    const passwordHash = await bcrypt.hash('right password', 4)
    await app.tx((uow) => createAdmin(uow, { username, passwordHash, mobile: newMobile(), newUserPoints: 1000 }))
    return username
  }
  const enter = (app: FastifyInstance, username: string, password: string) =>
    post(app, 'admin-login', { username, password })

  test('an admin is a merchant, and its token says role admin', async () => {
    const app = await createApp()
    const username = await makeAdmin(app)
    const { data } = (await enter(app, username, 'right password')).json()
    expect(data).toMatchObject({ user_info: { is_merchant: true }, admin_info: { username, role: 'admin' } })
    const payload = JSON.parse(Buffer.from(data.access_token.split('.')[1], 'base64url').toString())
    expect(payload).toMatchObject({ role: 'admin', is_merchant: true })
    expect((await info(app, data.access_token)).statusCode).toBe(200)
    const refreshed = (await post(app, 'refresh', { refresh_token: data.refresh_token })).json().data.access_token
    expect(JSON.parse(Buffer.from(refreshed.split('.')[1], 'base64url').toString()).role).toBe('admin')
  })

  test('the third failure still says 2005, from then on 2006 for 30 minutes, with the right password too', async () => {
    let now = Date.now()
    const app = await createApp({ clock: () => new Date(now) })
    const username = await makeAdmin(app)
    for (let time = 0; time < 3; time += 1) {
      expect((await enter(app, username, 'wrong')).json()).toMatchObject({ code: 2005, error: 'ADMIN_LOGIN_FAILED' })
    }
    const locked = await enter(app, username, 'right password')
    expect(locked.json()).toMatchObject({
      code: 2006,
      details: { locked_until: new Date(now + 30 * 60_000).toISOString() }
    })
    now += 30 * 60_000 + 1
    expect((await enter(app, username, 'right password')).statusCode).toBe(200)
  })

  test('of 20 guesses at once no more than three are compared, and an unknown name says the same as a wrong password', async () => {
    const app = await createApp()
    const username = await makeAdmin(app)
    const replies = await Promise.all(Array.from({ length: 20 }, () => enter(app, username, 'wrong')))
    expect(replies.filter((reply) => reply.json().code === 2005)).toHaveLength(3)
    expect(replies.filter((reply) => reply.json().code === 2006)).toHaveLength(17)
    expect((await enter(app, 'nobody', 'wrong')).json()).toMatchObject({ code: 2005, error: 'ADMIN_LOGIN_FAILED' })
    expect(await app.db.loginLog.count({ where: { account: username, success: false } })).toBe(20)
  })

  test('success forgets failures; three failures lock only within 30 minutes of each other', async () => {
    const minute = 60_000
    const fail = (lockout: Lockout, at: number) => afterFailure(lockout, at * minute)
    expect(fail(fail(fail(UNLOCKED, 0), 29), 31).lockedUntil).toBeNull()
    const locked = fail(fail(fail(fail(UNLOCKED, 0), 29), 31), 32)
    expect([isLocked(locked, 61 * minute), isLocked(locked, 62 * minute)]).toEqual([true, false])
    const app = await createApp()
    const username = await makeAdmin(app)
    for (let round = 0; round < 2; round += 1) {
      await enter(app, username, 'wrong')
      await enter(app, username, 'wrong')
      expect((await enter(app, username, 'right password')).statusCode).toBe(200)
    }
  })
})
