import { createServer } from 'node:http'
import type { FastifyInstance, LightMyRequestResponse } from 'fastify'
import { describe, expect, onTestFinished, test } from 'vitest'
import { createApp, newAdmin, newDiner, newMerchant, newMobile } from './helpers/app.js'
import { startBrowser } from './helpers/browser.js'

const post = (app: FastifyInstance, url: string, payload: object = {}, headers: Record<string, string> = {}) =>
  app.inject({ method: 'POST', url: `/api/auth/${url}`, payload, headers })
const codeOf = async (app: FastifyInstance, mobile: string) =>
  (await post(app, 'send-code', { mobile })).json().data.code_hint as string
const cookieOf = (reply: LightMyRequestResponse) => reply.cookies.find(({ name }) => name === 'console_refresh')
const withCookie = (value: string | undefined) => ({ cookie: `console_refresh=${value}` })

async function entered(app: FastifyInstance) {
  const { mobile, userId } = await newMerchant(app)
  const reply = await post(app, 'console-login', { mobile, code: await codeOf(app, mobile) })
  return { userId, reply, token: reply.json().data.access_token as string, cookie: cookieOf(reply) }
}

describe('the way into the console', () => {
  test('is a code for a merchant: an access token, and a cookie that no script and no other site can use', async () => {
    const app = await createApp()
    const { userId, reply, token, cookie } = await entered(app)
    expect(reply.json().data).toEqual({
      access_token: expect.any(String),
      expires_in: 7200,
      user_info: expect.objectContaining({ user_id: userId, is_merchant: true }),
      admin_info: null
    })
    expect(reply.payload).not.toContain(cookie?.value ?? '-')
    expect(cookie).toMatchObject({ httpOnly: true, sameSite: 'Strict', path: '/api/auth', maxAge: 7 * 86_400 })
    expect(cookie?.secure).toBeUndefined()
    const headers = { authorization: `Bearer ${token}` }
    expect((await app.inject({ url: '/api/merchant/reviews/pending', headers })).statusCode).toBe(200)
    // As a Bearer token it opens nothing.
    const asBearer = { authorization: `Bearer ${cookie?.value}` }
    expect((await app.inject({ url: '/api/user/info', headers: asBearer })).json().error).toBe('TOKEN_INVALID')
  })

  test('is a name and a password for an admin, whose token opens what is for admins', async () => {
    const app = await createApp()
    await newAdmin(app)
    const { username } = await app.db.adminUser.findFirstOrThrow({ orderBy: { adminId: 'desc' } })
    expect((await post(app, 'console-login', { username, password: 'wrong' })).json().error).toBe('ADMIN_LOGIN_FAILED')
    const reply = await post(app, 'console-login', { username, password: 'right password' })
    expect(reply.json().data.admin_info).toMatchObject({ username, role: 'admin' })
    const headers = { authorization: `Bearer ${reply.json().data.access_token}` }
    expect((await app.inject({ url: '/api/admin/users', headers })).statusCode).toBe(200)
    expect(cookieOf(reply)).toBeDefined()
  })

  test('is closed to diners and strangers, makes no account, and uses up no code; half of a login is none', async () => {
    const app = await createApp()
    const [diner, stranger] = [(await newDiner(app)).mobile, newMobile()]
    for (const mobile of [diner, stranger]) {
      const code = await codeOf(app, mobile)
      const refused = await post(app, 'console-login', { mobile, code })
      expect([refused.statusCode, refused.json().error, cookieOf(refused)]).toEqual([
        403,
        'MERCHANT_REQUIRED',
        undefined
      ])
      expect((await post(app, 'console-login', { mobile, code: '000000' })).json().error).toBe('CODE_INVALID')
      const known = await app.db.user.count({ where: { mobile } })
      expect(known).toBe(mobile === diner ? 1 : 0)
      expect((await post(app, 'login', { mobile, code })).statusCode).toBe(200)
    }
    for (const body of [{}, { mobile: diner }, { code: '123456' }, { username: 'x' }, { password: 'x' }]) {
      expect((await post(app, 'console-login', body)).json().error).toBe('VALIDATION_FAILED')
    }
  })

  test('is Secure in production, and where the request came by HTTPS', async () => {
    for (const [config, headers] of [
      [{ NODE_ENV: 'production' as const }, {}],
      [{ TRUST_PROXY: 'loopback' }, { 'x-forwarded-proto': 'https', host: 'api.example.com' }]
    ] as const) {
      const app = await createApp({ config })
      await newAdmin(app)
      const { username } = await app.db.adminUser.findFirstOrThrow({ orderBy: { adminId: 'desc' } })
      const reply = await post(app, 'console-login', { username, password: 'right password' }, headers)
      expect(cookieOf(reply)).toMatchObject({ secure: true })
    }
  })
})

