import type { FastifyInstance } from 'fastify'
import type * as mariadb from 'mariadb'
import { beforeAll, expect, test } from 'vitest'
import { buildApp } from '../src/app.js'
import { openConnection, SESSION_SQL } from '../src/engine/connection.js'
import { type Diner, databaseUrl, newAdmin, newDiner, sql, testConfig } from './helpers/app.js'
import { NEXT_SEQ, settle } from './helpers/history.js'
import { numbers } from './helpers/numbers.js'
import { newProduct } from './helpers/shop.js'

const LIMIT = 4
const DEEP = 500
/** Rows of the diner who is looked at: enough for every filter to go deep. Each of the others has as many. */
const ROWS = Math.floor(2.5 * DEEP * LIMIT)
const OTHERS = 9
/** Rows of one who has just begun. */
const FEW = 10

/** Each list that can go deep, with the filters that an index knows; what most rows fit, and what few do. */
const LISTS = [
  ['/api/user/points-records?', 'records'],
  ['/api/user/points-records?type=earn&', 'records'],
  ['/api/user/points-records?source=lottery&', 'records'],
  ['/api/user/vouchers?', 'vouchers'],
  ['/api/user/vouchers?status=unused&', 'vouchers'],
  ['/api/lottery/records?', 'records'],
  ['/api/lottery/records?draw_type=single&', 'records'],
  ['/api/lottery/records?prize_type=coupon&', 'records'],
  ['/api/exchange/orders?', 'orders'],
  ['/api/exchange/orders?status=completed&', 'orders'],
  ['/api/photo/history?', 'history'],
  ['/api/photo/history?status=approved&', 'history'],
  ['/api/merchant/reviews?', 'reviews'],
  ['/api/merchant/reviews?status=approved&', 'reviews'],
  ['/api/merchant/reviews?status=rejected&', 'reviews'],
  ['/api/merchant/reviews/pending?', 'reviews'],
  ['/api/merchant/orders?', 'orders'],
  ['/api/merchant/orders?status=pending&', 'orders'],
  ['/api/merchant/orders?status=completed&', 'orders'],
  ['/api/admin/users?', 'users'],
  ['/api/admin/users?status=active&is_merchant=false&', 'users'],
  ['/api/admin/merchant-applications?', 'applications'],
  ['/api/admin/merchant-applications?status=pending&', 'applications'],
  ['/api/admin/points-records?', 'records'],
  ['/api/admin/audit-logs?', 'logs'],
  ['/api/admin/audit-logs?action=review.approve&', 'logs'],
  ['/api/admin/audit-logs?actor_id=1&', 'logs'],
  ['/api/admin/login-logs?', 'logs']
] as const

let app: FastifyInstance
let diner: Diner
/** With a history of a few rows. */
let newcomer: Diner
let admin: Diner
let connection: mariadb.Connection
const statements: string[] = []

