import { connect, type Socket } from 'node:net'
import type { FastifyInstance, InjectOptions } from 'fastify'
import { describe, expect, onTestFinished, test } from 'vitest'
import { readAliases } from '../src/http/mini-program.js'
import { FIELD_ALIASES, PATH_ALIASES } from '../src/http/mini-program-tables.js'
import { createApp, type Diner, databaseUrl, login, newDiner, newMobile, until } from './helpers/app.js'
import { createProxy } from './helpers/proxy.js'
import { openSocket } from './helpers/socket.js'
import { multipart, picture, upload } from './helpers/upload.js'

const WECHAT = { referer: 'https://servicewechat.com/wx0123456789abcdef/42/page-frame.html' }

async function newMerchant(app: FastifyInstance): Promise<Diner> {
  const merchant = await newDiner(app)
  await app.db.user.update({ where: { userId: merchant.userId }, data: { isMerchant: true } })
  app.bus.publish({ kind: 'user_changed', userId: merchant.userId })
  return merchant
}

/** Asks as anybody, then as a mini-program: what came under its own status comes under 200, and is else the same. */
async function expectDressed(app: FastifyInstance, request: InjectOptions, code?: number): Promise<void> {
  const plain = await app.inject(request)
  const dressed = await app.inject({ ...request, headers: { ...request.headers, ...WECHAT } })
  const { request_id, ...body } = dressed.json()
  const { request_id: _, ...expected } = plain.json()
  expect(plain.statusCode).toBeGreaterThanOrEqual(400)
  expect(dressed.statusCode).toBe(200)
  expect(body).toEqual({ ...expected, ...(code === undefined ? {} : { code }) })
  expect(request_id).toMatch(/^[0-9a-f-]{36}$/)
  for (const name of ['content-type', 'retry-after']) expect(dressed.headers[name]).toEqual(plain.headers[name])
  expect(dressed.headers['x-request-id']).toBe(plain.headers['x-request-id'] === undefined ? undefined : request_id)
}

