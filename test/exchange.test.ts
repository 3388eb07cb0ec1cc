import { describe, expect, test } from 'vitest'
import { createApp, ledgerFaults, newDiner, newMerchant, signIn, sql, until } from './helpers/app.js'
import { names, newProduct, stockOf, submit } from './helpers/shop.js'
import { openSocket } from './helpers/socket.js'

const DELIVERY = {
  recipient_name: '王小明',
  recipient_phone: '13812345678',
  delivery_address: '上海市静安区南京西路1号',
  delivery_note: '放前台'
}

describe('the shelf', () => {
  test('is filtered, searched and sorted as asked, and page follows page', async () => {
    const app = await createApp()
    const diner = await newDiner(app)
    const category = '测试架'
    await newProduct(app, { name: '甲100%', category, exchangePoints: 300, stock: 5, salesCount: 1 })
    await newProduct(app, { name: '乙', category, exchangePoints: 100, stock: 0, salesCount: 9, description: '百分' })
    await newProduct(app, { name: '丙_丙', category, exchangePoints: 200, stock: 9, salesCount: 5, isHot: true })
    const off = await newProduct(app, { name: '下架', category })
    await app.db.product.update({ where: { productId: off }, data: { status: 'unavailable' } })
    const gone = await newProduct(app, { name: '删除', category })
    await app.db.product.update({ where: { productId: gone }, data: { deletedAt: new Date() } })
    const shelf = async (query: string) =>
      (await diner.get(`/api/exchange/products?category=${encodeURIComponent(category)}&${query}`)).json().data
    const listed = async (query: string) => names((await shelf(query)).products)

    expect(await listed('')).toEqual(['甲100%', '乙', '丙_丙'])
    expect(await listed('sort=hot')).toEqual(['乙', '丙_丙', '甲100%'])
    expect(await listed('sort=points')).toEqual(['乙', '丙_丙', '甲100%'])
    expect(await listed('sort=points&order=desc')).toEqual(['甲100%', '丙_丙', '乙'])
    expect(await listed('sort=stock')).toEqual(['丙_丙', '甲100%', '乙'])
    expect(await listed('sort=new')).toEqual(['丙_丙', '乙', '甲100%'])
    expect(await listed('in_stock=true')).toEqual(['甲100%', '丙_丙'])
    expect(await listed('min_points=150&max_points=250')).toEqual(['丙_丙'])
    expect(await listed('search=%25')).toEqual(['甲100%'])
    expect(await listed('search=_')).toEqual(['丙_丙'])
    expect(await listed(`search=${encodeURIComponent('百分')}`)).toEqual(['乙'])
    expect(await shelf('limit=2&page=2')).toMatchObject({
      total: 3,
      has_more: false,
      next_cursor: null,
      pagination: { total: 3, page: 2, limit: 2, total_pages: 2 }
    })
    expect((await shelf('limit=2')).has_more).toBe(true)
    expect((await shelf('')).products.map((product: { status: string }) => product.status)).toEqual([
      'available',
      'sold_out',
      'available'
    ])
    for (const bad of ['limit=0', 'sort=price', 'min_points=-1', 'cursor=x', 'in_stock=perhaps', 'page=0']) {
      expect([bad, (await diner.get(`/api/exchange/products?${bad}`)).json().error]).toEqual([bad, 'VALIDATION_FAILED'])
    }
    const { data } = (await diner.get('/api/exchange/products?category=all')).json()
    expect(data.total).toBeGreaterThanOrEqual(3)
    expect((await diner.get('/api/exchange/categories')).json().data.categories).toEqual(
      expect.arrayContaining(['全部', category])
    )
    expect((await diner.get('/api/exchange/categories')).json().data.categories[0]).toBe('全部')
    expect(names((await diner.get('/api/exchange/hot-products')).json().data.products)).toEqual(['丙_丙'])
    expect((await diner.get(`/api/exchange/products/${off}`)).json().data.status).toBe('unavailable')
    expect((await diner.get(`/api/exchange/products/${gone}`)).json().error).toBe('PRODUCT_NOT_FOUND')
    expect((await diner.get('/api/exchange/products/2147483647')).json().error).toBe('PRODUCT_NOT_FOUND')
    expect((await diner.get('/api/exchange/products/2147483648')).json().error).toBe('VALIDATION_FAILED')
  })

  test.each(['new', 'hot', 'points', 'stock', undefined])(
    'sorted by %s, pages by cursor neither repeat nor skip while products are added',
    async (sort) => {
      const app = await createApp()
      const diner = await newDiner(app)
      const category = `滚动${sort}`
      const made: number[] = []
      // Every third is like the one before, so that pages end between equals.
      const add = async (index: number) => {
        const value = Math.floor(index / 3) + 1
        const product = { name: `${index}`, category, salesCount: value, exchangePoints: value, stock: value }
        const id = await newProduct(app, product)
        await app.db.product.update({ where: { productId: id }, data: { sortOrder: value } })
        return id
      }
      for (let index = 0; index < 17; index += 1) made.push(await add(index))
      const seen: number[] = []
      let cursor: string | null = ''
      let extra = 0
      while (cursor !== null) {
        const query = `category=${encodeURIComponent(category)}&limit=4${sort === undefined ? '' : `&sort=${sort}`}`
        const at: string = cursor === '' ? '' : `&cursor=${cursor}`
        const { data } = (await diner.get(`/api/exchange/products?${query}${at}`)).json()
        seen.push(...data.products.map((product: { id: number }) => product.id))
        cursor = data.next_cursor
        // Among those that were passed, and among those to come.
        await add(extra)
        await add(100 + extra)
        extra += 3
      }
      expect(new Set(seen).size).toBe(seen.length)
      expect(made.filter((id) => !seen.includes(id))).toEqual([])
    }
  )

  test('is read once for all who look at it, again once it changes, and on another instance within a second or so', async () => {
    const seen: string[] = []
    const [one, two] = [await createApp({ onQuery: (text) => seen.push(text) }), await createApp()]
    const diner = await newDiner(one)
    const elsewhere = await signIn(two, diner.mobile)
    const productId = await newProduct(one, { category: '人多' })
    const url = `/api/exchange/products?category=${encodeURIComponent('人多')}`
    const stock = async (who = diner) => (await who.get(url)).json().data.products[0].stock
    seen.length = 0
    const since = Date.now()
    expect(await Promise.all(Array.from({ length: 40 }, () => stock()))).toEqual(Array(40).fill(10))
    // It is kept for a second; a slow machine takes longer for forty.
    const most = 1 + Math.floor((Date.now() - since) / 1000)
    const lists = seen.filter((text) => text.startsWith('EXECUTE') && /FROM `commodity_pool`.*ORDER BY/.test(text))
    expect(lists.length).toBeLessThanOrEqual(most)
    expect(await stock(elsewhere)).toBe(10)
    await submit(diner, productId)
    expect(await stock()).toBe(9)
    await until(async () => (await stock(elsewhere)) === 9)
  })

  test('a cursor of another sort is refused', async () => {
    const app = await createApp()
    const diner = await newDiner(app)
    for (let index = 0; index < 3; index += 1) await newProduct(app, { category: '换序' })
    const url = `/api/exchange/products?category=${encodeURIComponent('换序')}&limit=1`
    const { next_cursor: cursor } = (await diner.get(`${url}&sort=new`)).json().data
    expect((await diner.get(`${url}&sort=hot&cursor=${cursor}`)).json().error).toBe('VALIDATION_FAILED')
  })
})

