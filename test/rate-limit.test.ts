import type { FastifyInstance } from 'fastify'
import { expect, test } from 'vitest'
import { createApp, newDiner, newMobile } from './helpers/app.js'

const limits = {
  RATE_LIMIT: true,
  RATE_LIMIT_GENERAL: 6,
  RATE_LIMIT_LOGIN: 2,
  RATE_LIMIT_SEND_CODE: 3,
  RATE_LIMIT_DRAW: 4,
  RATE_LIMIT_WINDOW_MAX: 1000
}

const statuses = async (times: number, call: () => Promise<{ statusCode: number }>) => {
  const seen: number[] = []
  for (let time = 0; time < times; time += 1) seen.push((await call()).statusCode)
  return seen
}
const loginFrom = (app: FastifyInstance, remoteAddress: string, headers: Record<string, string> = {}) =>
  app.inject({
    method: 'POST',
    url: '/api/auth/login',
    payload: { mobile: newMobile(), code: '1' },
    remoteAddress,
    headers
  })

test('each kind of route has its own limit a minute, and says when to come back', async () => {
  const free = await createApp()
  const [diner, other] = [await newDiner(free, { points: 5000 }), await newDiner(free)]
  const app = await createApp({ config: limits })
  const as = (who: typeof diner, method: 'GET' | 'POST', url: string) =>
    app.inject({ method, url, headers: { authorization: `Bearer ${who.access}` } })
  expect(await statuses(5, () => as(diner, 'POST', '/api/lottery/draw'))).toEqual([200, 200, 200, 200, 429])
  expect(await statuses(7, () => as(diner, 'GET', '/api/user/info'))).toEqual([200, 200, 200, 200, 200, 200, 429])
  const refused = await as(diner, 'POST', '/api/lottery/draw')
  expect(refused.json()).toMatchObject({ code: 5001, error: 'RATE_LIMITED' })
  expect(Number(refused.headers['retry-after'])).toBeGreaterThan(0)
  expect(Number(refused.headers['retry-after'])).toBeLessThanOrEqual(60)
  // A user's limit is theirs, though both come from one address.
  expect((await as(other, 'POST', '/api/lottery/draw')).statusCode).toBe(200)
})

test('without a token the address counts, and a bad token does not get around it', async () => {
  const app = await createApp({ config: limits })
  expect(await statuses(3, () => loginFrom(app, '10.0.0.1'))).toEqual([400, 400, 429])
  expect((await loginFrom(app, '10.0.0.1', { authorization: 'Bearer forged' })).statusCode).toBe(429)
  expect((await loginFrom(app, '10.0.0.2')).statusCode).toBe(400)
})

test('X-Forwarded-For counts only where TRUST_PROXY says so', async () => {
  const app = await createApp({ config: limits })
  const forged = (n: number) => loginFrom(app, '10.0.0.1', { 'x-forwarded-for': `1.2.3.${n}` })
  expect([await forged(1), await forged(2), await forged(3)].map((reply) => reply.statusCode)).toEqual([400, 400, 429])
  const behind = await createApp({ config: { ...limits, TRUST_PROXY: '1' } })
  const through = (n: number) => loginFrom(behind, '10.0.0.1', { 'x-forwarded-for': `1.2.3.${n}` })
  expect([await through(1), await through(2), await through(3)].map((reply) => reply.statusCode)).toEqual([
    400, 400, 400
  ])
})

test('all requests together have a limit over 15 minutes; health is not counted', async () => {
  const app = await createApp({ config: { ...limits, RATE_LIMIT_WINDOW_MAX: 5, RATE_LIMIT_GENERAL: 100 } })
  const call = () => app.inject({ method: 'GET', url: '/api/auth/verify-token' })
  await statuses(5, () => app.inject('/health/live'))
  expect(await statuses(6, call)).toEqual([200, 200, 200, 200, 200, 429])
  expect(Number((await call()).headers['retry-after'])).toBeGreaterThan(60)
  expect((await app.inject('/health/live')).statusCode).toBe(200)
})

test('the public log has a limit of its own, which neither takes from the others nor gives to them', async () => {
  const app = await createApp({ config: { ...limits, RATE_LIMIT_PUBLIC_LOG: 9, RATE_LIMIT_WINDOW_MAX: 8 } })
  const ask = (url: string, remoteAddress = '10.0.0.9') => app.inject({ url, remoteAddress })
  expect(await statuses(10, () => ask('/api/fairness/checkpoint'))).toEqual([...Array(9).fill(200), 429])
  expect(await statuses(7, () => ask('/api/wechat/diagnostics'))).toEqual([...Array(6).fill(200), 429])
  expect((await ask('/api/fairness/key', '10.0.0.8')).statusCode).toBe(200)
})
