import { createHash, generateKeyPairSync, sign } from 'node:crypto'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer, type Server } from 'node:http'
import { tmpdir } from 'node:os'
import path from 'node:path'
import type { FastifyInstance } from 'fastify'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { WebSocket } from 'ws'
import { base64Bytes, hmacSha256Of, holdsWith, sha256Of, utf8Of } from '../scripts/lib/phone-hashes.js'
import * as browsers from '../src/checker/platform.js'
import {
  type Client,
  type ClientOptions,
  createClient,
  errors,
  fetchTransport,
  memoryStorage,
  Refused,
  type SessionTokens,
  Unanswered,
  type WxLike,
  wxTransport
} from '../src/client/index.js'
import type { Sent, Transport } from '../src/client/transport.js'
import { PATH_ALIASES } from '../src/http/mini-program-tables.js'
import { catalogue } from '../src/shared/catalogue.js'
import { businessDay } from '../src/shared/time.js'
import { createApp, ledgerFaults, newDiner, newMerchant, newMobile, until } from './helpers/app.js'
import { createProxy } from './helpers/proxy.js'
import { picture } from './helpers/upload.js'
import { createWx } from './helpers/wx.js'

const transport = fetchTransport({ WebSocket: WebSocket as never })
/** Waits as a phone does, but a hundred times as fast. */
const pause = (ms: number) => new Promise<void>((done) => setTimeout(done, ms / 100))

async function listening(options: Parameters<typeof createApp>[0] = {}): Promise<FastifyInstance> {
  const app = await createApp(options)
  await app.listen({ port: 0, host: '127.0.0.1' })
  return app
}
const addressOf = (app: FastifyInstance) => `http://127.0.0.1:${(app.server.address() as { port: number }).port}`

function clientOf(baseUrl: string, options: Partial<ClientOptions> = {}): Client {
  return createClient({ baseUrl, transport, pause, ...options })
}

async function login(client: Client, mobile = newMobile()): Promise<number> {
  const { code_hint: code } = await client.auth.sendCode({ mobile })
  return (await client.auth.login({ mobile, code: code ?? '' })).user_info.user_id
}

/** Counts what goes out, and answers in its place where a test says so. */
function watched(answer: (request: Sent, count: number) => 'lose' | undefined = () => undefined) {
  const sent: Sent[] = []
  const watching: Transport = {
    ...transport,
    async send(request) {
      sent.push(request)
      const reply = await transport.send(request)
      if (answer(request, sent.filter(({ url }) => url === request.url).length) === 'lose') throw new Error('cut')
      return reply
    }
  }
  return { sent, transport: watching }
}

test('the five lines of the guide: from a code to a first draw, whose proof holds', async () => {
  const app = await listening()
  const client = clientOf(addressOf(app))
  await login(client)
  const { fairness } = await client.lottery.config()
  const draw = await client.lottery.draw({ draw_type: 'ten' })
  expect(draw.results).toHaveLength(10)
  await client.lottery.fairnessRotate()
  await app.publicLog.advance()
  const proof = await client.lottery.fairnessDrawsById({ draw_id: draw.draw_id })
  expect(proof.client_seed).toMatch(/^[0-9a-f]{32}$/)
  const findings = await client.verify(proof, fairness.server_seed_hash)
  expect(findings.length).toBeGreaterThan(50)
  expect(new Set(findings.map(({ verdict }) => verdict))).toEqual(new Set(['right']))
  const bent = JSON.stringify(proof).replace(/"roll":(\d)/, (_, digit) => `"roll":${(Number(digit) % 9) + 1}`)
  expect((await client.verify(bent)).some(({ verdict }) => verdict === 'wrong')).toBe(true)
})

