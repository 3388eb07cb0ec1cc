import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { Ajv2020 } from 'ajv/dist/2020.js'
import addFormats from 'ajv-formats'
import type { FastifyInstance, InjectOptions } from 'fastify'
import { beforeAll, describe, expect, test } from 'vitest'
import { buildApp } from '../src/app.js'
import { Failure } from '../src/shared/schemas.js'
import { createApp, testConfig } from './helpers/app.js'

/** The routes of the contract that are built; each later part of the product adds its own. */
const ROUTES = `
GET /health
GET /health/live
GET /health/ready
GET /metrics
GET /ws
POST /api/auth/send-code
POST /api/auth/login
POST /api/auth/wechat-login
POST /api/auth/admin-login
POST /api/auth/console-login
POST /api/auth/console-refresh
POST /api/auth/refresh
GET /api/auth/verify-token
POST /api/auth/logout
GET /api/lottery/config
POST /api/lottery/draw
GET /api/lottery/records
GET /api/lottery/statistics
GET /api/lottery/pity-status
GET /api/lottery/fairness
POST /api/lottery/fairness/rotate
GET /api/lottery/fairness/epochs
GET /api/lottery/fairness/draws/{draw_id}
GET /api/fairness/key
GET /api/fairness/checkpoint
GET /api/fairness/checkpoints
GET /api/fairness/entries
GET /api/fairness/inclusion
GET /api/fairness/consistency
GET /api/fairness/rules
GET /api/fairness/rules/{version}
GET /api/fairness/statistics
GET /api/exchange/products
GET /api/exchange/products/{id}
GET /api/exchange/categories
GET /api/exchange/hot-products
POST /api/exchange/submit
GET /api/exchange/orders
GET /api/exchange/orders/{id}
POST /api/exchange/orders/{id}/cancel
GET /api/exchange/statistics
GET /api/user/info
GET /api/user/points-records
GET /api/user/points-statement
GET /api/user/limits
PUT /api/user/limits
POST /api/photo/{id}/appeal
GET /api/merchant/reviews/{id}
GET /api/merchant/appeals
POST /api/merchant/appeals/{id}/uphold
POST /api/merchant/appeals/{id}/overturn
POST /api/admin/reviews/{id}/revoke
GET /api/admin/reviewers
PUT /api/user/profile
POST /api/user/avatar
GET /api/user/statistics
GET /api/user/vouchers
POST /api/photo/upload
GET /api/photo/history
GET /api/photo/review/{id}
GET /api/photo/statistics
DELETE /api/photo/{id}
POST /api/merchant/apply
GET /api/merchant/application
GET /api/merchant/reviews/pending
GET /api/merchant/reviews
POST /api/merchant/review
POST /api/merchant/reviews/{id}/approve
POST /api/merchant/reviews/{id}/reject
POST /api/merchant/reviews/batch
GET /api/merchant/statistics
GET /api/merchant/product-stats
GET /api/merchant/products
POST /api/merchant/products
PUT /api/merchant/products/{id}
DELETE /api/merchant/products/{id}
POST /api/merchant/products/{id}/stock
POST /api/merchant/images
GET /api/merchant/orders
POST /api/merchant/orders/{id}/confirm
POST /api/merchant/orders/{id}/ship
POST /api/merchant/orders/{id}/complete
POST /api/merchant/orders/{id}/cancel
GET /api/merchant/vouchers/{code}
POST /api/merchant/vouchers/redeem
GET /api/merchant/lottery-config
PUT /api/merchant/lottery-config
GET /api/merchant/lottery-stats
GET /api/admin/merchant-applications
POST /api/admin/merchant-applications/{id}/approve
POST /api/admin/merchant-applications/{id}/reject
GET /api/admin/users
POST /api/admin/users/{id}/ban
POST /api/admin/users/{id}/unban
POST /api/admin/users/{id}/points
GET /api/admin/points-records
GET /api/admin/audit-logs
GET /api/admin/login-logs
GET /api/wechat/diagnostics
`
  .trim()
  .split('\n')

/** Other spellings of some of them, for mini-programs in the field (contract section 9). */
const ALIASES = `
GET /api/auth/verify
POST /api/exchange/redeem
GET /api/exchange/records
POST /api/upload
GET /api/upload/records
GET /api/photo/records
GET /api/merchant/pending-reviews
POST /api/merchant/batch-review
PUT /api/user/info
`
  .trim()
  .split('\n')

interface Media {
  schema: object
  examples?: Record<string, { value: unknown }>
  example?: unknown
}
interface Operation {
  summary?: string
  deprecated?: boolean
  security?: object[]
  requestBody?: { content: Record<string, Media> }
  responses: Record<string, { description: string; content?: Record<string, Media> }>
}
interface Document {
  openapi: string
  info: { description: string }
  paths: Record<string, Record<string, Operation>>
}

