import type { FastifyInstance } from 'fastify'
import { beforeAll, describe, expect, test } from 'vitest'
import { buildApp } from '../src/app.js'
import { encodeCursor } from '../src/engine/cursor.js'
import { type Diner, newAdmin, newDiner, newMobile, sql, testConfig } from './helpers/app.js'
import { NEXT_SEQ, settle } from './helpers/history.js'
import { newProduct } from './helpers/shop.js'

/** Rows that are added at a time, all of one moment; no divisor of a page, so that pages end between equals. */
const AT_A_TIME = 3
const LIMIT = 4

let app: FastifyInstance
let diner: Diner
let admin: Diner
let productId: number
let made = 0
let moment = Date.UTC(2026, 10, 22)

beforeAll(async () => {
  app = await buildApp({ overload: { maxEventLoopDelayMs: 0 }, config: testConfig() })
  await app.ready()
  diner = await newDiner(app)
  admin = await newAdmin(app)
  productId = await newProduct(app)
  return () => app.close()
})

/** A UUID of version 7, later than those before it. */
const nextUuid = () => `019ab1c2-7d00-7000-8000-${String(++made).padStart(12, '0')}`

/** Each adds a row to what a list shows; the diner's, where it is somebody's. */
const ADD = {
  ledger: () =>
    sql(
      `INSERT INTO points_records (user_id, seq, hash, points, balance_after, type, source)
      SELECT user_id, ${NEXT_SEQ}, '', 1, 1, 'earn', 'admin' FROM users WHERE user_id = ?`,
      [diner.userId]
    ),
  draw: async () => {
    const id = nextUuid()
    await sql(
      `INSERT INTO lottery_draws (draw_id, user_id, draw_type, draw_count, total_cost, points_awarded, rules_version)
      VALUES (?, ?, 'single', 1, 10, 0, 1)`,
      [id, diner.userId]
    )
    await sql(
      `INSERT INTO lottery_records (record_id, draw_id, user_id, sequence, draw_type, prize_id, prize_name, prize_type,
        prize_value, points_cost) VALUES (?, ?, ?, 1, 'single', 2, 'x', 'coupon', 1, 10)`,
      [id, id, diner.userId]
    )
  },
  epoch: async () => {
    const at = new Date(moment)
    await sql('UPDATE lottery_pity SET epoch = epoch + 1 WHERE user_id = ?', [diner.userId])
    await sql(
      `UPDATE fairness_epochs AS e JOIN lottery_pity AS p USING (user_id) SET e.started_at = ?
       WHERE p.user_id = ? AND e.epoch = p.epoch`,
      [at, diner.userId]
    )
    await sql(
      `INSERT INTO fairness_epochs (user_id, epoch, server_seed, server_seed_hash)
       SELECT user_id, epoch + 1, '', SHA2(epoch, 256) FROM lottery_pity WHERE user_id = ?`,
      [diner.userId]
    )
  },
  rules: () =>
    sql(`INSERT INTO lottery_rule_versions (version, snapshot, sha256, valid_from)
      SELECT MAX(version) + 1, '{}', REPEAT('a', 64), NOW(3) FROM lottery_rule_versions`),
  order: () =>
    sql(
      `INSERT INTO exchange_orders (order_no, user_id, commodity_id, product_name, category, quantity, unit_points,
        total_points) VALUES (?, ?, ?, 'x', 'x', 1, 1, 1)`,
      [nextUuid().slice(-12), diner.userId, productId]
    ),
  voucher: async () => {
    await ADD.order()
    const code = `K7QX${String(++made).padStart(8, '0')}`
    await sql(
      `INSERT INTO vouchers (user_id, code_hmac, code_enc, title, kind, source, order_id, issued_at, expires_at)
      SELECT user_id, ?, ?, 'x', 'product', 'exchange', MAX(order_id), NOW(), NOW() + INTERVAL 1 DAY
      FROM exchange_orders WHERE user_id = ? GROUP BY user_id`,
      [app.cipher.hmac('voucher', code), app.cipher.encrypt(code), diner.userId]
    )
  },
  receipt: () => {
    // Ids that do not rise with time, so that neither is enough by itself.
    const id = nextUuid().replace(/^\w+/, String((made * 7919) % 1000).padStart(8, '0'))
    return sql(
      `INSERT INTO photo_reviews (upload_id, user_id, image_url, thumbnail_url, image_key, thumbnail_key, amount,
        points_rate, points_min, points_max, file_size, sha256, phash, created_at)
      VALUES (?, ?, '', '', ?, ?, 1, 10, 50, 2000, 1, '', '', ?)`,
      [id, diner.userId, `a/${id}`, `b/${id}`, new Date(moment)]
    )
  },
  appeal: async () => {
    await ADD.receipt()
    await sql(
      `INSERT INTO photo_appeals (upload_id, user_id, message, first_status, first_points, created_at)
      SELECT upload_id, user_id, 'x', 'rejected', 0, created_at FROM photo_reviews
      WHERE upload_id NOT IN (SELECT upload_id FROM photo_appeals)`
    )
  },
  application: () =>
    sql(
      `INSERT INTO merchant_applications (user_id, business_name, contact_person, contact_phone) VALUES (?, 'x', 'x', ?)`,
      [diner.userId, app.cipher.encrypt('13800000000')]
    ),
  user: () => sql('INSERT INTO users (mobile) VALUES (?)', [newMobile()]),
  login: () => sql(`INSERT INTO login_logs (method, account, success, ip) VALUES ('sms', 'x', 1, 'x')`),
  act: () => sql(`INSERT INTO audit_logs (actor_id, action, target_type, target_id) VALUES (1, 'user.ban', 'user', 1)`),
  // By its route, which tells the shelf that is kept in memory.
  product: () =>
    admin.post('/api/merchant/products', { name: 'x', description: '', category: 'x', exchange_points: 1, stock: 1 })
} as const

