import type { IncomingMessage } from 'node:http'
import { Writable } from 'node:stream'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import type { FastifyInstance } from 'fastify'
import { describe, expect, test } from 'vitest'
import type { HubLimits } from '../src/domains/realtime/limits.js'
import { SystemNotice } from '../src/engine/push.js'
import { createLogger } from '../src/observe/logger.js'
import {
  createApp,
  type Diner,
  newDiner,
  newMerchant,
  signIn,
  type TestAppOptions,
  testConfig,
  until
} from './helpers/app.js'
import { openSocket } from './helpers/socket.js'

/** What an event should have told is not made good by the next look at the sessions, unless a test is about that. */
const NO_RECHECK = { recheckEveryMs: 3_600_000 }

async function listening(options: TestAppOptions = {}): Promise<FastifyInstance> {
  const app = await createApp({ ...options, realtime: { ...NO_RECHECK, ...options.realtime } })
  await app.listen({ port: 0, host: '127.0.0.1' })
  return app
}
const withLimits = (limits: Partial<HubLimits>) => listening({ realtime: limits })
const draw = (diner: Diner, draw_type = 'single') => diner.post('/api/lottery/draw', { draw_type })

describe('a socket', () => {
  test('is greeted, by a token in the query or in a header, and its subprotocol is echoed', async () => {
    const app = await listening()
    const diner = await newDiner(app)
    const byQuery = await openSocket(app, diner.access, { protocols: ['wss'] })
    expect(byQuery.ws.protocol).toBe('wss')
    const [hello] = await byQuery.take('connected')
    expect(hello).toEqual({
      type: 'connected',
      data: { message: expect.any(String), server_time: expect.any(String) },
      timestamp: expect.stringMatching(/^\d{4}-.*Z$/),
      id: expect.any(Number)
    })
    const byHeader = await openSocket(app, undefined, { headers: { authorization: `Bearer ${diner.access}` } })
    await byHeader.take('connected')
  })

  test('hears of a draw after its commit: the result, then one new balance, and only its own', async () => {
    const app = await listening()
    const [diner, other] = [await newDiner(app), await newDiner(app)]
    const [mine, theirs] = [await openSocket(app, diner.access), await openSocket(app, other.access)]
    const { data } = (await draw(diner, 'triple')).json()
    const [points] = await mine.take('points_update')
    const [result] = await mine.take('lottery_result')
    expect(mine.frames.map((frame) => frame.type)).toEqual(['connected', 'lottery_result', 'points_update'])
    expect(result?.data).toMatchObject({
      user_id: diner.userId,
      draw_id: data.draw_id,
      prize_name: data.prizeName,
      results: data.results.map(({ nonce, roll, pity_before, ...told }: Record<string, unknown>) => told),
      remaining_points: 700
    })
    expect(points?.data).toEqual({
      user_id: diner.userId,
      total_points: 700,
      change_amount: -300,
      change_points: -300,
      change_reason: '抽奖消费',
      reason: 'lottery',
      reason_text: '抽奖消费',
      timestamp: expect.any(String)
    })
    expect((await diner.post('/api/lottery/draw', { draw_type: 'ten' })).statusCode).toBe(409)
    theirs.send({ type: 'ping' })
    await theirs.take('pong')
    expect(theirs.frames.map((frame) => frame.type)).toEqual(['connected', 'pong'])
  })

  test('hears of one user’s draws in the order of their commits, with rising ids', async () => {
    const app = await listening()
    const diner = await newDiner(app, { points: 5000 })
    const socket = await openSocket(app, diner.access)
    await Promise.all(Array.from({ length: 30 }, () => draw(diner)))
    const balances = (await socket.take('points_update', 30)).map((frame) => frame.data.total_points)
    expect(balances).toEqual(Array.from({ length: 30 }, (_, index) => 4900 - 100 * index))
    const ids = socket.frames.map((frame) => frame.id)
    expect(ids).toEqual([...new Set(ids)].sort((a, b) => a - b))
  })

  test('hears nothing of a draw that was rolled back', async () => {
    const app = await listening()
    const diner = await newDiner(app)
    const socket = await openSocket(app, diner.access)
    await app
      .tx(async ({ outbox }) => {
        outbox.push({ userId: diner.userId }, SystemNotice, { title: 'a', content: 'b', type: 'c' })
        throw new Error('rolled back')
      })
      .catch(() => {})
    socket.send({ type: 'ping' })
    await socket.take('pong')
    expect(socket.frames.map((frame) => frame.type)).toEqual(['connected', 'pong'])
  })
})