let document: Document
beforeAll(async () => {
  const app = await buildApp({ overload: { maxEventLoopDelayMs: 0 }, config: testConfig() })
  document = (await app.inject('/api/docs/json')).json()
  await app.close()
})

const operations = () =>
  Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({ name: `${method.toUpperCase()} ${path}`, path, operation }))
  )

describe('the OpenAPI document', () => {
  test('is 3.1, and has every route of the contract that is built, and no other', () => {
    expect(document.openapi).toMatch(/^3\.1\./)
    expect(
      operations()
        .map(({ name }) => name)
        .sort()
    ).toEqual([...ROUTES, ...ALIASES].sort())
  })

  test('marks the aliases, and nothing else, as deprecated', () => {
    const deprecated = operations().filter(({ operation }) => operation.deprecated === true)
    expect(deprecated.map(({ name }) => name).sort()).toEqual([...ALIASES].sort())
  })

  test('gives every route a summary, and every body and answer an example that fits its schema', () => {
    const ajv = new Ajv2020({ strict: false })
    addFormats.default(ajv)
    for (const { name, operation } of operations()) {
      expect(operation.summary, name).toBeTruthy()
      const described = [['body', operation.requestBody] as const, ...Object.entries(operation.responses)]
      for (const [status, part] of described) {
        if (part === undefined) continue
        const media = Object.values(part.content ?? {})[0]
        const examples = media?.examples ? Object.values(media.examples).map(({ value }) => value) : [media?.example]
        expect(examples.length, `${name} ${status}`).toBeGreaterThan(0)
        for (const example of examples) {
          expect(example, `${name} ${status}`).toBeDefined()
          const fits = ajv.compile(media?.schema ?? {})
          expect(fits(JSON.parse(JSON.stringify(example))), `${name} ${status}: ${JSON.stringify(fits.errors)}`).toBe(
            true
          )
        }
      }
    }
  })

  test('names on each route the refusals that it can answer with, and at its head the page that has all', () => {
    expect(document.info.description).toContain('(/api/docs/errors)')
    const draw = document.paths['/api/lottery/draw']?.post?.responses
    expect(draw?.['409']?.description).toContain('POINTS_INSUFFICIENT')
    expect(draw?.['401']?.description).toContain('TOKEN_MISSING')
    expect(draw?.['429']?.description).toContain('RATE_LIMITED')
  })

  test('says which routes want a token', () => {
    const open = operations()
      .filter(({ operation }) => operation.security === undefined)
      .map(({ name }) => name)
    expect(open.sort()).toEqual(
      [
        'GET /api/auth/verify',
        'GET /api/auth/verify-token',
        ...ROUTES.filter((name) => name.startsWith('GET /api/fairness/')),
        'GET /api/wechat/diagnostics',
        'GET /health',
        'GET /health/live',
        'GET /health/ready',
        'GET /metrics',
        'GET /ws',
        'POST /api/auth/admin-login',
        'POST /api/auth/console-login',
        'POST /api/auth/console-refresh',
        'POST /api/auth/login',
        'POST /api/auth/refresh',
        'POST /api/auth/send-code',
        'POST /api/auth/wechat-login'
      ].sort()
    )
  })
})

/** The routes that answer with other things than JSON, or describe the others. */
const NOT_JSON =
  /^(?:OPTIONS \*|GET \/(?:console(?:\/.*)?|api\/docs(?:\/.*)?|files\/\*|fair||ws|metrics|api\/fairness\/(?:checkpoint|entries|rules\/:version)))$/