/** Every list that has pages: what it is called in the answer, what tells its rows apart, and what adds to it. */
const LISTS = [
  ['/api/user/points-records?', 'records', 'id', 'ledger'],
  ['/api/user/points-records?type=earn&', 'records', 'id', 'ledger'],
  ['/api/user/vouchers?', 'vouchers', 'code', 'voucher'],
  ['/api/user/vouchers?status=unused&', 'vouchers', 'code', 'voucher'],
  ['/api/lottery/records?', 'records', 'id', 'draw'],
  ['/api/lottery/fairness/epochs?', 'epochs', 'epoch', 'epoch'],
  ['/api/fairness/rules?', 'versions', 'version', 'rules'],
  ['/api/exchange/products?', 'products', 'id', 'product'],
  ['/api/exchange/products?sort=hot&', 'products', 'id', 'product'],
  ['/api/exchange/orders?', 'orders', 'order_id', 'order'],
  ['/api/exchange/records?', 'records', 'order_id', 'order'],
  ['/api/photo/history?', 'history', 'upload_id', 'receipt'],
  ['/api/photo/history?status=pending&', 'history', 'upload_id', 'receipt'],
  ['/api/photo/records?', 'list', 'upload_id', 'receipt'],
  ['/api/upload/records?', 'records', 'upload_id', 'receipt'],
  ['/api/merchant/reviews?', 'reviews', 'upload_id', 'receipt'],
  ['/api/merchant/reviews/pending?', 'list', 'upload_id', 'receipt'],
  ['/api/merchant/appeals?', 'appeals', 'upload_id', 'appeal'],
  ['/api/merchant/appeals?status=all&', 'appeals', 'upload_id', 'appeal'],
  ['/api/merchant/pending-reviews?', 'reviews', 'upload_id', 'receipt'],
  ['/api/merchant/products?', 'products', 'id', 'product'],
  ['/api/merchant/orders?', 'orders', 'order_id', 'order'],
  ['/api/admin/merchant-applications?', 'applications', 'application_id', 'application'],
  ['/api/admin/users?', 'users', 'user_id', 'user'],
  ['/api/admin/users?is_merchant=false&', 'users', 'user_id', 'user'],
  ['/api/admin/points-records?', 'records', 'id', 'ledger'],
  ['/api/admin/audit-logs?', 'logs', 'id', 'act'],
  ['/api/admin/audit-logs?actor_id=1&action=user.ban&', 'logs', 'id', 'act'],
  ['/api/admin/login-logs?', 'logs', 'id', 'login']
] as const

const get = async (url: string) => {
  const who = /^\/api\/(?:admin|merchant)\//.test(url) ? admin : diner
  return (await who.get(url)).json()
}