describe('the profile of a mini-program', () => {
  const json = { 'content-type': 'application/json' }

  test('has every refusal below 500 under HTTP 200, and 401 in place of the codes of a token', async () => {
    const app = await createApp({ config: { BODY_LIMIT: 1024 } })
    const diner = await newDiner(app, { points: 50 })
    const authorization = { authorization: `Bearer ${diner.access}` }
    await expectDressed(app, { method: 'GET', url: '/api/user/info' }, 401)
    await expectDressed(app, { method: 'GET', url: '/api/user/info', headers: { authorization: 'Bearer x' } }, 401)
    const refused: InjectOptions[] = [
      { method: 'POST', url: '/api/auth/send-code', payload: { mobile: '123' } },
      { method: 'POST', url: '/api/auth/login', payload: '{"mobile":', headers: json },
      { method: 'POST', url: '/api/auth/login', payload: `"${'x'.repeat(2000)}"`, headers: json },
      { method: 'POST', url: '/api/auth/login', payload: '<a/>', headers: { 'content-type': 'text/xml' } },
      { method: 'POST', url: '/api/auth/admin-login', payload: { username: 'nobody', password: 'x' } },
      { method: 'POST', url: '/api/lottery/draw', headers: authorization },
      { method: 'GET', url: '/api/merchant/statistics', headers: authorization },
      { method: 'GET', url: '/api/exchange/products/999', headers: authorization },
      { method: 'POST', url: '/api/photo/upload', headers: authorization },
      { method: 'GET', url: '/api/nothing' },
      { method: 'GET', url: '/files/nothing' },
      { method: 'GET', url: '/api/%zz' }
    ]
    for (const request of refused) await expectDressed(app, request)
  })

  test('keeps the refusal of a limit, with its Retry-After', async () => {
    const app = await createApp({ config: { RATE_LIMIT: true, RATE_LIMIT_GENERAL: 1 } })
    const request: InjectOptions = { method: 'GET', url: '/api/auth/verify-token' }
    expect((await app.inject({ ...request, headers: WECHAT })).json()).toMatchObject({ code: 0 })
    await expectDressed(app, request)
    const limited = await app.inject({ ...request, headers: WECHAT })
    expect(limited.json().error).toBe('RATE_LIMITED')
    expect(Number(limited.headers['retry-after'])).toBeGreaterThan(0)
  })

  test('is for the Referer that WeChat sets, and no other', async () => {
    const app = await createApp()
    for (const referer of [
      'http://servicewechat.com/wx0/1/page-frame.html',
      'https://servicewechat.com.example/wx0/1/page-frame.html',
      'https://servicewechat.com',
      'https://example.com/https://servicewechat.com/',
      ''
    ]) {
      const reply = await app.inject({ method: 'GET', url: '/api/user/info', headers: { referer } })
      expect([referer, reply.statusCode, reply.json().code]).toEqual([referer, 401, 2001])
    }
  })

  test('leaves failures of ours, health, and refused upgrades as they are', async () => {
    const proxy = await createProxy(new URL(databaseUrl()))
    onTestFinished(() => proxy.close())
    const sms = { sendCode: async () => Promise.reject(new Error('gateway down')) }
    const app = await createApp({ sms, config: { DATABASE_URL: proxy.url, DB_POOL: 3 } })
    await app.listen({ port: 0, host: '127.0.0.1' })
    const refused = await openSocket(app, 'x', { headers: WECHAT }).catch((err) => err)
    expect([refused.status, refused.body.code, refused.body.error]).toEqual([401, 2002, 'TOKEN_INVALID'])
    const send = () =>
      app.inject({ method: 'POST', url: '/api/auth/send-code', payload: { mobile: newMobile() }, headers: WECHAT })
    const failed = await send()
    expect([failed.statusCode, failed.json().code]).toEqual([502, 5007])
    proxy.cut()
    const lost = await send()
    expect([lost.statusCode, lost.json().code]).toEqual([503, 5002])
    const health = await app.inject({ method: 'GET', url: '/health', headers: WECHAT })
    expect([health.statusCode, health.json().status]).toEqual([503, 'unhealthy'])
  })
})

