import type { FastifyInstance } from 'fastify'
import { describe, expect, test } from 'vitest'
import { createApp, type Diner, newAdmin, newDiner, sql } from './helpers/app.js'
import { newProduct, submit } from './helpers/shop.js'
import { picture, upload } from './helpers/upload.js'

interface Schema {
  type?: string
  deprecated?: boolean
  properties?: Record<string, Schema>
  items?: Schema
}
interface Operation {
  deprecated?: boolean
  requestBody?: {
    content: Record<string, { schema: Schema; examples?: Record<string, { value: object }>; example?: object }>
  }
}

/** A route that takes JSON, as its document describes it. Other names of routes and fields become these before. */
interface Writer {
  readonly method: 'POST' | 'PUT'
  readonly path: string
  readonly schema: Schema
  readonly example: Record<string, unknown>
}

async function writersOf(app: FastifyInstance): Promise<Writer[]> {
  const { paths } = (await app.inject('/api/docs/json')).json<{ paths: Record<string, Record<string, Operation>> }>()
  return Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).flatMap(([method, { requestBody, deprecated }]) => {
      const media = requestBody?.content['application/json']
      if (media === undefined || deprecated === true) return []
      const [first] = Object.values(media.examples ?? {})
      const example = (first?.value ?? media.example ?? {}) as Record<string, unknown>
      return [{ method: method.toUpperCase() as 'POST' | 'PUT', path, schema: media.schema, example }]
    })
  )
}

/** Paths to every numeric field of a schema, through objects and lists. */
function numericFields(schema: Schema, at: (string | number)[] = []): (string | number)[][] {
  if (schema.deprecated === true) return []
  if (schema.type === 'number' || schema.type === 'integer') return [at]
  if (schema.items !== undefined) return numericFields(schema.items, [...at, 0])
  return Object.entries(schema.properties ?? {}).flatMap(([name, inner]) => numericFields(inner, [...at, name]))
}

/** A copy in which one field, however deep, has another value. */
function withField(body: unknown, [first, ...rest]: readonly (string | number)[], value: unknown): unknown {
  if (first === undefined) return value
  if (typeof first === 'number') {
    const [head, ...tail] = Array.isArray(body) ? body : [{}]
    return [withField(head, rest, value), ...tail]
  }
  const fields = (body ?? {}) as Record<string, unknown>
  return { ...fields, [first]: withField(fields[first], rest, value) }
}

/** Everything that a request could change, as text. */
async function stateOf(): Promise<string> {
  const tables = [
    'users',
    'points_records',
    'lottery_settings',
    'lottery_config',
    'lottery_draws',
    'commodity_pool',
    'exchange_orders',
    'vouchers',
    'photo_reviews',
    'merchant_applications',
    'admin_users',
    'audit_logs'
  ]
  const rows = await Promise.all(tables.map((table) => sql(`SELECT * FROM ${table}`)))
  return JSON.stringify(rows, (key, value) =>
    typeof value === 'bigint' ? String(value) : key === 'last_login' || key === 'updated_at' ? undefined : value
  )
}

const HOSTILE = [-1, -0.5, 1e308, -1e308, 2 ** 53 + 1, '100', '', true, [], {}]

/** Where a value that is hostile elsewhere is a good one. */
const allowed = (field: string, value: unknown) =>
  // A merchant takes stock out with a change below zero; the reason is missing there, so it is refused all the same.
  field === 'change' && value === -1