describe('an exchange', () => {
  test('takes stock and points, gives a voucher, and everyone hears of what is left', async () => {
    const app = await createApp()
    await app.listen({ port: 0, host: '127.0.0.1' })
    const [diner, other] = [await newDiner(app), await newDiner(app)]
    const [mine, theirs] = [await openSocket(app, diner.access), await openSocket(app, other.access)]
    const productId = await newProduct(app, { name: '冰粉', exchangePoints: 150, stock: 4 })
    const reply = await submit(diner, productId, { quantity: 3, delivery_info: DELIVERY, total_points: 1 })
    const { data } = reply.json()
    expect(data).toMatchObject({
      order_id: expect.any(Number),
      order_no: expect.stringMatching(/^EX\d{8}[A-Z0-9]{12}$/),
      product_name: '冰粉',
      commodity_name: '冰粉',
      quantity: 3,
      points_cost: 450,
      total_points: 450,
      remaining_points: 550,
      status: 'pending',
      exchange_code: expect.stringMatching(/^[A-Z0-9]{12}$/),
      estimated_delivery: expect.stringMatching(/^\d{4}-\d\d-\d\d$/)
    })
    const stock = { product_id: productId, commodity_id: productId, product_name: '冰粉', current_stock: 1, stock: 1 }
    for (const socket of [mine, theirs]) {
      const [push] = await socket.take('stock_update')
      expect(push?.data).toMatchObject({ ...stock, change_amount: -3, operation: 'exchange' })
    }
    const [points] = await mine.take('points_update')
    expect(points?.data).toMatchObject({ total_points: 550, change_points: -450, reason: 'exchange' })
    expect(theirs.frames.map((frame) => frame.type)).not.toContain('points_update')

    const row = await app.db.product.findUniqueOrThrow({ where: { productId: productId } })
    expect([row.stock, row.salesCount]).toEqual([1, 3])
    const wallet = (await diner.get('/api/user/vouchers')).json().data.vouchers
    expect(wallet).toMatchObject([{ code: data.exchange_code, title: '冰粉', kind: 'product', source: 'exchange' }])
    const order = (await diner.get(`/api/exchange/orders/${data.order_id}`)).json().data
    expect(order).toMatchObject({
      order_no: data.order_no,
      unit_points: 150,
      total_points: 450,
      points_cost: 450,
      exchange_code: data.exchange_code,
      delivery_info: { recipient_name: '王*', recipient_phone: '138****5678', delivery_note: '****' },
      timeline: { confirmed_at: null, cancelled_at: null }
    })
    expect(order.delivery_info.delivery_address).not.toContain('南京西路')
    expect((await diner.get('/api/exchange/orders?status=pending')).json().data.orders).toEqual([order])
    expect((await diner.get('/api/exchange/orders?status=shipped')).json().data.orders).toEqual([])
    expect((await other.get(`/api/exchange/orders/${data.order_id}`)).json().error).toBe('ORDER_NOT_FOUND')
    expect((await other.get('/api/exchange/orders')).json().data.orders).toEqual([])
    expect((await diner.get('/api/exchange/statistics')).json().data).toEqual({
      total_exchanges: 1,
      total_points_spent: 450,
      pending_count: 1,
      completed_count: 0,
      cancelled_count: 0,
      favorite_category: '饮品'
    })
    expect(await ledgerFaults(app, [diner.userId])).toEqual([])

    const [stored] = await sql<Record<string, unknown>>('SELECT * FROM exchange_orders WHERE order_id = ?', [
      data.order_id
    ])
    const kept = Object.values(stored ?? {})
      .map(String)
      .join('\n')
    for (const secret of ['王小明', '13812345678', '南京西路', '放前台', data.exchange_code]) {
      expect(kept).not.toContain(secret)
    }
  })

  test('is refused for what it lacks, stock before points, and then nothing has changed', async () => {
    const app = await createApp()
    const diner = await newDiner(app, { points: 250 })
    const dear = await newProduct(app, { exchangePoints: 100, stock: 5 })
    const expectRefused = async (body: object, error: string, details?: object) => {
      const reply = (await diner.post('/api/exchange/submit', body)).json()
      expect([body, reply.error]).toEqual([body, error])
      if (details !== undefined) expect(reply.details).toEqual(details)
    }
    await expectRefused({ product_id: dear, quantity: 6 }, 'STOCK_INSUFFICIENT', {
      available_stock: 5,
      requested_quantity: 6
    })
    await expectRefused({ product_id: dear, quantity: 3 }, 'POINTS_INSUFFICIENT', {
      required: 300,
      current: 250,
      shortage: 50
    })
    await expectRefused({ product_id: 2147483647 }, 'PRODUCT_NOT_FOUND')
    for (const quantity of [0, -1, 11, 1.5, '2', 1e308, 2 ** 53 + 1]) {
      await expectRefused({ product_id: dear, quantity }, 'VALIDATION_FAILED')
    }
    for (const lacking of ['recipient_name', 'recipient_phone', 'delivery_address']) {
      const delivery = { ...DELIVERY, [lacking]: undefined }
      await expectRefused({ product_id: dear, delivery_info: delivery }, 'VALIDATION_FAILED')
    }
    await expectRefused({ product_id: dear, delivery_info: { ...DELIVERY, recipient_phone: 'x' } }, 'VALIDATION_FAILED')
    await app.db.product.update({ where: { productId: dear }, data: { status: 'unavailable' } })
    await expectRefused({ product_id: dear }, 'PRODUCT_UNAVAILABLE')
    await app.db.product.update({ where: { productId: dear }, data: { deletedAt: new Date() } })
    await expectRefused({ product_id: dear }, 'PRODUCT_NOT_FOUND')
    expect(await stockOf(app, dear)).toBe(5)
    expect((await diner.get('/api/user/info')).json().data.total_points).toBe(250)
    expect(await app.db.exchangeOrder.count({ where: { userId: diner.userId } })).toBe(0)
    expect(await app.db.voucher.count({ where: { userId: diner.userId } })).toBe(0)
  })

  test('with a key is done once: the repetition gets the same answer, another request under it none', async () => {
    const app = await createApp()
    const diner = await newDiner(app)
    const productId = await newProduct(app)
    const key = { 'idempotency-key': 'one order' }
    const replies = await Promise.all(Array.from({ length: 8 }, () => submit(diner, productId, {}, key)))
    const answers = new Set(replies.map((reply) => JSON.stringify(reply.json().data)))
    expect(answers.size).toBe(1)
    const replayed = replies.filter((reply) => reply.headers['idempotent-replayed'] === 'true')
    expect(replayed.length).toBe(7)
    expect(await stockOf(app, productId)).toBe(9)
    expect((await submit(diner, productId, { quantity: 1, dev_mode: true }, key)).headers['idempotent-replayed']).toBe(
      'true'
    )
    expect((await submit(diner, productId, { quantity: 2 }, key)).json().error).toBe('IDEMPOTENCY_CONFLICT')
    // Kept answers hold codes: they are not to be read in the table.
    const [kept] = await sql<{ response: string }>('SELECT response FROM idempotency_keys WHERE user_id = ?', [
      diner.userId
    ])
    expect(kept?.response).not.toContain(replies[0]?.json().data.exchange_code)
    // A refused one is judged afresh.
    const poor = await newDiner(app, { points: 0 })
    expect((await submit(poor, productId, {}, key)).json().error).toBe('POINTS_INSUFFICIENT')
    await sql('UPDATE users SET total_points = 100 WHERE user_id = ?', [poor.userId])
    expect((await submit(poor, productId, {}, key)).json().code).toBe(0)
  })

  test('that was decided on a price or a shelf that moved meanwhile is decided again', async () => {
    const app = await createApp()
    const productId = await newProduct(app, { exchangePoints: 100 })
    const diners = await Promise.all(Array.from({ length: 12 }, () => newDiner(app)))
    const merchant = await newMerchant(app)
    const orders = diners.map((diner) => submit(diner, productId))
    const changes = [200, 300, 150].map((points) =>
      merchant.put(`/api/merchant/products/${productId}`, { exchange_points: points })
    )
    const replies = await Promise.all(orders)
    await Promise.all(changes)
    const placed = replies.filter((reply) => reply.json().code === 0)
    expect(placed.length).toBe(10)
    const prices = new Set(placed.map((reply) => reply.json().data.points_cost))
    expect([...prices].every((price) => [100, 150, 200, 300].includes(price))).toBe(true)
    const ids = diners.map(({ userId }) => userId)
    expect(await ledgerFaults(app, ids)).toEqual([])
    expect(await stockOf(app, productId)).toBe(0)
  })
})