describe('an alias of a path', () => {
  test('answers what its route answers, and acts once under one key', async () => {
    const app = await createApp()
    const [diner, merchant] = [await newDiner(app), await newMerchant(app)]
    const product = { name: '酸梅汤', description: '', category: '饮品', exchange_points: 100, stock: 5, image: '' }
    const { id } = (await merchant.post('/api/merchant/products', product)).json().data
    const { upload_id } = (await upload(app, diner)).json().data
    const form = await multipart([
      ['amount', '20'],
      ['photo', { bytes: await picture() }]
    ])
    const as = (who: Diner, headers: Record<string, string> = {}) => ({
      headers: { authorization: `Bearer ${who.access}`, ...headers }
    })
    const requests: Record<string, Omit<InjectOptions, 'url' | 'method'>> = {
      'GET /api/auth/verify': as(diner),
      'POST /api/exchange/redeem': { ...as(diner, { 'idempotency-key': 'redeem' }), payload: { product_id: id } },
      'GET /api/exchange/records': { ...as(diner), query: { limit: '1' } },
      'POST /api/upload': { ...as(diner, { ...form.headers, 'idempotency-key': 'photo' }), payload: form.payload },
      'GET /api/upload/records': { ...as(diner), query: { status: 'pending' } },
      'GET /api/photo/records': as(diner),
      'GET /api/merchant/pending-reviews': as(merchant),
      'POST /api/merchant/batch-review': {
        ...as(merchant, { 'idempotency-key': 'batch' }),
        payload: { reviews: [{ upload_id, action: 'rejected' }] }
      },
      'PUT /api/user/info': { ...as(diner), payload: { nickname: '小馆常客' } }
    }
    expect(Object.keys(requests)).toEqual(PATH_ALIASES.map(({ method, path }) => `${method} ${path}`))
    for (const { method, path, of, also = {} } of PATH_ALIASES) {
      const request = requests[`${method} ${path}`]
      const alias = await app.inject({ method, ...request, url: path })
      const route = await app.inject({ method, ...request, url: of })
      const expected = route.json()
      for (const [other, name] of Object.entries(also)) {
        expect(expected.data[name].length).toBeGreaterThan(0)
        expect(expected.data[other]).toBeUndefined()
        expected.data[other] = expected.data[name]
      }
      expect([path, alias.statusCode, alias.json()]).toEqual([path, 200, expected])
    }
    // Each pair that writes wrote once: the answer to the second was the first's, kept.
    expect(await app.db.exchangeOrder.count({ where: { userId: diner.userId } })).toBe(1)
    expect(await app.db.receipt.count({ where: { userId: diner.userId } })).toBe(2)
  })

  test('holds with a slash at its end, with a query, for HEAD, and for its method alone', async () => {
    const app = await createApp()
    const diner = await newDiner(app)
    await upload(app, diner)
    const headers = { authorization: `Bearer ${diner.access}` }
    const list = await diner.get('/api/photo/records/?limit=1')
    expect(list.json().data.list).toEqual(list.json().data.history)
    const head = await app.inject({ method: 'HEAD', url: '/api/photo/records/?limit=1', headers })
    expect([head.statusCode, head.headers['content-length']]).toEqual([200, list.headers['content-length']])
    for (const [method, url] of [
      ['POST', '/api/photo/records'],
      ['GET', '/api/upload'],
      ['PUT', '/api/exchange/redeem'],
      ['GET', '/api/upload/records/more']
    ] as const) {
      expect((await app.inject({ method, url, headers })).json().error).toBe('NOT_FOUND')
    }
    expect((await app.inject('/api/photo/records')).json().error).toBe('TOKEN_MISSING')
  })

  test('shares the limit of its route', async () => {
    const app = await createApp({ config: { RATE_LIMIT: true, RATE_LIMIT_GENERAL: 2 } })
    const errors: unknown[] = []
    for (const url of ['/api/auth/verify', '/api/auth/verify-token', '/api/auth/verify']) {
      errors.push((await app.inject(url)).json().error)
    }
    expect(errors).toEqual([undefined, undefined, 'RATE_LIMITED'])
  })
})