describe('the cookie', () => {
  test('gives the next access token and the next cookie; one of long ago ends the session, and is dropped', async () => {
    let now = Date.now()
    const app = await createApp({ clock: () => new Date(now) })
    const { cookie } = await entered(app)
    now += 60_000
    const next = await post(app, 'console-refresh', {}, withCookie(cookie?.value))
    expect(next.json().data).toEqual({ access_token: expect.any(String), expires_in: 7200 })
    expect(cookieOf(next)?.value).not.toBe(cookie?.value)
    // Two tabs at once get the same.
    const tab = await post(app, 'console-refresh', {}, withCookie(cookie?.value))
    expect(cookieOf(tab)?.value).toBe(cookieOf(next)?.value)
    now += 60_000
    const stolen = await post(app, 'console-refresh', {}, withCookie(cookie?.value))
    expect([stolen.statusCode, stolen.json().error, cookieOf(stolen)?.value]).toEqual([401, 'TOKEN_INVALID', ''])
    const owner = await post(app, 'console-refresh', {}, withCookie(cookieOf(next)?.value))
    expect(owner.json().error).toBe('TOKEN_INVALID')
    expect((await post(app, 'console-refresh')).json().error).toBe('TOKEN_MISSING')
    expect((await post(app, 'console-refresh', {}, withCookie('x.y.z'))).json().error).toBe('TOKEN_INVALID')
  })

  test('is of no use to a page of another site, neither to log in nor to renew', async () => {
    const app = await createApp()
    const { cookie } = await entered(app)
    const own = { host: 'api.example.com', origin: 'http://api.example.com' }
    const strange: Record<string, string>[] = [
      { host: 'api.example.com', origin: 'https://evil.example' },
      { host: 'api.example.com', origin: 'null' },
      { host: 'api.example.com', origin: 'http://api.example.com.evil.example' },
      { 'sec-fetch-site': 'cross-site' },
      { 'sec-fetch-site': 'same-site' },
      { ...own, 'sec-fetch-site': 'cross-site' }
    ]
    for (const headers of strange) {
      const refused = await post(app, 'console-refresh', {}, { ...withCookie(cookie?.value), ...headers })
      expect([refused.statusCode, refused.json().error, cookieOf(refused)]).toEqual([403, 'FORBIDDEN', undefined])
      expect((await post(app, 'console-login', { username: 'a', password: 'b' }, headers)).json().error).toBe(
        'FORBIDDEN'
      )
    }
    for (const headers of [own, { ...own, 'sec-fetch-site': 'same-origin' }, { 'sec-fetch-site': 'none' }]) {
      const reply = await post(app, 'console-refresh', {}, { ...withCookie(cookie?.value), ...headers })
      expect(reply.statusCode).toBe(200)
    }
  })

  test('is dropped by a logout, which ends the session everywhere; who has none is sent none', async () => {
    const app = await createApp()
    const { token, cookie } = await entered(app)
    const authorization = `Bearer ${token}`
    const out = await post(app, 'logout', {}, { authorization, ...withCookie(cookie?.value) })
    expect([out.statusCode, cookieOf(out)?.value]).toEqual([200, ''])
    expect((await app.inject({ url: '/api/user/info', headers: { authorization } })).json().error).toBe('TOKEN_INVALID')
    const again = await post(app, 'console-refresh', {}, withCookie(cookie?.value))
    expect(again.json().error).toBe('TOKEN_INVALID')
    const diner = await newDiner(app)
    expect(cookieOf(await diner.post('/api/auth/logout'))).toBeUndefined()
  })
})

test('in a browser: a page of the service logs in, reads no cookie, and renews; a page from elsewhere gets nothing', async () => {
  const app = await createApp()
  const seen: string[] = []
  const address = await app.listen({ port: 0, host: '127.0.0.1' })
  app.server.on('request', ({ method, url, headers }) => {
    if (url === '/api/auth/console-refresh' && method === 'POST') seen.push(headers.cookie ?? 'none')
  })
  const { mobile, userId } = await newMerchant(app)
  const code = await codeOf(app, mobile)
  const other = createServer((_request, response) => response.setHeader('content-type', 'text/html').end('<p>evil'))
  await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => void other.close())
  const browser = await startBrowser()
  onTestFinished(() => browser.close())
  const context = await browser.newContext()
  const page = await context.newPage()
  const ask = ([url = '', body = '']: string[]) =>
    fetch(url, { method: 'POST', credentials: 'include', headers: { 'content-type': 'application/json' }, body })
      .then((reply) => reply.json())
      .catch((err: Error) => err.name)
  await page.goto(`${address}/health`)
  const login = await page.evaluate(ask, [`${address}/api/auth/console-login`, JSON.stringify({ mobile, code })])
  expect(login).toMatchObject({ code: 0, data: { user_info: { is_merchant: true } } })
  expect(await page.evaluate('document.cookie')).toBe('')
  expect(await page.evaluate(ask, [`${address}/api/auth/console-refresh`, '{}'])).toMatchObject({ code: 0 })
  await page.goto(`http://localhost:${(other.address() as { port: number }).port}/`)
  const tokenNow = async () =>
    (await app.db.session.findMany({ where: { userId } })).map(({ refreshJti }) => refreshJti)
  const before = await tokenNow()
  expect(await page.evaluate(ask, [`${address}/api/auth/console-refresh`, '{}'])).toBe('TypeError')
  // Sent as a form would be, without asking first: it arrives, without the cookie, and is refused all the same.
  await page.evaluate(
    ([url]) => fetch(String(url), { method: 'POST', mode: 'no-cors', credentials: 'include' }),
    [`${address}/api/auth/console-refresh`]
  )
  expect(seen[0]).toMatch(/^console_refresh=/)
  expect(seen.slice(1)).not.toEqual([])
  expect(new Set(seen.slice(1))).toEqual(new Set(['none']))
  expect(await tokenNow()).toEqual(before)
})
