import { createHmac } from 'node:crypto'
import { connect } from 'node:net'
import { setTimeout as pause } from 'node:timers/promises'
import { Type } from '@sinclair/typebox'
import type { FastifyInstance } from 'fastify'
import { pino } from 'pino'
import { describe, expect, test } from 'vitest'
import { readerOf } from '../src/http/reading.js'
import { readMobile } from '../src/shared/reading.js'
import {
  createApp,
  type Diner,
  login,
  newAdmin,
  newDiner,
  newMerchant,
  newMobile,
  testConfig,
  until
} from './helpers/app.js'
import { scrape } from './helpers/metrics.js'
import { openSocket, UpgradeRefused } from './helpers/socket.js'
import { picture, upload } from './helpers/upload.js'

const outcome = (reply: { statusCode: number; json(): { error?: string } }) => [reply.statusCode, reply.json().error]

const FORMS = [
  ['/api/photo/upload', 'photo'],
  ['/api/user/avatar', 'avatar'],
  ['/api/merchant/images', 'image']
] as const

describe('a form that is none is BODY_MALFORMED, and leaves nothing behind', () => {
  const boundary = 'b'.repeat(16)
  const type = `multipart/form-data; boundary=${boundary}`
  const head = (field: string) =>
    `--${boundary}\r\nContent-Disposition: form-data; name="${field}"; filename="a.jpg"\r\nContent-Type: image/jpeg\r\n\r\n`
  const broken: Record<string, (field: string, bytes: Buffer) => [contentType: string, body: Buffer]> = {
    'no boundary': (field, bytes) => ['multipart/form-data', Buffer.concat([Buffer.from(head(field)), bytes])],
    'another boundary': (field, bytes) => [
      'multipart/form-data; boundary=other',
      Buffer.concat([Buffer.from(head(field)), bytes, Buffer.from(`\r\n--${boundary}--\r\n`)])
    ],
    'cut in the file': (field, bytes) => [type, Buffer.concat([Buffer.from(head(field)), bytes.subarray(0, 100)])],
    'cut in a header': (field) => [type, Buffer.from(head(field).slice(0, 60))],
    'cut before the end': (field, bytes) => [
      type,
      Buffer.concat([Buffer.from(head(field)), bytes, Buffer.from(`\r\n--${boundary}`)])
    ],
    'bare line feeds': (field, bytes) => [
      type,
      Buffer.concat([Buffer.from(head(field).replaceAll('\r\n', '\n')), bytes, Buffer.from(`\n--${boundary}--\n`)])
    ],
    'no form at all': () => [type, Buffer.from('hello')]
  }

  test.each(FORMS)('at %s', async (url, field) => {
    const app = await createApp()
    const merchant = await newMerchant(app)
    const stored = async () => {
      const keys: string[] = []
      for await (const { key } of app.storage.list('')) keys.push(key)
      return keys
    }
    const before = await stored()
    const bytes = await picture()
    for (const [name, make] of Object.entries(broken)) {
      const [contentType, payload] = make(field, bytes)
      const reply = await merchant.send({ method: 'POST', url, payload, headers: { 'content-type': contentType } })
      expect([name, ...outcome(reply)]).toEqual([name, 400, 'BODY_MALFORMED'])
    }
    expect(await app.db.receipt.count({ where: { userId: merchant.userId } })).toBe(0)
    expect(await stored()).toEqual(before)
  })

  test('a request that its client breaks off is logged as that, and is no failure of ours', async () => {
    const lines: { level: number; msg: string }[] = []
    const logger = pino({ level: 'info' }, { write: (line: string) => lines.push(JSON.parse(line)) })
    const app = await createApp({ logger })
    const diner = await newDiner(app)
    await app.listen({ port: 0, host: '127.0.0.1' })
    const { port } = app.server.address() as { port: number }
    const said = () => lines.filter(({ msg }) => msg === 'the client broke off its request').length
    const bodies = [
      ['POST /api/photo/upload', type, `${head('photo')}${'x'.repeat(1000)}`],
      ['PUT /api/user/profile', 'application/json', '{"nickname":']
    ] as const
    let broken = 0
    // While it is let in, and while it is read: twenty milliseconds later it is one or the other.
    for (const waitMs of [0, 20]) {
      for (const [target, contentType, start] of bodies) {
        const socket = connect(port, '127.0.0.1')
        const begun = lines.length
        socket.write(
          `${target} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${diner.access}\r\n` +
            `Content-Type: ${contentType}\r\nContent-Length: 10000\r\n\r\n${start}`
        )
        await until(() => lines.length > begun)
        await pause(waitMs)
        socket.destroy()
        broken += 1
        await until(() => said() === broken)
      }
    }
    expect(lines.filter(({ level }) => level >= 40)).toEqual([])
    expect([...(await scrape(app)).keys()].filter((name) => /status_code="5/.test(name))).toEqual([])
  })
})

describe('numbers that no column holds are 1003', () => {
  const HUGE = ['1e309', '1e400', '-1e309', 'Infinity', '-Infinity', 'NaN', '99999999999999999999', '0x1F4000000000']
  test('in the query of every list, in paths and in bodies', async () => {
    const app = await createApp()
    const admin = await newAdmin(app)
    const lists = [
      '/api/lottery/records',
      '/api/exchange/orders',
      '/api/exchange/products',
      '/api/user/points-records',
      '/api/user/vouchers',
      '/api/photo/history',
      '/api/merchant/reviews',
      '/api/merchant/reviews/pending',
      '/api/merchant/products',
      '/api/merchant/orders',
      '/api/admin/users',
      '/api/admin/audit-logs',
      '/api/admin/login-logs',
      '/api/admin/merchant-applications'
    ]
    for (const url of lists) {
      for (const huge of HUGE) {
        const reply = await admin.get(`${url}?page=${huge}`)
        expect([url, huge, ...outcome(reply)]).toEqual([url, huge, 400, 'VALIDATION_FAILED'])
      }
      for (const huge of ['1e309', 'Infinity', '-1e400']) {
        expect([url, ...outcome(await admin.get(`${url}?limit=${huge}`))]).toEqual([url, 400, 'VALIDATION_FAILED'])
      }
    }
    expect(outcome(await admin.get('/api/exchange/products?min_points=Infinity'))).toEqual([400, 'VALIDATION_FAILED'])
    expect(outcome(await admin.get('/api/exchange/orders/1e309'))).toEqual([400, 'VALIDATION_FAILED'])
    const body = await admin.send({
      method: 'POST',
      url: '/api/exchange/submit',
      payload: '{"product_id":1e400}',
      headers: { 'content-type': 'application/json' }
    })
    expect(outcome(body)).toEqual([400, 'VALIDATION_FAILED'])
  })
})

describe('what clients write for nothing is nothing', () => {
  test('in a query: empty, undefined and null', async () => {
    const app = await createApp()
    const diner = await newDiner(app)
    const plain = (await diner.get('/api/exchange/products')).json().data
    for (const query of [
      'status=&page=&limit=',
      'min_points=null&max_points=undefined&sort=',
      'page=&page=&in_stock=null'
    ]) {
      expect((await diner.get(`/api/exchange/products?${query}`)).json().data).toEqual(plain)
    }
    expect((await diner.get('/api/exchange/products?limit=&limit=7')).json().data.pagination.limit).toBe(7)
    expect((await diner.get('/api/photo/history?status=undefined&page=null')).statusCode).toBe(200)
    // Nothing is not something else that is wrong.
    expect(outcome(await diner.get('/api/exchange/products?min_points=none'))).toEqual([400, 'VALIDATION_FAILED'])
  })

  test('in a body: null where a field may be left out, and there alone', async () => {
    const app = await createApp()
    const diner = await newDiner(app)
    const { nickname } = (await diner.get('/api/user/info')).json().data
    const unchanged = await diner.put('/api/user/profile', { nickname: null, avatar: null })
    expect(unchanged.json().data.nickname).toBe(nickname)
    expect((await diner.put('/api/user/profile', { nickname: '阿明', avatar: null })).json().data.nickname).toBe('阿明')
    expect((await diner.post('/api/lottery/draw', { draw_type: null, count: null, costPoints: null })).statusCode).toBe(
      200
    )
    const required = await diner.post('/api/exchange/submit', { product_id: null, quantity: null })
    expect(outcome(required)).toEqual([400, 'VALIDATION_FAILED'])
    const nested = {
      recipient_name: '张三',
      recipient_phone: '１３８ ００００',
      delivery_address: '长安街1号',
      delivery_note: null
    }
    expect((await diner.post('/api/exchange/submit', { product_id: 999_999, delivery_info: nested })).statusCode).toBe(
      404
    )
    expect((await diner.post('/api/exchange/submit', { product_id: 999_999, delivery_info: null })).statusCode).toBe(
      404
    )
  })

  test('in the items of a batch, and beside an alias', async () => {
    const app = await createApp()
    const merchant = await newMerchant(app)
    const diner = await newDiner(app)
    const { upload_id } = (await upload(app, diner)).json().data
    const item = { upload_id, action: 'reject', actual_amount: null, reason: null }
    const { data } = (await merchant.post('/api/merchant/reviews/batch', { reviews: [item] })).json()
    expect(data.success_count).toBe(1)
    const mobile = newMobile()
    const sent = await app.inject({
      method: 'POST',
      url: '/api/auth/send-code',
      payload: { phone: mobile, mobile: null }
    })
    expect(sent.statusCode).toBe(200)
  })

  test('in a form', async () => {
    const app = await createApp()
    const diner = await newDiner(app)
    const reply = await upload(app, diner, { description: 'undefined' })
    const { upload_id: uploadId } = reply.json().data
    expect((await app.db.receipt.findUniqueOrThrow({ where: { uploadId } })).description).toBe('')
  })
})

describe('a mobile is read as people write it', () => {
  const FORMS_OF = (mobile: string) => [
    `+86${mobile}`,
    `+86 ${mobile.slice(0, 3)} ${mobile.slice(3, 7)} ${mobile.slice(7)}`,
    `86-${mobile.slice(0, 3)}-${mobile.slice(3, 7)}-${mobile.slice(7)}`,
    `86${mobile}`,
    ` ${mobile}\t`,
    [...mobile].map((digit) => String.fromCharCode(digit.charCodeAt(0) + 0xfee0)).join(''),
    `\u202D+86 ${mobile}\u202C`,
    `＋８６　${mobile}`
  ]
  test('and is one account, however it was written', async () => {
    const app = await createApp()
    const mobile = newMobile()
    const first = (await login(app, mobile)).json().data.user_info.user_id
    for (const form of FORMS_OF(mobile)) expect((await login(app, form)).json().data?.user_info.user_id).toBe(first)
  })
  test('and what is none stays none', async () => {
    const app = await createApp()
    for (const mobile of [
      '+8512345678901',
      '+86 12812345678',
      '1381234567８９',
      '138a12345678',
      '+',
      '86',
      '8686 13812345678'
    ]) {
      const reply = await app.inject({ method: 'POST', url: '/api/auth/send-code', payload: { mobile } })
      expect([mobile, ...outcome(reply)]).toEqual([mobile, 400, 'MOBILE_INVALID'])
    }
    expect(readMobile('13812345678')).toBe('13812345678')
  })
})

test('doubled slashes are one, also before an alias, and pass no limit', async () => {
  const app = await createApp({ config: { RATE_LIMIT: true, RATE_LIMIT_GENERAL: 4 } })
  const diner = await newDiner(app)
  expect((await diner.get('//api//user/info')).statusCode).toBe(200)
  const records = (await diner.get('//api/photo//records?page=1')).json().data
  expect(records.list).toEqual(records.history)
  expect((await diner.get('/%61pi/user/info')).headers['cache-control']).toMatch(/private/)
  expect((await diner.get('/%61pi/user/info')).statusCode).toBe(200)
  expect((await diner.get('/%61pi/user/info')).statusCode).toBe(429)
  expect((await diner.get('//api/user/info')).statusCode).toBe(429)
})

test('a token that leaves out a claim is none of ours, by whichever door it comes', async () => {
  const app = await createApp()
  const diner = await newDiner(app)
  await app.listen({ port: 0, host: '127.0.0.1' })
  const { iss, ...claims } = app.jwt.decode(diner.access) as unknown as Record<string, unknown> & { iss: string }
  const encode = (part: object) => Buffer.from(JSON.stringify(part)).toString('base64url')
  const sign = (payload: object) => {
    const signed = `${encode({ alg: 'HS256', typ: 'JWT' })}.${encode(payload)}`
    return `${signed}.${createHmac('sha256', testConfig().JWT_SECRET).update(signed).digest('base64url')}`
  }
  const whole = { iss, ...claims }
  expect(
    (await app.inject({ url: '/api/user/info', headers: { authorization: `Bearer ${sign(whole)}` } })).statusCode
  ).toBe(200)
  for (const claim of ['user_id', 'mobile', 'is_merchant', 'typ', 'sid', 'iss', 'iat', 'exp']) {
    const token = sign(Object.fromEntries(Object.entries(whole).filter(([name]) => name !== claim)))
    const reply = await app.inject({ url: '/api/user/info', headers: { authorization: `Bearer ${token}` } })
    expect([claim, ...outcome(reply)]).toEqual([claim, 401, 'TOKEN_INVALID'])
    await expect(openSocket(app, token)).rejects.toMatchObject({ status: 401 })
  }
  await expect(openSocket(app, 'x'.repeat(5000))).rejects.toMatchObject({
    status: 401,
    body: { error: 'TOKEN_INVALID' }
  })
})

describe('a body has the size that its route can need', () => {
  const post = (app: FastifyInstance, url: string, payload: string, diner?: Diner) =>
    app.inject({
      method: url.includes('config') ? 'PUT' : 'POST',
      url,
      payload,
      headers: { 'content-type': 'application/json', ...(diner && { authorization: `Bearer ${diner.access}` }) }
    })

  test('beyond it is 413 before it is parsed', async () => {
    const app = await createApp()
    const keys = JSON.stringify(Object.fromEntries(Array.from({ length: 20_000 }, (_, key) => [`k${key}`, 1])))
    for (const url of ['/api/auth/login', '/api/auth/send-code', '/api/auth/refresh', '/api/auth/admin-login']) {
      expect(outcome(await post(app, url, keys))).toEqual([413, 'BODY_TOO_LARGE'])
    }
    const merchant = await newMerchant(app)
    const items = `{"prizes":[${Array(100_000).fill('{}').join(',')}]}`
    expect(outcome(await post(app, '/api/merchant/lottery-config', items, merchant))).toEqual([413, 'BODY_TOO_LARGE'])
  })

  test('the largest that is legal fits', async () => {
    const app = await createApp()
    const merchant = await newMerchant(app)
    const reason = '\\ud83d\\ude00'.repeat(500)
    const reviews = Array(50).fill(
      `{"upload_id":"019ab1c2-7d00-7000-8000-000000000003","action":"rejected","reason":"${reason}"}`
    )
    const reply = await post(app, '/api/merchant/reviews/batch', `{"reviews":[${reviews.join(',')}]}`, merchant)
    expect(reply.json().data).toMatchObject({ total: 50, fail_count: 50 })
    const product = `{"name":"好","category":"饮品","exchange_points":1,"description":"${'\\ud83d\\ude00'.repeat(2000)}"}`
    expect((await post(app, '/api/merchant/products', product, merchant)).statusCode).toBe(200)
  })

  test('a list that is too long is one fault, whatever is in it; and of many faults twenty are told', async () => {
    const app = await createApp()
    const merchant = await newMerchant(app)
    const long = await post(
      app,
      '/api/merchant/lottery-config',
      `{"prizes":[${Array(4000).fill('{}').join(',')}]}`,
      merchant
    )
    expect(outcome(long)).toEqual([400, 'VALIDATION_FAILED'])
    expect(long.json().details).toEqual([{ field: 'prizes', message: 'must NOT have more than 8 items' }])
    const many = await post(
      app,
      '/api/merchant/lottery-config',
      `{"prizes":[${Array(8).fill('{}').join(',')}]}`,
      merchant
    )
    expect(many.json().details).toHaveLength(20)
  })

  test('a list that is too long is refused before anybody looks at its items', () => {
    const looked: string[] = []
    const list = new Proxy(Array(9).fill(null), {
      get: (target, name) => {
        if (typeof name === 'string' && /^\d+$/.test(name)) looked.push(name)
        return Reflect.get(target, name)
      }
    })
    const read = readerOf(Type.Object({ ids: Type.Optional(Type.Array(Type.Integer(), { maxItems: 8 })) }), 'body')
    expect(read({ ids: list })).toMatchObject({ instancePath: '/ids', keyword: 'maxItems' })
    expect(looked).toEqual([])
  })
})

describe('a socket', () => {
  const listening = async (changes: Parameters<typeof createApp>[0] = {}) => {
    const app = await createApp(changes)
    await app.listen({ port: 0, host: '127.0.0.1' })
    return app
  }

  test('has its place from an upgrade that succeeds: nothing else takes one', async () => {
    const app = await listening({ config: { WS_MAX_CONNECTIONS: 2 } })
    const diner = await newDiner(app)
    for (let time = 0; time < 5; time += 1) {
      expect(outcome(await app.inject(`/ws?token=${diner.access}`))).toEqual([400, 'VALIDATION_FAILED'])
    }
    const { port } = app.server.address() as { port: number }
    const agent = connect(port, '127.0.0.1')
    let answers = ''
    agent.on('data', (chunk) => {
      answers += chunk
    })
    for (let time = 0; time < 5; time += 1) {
      agent.write(`GET /ws?token=${diner.access} HTTP/1.1\r\nHost: x\r\n\r\n`)
      await until(() => answers.split('HTTP/1.1 400').length === time + 2)
    }
    const sockets = [await openSocket(app, diner.access), await openSocket(app, diner.access)]
    await expect(openSocket(app, diner.access)).rejects.toBeInstanceOf(UpgradeRefused)
    // An upgrade that ws itself refuses gives its place back.
    for (const socket of sockets) socket.close()
    await until(() => app.hub.size === 0)
    for (let time = 0; time < 4; time += 1) {
      const bad = connect(port, '127.0.0.1')
      bad.write(
        `GET /ws?token=${diner.access} HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n` +
          'Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: no\r\n\r\n'
      )
      await new Promise((resolve) => bad.on('close', resolve).resume())
    }
    await openSocket(app, diner.access)
    await openSocket(app, diner.access)
    agent.destroy()
  })

  test('that sends more than its budget is closed 1008, whatever frames they are', async () => {
    const app = await listening()
    const floods: ((socket: Awaited<ReturnType<typeof openSocket>>) => void)[] = [
      (socket) => socket.send({ type: 'ping' }),
      (socket) => socket.ws.ping(),
      (socket) => socket.ws.pong(),
      (socket) => socket.send({ type: 'subscribe', data: { target: 'products', product_ids: [1] } })
    ]
    for (const flood of floods) {
      const socket = await openSocket(app, (await newDiner(app)).access)
      for (let frame = 0; frame < 2000; frame += 1) flood(socket)
      expect(await socket.closeCode()).toBe(1008)
      expect(socket.frames.length).toBeLessThan(60)
    }
  })

  test('of a client that talks as one does stays open', async () => {
    const app = await listening()
    const socket = await openSocket(app, (await newDiner(app)).access)
    for (let frame = 0; frame < 30; frame += 1) socket.send({ type: 'ping' })
    await socket.take('pong', 30)
    expect(socket.closed).toBeUndefined()
  })

  test('has a list of products that ends', async () => {
    const app = await listening()
    const socket = await openSocket(app, (await newDiner(app)).access)
    for (let from = 1; from <= 601; from += 200) {
      const ids = Array.from({ length: 200 }, (_, offset) => from + offset)
      socket.send({ type: 'subscribe', data: { target: 'products', product_ids: ids } })
    }
    expect(await socket.take('error', 2)).toHaveLength(2)
    expect((await socket.take('subscribed', 2)).at(-1)?.data.product_ids).toHaveLength(400)
  })

  test('is opened so often a minute', async () => {
    const app = await listening({ config: { RATE_LIMIT: true, RATE_LIMIT_SOCKET: 2 } })
    const [diner, other] = [await newDiner(app), await newDiner(app)]
    await openSocket(app, diner.access)
    await openSocket(app, diner.access)
    await expect(openSocket(app, diner.access)).rejects.toMatchObject({ status: 429 })
    await openSocket(app, other.access)
  })
})