beforeAll(async () => {
  app = await buildApp({
    overload: { maxEventLoopDelayMs: 0 },
    evidence: { everyMs: 0 },
    publicLog: { everyMs: 0 },
    config: testConfig(),
    onQuery: (text) => statements.push(text)
  })
  await app.ready()
  diner = await newDiner(app, { points: 0 })
  const others = await Promise.all(Array.from({ length: OTHERS }, () => newDiner(app, { points: 0 })))
  newcomer = await newDiner(app, { points: 0 })
  admin = await newAdmin(app)
  const productId = await newProduct(app)
  const phone = app.cipher.encrypt('13800000000')
  const code = app.cipher.encrypt('K7QXM4PTRW9A')
  const ids = [diner, newcomer, ...others].map(({ userId }) => userId).join(', ')
  const rows = `${numbers(ROWS)} JOIN users ON user_id IN (${ids}) AND (user_id <> ${newcomer.userId} OR n <= ${FEW})`
  await sql(`INSERT INTO points_records (user_id, seq, hash, points, balance_after, type, source)
    SELECT user_id, ${NEXT_SEQ}, '', IF(n % 2, 10, -10), IF(n % 2, 10, 0), IF(n % 2, 'earn', 'spend'),
      IF(n % 2, 'photo_review', 'lottery') FROM ${rows} ORDER BY n`)
  await sql(`INSERT INTO lottery_draws (draw_id, user_id, draw_type, draw_count, total_cost, points_awarded, rules_version)
    SELECT CONCAT(LPAD(n, 8, '0'), '-0000-7000-8000-', LPAD(user_id, 12, '0')), user_id, 'single', 1, 10, 0, 1
    FROM ${rows}`)
  await sql(`INSERT INTO lottery_records (record_id, draw_id, user_id, sequence, draw_type, prize_id, prize_name,
      prize_type, prize_value, points_cost)
    SELECT draw_id, draw_id, user_id, 1, 'single', 2, 'x', 'coupon', 1, 10 FROM lottery_draws`)
  await sql(`INSERT INTO exchange_orders (order_no, user_id, commodity_id, product_name, category, quantity, unit_points,
      total_points, status)
    SELECT CONCAT(user_id, '-', n), user_id, ${productId}, 'x', 'x', 1, 1, 1, IF(CRC32(CONCAT(user_id, n)) % 10, 'completed', 'pending')
    FROM ${rows} ORDER BY n`)
  await sql(
    `INSERT INTO vouchers (user_id, code_hmac, code_enc, title, kind, source, order_id, issued_at, expires_at)
    SELECT user_id, SHA2(order_no, 256), ?, 'x', 'product', 'exchange', order_id, NOW(), NOW() + INTERVAL 1 DAY
    FROM exchange_orders ORDER BY order_id`,
    [code]
  )
  // A few of each moment, so that pages end between equals.
  await sql(`INSERT INTO photo_reviews (upload_id, user_id, image_url, thumbnail_url, image_key, thumbnail_key, amount,
      points_rate, points_min, points_max, file_size, sha256, phash, created_at, review_status)
    SELECT CONCAT(user_id, '-', n), user_id, '', '', CONCAT('a', user_id, '-', n), CONCAT('b', user_id, '-', n), 1, 10,
      50, 2000, 1, '', '', NOW() - INTERVAL n DIV 3 MINUTE,
      IF(n % 20 = 0, 'pending', IF(n % 20 = 1, 'rejected', 'approved')) FROM ${rows}`)
  await sql(
    `INSERT INTO merchant_applications (user_id, business_name, contact_person, contact_phone, status)
    SELECT user_id, 'x', 'x', ?, IF(n % 4, 'approved', 'pending') FROM ${rows} ORDER BY n`,
    [phone]
  )
  await sql(`INSERT INTO users (mobile) SELECT 12000000000 + n FROM ${numbers(ROWS)}`)
  await sql(`INSERT INTO login_logs (method, account, success, ip) SELECT 'sms', 'x', 1, 'x' FROM ${numbers(ROWS)}`)
  await sql(`INSERT INTO audit_logs (actor_id, action, target_type, target_id)
    SELECT 1, IF(n % 10, 'review.approve', 'user.ban'), 'user', n FROM ${numbers(ROWS)}`)
  await settle(app, [diner.userId, newcomer.userId])
  await sql(`ANALYZE TABLE user_totals, points_records, lottery_draws, lottery_records, exchange_orders, vouchers, photo_reviews,
    merchant_applications, users, login_logs, audit_logs`)
  connection = await openConnection(databaseUrl(), { initSql: [...SESSION_SQL] })
  return async () => {
    await connection.end()
    await app.close()
  }
}, 300_000)