describe('an alias of a field', () => {
  test('is read by the name it means; where both are there, the name counts', async () => {
    const app = await createApp()
    const mobile = newMobile()
    const post = async (url: string, payload: object) =>
      (await app.inject({ method: 'POST', url, payload: { dev_mode: true, skip_sms: true, ...payload } })).json()
    const code = async () => (await post('/api/auth/send-code', { phone: mobile })).data.code_hint as string
    for (const name of ['code', 'verify_code', 'verification_code']) {
      const entered = await post('/api/auth/login', { phone: mobile, [name]: await code() })
      expect(entered.data.user_info.mobile).toBe(`${mobile.slice(0, 3)}****${mobile.slice(7)}`)
    }
    const both = await post('/api/auth/login', { mobile: '1', phone: mobile, code: await code() })
    expect(both.error).toBe('MOBILE_INVALID')
    const wrong = await post('/api/auth/login', { mobile, code: '', verify_code: await code() })
    expect(wrong).toMatchObject({ error: 'VALIDATION_FAILED', details: [{ field: 'code' }] })
    // `phone` means nothing where the table does not say so.
    expect((await post('/api/auth/refresh', { phone: mobile })).error).toBe('TOKEN_MISSING')
  })

  test('in a review: approve, amount and review_reason', async () => {
    const app = await createApp()
    const [diner, merchant] = [await newDiner(app), await newMerchant(app)]
    const ids: string[] = []
    for (let time = 0; time < 5; time += 1) ids.push((await upload(app, diner)).json().data.upload_id)
    const [one, two, three] = ids
    const review = async (url: string, body: object) => (await merchant.post(`/api/merchant${url}`, body)).json()
    expect((await review('/review', { upload_id: one, action: 'approve' })).error).toBe('ACTUAL_AMOUNT_REQUIRED')
    const key = { 'idempotency-key': 'spelling' }
    const spelt = { upload_id: one, action: 'approve', amount: 58.5, review_reason: '核对无误' }
    const approved = await merchant.post('/api/merchant/review', spelt, key)
    expect(approved.json().data).toMatchObject({ action: 'approved', actual_amount: 58.5, points_awarded: 585 })
    // The same decision in the other spelling is the same request.
    const named = { upload_id: one, action: 'approved', actual_amount: 58.5, reason: '核对无误' }
    const again = await merchant.post('/api/merchant/review', named, key)
    expect([again.headers['idempotent-replayed'], again.json()]).toEqual(['true', approved.json()])
    expect((await review(`/reviews/${two}/approve`, { amount: 20 })).data.points_awarded).toBe(200)
    expect((await review(`/reviews/${three}/reject`, { review_reason: '不清晰' })).data.status).toBe('rejected')
    const reasons = await app.db.receipt.findMany({
      where: { userId: diner.userId },
      orderBy: { createdAt: 'asc' }
    })
    expect(reasons.slice(0, 3).map((row) => row.reviewReason)).toEqual(['核对无误', null, '不清晰'])
  })

  test('in a batch: each item, and a list of ids, which rejects and approves nothing', async () => {
    const app = await createApp()
    const [diner, merchant] = [await newDiner(app), await newMerchant(app)]
    const ids: string[] = []
    for (let time = 0; time < 5; time += 1) ids.push((await upload(app, diner)).json().data.upload_id)
    const [one, two, ...rest] = ids
    const batch = async (body: object) => (await merchant.post('/api/merchant/batch-review', body)).json()
    const reviews = [
      { upload_id: one, action: 'approve', amount: 30 },
      { upload_id: two, action: 'reject', review_reason: '重复' }
    ]
    expect((await batch({ reviews })).data).toMatchObject({ success_count: 2, results: [{ points_awarded: 300 }, {}] })
    const approving = (await batch({ upload_ids: rest, action: 'approve', amount: 30, actual_amount: 30 })).data
    expect([approving.success_count, approving.results[0].error]).toEqual([0, 'ACTUAL_AMOUNT_REQUIRED'])
    const rejecting = (await batch({ upload_ids: [...rest, 7], action: 'reject', reason: '模糊' })).data
    expect([rejecting.success_count, rejecting.results.at(-1).error]).toEqual([3, 'REVIEW_PARAMS'])
    const rows = await app.db.receipt.findMany({ where: { uploadId: { in: rest } } })
    expect(rows.map((row) => [row.reviewStatus, row.reviewReason])).toEqual(Array(3).fill(['rejected', '模糊']))
    for (const body of [
      { upload_ids: 'all', action: 'reject' },
      { upload_ids: [], action: 'reject' },
      { upload_ids: Array(51).fill('x'), action: 'reject' },
      { upload_ids: rest, reviews: [] }
    ]) {
      expect((await batch(body)).error).toBe('REVIEW_PARAMS')
    }
  })

  test('never reaches past its own fields', () => {
    const aliases = FIELD_ALIASES['POST /api/merchant/review'] ?? {}
    const read = (body: unknown, most?: number, names = aliases) => {
      readAliases(body, names, most)
      return body
    }
    for (const body of [null, undefined, 'text', 7]) expect(read(body)).toBe(body)
    expect(read([{ amount: 1 }])).toEqual([{ amount: 1 }])
    const spelt = { action: 'constructor', amount: null, actual_amount: null }
    expect(read({ action: 'constructor', amount: null })).toEqual(spelt)
    // A list that the route refuses for its length is not read, item by item, before.
    const inLists = FIELD_ALIASES['POST /api/merchant/reviews/batch']
    const [reviews, ids] = [
      [{ action: 'approve' }, { action: 'reject' }],
      ['a', 'b']
    ]
    expect(read({ reviews: structuredClone(reviews) }, 1, inLists)).toEqual({ reviews })
    expect(read({ upload_ids: ids }, 1, inLists)).toEqual({ upload_ids: ids, reviews: ids })
    expect(read({ upload_ids: ids, action: 'reject' }, 2, inLists)).toMatchObject({
      reviews: ids.map((id) => ({ upload_id: id, action: 'rejected' }))
    })
  })

  test('is in the document, as deprecated', async () => {
    const { paths } = (await (await createApp()).inject('/api/docs/json')).json()
    const fields = (path: string, type = 'application/json') =>
      paths[path].post.requestBody.content[type].schema.properties
    const deprecated = (path: string, type?: string) =>
      Object.keys(fields(path, type)).filter((name) => fields(path, type)[name].deprecated)
    expect(deprecated('/api/auth/login')).toEqual(['phone', 'verify_code', 'verification_code'])
    expect(deprecated('/api/merchant/review')).toEqual(['amount', 'review_reason'])
    expect(deprecated('/api/merchant/batch-review')).toContain('upload_ids')
    expect(deprecated('/api/upload', 'multipart/form-data')).toEqual(['file', 'user_amount', 'access_token'])
  })
})