test('has every route of the document as a function, the aliases by their path, and every error by its name', async () => {
  const app = await listening()
  const { paths } = (await app.inject('/api/docs/json')).json() as { paths: Record<string, Record<string, object>> }
  const { sent, transport: counting } = watched()
  const client = clientOf(addressOf(app), { transport: counting })
  for (const group of Object.values(client).filter((each) => typeof each === 'object')) {
    for (const call of Object.values(group as object) as ((given: object) => Promise<unknown>)[]) {
      await call({
        id: '1',
        code: 'x',
        draw_id: 'x',
        version: 1,
        photo: new Blob([]),
        avatar: new Blob([]),
        image: new Blob([])
      }).catch((err: unknown) => expect(err).toBeInstanceOf(Refused))
    }
  }
  const seen = new Set(
    sent.map(({ method, url }) => `${method} ${new URL(url).pathname.replace(/\/(1|x)(?=\/|$)/, '/{}')}`)
  )
  const aliases = new Set(PATH_ALIASES.map(({ path }) => path))
  const documented = Object.entries(paths).flatMap(([path, methods]) =>
    path.startsWith('/api/') && !aliases.has(path)
      ? Object.keys(methods).map((method) => `${method.toUpperCase()} ${path.replace(/\{\w+\}/, '{}')}`)
      : []
  )
  expect(documented.filter((route) => !seen.has(route))).toEqual([])
  expect(documented.length).toBeGreaterThan(85)
  await login(client)
  expect((await client.call('get', '/api/upload/records', { page: 1 })).records).toEqual([])
  expect(Object.keys(errors)).toEqual(Object.keys(catalogue))
})

describe('a refusal', () => {
  test('is an error with its name, code, hints and details; nothing of it is sent again', async () => {
    const app = await listening()
    const { sent, transport: counting } = watched()
    const client = clientOf(addressOf(app), { transport: counting })
    const poor = await newDiner(app, { points: 50 })
    await client.signIn({ access_token: poor.access, refresh_token: poor.refresh })
    const refusal = await client.lottery.draw().catch((err: unknown) => err)
    expect(refusal).toBeInstanceOf(Refused)
    expect(refusal).toMatchObject({
      error: 'POINTS_INSUFFICIENT',
      code: 3002,
      status: 409,
      message: catalogue.POINTS_INSUFFICIENT.msg,
      tip: catalogue.POINTS_INSUFFICIENT.tip,
      details: { required: 100, current: 50, shortage: 50 },
      requestId: expect.any(String)
    })
    expect(sent).toHaveLength(1)
    await expect(client.merchant.reviewsPending()).rejects.toMatchObject({ error: 'MERCHANT_REQUIRED' })
  })
})