/** A page, and the statement that reads its rows. */
async function read(url: string) {
  const who = /^\/api\/(?:admin|merchant)\//.test(url) ? admin : diner
  statements.length = 0
  const { data } = (await who.get(url)).json()
  const limited = new RegExp(` ORDER BY [\\s\\S]* LIMIT \\? OFFSET \\? - parameters:\\[(?:.*,)?${LIMIT + 1},\\d+\\]$`)
  const statement = statements.filter((text) => /^(?:QUERY|EXECUTE)/.test(text) && limited.test(text))
  expect([url, statement.length]).toEqual([url, 1])
  return { data, statement: statement[0] ?? '' }
}

/** How many rows of tables and indexes this session of the database has looked at. */
async function looked(): Promise<number> {
  const counters = await connection.query<{ Variable_name: string; Value: string }[]>(
    "SHOW SESSION STATUS LIKE 'Handler_%'"
  )
  return counters
    .filter(({ Variable_name: name }) => /^Handler_(?:read_\w+|icp_attempts)$/.test(name))
    .reduce((sum, { Value: value }) => sum + Number(value), 0)
}

/** How many rows the server looks at for a statement as the log has it. */
async function cost(logged: string): Promise<number> {
  const [, statement = '', values = ''] = /(SELECT.*) - parameters:\[(.*)\]$/s.exec(logged) ?? []
  const given = [...values.matchAll(/'([^']*)'|[^,]+/g)].map(([whole, text]) => {
    if (text === undefined) return JSON.parse(whole) as unknown
    return /^\d+\/\d+\/\d{4} /.test(text) ? new Date(text) : text
  })
  const start = await looked()
  const ofLooking = (await looked()) - start
  const before = await looked()
  await connection.query(statement, given)
  return (await looked()) - before - ofLooking
}

test.each(LISTS)(`page ${DEEP} of %s by cursor costs the database what page 1 does`, async (url, list) => {
  const [first, before, byPage] = [
    await read(`${url}limit=${LIMIT}`),
    await read(`${url}limit=${LIMIT}&page=${DEEP - 1}`),
    await read(`${url}limit=${LIMIT}&page=${DEEP}`)
  ]
  const byCursor = await read(`${url}limit=${LIMIT}&cursor=${before.data.next_cursor}`)
  expect(byCursor.data[list]).toHaveLength(LIMIT)
  expect(byCursor.data[list]).toEqual(byPage.data[list])
  const costs = {
    first: await cost(first.statement),
    cursor: await cost(byCursor.statement),
    page: await cost(byPage.statement)
  }
  // The whole of a ledger is numbered: there a page by its number costs no more either.
  const deep = url === '/api/user/points-records?' ? expect(costs.page).not : expect(costs.page)
  deep.toBeGreaterThan(DEEP * LIMIT)
  expect(costs.cursor, JSON.stringify(costs)).toBeLessThan(2 * costs.first + 25 * LIMIT)
})

test.each([
  '/api/user/info',
  '/api/user/statistics',
  `/api/user/points-records?limit=${LIMIT}`,
  `/api/user/points-records?limit=${LIMIT}&page=${DEEP}`,
  '/api/lottery/config',
  '/api/lottery/statistics',
  `/api/lottery/records?limit=${LIMIT}`,
  `/api/user/vouchers?limit=${LIMIT}`,
  `/api/user/vouchers?status=unused&limit=${LIMIT}`,
  `/api/exchange/orders?limit=${LIMIT}`,
  '/api/exchange/statistics',
  `/api/photo/history?limit=${LIMIT}`,
  '/api/photo/statistics'
])(`%s looks at as many rows of ${FEW} as of ${ROWS}`, async (url) => {
  const costOf = async (who: Diner) => {
    await who.get(url)
    statements.length = 0
    expect((await who.get(url)).json().code).toBe(0)
    const reads = statements.filter((text) => /^(?:QUERY|EXECUTE).*SELECT/s.test(text))
    expect(reads.length).toBeGreaterThan(0)
    let sum = 0
    for (const text of reads) sum += await cost(text)
    return sum
  }
  // A newcomer has a label less, and no page 500.
  expect(await costOf(diner)).toBeLessThanOrEqual((await costOf(newcomer)) + 2 * LIMIT)
})