describe('an upload by form alone', () => {
  type Parts = Parameters<typeof multipart>[0]
  const send = async (app: FastifyInstance, parts: Parts, more: InjectOptions = {}) => {
    const form = await multipart(parts)
    const headers = { ...form.headers, ...more.headers }
    return app.inject({ method: 'POST', url: '/api/upload', ...more, payload: form.payload, headers })
  }
  const photo = async (name = 'file'): Promise<Parts[number]> => [name, { bytes: await picture(40, 40) }]

  test('signs in by access_token ahead of the file, on both paths', async () => {
    const app = await createApp()
    const diner = await newDiner(app)
    for (const url of ['/api/upload', '/api/photo/upload']) {
      const reply = await send(app, [['user_amount', '58.5'], ['access_token', diner.access], await photo()], { url })
      expect(reply.json()).toMatchObject({ code: 0, data: { amount: 58.5, expected_points: 585 } })
    }
    expect(await app.db.receipt.count({ where: { userId: diner.userId } })).toBe(2)
  })

  test('takes fields in any order but the token, and the names themselves before their aliases', async () => {
    const app = await createApp()
    const diner = await newDiner(app)
    const amounts = async (...parts: Parts) =>
      (await send(app, [['access_token', diner.access], ...parts])).json().data?.amount
    expect(await amounts(await photo(), ['user_amount', '1'])).toBe(1)
    expect(await amounts(['user_amount', '1'], ['amount', '2'], await photo('photo'))).toBe(2)
    expect(await amounts(['amount', '2'], ['user_amount', '1'], await photo())).toBe(2)
  })

  test('without a token that holds is refused as any request is; a header that is there decides', async () => {
    const app = await createApp()
    const [diner, banned] = [await newDiner(app), await newDiner(app)]
    await app.db.user.update({ where: { userId: banned.userId }, data: { status: 'banned' } })
    app.bus.publish({ kind: 'user_changed', userId: banned.userId })
    const error = async (parts: Parts, more?: InjectOptions) => (await send(app, parts, more)).json().error
    const file = await photo()
    expect(await error([file])).toBe('TOKEN_MISSING')
    expect(await error([['user_amount', '1']])).toBe('TOKEN_MISSING')
    expect(await error([['access_token', ''], file])).toBe('TOKEN_MISSING')
    expect(await error([file, ['access_token', diner.access]])).toBe('TOKEN_MISSING')
    expect(await error([['access_token', 'x'], file])).toBe('TOKEN_INVALID')
    expect(await error([['access_token', diner.refresh], file])).toBe('TOKEN_INVALID')
    expect(await error([['access_token', banned.access], file])).toBe('ACCOUNT_DISABLED')
    const headers = { authorization: 'Bearer x' }
    expect(await error([['access_token', diner.access], file], { headers })).toBe('TOKEN_INVALID')
    const empty = {
      method: 'POST',
      url: '/api/upload',
      headers: { 'content-type': 'multipart/form-data; boundary=b' }
    } as const
    expect((await app.inject(empty)).json().error).toBe('TOKEN_MISSING')
    const dressed = await send(app, [file], { headers: WECHAT })
    expect([dressed.statusCode, dressed.json().code]).toEqual([200, 401])
    expect(await app.db.receipt.count({ where: { userId: { in: [diner.userId, banned.userId] } } })).toBe(0)
    // No other route takes a token from its form: here it is the header, or nothing.
    const avatar = await send(app, [['access_token', diner.access], await photo('avatar')], { url: '/api/user/avatar' })
    expect(avatar.json().error).toBe('TOKEN_MISSING')
  })

  test('counts for its user, wherever it comes from', async () => {
    const app = await createApp({ config: { RATE_LIMIT: true, RATE_LIMIT_GENERAL: 2 } })
    const diner = await newDiner(app)
    const file = await photo()
    const errors: unknown[] = []
    for (const remoteAddress of ['192.0.2.1', '192.0.2.2', '192.0.2.3']) {
      const reply = await send(app, [['user_amount', '1'], ['access_token', diner.access], file], { remoteAddress })
      errors.push(reply.json().error)
    }
    expect(errors).toEqual([undefined, undefined, 'RATE_LIMITED'])
  })

  const head = (length: number) =>
    [
      'POST /api/upload HTTP/1.1',
      'Host: localhost',
      'Content-Type: multipart/form-data; boundary=b',
      `Content-Length: ${length}`,
      '',
      '--b',
      'Content-Disposition: form-data; name="file"; filename="a.jpg"',
      'Content-Type: image/jpeg',
      '',
      ''
    ].join('\r\n')

  async function raw(app: FastifyInstance): Promise<{ socket: Socket; text: () => string }> {
    await app.listen({ port: 0, host: '127.0.0.1' })
    const socket = connect((app.server.address() as { port: number }).port, '127.0.0.1')
    onTestFinished(() => void socket.destroy())
    let text = ''
    socket.on('data', (chunk) => {
      text += chunk
    })
    return { socket, text: () => text }
  }

  test('with the file first is refused before the file is there', async () => {
    const { socket, text } = await raw(await createApp())
    socket.write(`${head(4_000_000)}the first of its bytes`)
    await until(() => text().includes('TOKEN_MISSING'))
  })

  test('that is refused is heard to its end, so that the connection goes on', async () => {
    const { socket, text } = await raw(await createApp())
    const [before, after] = [head(4_000_000), '\r\n--b--\r\n']
    const body = before.length - before.indexOf('--b') + after.length
    socket.write(before)
    socket.write(Buffer.alloc(4_000_000 - body, 'x'))
    socket.write(`${after}GET /health/live HTTP/1.1\r\nHost: localhost\r\n\r\n`)
    await until(() => text().includes('"status"'))
    expect(text().indexOf('TOKEN_MISSING')).toBeLessThan(text().indexOf('"status"'))
  })
})

test('a diner whose clients spell things both ways is one diner', async () => {
  const app = await createApp()
  const mobile = newMobile()
  const first = (await login(app, mobile)).json().data.user_info.user_id
  const code = (await app.inject({ method: 'POST', url: '/api/auth/send-code', payload: { phone: mobile } })).json()
  const payload = { phone: mobile, verification_code: code.data.code_hint }
  const second = (await app.inject({ method: 'POST', url: '/api/auth/login', payload })).json()
  expect([second.data.user_info.user_id, second.data.is_new_user]).toEqual([first, false])
})
