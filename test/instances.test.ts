import { randomBytes } from 'node:crypto'
import type { FastifyInstance } from 'fastify'
import { Redis } from 'ioredis'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { RuleBook } from '../src/domains/lottery/versions.js'
import { createApp, type Diner, newAdmin, newDiner, signIn, type TestAppOptions, until } from './helpers/app.js'
import { createProxy, type Line } from './helpers/proxy.js'
import { startRedis, type TestRedis } from './helpers/redis.js'
import { openSocket } from './helpers/socket.js'

let redis: TestRedis
beforeAll(async () => {
  redis = await startRedis()
})
afterAll(() => redis.stop())

/** A deployment is known by its key: with one of its own, a test is alone on the Redis. */
const deployment = (url = redis.url) => ({ REDIS_URL: url, ENCRYPTION_KEY: randomBytes(32).toString('hex') })

async function instance(config: TestAppOptions['config'], options: TestAppOptions = {}): Promise<FastifyInstance> {
  const app = await createApp({ ...options, config: { ...config, ...options.config } })
  await app.listen({ port: 0, host: '127.0.0.1' })
  return app
}

/** Two instances on one database and one Redis. */
async function two(options: TestAppOptions = {}): Promise<[FastifyInstance, FastifyInstance]> {
  const config = deployment()
  return [await instance(config, options), await instance(config, options)]
}

/** Two instances that reach Redis through a line that can be cut; one starts before the other. */
async function behindProxy(options: TestAppOptions = {}): Promise<{ apps: FastifyInstance[]; line: Line }> {
  const line = await createProxy(new URL(redis.url))
  onTestFinished(() => line.close())
  const config = deployment(line.url)
  return { apps: [await instance(config, options), await instance(config, options)], line }
}

/** The same diner, asking another instance. */
const at = (app: FastifyInstance, diner: Diner) => {
  const headers = { authorization: `Bearer ${diner.access}` }
  return {
    get: (url: string) => app.inject({ method: 'GET', url, headers }),
    draw: () => app.inject({ method: 'POST', url: '/api/lottery/draw', headers, payload: {} }),
    logout: () => app.inject({ method: 'POST', url: '/api/auth/logout', headers })
  }
}
const redisHealth = async (app: FastifyInstance) => {
  const reply = await app.inject('/health')
  const { status, checks } = reply.json()
  return { http: reply.statusCode, status, redis: checks.redis.status }
}