describe('closing', () => {
  test('a fourth socket of a user closes the oldest (4009), and leaves other users alone', async () => {
    const app = await listening()
    const [diner, other] = [await newDiner(app), await newDiner(app)]
    const bystander = await openSocket(app, other.access)
    const sockets = []
    for (let index = 0; index < 4; index += 1) {
      const socket = await openSocket(app, diner.access)
      await socket.take('connected')
      sockets.push(socket)
    }
    expect(await sockets[0]?.closeCode()).toBe(4009)
    expect(app.hub.size).toBe(4)
    for (const socket of [...sockets.slice(1), bystander]) expect(socket.closed).toBeUndefined()
  })

  test('a silent one is closed 4008; one that answers pings stays', async () => {
    const app = await withLimits({ pingEveryMs: 200, silenceMs: 3000 })
    const diner = await newDiner(app)
    const silent = await openSocket(app, diner.access, { autoPong: false })
    const answering = await openSocket(app, diner.access)
    expect(await silent.closeCode()).toBe(4008)
    expect(answering.closed).toBeUndefined()
    await draw(diner)
    await answering.take('points_update')
  })

  test('one that answers no ping but sends is not silent', async () => {
    const app = await withLimits({ pingEveryMs: 200, silenceMs: 3000 })
    const diner = await newDiner(app)
    const socket = await openSocket(app, diner.access, { autoPong: false })
    const start = Date.now()
    while (Date.now() - start < 5000) {
      socket.send({ type: 'ping' })
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
    expect(socket.closed).toBeUndefined()
  })

  test('a slow reader is closed and never waited for', async () => {
    const app = await withLimits({ maxUnsentBytes: 64 * 1024 })
    const [slow, quick] = [await newDiner(app), await newDiner(app)]
    const [stuck, reader] = [await openSocket(app, slow.access), await openSocket(app, quick.access)]
    stuck.ws.pause()
    const content = 'x'.repeat(64 * 1024)
    for (let sent = 0; app.hub.size === 2; sent += 1) {
      expect(sent).toBeLessThan(2000)
      app.bus.publish({
        kind: 'push',
        audience: 'everyone',
        type: 'system_notice',
        data: { title: String(sent), content, type: 'flood' }
      })
      await new Promise((resolve) => setImmediate(resolve))
    }
    await reader.take('system_notice')
    expect(reader.closed).toBeUndefined()
    stuck.ws.resume()
    expect(await stuck.closeCode()).toBe(1013)
  })

  test('an expired token closes 4001 at the instant it expires', async () => {
    const app = await listening({ config: { JWT_EXPIRES_IN: '8s' } })
    const diner = await newDiner(app)
    const exp = JSON.parse(Buffer.from(diner.access.split('.')[1] ?? '', 'base64url').toString()).exp * 1000
    const socket = await openSocket(app, diner.access)
    expect(await socket.closeCode()).toBe(4001)
    expect(Date.now()).toBeGreaterThanOrEqual(exp)
    expect((await openSocket(app, diner.access).catch((err) => err)).status).toBe(401)
  })

  test('logout closes the sockets of its session (4001), and no other of the user', async () => {
    const app = await listening()
    const phone = await newDiner(app)
    const tablet = await signIn(app, phone.mobile)
    const [first, second] = [await openSocket(app, phone.access), await openSocket(app, tablet.access)]
    await phone.post('/api/auth/logout')
    expect(await first.closeCode()).toBe(4001)
    await draw(tablet)
    await second.take('points_update')
  })

  test('a ban that no event told of closes 4003', async () => {
    const app = await withLimits({ recheckEveryMs: 100 })
    const diner = await newDiner(app)
    const socket = await openSocket(app, diner.access)
    await app.db.user.update({ where: { userId: diner.userId }, data: { status: 'banned' } })
    expect(await socket.closeCode()).toBe(4003)
  })

  test('a shutdown closes 1001', async () => {
    const app = await listening()
    const diner = await newDiner(app)
    const socket = await openSocket(app, diner.access)
    await app.close()
    expect(await socket.closeCode()).toBe(1001)
  })

  test('a frame over 4 KB closes 1008', async () => {
    const app = await listening()
    const diner = await newDiner(app)
    const fits = await openSocket(app, diner.access)
    fits.send(JSON.stringify({ type: 'ping', data: { pad: 'x'.repeat(4000) } }))
    await fits.take('pong')
    const tooBig = await openSocket(app, diner.access)
    tooBig.send('x'.repeat(4097))
    expect(await tooBig.closeCode()).toBe(1008)
  })

  test('ten bad frames close 1008; nine are answered with an error each', async () => {
    const app = await listening()
    const diner = await newDiner(app)
    const socket = await openSocket(app, diner.access)
    const bad = ['nonsense', '[]', '{}', '"ping"', '{"type":"draw"}', '{"type":"subscribe"}', 'null', '{"type":1}']
    for (const frame of [...bad, '{"type":"subscribe","data":{"target":"products","product_ids":["1"]}}'])
      socket.send(frame)
    await socket.take('error', 9)
    expect(socket.closed).toBeUndefined()
    socket.ws.send(Buffer.from([1, 2, 3]))
    expect(await socket.closeCode()).toBe(1008)
  })
})

describe('a conversation', () => {
  test('ping is answered by pong, with its timestamp', async () => {
    const app = await listening()
    const socket = await openSocket(app, (await newDiner(app)).access)
    socket.send({ type: 'ping', data: { timestamp: 1234 } })
    const [pong] = await socket.take('pong')
    expect(pong?.data).toEqual({ timestamp: 1234, server_time: expect.any(String) })
  })

  test('stock updates go to all, until a client says which', async () => {
    const app = await listening()
    const diner = await newDiner(app)
    const socket = await openSocket(app, diner.access)
    let stock = 0
    const publish = (productId: number) =>
      app.bus.publish({
        kind: 'push',
        audience: 'everyone',
        type: 'stock_update',
        data: {
          commodity_id: productId,
          product_id: productId,
          product_name: 'p',
          current_stock: stock,
          stock: stock++,
          change_amount: -1,
          operation: 'exchange',
          timestamp: new Date()
        }
      })
    let answers = 0
    const say = async (type: string, product_ids: unknown) => {
      socket.send({ type, data: { target: 'products', product_ids } })
      answers += 1
      const all = await socket.take('subscribed', answers)
      return all.at(-1)?.data.product_ids
    }
    const heard = async (...ids: number[]) => {
      const before = socket.frames.length
      for (const id of [1, 2, 3]) publish(id)
      socket.send({ type: 'ping' })
      await until(() => socket.frames.slice(before).some((frame) => frame.type === 'pong'))
      const got = socket.frames.slice(before).filter((frame) => frame.type === 'stock_update')
      expect(got.map((frame) => frame.data.product_id)).toEqual(ids)
    }
    await heard(1, 2, 3)
    expect(await say('subscribe', [2])).toEqual([2])
    await heard(2)
    expect(await say('subscribe', [3])).toEqual([2, 3])
    expect(await say('unsubscribe', [2])).toEqual([3])
    await heard(3)
    expect(await say('unsubscribe', 'all')).toEqual([])
    await heard()
    expect(await say('subscribe', 'all')).toBe('all')
    await heard(1, 2, 3)
    expect(await say('unsubscribe', [1])).toBe('all')
    expect(await say('subscribe', [])).toEqual([])
    await heard()
  })

  test('new reviews go to merchants alone', async () => {
    const app = await listening()
    const [diner, merchant] = [await newDiner(app), await newDiner(app)]
    await app.db.user.update({ where: { userId: merchant.userId }, data: { isMerchant: true } })
    app.bus.publish({ kind: 'user_changed', userId: merchant.userId })
    const [first, second] = [await openSocket(app, diner.access), await openSocket(app, merchant.access)]
    app.bus.publish({
      kind: 'push',
      audience: 'merchants',
      type: 'new_review',
      data: { upload_id: 'u', user_id: 1, amount: 1, image_url: 'x', uploaded_at: new Date() }
    })
    await second.take('new_review')
    first.send({ type: 'ping' })
    await first.take('pong')
    expect(first.frames.some((frame) => frame.type === 'new_review')).toBe(false)
  })
})

test('whoever loses a merchant’s rights by hand hears of no more reviews, on a socket that stays open', async () => {
  const app = await listening({ realtime: { recheckEveryMs: 20 } })
  const [former, witness] = [await newMerchant(app), await newMerchant(app)]
  const [lost, kept] = [await openSocket(app, former.access), await openSocket(app, witness.access)]
  const tell = async (round: number) => {
    const data = { upload_id: `u${round}`, user_id: 1, amount: 1, image_url: 'x', uploaded_at: new Date() }
    app.bus.publish({ kind: 'push', audience: 'merchants', type: 'new_review', data })
    await kept.take('new_review', round)
    lost.send({ type: 'ping' })
    await lost.take('pong', round)
    return lost.frames.filter((frame) => frame.type === 'new_review').length
  }
  expect(await tell(1)).toBe(1)
  // As Prisma Studio would: no event tells of it, and the session holds.
  await app.db.user.update({ where: { userId: former.userId }, data: { isMerchant: false } })
  let round = 1
  let heard = 1
  await until(async () => {
    round += 1
    const now = await tell(round)
    const isDemoted = now === heard
    heard = now
    await new Promise((resolve) => setTimeout(resolve, 100))
    return isDemoted
  }, 30_000)
  round += 1
  expect(await tell(round)).toBe(heard)
  expect(lost.closed).toBeUndefined()
})

test('no token, code, password or mobile is in any log line', async () => {
  const lines: string[] = []
  const destination = new Writable({
    write(chunk, _encoding, done) {
      lines.push(String(chunk))
      done()
    }
  })
  const config = testConfig({ LOG_LEVEL: 'trace' })
  const app = await listening({ logger: createLogger(config, destination), sms: { sendCode: async () => {} } })
  const diner = await newDiner(app)
  const socket = await openSocket(app, diner.access)
  await draw(diner)
  await socket.take('points_update')
  await openSocket(app, `${diner.access}x`).catch(() => {})
  await app.inject({ method: 'GET', url: `/api/user/info?access_token=${diner.access}` })
  await app.inject({
    method: 'POST',
    url: '/api/auth/admin-login',
    payload: { username: 'somebody', password: 'planted-password' }
  })
  await diner.post('/api/auth/logout')
  const log = lines.join('')
  expect(log).toContain('/ws?token=[redacted]')
  for (const secret of [diner.access, diner.refresh, diner.mobile, 'planted-password'])
    expect(log).not.toContain(secret)
})

test('an open socket keeps nothing of the request that opened it', async () => {
  const app = await createApp()
  const asked: WeakRef<IncomingMessage>[] = []
  app.server.on('upgrade', (request) => asked.push(new WeakRef(request)))
  await app.listen({ port: 0, host: '127.0.0.1' })
  const diner = await newDiner(app)
  const socket = await openSocket(app, diner.access)
  await socket.take('connected')
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc') as () => void
  await until(() => {
    collect()
    return asked.every((request) => request.deref() === undefined)
  })
  expect(asked).toHaveLength(1)
  expect(app.hub.size).toBe(1)
})