async function add(kind: keyof typeof ADD): Promise<void> {
  moment += 1
  for (let count = 0; count < AT_A_TIME; count += 1) await ADD[kind]()
  await settle(app, [diner.userId])
}

/** All of a list, each page from where the one before ended. */
async function walk(url: string, list: string, id: string, between: () => Promise<void> = async () => {}) {
  const seen: unknown[] = []
  let [at, total] = ['', 0]
  for (;;) {
    const { data } = await get(`${url}limit=${LIMIT}${at}`)
    seen.push(...data[list].map((row: Record<string, unknown>) => row[id]))
    total = data.pagination.total
    if (data.next_cursor === null) return { seen, total }
    expect(data[list]).toHaveLength(LIMIT)
    at = `&cursor=${data.next_cursor}`
    await between()
  }
}

describe('every list that has pages', () => {
  test('is among those that are looked at here', async () => {
    const { paths } = (await app.inject('/api/docs/json')).json()
    const paged = Object.entries<{ get?: { parameters?: { name: string }[] } }>(paths)
      .filter(([, { get }]) => get?.parameters?.some(({ name }) => name === 'page'))
      .map(([path]) => path)
    expect(paged.sort()).toEqual([...new Set(LISTS.map(([url]) => url.split('?')[0]))].sort())
  })

  test.each(LISTS)('%s by cursor is as by page, and nothing twice or left out while rows are added', async (...row) => {
    const [url, list, id, kind] = row
    for (let count = 0; count < 5; count += 1) await add(kind)
    const byPage: unknown[] = []
    for (let page = 1; ; page += 1) {
      const { data } = await get(`${url}limit=${LIMIT}&page=${page}`)
      byPage.push(...data[list].map((item: Record<string, unknown>) => item[id]))
      expect(data.next_cursor === null).toBe(page === data.pagination.total_pages)
      if (page === data.pagination.total_pages) break
    }
    expect(await walk(url, list, id)).toEqual({ seen: byPage, total: byPage.length })

    let rounds = 0
    const { seen, total } = await walk(url, list, id, async () => {
      rounds += 1
      if (rounds <= 2) await add(kind)
    })
    expect(seen.slice(0, byPage.length)).toEqual(byPage)
    expect(new Set(seen).size).toBe(seen.length)
    expect(total).toBe(byPage.length + 2 * AT_A_TIME)
  })

  test.each(LISTS)('%s refuses what is no cursor of it', async (url) => {
    const bad = [
      'x',
      encodeCursor({}),
      encodeCursor({ desc: {} }),
      encodeCursor({ desc: { nothing: 1 }, asc: { nothing: 1 } }),
      ...['id', 'orderId', 'recordId', 'voucherId', 'userId', 'applicationId', 'productId'].flatMap((column) =>
        [1e300, 0.5, '1 OR 1', null, 'é', '\0'].map((value) => encodeCursor({ desc: { [column]: value } }))
      ),
      ...[1e300, -1, '2026-11-22', null].flatMap((createdAt) =>
        ['desc', 'asc'].map((direction) => encodeCursor({ [direction]: { createdAt, uploadId: 'x' } }))
      )
    ]
    for (const cursor of bad) {
      expect(await get(`${url}cursor=${cursor}`)).toMatchObject({
        error: 'VALIDATION_FAILED',
        details: [{ field: 'cursor' }]
      })
    }
  })
})

test('a cursor of another list, another sort or the other direction is refused', async () => {
  for (const [, , , kind] of LISTS) await ADD[kind]()
  const cursorOf = async (url: string) => (await get(`${url}limit=1`)).data.next_cursor as string
  const refused = async (url: string) => (await get(url)).error
  expect(await refused(`/api/exchange/orders?cursor=${await cursorOf('/api/user/vouchers?')}`)).toBe(
    'VALIDATION_FAILED'
  )
  expect(await refused(`/api/photo/history?cursor=${await cursorOf('/api/merchant/reviews/pending?')}`)).toBe(
    'VALIDATION_FAILED'
  )
  const bySales = await cursorOf('/api/exchange/products?sort=hot&')
  expect(await refused(`/api/exchange/products?sort=new&cursor=${bySales}`)).toBe('VALIDATION_FAILED')
  const byPoints = await cursorOf('/api/exchange/products?sort=points&')
  expect(await refused(`/api/exchange/products?sort=points&order=desc&cursor=${byPoints}`)).toBe('VALIDATION_FAILED')
})