describe('with Redis', () => {
  test('health says so, and how long it took; without REDIS_URL it is disabled', async () => {
    const [app] = await two()
    const { status, checks } = (await app.inject('/health')).json()
    expect(status).toBe('healthy')
    expect(checks.redis).toEqual({ status: 'healthy', response_time: expect.any(Number) })
    expect(await redisHealth(await createApp())).toEqual({ http: 200, status: 'healthy', redis: 'disabled' })
  })

  test('a push reaches a socket on the other instance, in commit order', async () => {
    const [one, other] = await two()
    const diner = await newDiner(one, { points: 5000 })
    const socket = await openSocket(other, diner.access)
    for (let drawn = 0; drawn < 10; drawn += 1) {
      expect((await at(drawn % 2 === 0 ? one : other, diner).draw()).statusCode).toBe(200)
    }
    const balances = (await socket.take('points_update', 10)).map((frame) => frame.data.total_points)
    expect(balances).toEqual(Array.from({ length: 10 }, (_, index) => 4900 - 100 * index))
    expect(socket.frames.filter((frame) => frame.type === 'lottery_result')).toHaveLength(10)
  })

  test('limits are those of all instances together', async () => {
    const limits = { RATE_LIMIT: true, RATE_LIMIT_DRAW: 5, RATE_LIMIT_WINDOW_MAX: 1000 }
    const [one, other] = await two({ config: limits })
    const diner = await newDiner(one, { points: 5000 })
    const statuses: number[] = []
    for (let time = 0; time < 8; time += 1) {
      const reply = await at(time % 2 === 0 ? one : other, diner).draw()
      statuses.push(reply.statusCode)
      if (reply.statusCode === 429) expect(Number(reply.headers['retry-after'])).toBeGreaterThan(0)
    }
    expect(statuses).toEqual([200, 200, 200, 200, 200, 429, 429, 429])
  })

  test('a ban, an unban and a logout on one instance hold on the other at once', async () => {
    const [one, other] = await two()
    const [diner, admin] = [await newDiner(one), await newAdmin(one)]
    const tablet = await signIn(one, diner.mobile)
    const status = async (who: Diner) => (await at(other, who).get('/api/user/info')).json().code
    expect([await status(diner), await status(tablet)]).toEqual([0, 0])
    const [first, second] = [await openSocket(other, diner.access), await openSocket(other, tablet.access)]

    await diner.post('/api/auth/logout')
    expect(await first.closeCode()).toBe(4001)
    expect([await status(diner), await status(tablet)]).toEqual([2002, 0])
    expect(second.closed).toBeUndefined()

    await admin.post(`/api/admin/users/${diner.userId}/ban`, { reason: 'a test' })
    expect(await second.closeCode()).toBe(4003)
    expect(await status(tablet)).toBe(2004)
    await admin.post(`/api/admin/users/${diner.userId}/unban`, { reason: 'a test' })
    await until(async () => (await status(tablet)) === 0, 5000)
  })

  test('a new version of the wheel draws on both instances at once', async () => {
    const [one, other] = await two()
    const diner = await newDiner(one, { points: 5000 })
    const versions = async () =>
      Promise.all([one, other].map(async (app) => (await at(app, diner).draw()).json().data.rules_version))
    const [before] = await versions()
    await one.db.lotteryConfig.update({ where: { id: 1 }, data: { dailyLimit: { increment: 1 } } })
    const made = await one.tx((uow) => new RuleBook().synchronise(uow))
    expect(made).toBe(before + 1)
    expect(await versions()).toEqual([made, made])
  })

  test('a fourth socket on one instance closes the oldest on the other (4009), and a closed one makes room', async () => {
    const [one, other] = await two()
    const [diner, bystander] = [await newDiner(one), await newDiner(one)]
    const theirs = await openSocket(one, bystander.access)
    const sockets = []
    for (const app of [one, other, one]) {
      const socket = await openSocket(app, diner.access)
      await socket.take('connected')
      sockets.push(socket)
    }
    sockets.push(await openSocket(other, diner.access))
    expect(await sockets[0]?.closeCode()).toBe(4009)
    sockets[1]?.close()
    await until(() => other.hub.size === 1)
    const fifth = await openSocket(one, diner.access)
    await fifth.take('connected')
    const sixth = await openSocket(other, diner.access)
    // The next oldest goes: the one that its client closed no longer counts.
    expect(await sockets[2]?.closeCode()).toBe(4009)
    for (const socket of [sockets[3], fifth, sixth, theirs]) expect(socket?.closed).toBeUndefined()
  })

  test('what other deployments or strangers say is not heard', async () => {
    const [app] = await two()
    const stranger = await instance(deployment())
    const [diner, guest] = [await newDiner(app), await newDiner(stranger)]
    const socket = await openSocket(app, diner.access)
    const client = new Redis(redis.url)
    onTestFinished(() => client.disconnect())
    const notice = {
      kind: 'push',
      audience: 'everyone',
      type: 'system_notice',
      data: { title: 'a', content: '', type: '' }
    }
    const channel = app.redis?.key('events') ?? ''
    const event = (changes: object) => JSON.stringify({ from: 'x', event: { ...notice, ...changes } })
    const bad = ['nonsense', 'null', '{}', '{"from":1}', '{"from":"x"}', '{"from":"x","event":null}']
    bad.push(event({ kind: 'unknown' }), event({ type: 'toString' }), event({ audience: 'all' }), event({ data: 1 }))
    for (const text of bad) await client.publish(channel, text)
    stranger.bus.publish({ ...notice, data: { title: 'not yours', content: '', type: '' } } as never)
    await client.publish(channel, event({ data: { title: 'good', content: '', type: '' } }))
    const [heard] = await socket.take('system_notice')
    expect(heard?.data.title).toBe('good')
    expect(socket.frames.filter((frame) => frame.type === 'system_notice')).toHaveLength(1)
    expect(guest.userId).not.toBe(diner.userId)
  })
})

/** A login, a draw, a review of a receipt's list: what must go on, and how long the slowest took. */
async function everythingWorks(app: FastifyInstance): Promise<number> {
  let slowest = 0
  const timed = async <T>(work: () => Promise<T>): Promise<T> => {
    const start = performance.now()
    const result = await work()
    slowest = Math.max(slowest, performance.now() - start)
    return result
  }
  const diner = await timed(() => newDiner(app))
  const socket = await timed(() => openSocket(app, diner.access))
  expect((await timed(() => at(app, diner).draw())).statusCode).toBe(200)
  await socket.take('points_update')
  expect((await timed(() => at(app, diner).get('/api/photo/history'))).statusCode).toBe(200)
  socket.close()
  return slowest
}