describe('an order', () => {
  test('goes its way step by step, and each step is told, audited and timed', async () => {
    const app = await createApp()
    await app.listen({ port: 0, host: '127.0.0.1' })
    const [diner, merchant] = [await newDiner(app), await newMerchant(app)]
    const socket = await openSocket(app, diner.access)
    const productId = await newProduct(app)
    const placed = (await submit(diner, productId, { delivery_info: DELIVERY })).json().data
    const at = `/api/merchant/orders/${placed.order_id}`
    const listed = async () =>
      (await merchant.get(`/api/merchant/orders?order_no=${placed.order_no}`)).json().data.orders[0]
    expect((await listed()).delivery_info.recipient_phone).toBe('138****5678')
    for (const early of ['ship', 'complete']) {
      expect((await merchant.post(`${at}/${early}`)).json()).toMatchObject({
        error: 'STATE_CONFLICT',
        details: { status: 'pending' }
      })
    }
    const confirmed = (await merchant.post(`${at}/confirm`)).json().data
    expect(confirmed).toMatchObject({
      status: 'confirmed',
      exchange_code: null,
      delivery_info: DELIVERY,
      user: { user_id: diner.userId, mobile: `${diner.mobile.slice(0, 3)}****${diner.mobile.slice(-4)}` }
    })
    expect((await diner.post(`/api/exchange/orders/${placed.order_id}/cancel`)).json().error).toBe('STATE_CONFLICT')
    expect((await merchant.post(`${at}/ship`)).json().data.delivery_info).toEqual(DELIVERY)
    expect((await merchant.post(`${at}/cancel`)).json().error).toBe('STATE_CONFLICT')
    const completed = (await merchant.post(`${at}/complete`)).json().data
    expect(completed.delivery_info.recipient_phone).toBe('138****5678')
    const { timeline } = (await diner.get(`/api/exchange/orders/${placed.order_id}`)).json().data
    const times = [timeline.ordered_at, timeline.confirmed_at, timeline.shipped_at, timeline.completed_at]
    expect(times).toEqual([...times].sort())
    expect(times).not.toContain(null)
    for (const late of ['confirm', 'ship', 'complete', 'cancel']) {
      expect((await merchant.post(`${at}/${late}`)).json().error).toBe('STATE_CONFLICT')
    }
    const notices = await socket.take('system_notice', 3)
    expect(notices.map((notice) => notice.data.type)).toEqual(['order_confirmed', 'order_shipped', 'order_completed'])
    const acts = await app.db.auditLog.findMany({
      where: { targetType: 'order', targetId: String(placed.order_id) },
      orderBy: { id: 'asc' }
    })
    expect(acts.map((act) => [act.action, act.actorId])).toEqual(
      ['order.confirm', 'order.ship', 'order.complete'].map((action) => [action, merchant.userId])
    )
    // Completed: the voucher is used up.
    expect((await merchant.post('/api/merchant/vouchers/redeem', { code: placed.exchange_code })).json()).toMatchObject(
      {
        error: 'VOUCHER_NOT_USABLE',
        details: { status: 'used' }
      }
    )
    expect((await merchant.post('/api/merchant/orders/999999999/confirm')).json().error).toBe('ORDER_NOT_FOUND')
    expect((await diner.post(`${at}/confirm`)).json().error).toBe('MERCHANT_REQUIRED')
  })

  test.each(['diner', 'merchant'])(
    'cancelled by the %s gives points and stock back, and voids its voucher',
    async (by) => {
      const app = await createApp()
      await app.listen({ port: 0, host: '127.0.0.1' })
      const [diner, merchant] = [await newDiner(app), await newMerchant(app)]
      const socket = await openSocket(app, diner.access)
      const productId = await newProduct(app, { exchangePoints: 200, stock: 3 })
      const placed = (await submit(diner, productId, { quantity: 2 })).json().data
      if (by === 'merchant') await merchant.post(`/api/merchant/orders/${placed.order_id}/confirm`)
      const reply =
        by === 'diner'
          ? await diner.post(`/api/exchange/orders/${placed.order_id}/cancel`)
          : await merchant.post(`/api/merchant/orders/${placed.order_id}/cancel`, { reason: '缺货' })
      expect(reply.json().data).toEqual({
        order_id: placed.order_id,
        status: 'cancelled',
        refunded_points: 400,
        remaining_points: 1000
      })
      const row = await app.db.product.findUniqueOrThrow({ where: { productId: productId } })
      expect([row.stock, row.salesCount]).toEqual([3, 0])
      const [, stock] = await socket.take('stock_update', 2)
      expect(stock?.data).toMatchObject({ current_stock: 3, change_amount: 2, operation: 'cancel' })
      const [, points] = await socket.take('points_update', 2)
      expect(points?.data).toMatchObject({ total_points: 1000, change_points: 400, reason: 'refund' })
      const [refund] = (await diner.get('/api/user/points-records?source=refund')).json().data.records
      expect(refund).toMatchObject({ points: 400, balance_after: 1000, related_id: placed.order_no })
      expect((await merchant.get(`/api/merchant/vouchers/${placed.exchange_code}`)).json().data).toMatchObject({
        valid: false,
        reason: 'cancelled'
      })
      expect((await diner.post(`/api/exchange/orders/${placed.order_id}/cancel`)).json()).toMatchObject({
        error: 'STATE_CONFLICT',
        details: { status: 'cancelled' }
      })
      expect((await diner.get('/api/exchange/statistics')).json().data).toMatchObject({
        cancelled_count: 1,
        total_points_spent: 0,
        favorite_category: null
      })
      expect(await ledgerFaults(app, [diner.userId])).toEqual([])
    }
  )

  test('is nobody else’s to cancel, and the list pages by cursor while orders come in', async () => {
    const app = await createApp()
    const [diner, other] = [await newDiner(app), await newDiner(app)]
    const productId = await newProduct(app, { exchangePoints: 1, stock: 100 })
    const made: number[] = []
    for (let index = 0; index < 7; index += 1) made.push((await submit(diner, productId)).json().data.order_id)
    expect((await other.post(`/api/exchange/orders/${made[0]}/cancel`)).json().error).toBe('ORDER_NOT_FOUND')
    const seen: number[] = []
    let cursor: string | null = ''
    while (cursor !== null) {
      const at: string = cursor === '' ? '' : `&cursor=${cursor}`
      const { data } = (await diner.get(`/api/exchange/orders?limit=3${at}`)).json()
      seen.push(...data.orders.map((order: { order_id: number }) => order.order_id))
      cursor = data.next_cursor
      await submit(diner, productId)
    }
    expect(seen).toEqual([...made].reverse())
  })
})

test('an order that is cancelled ends its voucher, expired or not: the row says so, and the counter', async () => {
  const app = await createApp()
  const [diner, merchant, productId] = [await newDiner(app), await newMerchant(app), await newProduct(app)]
  for (const expired of [false, true]) {
    const { order_id: orderId, exchange_code: code } = (await submit(diner, productId)).json().data
    if (expired) await sql("UPDATE vouchers SET status = 'expired', expires_at = NOW() WHERE order_id = ?", [orderId])
    expect((await diner.post(`/api/exchange/orders/${orderId}/cancel`)).json().code).toBe(0)
    expect((await app.db.voucher.findFirstOrThrow({ where: { orderId } })).status).toBe('cancelled')
    expect((await merchant.get(`/api/merchant/vouchers/${code}`)).json().data.reason).toBe('cancelled')
  }
})