describe('answers are written by compiled serialisers', () => {
  test('each status that a route lists, a success among them, on every route there is', async () => {
    const listed = new Map<string, string[]>()
    const compiled = new Map<string, string[]>()
    const nameOf = (method: string, url = '') => `${method.replace(/HEAD,?/, '') || 'GET'} ${url}`
    // Told of each application as it is made, so that no route comes before this.
    const watch = (message: unknown) => {
      const { fastify } = message as { fastify: FastifyInstance }
      fastify.addHook('onRoute', ({ method, url, schema }) => {
        listed.set(nameOf(String(method), url), Object.keys(schema?.response ?? {}))
      })
      fastify.addHook('onRequest', async ({ method, routeOptions }, reply) => {
        const name = nameOf(method, routeOptions.url)
        const isCompiled = (status: string) => typeof reply.getSerializationFunction(status) === 'function'
        compiled.set(name, listed.get(name)?.filter(isCompiled) ?? [])
      })
    }
    subscribe('fastify.initialization', watch)
    const app = await createApp().finally(() => unsubscribe('fastify.initialization', watch))
    const json = [...listed].filter(([name]) => !NOT_JSON.test(name))
    expect(json.length).toBeGreaterThanOrEqual(ROUTES.length - 5)
    for (const [name, statuses] of json) {
      expect([name, statuses.filter((status) => /^2..$/.test(status))]).toEqual([name, ['200']])
      const [method, url = ''] = name.split(' ')
      await app.inject({ method: method as 'GET', url: url.replace(/:\w+/g, '1') })
      expect([name, compiled.get(name)]).toEqual([name, statuses])
    }
  })

  test('each failure, of a status that its route does not list, of no route, and told to WeChat', async () => {
    const app = await createApp()
    // What is none of the schema's is what JSON.stringify would show.
    app.failureProfiles.push(({ status, body }) => ({ status, body: { ...body, not_in_the_schema: true } }))
    const json = { 'content-type': 'application/json' }
    const failing: [string, InjectOptions][] = [
      ['TOKEN_MISSING', { url: '/api/user/info' }],
      ['TOKEN_MISSING', { url: '/api/user/info', headers: { referer: 'https://servicewechat.com/wx/1/page.html' } }],
      ['NOT_FOUND', { url: '/api/nothing' }],
      ['BODY_MALFORMED', { url: '/api/%zz' }],
      ['BODY_MALFORMED', { method: 'POST', url: '/api/auth/login', headers: json, payload: '{' }],
      [
        'MEDIA_TYPE_UNSUPPORTED',
        { method: 'POST', url: '/api/auth/login', headers: { 'content-type': 'text/plain' }, payload: 'x' }
      ],
      [
        'BODY_TOO_LARGE',
        { method: 'POST', url: '/api/auth/login', headers: json, payload: `"${'x'.repeat(11_000_000)}"` }
      ]
    ]
    for (const [error, request] of failing) {
      const body = (await app.inject(request)).json()
      expect(body.error).toBe(error)
      expect([error, Object.keys(body).filter((field) => !Object.hasOwn(Failure.properties, field))]).toEqual([
        error,
        []
      ])
    }
  })
})

test('every route that does not say it is public wants a token', async () => {
  const app = await createApp()
  for (const { path, name, operation } of operations().filter(({ path }) => path.startsWith('/api/'))) {
    const [method = 'GET'] = name.split(' ')
    const reply = await app.inject({ method: method as 'GET', url: path })
    expect([name, reply.statusCode === 401 && reply.json().error === 'TOKEN_MISSING']).toEqual([
      name,
      operation.security !== undefined || /refresh$/.test(path)
    ])
  }
})

test('the page is there without a token, and gone in production unless asked for', async () => {
  const page = await (await createApp()).inject('/api/docs/')
  expect([page.statusCode, page.headers['content-type']]).toEqual([200, expect.stringContaining('text/html')])
  const production = await createApp({ config: { NODE_ENV: 'production' } })
  expect((await production.inject('/api/docs/json')).json().error).toBe('NOT_FOUND')
  const asked = await createApp({ config: { NODE_ENV: 'production', DOCS: true } })
  expect((await asked.inject('/api/docs/json')).statusCode).toBe(200)
})

test('security headers are those of the contract; CORS is open in development and a list in production, never with credentials', async () => {
  const app = await createApp()
  const from = { origin: 'https://evil.example' }
  const reply = await app.inject({ method: 'GET', url: '/api/auth/verify-token', headers: from })
  expect(reply.headers).toMatchObject({
    'cross-origin-resource-policy': 'cross-origin',
    'x-frame-options': 'DENY',
    'x-content-type-options': 'nosniff',
    'access-control-allow-origin': '*'
  })
  expect(reply.headers['content-security-policy']).toBeUndefined()
  expect(reply.headers['access-control-allow-credentials']).toBeUndefined()
  const production = await createApp({ config: { NODE_ENV: 'production' } })
  const ask = (origin: string) =>
    production.inject({ method: 'GET', url: '/api/auth/verify-token', headers: { origin } })
  expect((await ask('https://evil.example')).headers['access-control-allow-origin']).toBeUndefined()
  expect((await ask('https://servicewechat.com')).headers['access-control-allow-origin']).toBe(
    'https://servicewechat.com'
  )
  const preflight = await app.inject({
    method: 'OPTIONS',
    url: '/api/lottery/draw',
    headers: { ...from, 'access-control-request-method': 'POST', 'access-control-request-headers': 'idempotency-key' }
  })
  expect(preflight.statusCode).toBe(204)
})