describe('every numeric field of every body', () => {
  test('refuses what is no such number, with its name, and nothing changes', async () => {
    const app = await createApp()
    const admin = await newAdmin(app)
    const productId = await newProduct(app)
    const uploadId = (await upload(app, await newDiner(app), { bytes: await picture(40, 40) })).json().data.upload_id
    await app.comparer.idle()
    const before = await stateOf()
    let checked = 0
    for (const { method, path, schema, example } of await writersOf(app)) {
      for (const field of numericFields(schema)) {
        const name = String(field.filter((part) => typeof part === 'string').at(-1))
        const integer = !/amount|probability|value/.test(name)
        for (const value of [...HOSTILE, ...(integer ? [0.1] : [])]) {
          if (allowed(name, value)) continue
          const id = path.includes('/reviews/') ? uploadId : path.includes('/products/') ? productId : 999_999
          const url = path.replace('{id}', String(id))
          const payload = withField(
            { ...example, reason: undefined, ...('upload_id' in example ? { upload_id: uploadId } : {}) },
            field,
            value
          )
          const headers = { authorization: `Bearer ${admin.access}` }
          const reply = await app.inject({ method, url, headers, payload: payload as object })
          const told = [method, path, name, value, reply.statusCode]
          expect(told).toEqual([method, path, name, value, 400])
          expect([...told, JSON.stringify(reply.json().details ?? reply.json().error)]).toEqual([
            ...told,
            expect.stringMatching(new RegExp(`${name}|AMOUNT|id`))
          ])
          checked += 1
        }
      }
    }
    expect(checked).toBeGreaterThan(150)
    expect(await stateOf()).toBe(before)
  })

  test('and of every query: it is read as a number, or refused', async () => {
    const app = await createApp()
    const admin = await newAdmin(app)
    const { paths } = (await app.inject('/api/docs/json')).json()
    let checked = 0
    for (const [path, methods] of Object.entries<Record<string, { parameters?: object[] }>>(paths)) {
      for (const parameter of (methods.get?.parameters ?? []) as { in: string; name: string; schema: Schema }[]) {
        if (parameter.in !== 'query' || !['integer', 'number'].includes(parameter.schema.type ?? '')) continue
        for (const value of ['-1', '1e308', '0.5', 'x', '', '9007199254740993', 'NaN', "1' OR 1=1"]) {
          const url = `${path.replace('{id}', '1')}?${parameter.name}=${encodeURIComponent(value)}`
          const reply = await app.inject({ method: 'GET', url, headers: { authorization: `Bearer ${admin.access}` } })
          expect([url, [200, 400].includes(reply.statusCode)]).toEqual([url, true])
          checked += 1
        }
      }
    }
    expect(checked).toBeGreaterThan(100)
  })
})

/** Columns and more that no client may set. */
const SMUGGLED = {
  user_id: 1,
  userId_: 1,
  total_points: 999_999,
  totalPoints: 999_999,
  is_merchant: true,
  isMerchant: true,
  role: 'admin',
  status_: 'active',
  sales_count: 777,
  salesCount: 777,
  rating: 0.1,
  deleted_at: '2020-01-01T00:00:00.000Z',
  created_at: '2020-01-01T00:00:00.000Z',
  points_awarded: 2000,
  pointsAwarded: 2000,
  unit_points: 0,
  points_cost: 0,
  balance_after: 5,
  wx_openid: 'smuggled',
  mobile_: '13900000000',
  dev_mode: true,
  skip_sms: true,
  version_: 99,
  prototype: { polluted: true }
}

