import type { FastifyInstance } from 'fastify'
import { expect, test } from 'vitest'
import { createApp, type Diner, newDiner, newMerchant } from './helpers/app.js'
import { newProduct, submit } from './helpers/shop.js'
import { picture, upload } from './helpers/upload.js'

/** What mini-programs keep, and for how long (contract section 9). */
const KEPT = {
  '/api/user/info': 300,
  '/api/user/statistics': 600,
  '/api/lottery/config': 60,
  '/api/lottery/statistics': 600,
  '/api/photo/statistics': 600,
  '/api/exchange/statistics': 600
}

const ask = (app: FastifyInstance, diner: Diner, url: string, tag?: string) =>
  app.inject({
    method: 'GET',
    url,
    headers: { authorization: `Bearer ${diner.access}`, ...(tag === undefined ? {} : { 'if-none-match': tag }) }
  })

test.each(Object.entries(KEPT))('%s may be kept for %i s, and is asked after by its ETag', async (url, seconds) => {
  const app = await createApp()
  const diner = await newDiner(app)
  const first = await ask(app, diner, url)
  expect(first.headers['cache-control']).toBe(`private, no-cache, max-age=${seconds}`)
  expect(first.headers.vary).toContain('Authorization')
  const tag = String(first.headers.etag)
  expect(tag).toMatch(/^"[\w-]{27}"$/)
  for (const named of [tag, `W/${tag}`, `"other", ${tag}`, '*']) {
    const same = await ask(app, diner, url, named)
    expect([named, same.statusCode, same.body, same.headers.etag]).toEqual([named, 304, '', tag])
    expect(same.headers['cache-control']).toBe(first.headers['cache-control'])
    expect(same.headers['content-type']).toBeUndefined()
    expect(Number(same.headers['content-length'] ?? 0)).toBe(0)
  }
  const other = await ask(app, diner, url, '"other"')
  expect([other.statusCode, other.json()]).toEqual([200, first.json()])
})

test('what changes is seen at once: a draw, a nickname, a receipt', async () => {
  const app = await createApp()
  const diner = await newDiner(app)
  const tags = new Map<string, string>()
  /** The addresses whose answer is no longer the one that was kept. */
  async function changed(): Promise<string[]> {
    const urls: string[] = []
    for (const url of Object.keys(KEPT)) {
      const reply = await ask(app, diner, url, tags.get(url))
      if (reply.statusCode === 200) urls.push(url)
      tags.set(url, String(reply.headers.etag))
    }
    return urls
  }
  expect(await changed()).toHaveLength(6)
  expect(await changed()).toEqual([])
  expect((await diner.post('/api/lottery/draw')).statusCode).toBe(200)
  const afterDraw = ['/api/user/info', '/api/user/statistics', '/api/lottery/config', '/api/lottery/statistics']
  expect(await changed()).toEqual(afterDraw)
  const balance = (await diner.get('/api/user/info')).json().data.total_points
  expect(balance).toBe((await app.db.user.findUniqueOrThrow({ where: { userId: diner.userId } })).totalPoints)
  await app.inject({
    method: 'PUT',
    url: '/api/user/profile',
    payload: { nickname: '阿明' },
    headers: { authorization: `Bearer ${diner.access}` }
  })
  expect(await changed()).toEqual(['/api/user/info'])
  await upload(app, diner, { bytes: await picture(40, 40) })
  expect(await changed()).toEqual(['/api/user/info', '/api/user/statistics', '/api/photo/statistics'])
})

