import sharp from 'sharp'
import { describe, expect, test } from 'vitest'
import { createApp, newDiner, newMerchant } from './helpers/app.js'
import { newProduct, stockOf, submit } from './helpers/shop.js'
import { openSocket } from './helpers/socket.js'
import { multipart, picture, storageWith } from './helpers/upload.js'

const PRODUCT = { name: '红糖冰粉', category: '甜品', exchange_points: 200, stock: 30 }

test('a product is made, changed and taken away; each change is audited with before and after, and pushed', async () => {
  const app = await createApp()
  await app.listen({ port: 0, host: '127.0.0.1' })
  const [diner, merchant] = [await newDiner(app), await newMerchant(app)]
  const socket = await openSocket(app, diner.access)
  const made = (await merchant.post('/api/merchant/products', { ...PRODUCT, sales_count: 99, rating: 1 })).json().data
  expect(made).toMatchObject({ ...PRODUCT, sales_count: 0, rating: 5, status: 'available', is_hot: false, image: '' })
  const at = `/api/merchant/products/${made.id}`
  const changed = (await merchant.put(at, { exchange_points: 250, is_hot: true, stock: 9999, id: 1 })).json().data
  expect(changed).toMatchObject({ id: made.id, exchange_points: 250, is_hot: true, stock: 30, name: PRODUCT.name })
  expect((await diner.get(`/api/exchange/products/${made.id}`)).json().data.exchange_points).toBe(250)
  expect((await merchant.put(at, { status: 'unavailable' })).json().data.status).toBe('unavailable')
  expect((await submit(diner, made.id)).json().error).toBe('PRODUCT_UNAVAILABLE')
  // Nothing asked for is nothing changed, and nothing to tell.
  expect((await merchant.put(at, {})).json().code).toBe(0)
  expect((await merchant.delete(at)).json().data).toBeNull()
  for (const gone of [await merchant.delete(at), await merchant.put(at, { name: 'x' })]) {
    expect(gone.json().error).toBe('PRODUCT_NOT_FOUND')
  }
  expect((await diner.get(`/api/exchange/products/${made.id}`)).json().error).toBe('PRODUCT_NOT_FOUND')

  const pushes = await socket.take('stock_update', 4)
  expect(pushes.map(({ data }) => [data.operation, data.product_id, data.change_amount])).toEqual([
    ['create', made.id, 30],
    ['update', made.id, 0],
    ['update', made.id, 0],
    ['delete', made.id, 0]
  ])
  const acts = await app.db.auditLog.findMany({
    where: { targetType: 'product', targetId: String(made.id) },
    orderBy: { id: 'asc' }
  })
  expect(acts.map((act) => act.action)).toEqual([
    'product.create',
    'product.update',
    'product.update',
    'product.delete'
  ])
  expect([JSON.parse(acts[1]?.before ?? ''), JSON.parse(acts[1]?.after ?? '')]).toMatchObject([
    { exchange_points: 200, is_hot: false },
    { exchange_points: 250, is_hot: true }
  ])
})

test('a product taken away leaves its orders whole, and can be given back', async () => {
  const app = await createApp()
  const [diner, merchant] = [await newDiner(app), await newMerchant(app)]
  const productId = await newProduct(app, { name: '旧品', stock: 2 })
  const placed = (await submit(diner, productId)).json().data
  await merchant.delete(`/api/merchant/products/${productId}`)
  const order = (await diner.get(`/api/exchange/orders/${placed.order_id}`)).json().data
  expect(order).toMatchObject({ product_name: '旧品', exchange_code: placed.exchange_code })
  expect((await diner.post(`/api/exchange/orders/${placed.order_id}/cancel`)).json().data.remaining_points).toBe(1000)
  expect(await stockOf(app, productId)).toBe(2)
})

describe('stock', () => {
  test('comes in and goes out with a reason, and never below zero', async () => {
    const app = await createApp()
    await app.listen({ port: 0, host: '127.0.0.1' })
    const merchant = await newMerchant(app)
    const socket = await openSocket(app, merchant.access)
    const productId = await newProduct(app, { stock: 5 })
    const move = async (body: object) => (await merchant.post(`/api/merchant/products/${productId}/stock`, body)).json()
    expect((await move({ change: 7, reason: '补货' })).data.stock).toBe(12)
    expect((await move({ change: -2, reason: '破损' })).data.stock).toBe(10)
    expect(await move({ change: -11, reason: '盘亏' })).toMatchObject({
      error: 'STOCK_INSUFFICIENT',
      details: { available_stock: 10, requested_quantity: 11 }
    })
    for (const change of [0, 0.5, '1', null, 1e308, 2 ** 53 + 1, 1_000_001, 999_991, undefined]) {
      expect([change, (await move({ change, reason: '补货' })).error]).toEqual([change, 'VALIDATION_FAILED'])
    }
    for (const reason of ['', '   ', undefined, null, 'x'.repeat(201)]) {
      expect([reason, (await move({ change: 1, reason })).error]).toEqual([reason, 'VALIDATION_FAILED'])
    }
    expect(await stockOf(app, productId)).toBe(10)
    const pushes = await socket.take('stock_update', 2)
    expect(pushes.map(({ data }) => [data.operation, data.change_amount, data.current_stock])).toEqual([
      ['stock_in', 7, 12],
      ['stock_out', -2, 10]
    ])
    const acts = await app.db.auditLog.findMany({ where: { targetType: 'product', targetId: String(productId) } })
    expect(acts.map((act) => [act.action, act.reason])).toEqual([
      ['product.stock_in', '补货'],
      ['product.stock_out', '破损']
    ])
  })

  test('moved by ten merchants at once adds up', async () => {
    const app = await createApp()
    const merchant = await newMerchant(app)
    const productId = await newProduct(app, { stock: 5 })
    const replies = await Promise.all(
      Array.from({ length: 10 }, () =>
        merchant.post(`/api/merchant/products/${productId}/stock`, { change: -1, reason: '出库' })
      )
    )
    expect(replies.filter((reply) => reply.json().code === 0)).toHaveLength(5)
    expect(await stockOf(app, productId)).toBe(0)
  })
})