test('no write of any route applies a field that is not its own', async () => {
  const app = await createApp()
  const [admin, diner] = [await newAdmin(app), await newDiner(app)]
  const productId = await newProduct(app, { exchangePoints: 10, stock: 50 })
  const uploads: string[] = []
  for (let index = 0; index < 5; index += 1) {
    uploads.push((await upload(app, diner, { bytes: await picture(40, 40) })).json().data.upload_id)
  }
  const orders: number[] = []
  for (let index = 0; index < 2; index += 1) orders.push((await submit(diner, productId)).json().data.order_id)
  const smuggle = (own: object) => ({ ...SMUGGLED, ...own })
  const done: string[] = []
  const act = async (who: Diner, method: 'POST' | 'PUT', url: string, own: object) => {
    const payload = smuggle(own)
    const reply = method === 'POST' ? await who.post(url, payload) : await who.put(url, payload)
    expect([url, reply.json().error ?? reply.statusCode]).toEqual([url, 200])
    done.push(url)
    return reply.json().data
  }
  await act(diner, 'PUT', '/api/user/profile', { nickname: '阿明' })
  await act(diner, 'PUT', '/api/user/limits', { daily_draws: 50 })
  await act(diner, 'POST', '/api/lottery/draw', {})
  await act(diner, 'POST', '/api/lottery/fairness/rotate', {})
  await act(diner, 'POST', '/api/exchange/submit', { product_id: productId })
  await act(diner, 'POST', `/api/exchange/orders/${orders[0]}/cancel`, {})
  await act(diner, 'POST', '/api/merchant/apply', {
    business_name: '小馆',
    contact_person: '王',
    contact_phone: '13900000001'
  })
  await act(admin, 'POST', '/api/merchant/review', { upload_id: uploads[0], action: 'approved', actual_amount: 10 })
  await act(admin, 'POST', `/api/merchant/reviews/${uploads[1]}/approve`, { actual_amount: 10 })
  await act(admin, 'POST', `/api/merchant/reviews/${uploads[2]}/reject`, {})
  await act(diner, 'POST', `/api/photo/${uploads[2]}/appeal`, { message: '请再看一下' })
  await act(admin, 'POST', `/api/merchant/appeals/${uploads[2]}/overturn`, { actual_amount: 10, reason: '已核对' })
  await admin.post(`/api/merchant/reviews/${uploads[4]}/reject`, {})
  await diner.post(`/api/photo/${uploads[4]}/appeal`, { message: '请再看一下' })
  await act(admin, 'POST', `/api/merchant/appeals/${uploads[4]}/uphold`, { reason: '维持' })
  await act(admin, 'POST', `/api/admin/reviews/${uploads[2]}/revoke`, { reason: '伪造' })
  await act(admin, 'POST', '/api/merchant/reviews/batch', {
    reviews: [smuggle({ upload_id: uploads[3], action: 'approved', actual_amount: 10 })]
  })
  const made = await act(admin, 'POST', '/api/merchant/products', { name: '新', category: '新', exchange_points: 10 })
  const changed = await act(admin, 'PUT', `/api/merchant/products/${made.id}`, { name: '更新' })
  await act(admin, 'POST', `/api/merchant/products/${made.id}/stock`, { change: 1, reason: '补货' })
  await act(admin, 'POST', `/api/merchant/orders/${orders[1]}/cancel`, {})
  await act(admin, 'PUT', '/api/merchant/lottery-config', { daily_limit: 51 })
  await act(admin, 'POST', `/api/admin/users/${diner.userId}/points`, { change: 1, reason: '补偿' })

  expect(changed).toMatchObject({ sales_count: 0, rating: 5, stock: 0 })
  const [row] = await sql<Record<string, unknown>>('SELECT * FROM users WHERE user_id = ?', [diner.userId])
  // 1000, a draw, three orders of 10 of which two came back, three receipts at 100, and one point.
  const prize = await app.db.pointsRecord.aggregate({
    where: { userId: diner.userId, source: 'lottery_prize' },
    _sum: { points: true }
  })
  expect(row).toMatchObject({
    total_points: 1000 - 100 - 10 + 300 + 1 + (prize._sum.points ?? 0),
    is_merchant: 0,
    nickname: '阿明',
    wx_openid: null,
    deleted_at: null
  })
  expect(new Date(String(row?.created_at)).getFullYear()).toBeGreaterThan(2020)
  expect(({} as { polluted?: boolean }).polluted).toBeUndefined()

  // Each route that writes JSON was tried, but for those that need no account, and those that only name an id.
  const writers = (await writersOf(app)).map(({ path }) => path).filter((path) => !path.startsWith('/api/auth/'))
  const tried = new Set(done.map((url) => url.replace(/\/(\d+|[0-9a-f-]{36})(?=\/|$)/, '/{id}')))
  const others = ['/api/merchant/vouchers/redeem', '/api/admin/users/{id}/ban', '/api/admin/users/{id}/unban']
  const decisions = ['/api/admin/merchant-applications/{id}/approve', '/api/admin/merchant-applications/{id}/reject']
  expect(writers.filter((path) => !tried.has(path) && ![...others, ...decisions].includes(path))).toEqual([])
})