test('the shelf is the same for all and kept for 180 s; what is bought or changed is seen at once', async () => {
  const app = await createApp()
  const [one, two, merchant] = [await newDiner(app), await newDiner(app), await newMerchant(app)]
  const productId = await newProduct(app, { isHot: true })
  const urls = ['products', `products/${productId}`, 'hot-products', 'categories'].map(
    (path) => `/api/exchange/${path}`
  )
  const tags = new Map<string, string>()
  for (const url of urls) {
    const first = await ask(app, one, url)
    expect([url, first.headers['cache-control']]).toEqual([url, 'public, no-cache, max-age=180'])
    tags.set(url, String(first.headers.etag))
  }
  const changed = async () => {
    const replies = await Promise.all(urls.map((url) => ask(app, two, url, tags.get(url))))
    return replies.map((reply) => reply.statusCode === 200)
  }
  expect(await changed()).toEqual([false, false, false, false])
  await submit(one, productId)
  expect(await changed()).toEqual([true, true, true, false])
  await merchant.put(`/api/merchant/products/${productId}`, { category: '新品' })
  expect(await changed()).toEqual([true, true, true, true])
})

test('over a real line a 304 ends where it should: the next answer on it is whole', async () => {
  const app = await createApp()
  const diner = await newDiner(app)
  const address = await app.listen({ port: 0, host: '127.0.0.1' })
  const headers = { authorization: `Bearer ${diner.access}` }
  const fetched = (more: Record<string, string> = {}) =>
    fetch(`${address}/api/user/info`, { headers: { ...headers, ...more } })
  const first = await fetched()
  const body = await first.text()
  const same = await fetched({ 'if-none-match': String(first.headers.get('etag')) })
  expect([same.status, await same.text()]).toEqual([304, ''])
  expect(await (await fetched()).text()).toBe(body)
})

test('another diner’s ETag never stands for one’s own answer', async () => {
  const app = await createApp()
  const [one, two] = [await newDiner(app), await newDiner(app)]
  const tag = String((await ask(app, one, '/api/user/info')).headers.etag)
  const reply = await ask(app, two, '/api/user/info', tag)
  expect([reply.statusCode, reply.json().data.user_id]).toEqual([200, two.userId])
  expect(reply.headers.etag).not.toBe(tag)
})

test('nothing else under /api is kept, no failure is, and only a GET becomes a 304', async () => {
  const app = await createApp()
  const diner = await newDiner(app)
  const replies = [
    await diner.get('/api/lottery/pity-status'),
    await diner.get('/api/user/points-records'),
    await diner.post('/api/lottery/draw', {}, { 'if-none-match': '*' }),
    await app.inject({ method: 'GET', url: '/api/user/info', headers: { 'if-none-match': '*' } }),
    await app.inject({ method: 'GET', url: '/api/nothing', headers: { 'if-none-match': '*' } }),
    await app.inject({ method: 'GET', url: '/api/%zz' })
  ]
  expect(replies.map((reply) => reply.statusCode)).toEqual([200, 200, 200, 401, 404, 400])
  for (const { headers } of replies) expect([headers['cache-control'], headers.etag]).toEqual(['no-store', undefined])
  await app.db.user.update({ where: { userId: diner.userId }, data: { status: 'banned' } })
  app.bus.publish({ kind: 'user_changed', userId: diner.userId })
  const banned = await ask(app, diner, '/api/user/info', '*')
  expect([banned.statusCode, banned.headers['cache-control'], banned.headers.etag]).toEqual([
    403,
    'no-store',
    undefined
  ])
})

test('HEAD says of an answer what GET says, without it', async () => {
  const app = await createApp()
  const diner = await newDiner(app)
  const url = '/api/user/info'
  const headers = { authorization: `Bearer ${diner.access}` }
  const head = await app.inject({ method: 'HEAD', url, headers })
  expect([head.statusCode, head.body]).toEqual([200, ''])
  expect(head.headers.etag).toBe((await ask(app, diner, url)).headers.etag)
})

test('in production too, where CORS varies by origin, the token counts', async () => {
  const app = await createApp()
  const diner = await newDiner(app)
  const production = await createApp({ config: { NODE_ENV: 'production' } })
  const { headers } = await production.inject({
    method: 'GET',
    url: '/api/user/info',
    headers: { authorization: `Bearer ${diner.access}`, origin: 'https://servicewechat.com' }
  })
  expect(headers.vary).toBe('Origin, Authorization')
  expect(headers['access-control-expose-headers']).toContain('ETag')
})