describe('an answer that is lost', () => {
  test('is asked for again under the same key: a draw is drawn once, an order made once, a receipt taken once', async () => {
    const app = await listening()
    const { sent, transport: losing } = watched((request, count) =>
      request.method === 'POST' && count <= 2 && !request.url.includes('/auth/') ? 'lose' : undefined
    )
    const client = clientOf(addressOf(app), { transport: losing })
    const userId = await login(client)
    const draw = await client.lottery.draw()
    const photo = new Blob([new Uint8Array(await picture())])
    const upload = await client.photo.upload({ photo, amount: '58.50' })
    const draws = sent.filter(({ url }) => url.endsWith('/lottery/draw'))
    expect(draws).toHaveLength(3)
    expect(new Set(draws.map(({ headers }) => headers['idempotency-key'])).size).toBe(1)
    expect(new Set(draws.map(({ body }) => body)).size).toBe(1)
    expect(await app.db.lotteryDraw.findMany({ where: { userId } })).toMatchObject([{ drawId: draw.draw_id }])
    expect(await app.db.receipt.findMany({ where: { userId } })).toMatchObject([{ uploadId: upload.upload_id }])
    expect(await ledgerFaults(app, [userId])).toEqual([])
    const [one, two] = [
      await client.lottery.draw({}, { key: 'my own' }),
      await client.lottery.draw({}, { key: 'my own' })
    ]
    expect(one.draw_id).not.toBe(draw.draw_id)
    expect(two.draw_id).toBe(one.draw_id)
    expect((await client.lottery.draw({}, { key: 'order 7: once' })).draw_id).not.toBe(one.draw_id)
  })

  test('of what cannot be repeated is Unanswered, after one try; of a read after five', async () => {
    const { sent, transport: dead } = watched(() => 'lose')
    const app = await listening()
    const client = clientOf(addressOf(app), { transport: dead })
    const err = await client.auth.sendCode({ mobile: newMobile() }).catch((thrown: unknown) => thrown)
    expect(err).toBeInstanceOf(Unanswered)
    expect((err as Unanswered).cause).toBeInstanceOf(Error)
    expect(sent).toHaveLength(1)
    await expect(client.exchange.categories()).rejects.toBeInstanceOf(Unanswered)
    expect(sent).toHaveLength(6)
  })

  test('a file, as it comes row by row, is waited for longer, and comes as it was sent; or as long as is said', async () => {
    const app = await listening()
    const { sent, transport: counting } = watched()
    const client = clientOf(addressOf(app), { transport: counting })
    await login(client)
    const day = businessDay(new Date(), app.config.BUSINESS_TZ)
    const file = await client.user.pointsStatement({ from: day, to: day, format: 'csv' })
    await client.user.info()
    await client.user.info({}, { timeoutMs: 70_000 })
    expect(String(file).startsWith('\uFEFF')).toBe(true)
    expect(sent.slice(-3).map(({ timeoutMs }) => timeoutMs)).toEqual([600_000, 15_000, 70_000])
  })

  test('does not come in time: it is given up, and asked for again where that is safe', async () => {
    let asked = 0
    const server = createServer((_request, response) => {
      asked += 1
      // It begins to answer, and goes on for ever.
      response.writeHead(200, { 'content-type': 'application/json' }).write('{')
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    onTestFinished(() => void server.close())
    const client = clientOf(`http://127.0.0.1:${(server.address() as { port: number }).port}`)
    await expect(client.user.info({}, { timeoutMs: 50 })).rejects.toBeInstanceOf(Unanswered)
    expect(asked).toBe(5)
  })

  test('what cannot be sent at all is said at once, as what it is', async () => {
    const client = clientOf('http://127.0.0.1:1')
    const photo = { filePath: '/tmp/a.jpg' }
    const err = await client.photo.upload({ photo, amount: '58.50' }).catch((thrown: unknown) => thrown)
    expect([String(err), err instanceof Unanswered]).toEqual(['TypeError: a picture is a Blob here', false])
  })
})

describe('words and keys', () => {
  const phone = (getRandomValues?: WxLike['getRandomValues']) =>
    wxTransport({ ...createWx(), getRandomValues } as unknown as WxLike)

  test('are what the phone’s own source gives, which nobody can guess', async () => {
    const asked: number[] = []
    const { random } = phone(({ length, success }) => {
      asked.push(length)
      success({ randomValues: Uint8Array.from({ length }, (_, index) => index * 17).buffer })
    })
    expect(await random(16)).toBe('00112233445566778899aabbccddeeff')
    expect(asked).toEqual([16])
  })

  test('differ on a phone too old for that, or one whose source fails', async () => {
    for (const transport of [phone(), phone(({ fail }) => fail({ errMsg: 'getRandomValues:fail' }))]) {
      const words = await Promise.all(Array.from({ length: 100 }, () => transport.random(16)))
      expect(words.every((word) => /^[0-9a-f]{32}$/.test(word))).toBe(true)
      expect(new Set(words).size).toBe(100)
    }
  })
})

/** A service that answers as a test says, one answer a request. */
async function scripted(answers: readonly { status: number; retryAfter?: string; body: object }[]) {
  const asked: { method: string; url: string; key: string | undefined; token: string | undefined }[] = []
  const server: Server = createServer((request, response) => {
    const key = request.headers['idempotency-key'] as string | undefined
    asked.push({ method: request.method ?? '', url: request.url ?? '', key, token: request.headers.authorization })
    const { status, retryAfter, body } = answers[Math.min(asked.length, answers.length) - 1] ?? {
      status: 500,
      body: {}
    }
    response.writeHead(status, { 'content-type': 'application/json', ...(retryAfter && { 'retry-after': retryAfter }) })
    response.end(JSON.stringify(body))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => new Promise<void>((resolve) => server.close(() => resolve())))
  return { asked, url: `http://127.0.0.1:${(server.address() as { port: number }).port}` }
}
const failure = (error: keyof typeof catalogue) => {
  const { status, code, msg, tip, solution } = catalogue[error]
  return { status, body: { code, msg, data: null, error, wechat_tip: tip, solution, request_id: 'x' } }
}
const fine = { status: 200, body: { code: 0, msg: 'success', data: { fine: true } } }

describe('a service that is busy', () => {
  test('is asked again when it says, with what is safe alone', async () => {
    const busy = { ...failure('OVERLOADED'), retryAfter: '2' }
    const first = await scripted([busy, { ...failure('DATABASE_UNAVAILABLE'), retryAfter: '1' }, fine])
    const waits: number[] = []
    const client = clientOf(first.url, { pause: async (ms) => void waits.push(ms) })
    expect(await client.lottery.draw()).toEqual({ fine: true })
    expect(first.asked).toHaveLength(3)
    expect(new Set(first.asked.map(({ key }) => key)).size).toBe(1)
    // What was said, less up to a quarter: not all come back at once.
    expect(waits.map((ms) => Math.ceil(ms / 500))).toEqual([4, 2])
    const second = await scripted([busy])
    await expect(clientOf(second.url).merchant.ordersShip({ id: 1 })).rejects.toMatchObject({ error: 'OVERLOADED' })
    expect(second.asked).toHaveLength(1)
    const third = await scripted([busy])
    await expect(clientOf(third.url).user.info()).rejects.toMatchObject({ error: 'OVERLOADED' })
    expect(third.asked).toHaveLength(5)
    // Of a limit it is for the caller to wait, who is told how long.
    const limited = await scripted([{ ...failure('RATE_LIMITED'), retryAfter: '7' }])
    const tooSoon = { error: 'RATE_LIMITED', status: 429, retryAfterSeconds: 7 }
    await expect(clientOf(limited.url).user.info()).rejects.toMatchObject(tooSoon)
    expect(limited.asked).toHaveLength(1)
    const failed = await scripted([failure('INTERNAL')])
    await expect(clientOf(failed.url).user.info()).rejects.toMatchObject({ error: 'INTERNAL' })
    expect(failed.asked).toHaveLength(1)
  })

  test('is asked again for an upload of a mini-program too, which is told no headers', async () => {
    const service = await scripted([{ ...failure('OVERLOADED'), retryAfter: '1' }, fine])
    const phone = createWx()
    onTestFinished(() => phone.dispose())
    const client = clientOf(service.url, { transport: wxTransport(phone as WxLike) })
    const folder = await mkdtemp(path.join(tmpdir(), 'wxfile-'))
    onTestFinished(() => rm(folder, { recursive: true }))
    const photo = { filePath: path.join(folder, 'receipt.jpg') }
    await writeFile(photo.filePath, await picture())
    expect(await client.photo.upload({ photo, amount: '58.50' })).toEqual({ fine: true })
    expect(service.asked).toHaveLength(2)
    const broken = await scripted([failure('STORAGE_UNAVAILABLE')])
    const other = clientOf(broken.url, { transport: wxTransport(phone as WxLike) })
    await expect(other.photo.upload({ photo, amount: '58.50' })).rejects.toMatchObject({ error: 'STORAGE_UNAVAILABLE' })
    expect(broken.asked).toHaveLength(1)
  })
})

describe('a token that ended', () => {
  test('is renewed once, however many requests find it; one that is refused too ends the session', async () => {
    let now = Date.now()
    const app = await listening({ clock: () => new Date(now) })
    const { sent, transport: counting } = watched()
    const onSignedOut = vi.fn()
    const storage = memoryStorage()
    const client = clientOf(addressOf(app), { transport: counting, storage, onSignedOut })
    const userId = await login(client)
    const before = (await storage.read()) as SessionTokens
    now += 3 * 60 * 60 * 1000
    vi.useFakeTimers({ now, toFake: ['Date'] })
    onTestFinished(() => void vi.useRealTimers())
    const all = await Promise.all(Array.from({ length: 12 }, () => client.user.info()))
    expect(all.map(({ user_id: id }) => id)).toEqual(Array(12).fill(userId))
    expect(sent.filter(({ url }) => url.endsWith('/auth/refresh'))).toHaveLength(1)
    const after = (await storage.read()) as SessionTokens
    expect([after.access_token === before.access_token, after.refresh_token === before.refresh_token]).toEqual([
      false,
      false
    ])
    await app.db.session.updateMany({ where: { userId }, data: { revokedAt: new Date(now) } })
    app.bus.publish({ kind: 'user_changed', userId })
    await expect(client.user.info()).rejects.toMatchObject({ error: 'TOKEN_INVALID' })
    expect(onSignedOut).toHaveBeenCalledTimes(1)
    expect(await client.tokens()).toBeUndefined()
  })

  test('whose renewal is lost is renewed all the same, while the one before still serves; later it would end the session', async () => {
    let now = Date.now()
    const app = await listening({ clock: () => new Date(now) })
    const { sent, transport: losing } = watched((request, count) =>
      request.url.endsWith('refresh') && count <= 2 ? 'lose' : undefined
    )
    const onSignedOut = vi.fn()
    const client = clientOf(addressOf(app), { transport: losing, onSignedOut })
    const userId = await login(client)
    now += 3 * 60 * 60 * 1000
    vi.useFakeTimers({ now, toFake: ['Date'] })
    onTestFinished(() => void vi.useRealTimers())
    expect((await client.user.info()).user_id).toBe(userId)
    const renewals = sent.filter(({ url }) => url.endsWith('/auth/refresh'))
    // Two that are given up soon: the one before serves for ten seconds.
    expect(renewals.map(({ timeoutMs }) => timeoutMs)).toEqual([3000, 3000, 15_000])
    expect(onSignedOut).not.toHaveBeenCalled()
    // That of the console too.
    await expect(client.auth.consoleRefresh()).rejects.toMatchObject({ error: 'TOKEN_MISSING' })
    expect(sent.filter(({ url }) => url.endsWith('/console-refresh'))).toHaveLength(3)
  })

  test('is 401 to a mini-program, under HTTP 200', async () => {
    const code401 = { ...failure('TOKEN_INVALID'), status: 200 }
    const service = await scripted([
      { ...code401, body: { ...code401.body, code: 401 } },
      { status: 200, body: { code: 0, msg: 'success', data: { access_token: 'b', refresh_token: 'c' } } },
      fine
    ])
    const client = clientOf(service.url)
    await client.signIn({ access_token: 'a', refresh_token: 'r' })
    expect(await client.user.info()).toEqual({ fine: true })
    expect(service.asked.map(({ url, token }) => [url, token])).toEqual([
      ['/api/user/info', 'Bearer a'],
      ['/api/auth/refresh', undefined],
      ['/api/user/info', 'Bearer b']
    ])
  })

  test('logout forgets the tokens, and the service the session', async () => {
    const app = await listening()
    const client = clientOf(addressOf(app))
    await login(client)
    const tokens = (await client.tokens()) as SessionTokens
    await client.auth.logout()
    expect(await client.tokens()).toBeUndefined()
    await client.signIn({ access_token: tokens.access_token })
    await expect(client.user.info()).rejects.toMatchObject({ error: 'TOKEN_INVALID' })
  })
})

const QUICK = { pingMs: 200, silenceMs: 2000, firstWaitMs: 10, longestWaitMs: 100 }

describe('the socket', () => {
  test('tells five hundred pushes over a line that is cut at random, each once, in their order', async () => {
    const app = await listening()
    const line = await createProxy(new URL(addressOf(app)))
    onTestFinished(() => line.close())
    const client = clientOf(new URL(line.url).origin)
    const userId = await login(client)
    const live = client.live({ times: QUICK })
    onTestFinished(() => live.close())
    const told: number[] = []
    const gaps: unknown[] = []
    live.on('points_update', ({ total_points: points }) => told.push(points))
    live.onGap(() => gaps.push(0))
    await until(() => live.state === 'open')
    let done = 0
    const cutting = (async () => {
      while (done < 500) {
        await pause(5000 + Math.random() * 20_000)
        line.cut()
        await pause(Math.random() * 5000)
        line.restore()
      }
    })()
    const actor = { userId, ip: '127.0.0.1', requestId: 'x' }
    const { adjustPoints } = await import('../src/domains/points/adjust.js')
    for (; done < 500; done += 1) {
      await app.txAs(actor, (uow) => adjustPoints(uow, { userId, change: 1, reason: 'x' }))
    }
    await cutting
    await until(() => told.length >= 500)
    expect(told).toEqual(Array.from({ length: 500 }, (_, event) => 1001 + event))
    expect(gaps).toEqual([])
  })

  test('comes back with another token when its own ended, goes on from an id of before, and stops when it is told to', async () => {
    const app = await listening({ config: { JWT_EXPIRES_IN: '4s' } })
    const client = clientOf(addressOf(app))
    await login(client)
    const live = client.live({ times: QUICK })
    const states: string[] = []
    live.onState((state) => states.push(state))
    await until(() => states.filter((state) => state === 'open').length >= 2)
    await client.lottery.draw()
    const seen: string[] = []
    live.onFrame(({ type }) => seen.push(type))
    await until(() => live.last !== undefined)
    live.close()
    expect(live.state).toBe('stopped')
    await client.lottery.draw({ draw_type: 'triple' })
    const later = client.live({ times: QUICK, ...(live.last === undefined ? {} : { since: live.last }) })
    const missed: string[] = []
    later.onFrame(({ type }) => missed.push(type))
    await until(() => missed.includes('points_update'))
    expect(missed.filter((type) => type === 'lottery_result').length).toBeGreaterThanOrEqual(1)
    later.close()
    expect(seen.filter((type) => type === 'connected').length).toBeLessThanOrEqual(1)
  })

  test('tries a dead line later and later, up to its longest wait, and soon again once it was up', async () => {
    vi.useFakeTimers()
    onTestFinished(() => void vi.useRealTimers())
    const tries: number[] = []
    let isDead = true
    const dying: Transport = {
      ...transport,
      connect(_, { opened, heard, closed }) {
        tries.push(Date.now())
        setTimeout(() => {
          if (isDead) return closed(1006)
          opened()
          heard('{"type":"connected","data":{}}')
          closed(1006)
        }, 0)
        return { send() {}, close() {} }
      }
    }
    const storage = memoryStorage()
    await storage.write({ access_token: 'a' })
    const refresh = async () => ({ access_token: 'b' })
    const client = clientOf('http://127.0.0.1:9', { transport: dying, storage, refresh })
    const live = client.live({ times: { firstWaitMs: 100, longestWaitMs: 3200 } })
    const waits = () => tries.slice(1).map((at, index) => at - (tries[index] ?? 0))
    await vi.advanceTimersByTimeAsync(60_000)
    const told = waits()
    expect(told.length).toBeGreaterThan(8)
    for (const [index, waited] of told.entries()) {
      const most = Math.min(3200, 100 * 2 ** index)
      expect(waited).toBeGreaterThanOrEqual(most / 2)
      expect(waited).toBeLessThanOrEqual(most + 10)
    }
    isDead = false
    await vi.advanceTimersByTimeAsync(3300)
    const upAt = tries.length
    await vi.advanceTimersByTimeAsync(400)
    live.close()
    for (const waited of waits().slice(upAt)) expect(waited).toBeLessThanOrEqual(110)
    expect(tries.length).toBeGreaterThan(upAt + 1)
  })

  test('stops for an account that is disabled, and for a place that another device took', async () => {
    const app = await listening()
    const client = clientOf(addressOf(app))
    const userId = await login(client)
    const all = Array.from({ length: 4 }, () => client.live({ times: QUICK }))
    await until(() => all.filter(({ state }) => state === 'stopped').length === 1)
    await until(() => all.filter(({ state }) => state === 'open').length === 3)
    await app.db.user.update({ where: { userId }, data: { status: 'banned' } })
    app.bus.publish({ kind: 'user_changed', userId })
    await until(() => all.every(({ state }) => state === 'stopped'))
  })

  test('tells merchants of receipts, and of the products alone that were asked for', async () => {
    const app = await listening()
    const merchant = await newMerchant(app)
    const client = clientOf(addressOf(app))
    await client.signIn({ access_token: merchant.access, refresh_token: merchant.refresh })
    const one = await client.merchant.createProducts({
      name: '一',
      description: '',
      category: '菜',
      exchange_points: 1,
      stock: 5
    })
    const two = await client.merchant.createProducts({
      name: '二',
      description: '',
      category: '菜',
      exchange_points: 1,
      stock: 5
    })
    const live = client.live({ times: QUICK })
    live.watchProducts([two.id])
    const stock: number[] = []
    live.on('stock_update', ({ product_id: id }) => stock.push(id))
    const subscribed: unknown[] = []
    live.onFrame((frame) => frame.type === 'subscribed' && subscribed.push(frame.data))
    await until(() => subscribed.length > 0)
    await client.merchant.productsStock({ id: one.id, change: 1, reason: '补货' })
    await client.merchant.productsStock({ id: two.id, change: 1, reason: '补货' })
    await until(() => stock.length > 0)
    expect(stock).toEqual([two.id])
    live.close()
  })
})

test('hashes and signatures of mini-programs are those of browsers', async () => {
  for (const text of ['', 'a', '点数 5752 · 😀 \u0000', 'x'.repeat(5000)]) {
    const bytes = browsers.utf8(text)
    expect(utf8Of(text)).toEqual(bytes)
    expect(Buffer.from(await sha256Of(bytes)).toString('hex')).toBe(createHash('sha256').update(text).digest('hex'))
    expect(await hmacSha256Of(browsers.utf8('key'), bytes)).toEqual(
      await browsers.hmacSha256(browsers.utf8('key'), bytes)
    )
    expect(base64Bytes(Buffer.from(bytes).toString('base64'))).toEqual(bytes)
  }
  expect(() => base64Bytes('a')).toThrow()
  const { privateKey, publicKey } = generateKeyPairSync('ed25519')
  const key = new Uint8Array(publicKey.export({ format: 'der', type: 'spki' }).subarray(-32))
  const message = browsers.utf8('a checkpoint')
  const signature = new Uint8Array(sign(null, message, privateKey))
  for (const isSigned of [holdsWith, browsers.holdsFor]) {
    expect(await isSigned(key, signature, message)).toBe(true)
    expect(await isSigned(key, signature, browsers.utf8('another'))).toBe(false)
  }
})
