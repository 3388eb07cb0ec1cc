import type { LightMyRequestResponse } from 'fastify'
import { expect, test } from 'vitest'
import { queueLimit } from '../src/engine/pool.js'
import { createApp, newDiner, until } from './helpers/app.js'
import { holdLock } from './helpers/blocker.js'
import { scrape } from './helpers/metrics.js'

const took = async <T>(work: Promise<T>): Promise<{ result: T; ms: number }> => {
  const start = performance.now()
  return { result: await work, ms: performance.now() - start }
}
const isShed = (reply: LightMyRequestResponse) =>
  reply.statusCode === 503 && reply.json().code === 5004 && Number(reply.headers['retry-after']) >= 1

test('the queue before the database has an end: who comes after it is refused at once, health answers, and all is well again after', async () => {
  const app = await createApp({ config: { DB_POOL: 2 } })
  const diner = await newDiner(app)
  const bystander = await newDiner(app)
  await bystander.get('/api/user/info')
  const lock = await holdLock('SELECT * FROM users WHERE user_id = ? FOR UPDATE', [diner.userId])

  const start = performance.now()
  const settled: { reply: LightMyRequestResponse; ms: number }[] = []
  const requests = Array.from({ length: 300 }, async () => {
    const reply = await diner.put('/api/user/profile', { nickname: '阿明' })
    settled.push({ reply, ms: performance.now() - start })
  })
  // One connection of the two is for transactions that requests share.
  const surplus = 300 - queueLimit(2) - 1
  await until(() => settled.length >= surplus)
  expect(settled.filter(({ reply }) => !isShed(reply)).map(({ reply }) => reply.json())).toEqual([])
  expect(settled[0]?.reply.json()).toMatchObject({ code: 5004, error: 'OVERLOADED', data: null })
  // Nothing waited: not for the lock, nor for a connection. The limit is what a loaded machine needs for 300 requests.
  expect(Math.max(...settled.map(({ ms }) => ms))).toBeLessThan(5000)

  const live = await took(app.inject('/health/live').then((reply) => reply.statusCode))
  const health = await took(app.inject('/health').then((reply) => reply.json()))
  const ready = await took(app.inject('/health/ready').then((reply) => reply.statusCode))
  expect([live.result, health.result.checks.db.status, ready.result]).toEqual([200, 'healthy', 200])
  // Nor do these wait for the lock, which nobody lets go.
  for (const { ms } of [live, health, ready]) expect(ms).toBeLessThan(5000)
  expect((await scrape(app)).get('requests_shed_total{reason="databaseQueue"}')).toBeGreaterThanOrEqual(surplus)
  expect((await scrape(app)).get('db_pool_waiting')).toBe(queueLimit(2))
  expect(isShed(await bystander.get('/api/user/points-records'))).toBe(true)

  await lock.release()
  await until(async () => (await bystander.get('/api/user/points-records')).statusCode === 200, 10_000)
  await Promise.all(requests)
  const done = settled.filter(({ reply }) => reply.statusCode === 200)
  // Whoever had a place in the queue was served, and nobody was lost.
  expect(done.length + settled.filter(({ reply }) => isShed(reply)).length).toBe(300)
  expect(done.length).toBeGreaterThanOrEqual(queueLimit(2))
  expect((await scrape(app)).get('db_pool_waiting')).toBe(0)
})

/** Keeps the event loop from everything else. */
function block(ms: number): void {
  const end = performance.now() + ms
  while (performance.now() < end);
}

test('while the event loop is late, requests are turned away and health is not; a moment later all is well', async () => {
  const { access } = await newDiner(await createApp())
  const app = await createApp({ overload: { maxEventLoopDelayMs: 100, sampleEveryMs: 200 } })
  const headers = { authorization: `Bearer ${access}` }
  const draw = () => app.inject({ method: 'POST', url: '/api/lottery/draw', headers })
  await until(async () => {
    block(400)
    return isShed(await draw())
  })
  const reply = await draw()
  if (isShed(reply)) {
    for (const url of ['/health', '/health/live', '/metrics']) expect((await app.inject(url)).statusCode).toBe(200)
  }
  await until(async () => (await draw()).statusCode === 200, 10_000)
  expect((await scrape(app)).get('requests_shed_total{reason="eventLoopDelay"}')).toBeGreaterThan(0)
})

test('over its memory limit a process turns requests away, and says that it is not ready', async () => {
  const app = await createApp({ config: { MEMORY_LIMIT_MB: 1 }, overload: { sampleEveryMs: 10 } })
  await until(async () => isShed(await app.inject('/api/auth/verify-token')))
  expect((await app.inject('/health/live')).statusCode).toBe(200)
  expect((await app.inject('/health')).json().status).toBe('healthy')
  expect((await app.inject('/health/ready')).statusCode).toBe(503)
  expect(isShed(await app.inject('/ws'))).toBe(true)
})