describe('without Redis for a while', () => {
  test('gone at the start: the service starts, works and says degraded; when Redis comes, it is used without a restart', async () => {
    const line = await createProxy(new URL(redis.url))
    onTestFinished(() => line.close())
    line.cut()
    const config = deployment(line.url)
    const [one, other] = [await instance(config), await instance(config)]
    expect(await redisHealth(one)).toEqual({ http: 200, status: 'degraded', redis: 'unhealthy' })
    expect((await one.inject('/health/ready')).statusCode).toBe(200)
    await everythingWorks(one)
    line.restore()
    await until(
      async () => (await redisHealth(one)).status === 'healthy' && (await redisHealth(other)).status === 'healthy'
    )
    const diner = await newDiner(one)
    const socket = await openSocket(other, diner.access)
    await at(one, diner).draw()
    await socket.take('points_update')
  })

  test('gone in mid-run: everything goes on, limits hold in the process, and what was missed is made good', async () => {
    const limits = { RATE_LIMIT: true, RATE_LIMIT_DRAW: 4, RATE_LIMIT_LOGIN: 1000, RATE_LIMIT_SEND_CODE: 1000 }
    const { apps, line } = await behindProxy({ config: limits })
    const [one, other] = apps as [FastifyInstance, FastifyInstance]
    const diner = await newDiner(one, { points: 5000 })
    const code = async (app: FastifyInstance) => (await at(app, diner).get('/api/user/info')).json().code
    expect([await code(one), await code(other)]).toEqual([0, 0])
    const sockets = []
    for (const app of [one, one, other]) {
      const socket = await openSocket(app, diner.access)
      await socket.take('connected')
      sockets.push(socket)
    }
    expect((await at(one, diner).draw()).statusCode).toBe(200)

    line.cut()
    await until(() => one.redis?.isUp === false && other.redis?.isUp === false)
    expect(await redisHealth(one)).toEqual({ http: 200, status: 'degraded', redis: 'unhealthy' })
    await everythingWorks(one)
    // The process goes on counting from what it saw itself.
    const statuses = []
    for (let time = 0; time < 5; time += 1) statuses.push((await at(one, diner).draw()).statusCode)
    expect(statuses).toEqual([200, 200, 200, 429, 429])
    // Two more sockets of the diner where nobody can tell the other instance …
    for (const app of [other, other]) {
      const socket = await openSocket(app, diner.access)
      await socket.take('connected')
      sockets.push(socket)
    }
    expect(sockets.every((socket) => socket.closed === undefined)).toBe(true)
    // … and a logout of the same.
    const unlimited = await createApp({ config: { ENCRYPTION_KEY: one.config.ENCRYPTION_KEY } })
    const phone = await signIn(unlimited, diner.mobile)
    expect((await at(other, phone).get('/api/user/info')).json().code).toBe(0)
    await at(one, phone).logout()

    line.restore()
    await until(() => one.redis?.isUp === true && other.redis?.isUp === true)
    expect((await at(other, phone).get('/api/user/info')).json().code).toBe(2002)
    expect([await sockets[0]?.closeCode(), await sockets[1]?.closeCode()]).toEqual([4009, 4009])
    expect(sockets.slice(2).map((socket) => socket.closed)).toEqual([undefined, undefined, undefined])
    expect((await redisHealth(one)).status).toBe('healthy')
  })

  test('answering after 5 s: no request waits for it, and it is used again once it is quick', async () => {
    const { apps, line } = await behindProxy({
      config: { RATE_LIMIT: true, RATE_LIMIT_SEND_CODE: 1000, RATE_LIMIT_LOGIN: 1000 }
    })
    const [one] = apps as [FastifyInstance, FastifyInstance]
    await everythingWorks(one)
    line.delay(5000)
    // Ten requests at once wait a moment, together; the next ones do not.
    expect(await everythingWorks(one)).toBeLessThan(4500)
    expect(one.redis?.isUp).toBe(false)
    expect(await redisHealth(one)).toMatchObject({ http: 200, status: 'degraded' })
    const diner = await newDiner(one)
    const replies = await Promise.all(Array.from({ length: 10 }, () => at(one, diner).get('/api/user/info')))
    expect(replies.map((reply) => reply.statusCode)).toEqual(Array(10).fill(200))
    line.delay(0)
    await until(async () => (await redisHealth(one)).status === 'healthy')
  })

  test('an instance that died holds no places', async () => {
    const config = deployment()
    const [one, other] = [await instance(config), await instance(config)]
    const diner = await newDiner(one)
    const client = new Redis(redis.url)
    onTestFinished(() => client.disconnect())
    // What a process leaves that was killed: places, and a sign of life that runs out.
    const list = one.redis?.key('sockets', diner.userId) ?? ''
    const gone = '00000000-0000-0000-0000-000000000000'
    for (let index = 0; index < 3; index += 1) await client.zadd(list, Date.now() * 2, `${gone} socket${index}`)
    const [first, second] = [await openSocket(one, diner.access), await openSocket(other, diner.access)]
    await until(async () => (await client.zcard(list)) === 2)
    expect([first.closed, second.closed]).toEqual([undefined, undefined])
  })
})