test('what a product may not be is refused, field by field, and nothing is made', async () => {
  const app = await createApp()
  const merchant = await newMerchant(app)
  const before = await app.db.product.count()
  const faults: [string, unknown][] = [
    ...['', ' ', 'x'.repeat(101), 'a\u0000b', 'a\nb', '\u202egnp', 7, null].map(
      (name) => ['name', name] as [string, unknown]
    ),
    ...['', 'x'.repeat(51), '全部', 'all', null].map((category) => ['category', category] as [string, unknown]),
    ...[0, -1, 1.5, '100', null, 1e308, 2 ** 53 + 1, 10_000_001].map(
      (points) => ['exchange_points', points] as [string, unknown]
    ),
    ...[-1, 0.1, '5', 1e308, 1_000_001].map((stock) => ['stock', stock] as [string, unknown]),
    ...['javascript:alert(1)', 'x', `https://x/${'x'.repeat(500)}`].map(
      (image) => ['image', image] as [string, unknown]
    ),
    ['status', 'sold_out'],
    ['is_hot', 'yes'],
    ['sort_order', -1]
  ]
  for (const [field, value] of faults) {
    const reply = (await merchant.post('/api/merchant/products', { ...PRODUCT, [field]: value })).json()
    expect([field, value, reply.error, reply.details?.[0]?.field]).toEqual([field, value, 'VALIDATION_FAILED', field])
  }
  for (const field of ['name', 'category', 'exchange_points']) {
    const reply = await merchant.post('/api/merchant/products', { ...PRODUCT, [field]: undefined })
    expect(reply.json().details[0].field).toBe(field)
  }
  expect(await app.db.product.count()).toBe(before)
})

test('the merchant’s list shows all that is not deleted, by state; the figures count the same', async () => {
  const app = await createApp()
  const merchant = await newMerchant(app)
  await app.db.product.deleteMany({ where: { orders: { none: {} } } })
  await app.db.product.updateMany({ data: { deletedAt: new Date() } })
  await newProduct(app, { name: '多', stock: 6 })
  await newProduct(app, { name: '少', stock: 5 })
  await newProduct(app, { name: '无', stock: 0 })
  const off = await newProduct(app, { name: '下', stock: 0 })
  await merchant.put(`/api/merchant/products/${off}`, { status: 'unavailable' })
  const listed = async (query: string) =>
    (await merchant.get(`/api/merchant/products?${query}`))
      .json()
      .data.products.map((row: { name: string }) => row.name)
  expect(await listed('')).toEqual(['多', '少', '无', '下'])
  expect(await listed('status=available')).toEqual(['多', '少'])
  expect(await listed('status=sold_out')).toEqual(['无'])
  expect(await listed('status=unavailable')).toEqual(['下'])
  expect(await listed(`search=${encodeURIComponent('少')}`)).toEqual(['少'])
  expect((await merchant.get('/api/merchant/product-stats')).json().data).toEqual({
    activeCount: 3,
    offlineCount: 1,
    lowStockCount: 1,
    outOfStockCount: 1,
    totalCount: 4
  })
})

describe('a picture', () => {
  const send = async (app: Awaited<ReturnType<typeof createApp>>, bytes: Buffer | undefined, field = 'image') => {
    const merchant = await newMerchant(app)
    const form = await multipart(bytes === undefined ? [['x', 'y']] : [[field, { bytes }]])
    const headers = { ...form.headers, authorization: `Bearer ${merchant.access}` }
    return app.inject({ method: 'POST', url: '/api/merchant/images', payload: form.payload, headers })
  }

  test('is kept as WebP within a square, without metadata, and fetched from its address', async () => {
    const app = await createApp()
    const bytes = await sharp(await picture(1600, 900))
      .withExif({ IFD0: { Copyright: 'planted' } })
      .jpeg()
      .toBuffer()
    const { image_url: address } = (await send(app, bytes)).json().data
    const fetched = await app.inject(new URL(address).pathname)
    const metadata = await sharp(fetched.rawPayload).metadata()
    expect(metadata).toMatchObject({ format: 'webp', width: 1080, height: 608 })
    expect(metadata.exif).toBeUndefined()
  })

  test('that is missing, too large or no picture is refused, and a storage that fails is 5003', async () => {
    const app = await createApp()
    expect((await send(app, undefined)).json().error).toBe('IMAGE_REQUIRED')
    expect((await send(app, await picture(), 'photo')).json().error).toBe('IMAGE_REQUIRED')
    expect((await send(app, Buffer.alloc(5 * 1024 * 1024 + 1))).json().error).toBe('IMAGE_TOO_LARGE')
    expect((await send(app, Buffer.from('<svg/>'))).json().error).toBe('IMAGE_UNREADABLE')
    const failing = await createApp({ storage: storageWith(() => Promise.reject(new Error('down'))) })
    expect((await send(failing, await picture())).json().error).toBe('STORAGE_UNAVAILABLE')
  })
})
