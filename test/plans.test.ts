import type { FastifyInstance } from 'fastify'
import { beforeAll, expect, test } from 'vitest'
import { buildApp } from '../src/app.js'
import { encodeCursor } from '../src/engine/cursor.js'
import { type Diner, newDiner, sql, testConfig } from './helpers/app.js'
import { settle } from './helpers/history.js'
import { numbers } from './helpers/numbers.js'
import { newProduct } from './helpers/shop.js'

const LEDGER_ROWS = 100_000

/** The pages of a diner, each with the filters it knows, and a page far from the first. */
const PAGES = [
  '/api/user/info',
  '/api/user/statistics',
  '/api/user/points-records',
  '/api/user/points-records?type=earn',
  '/api/user/points-records?type=spend&page=100',
  '/api/user/points-records?source=lottery',
  `/api/user/points-records?cursor=${encodeCursor({ desc: { seq: 50_000 } })}`,
  '/api/user/vouchers',
  '/api/user/vouchers?status=unused',
  '/api/user/vouchers?status=expired',
  '/api/user/vouchers?status=used',
  `/api/user/vouchers?cursor=${encodeCursor({ desc: { voucherId: 1000 } })}`,
  '/api/lottery/config',
  '/api/lottery/records',
  '/api/lottery/records?draw_type=single',
  '/api/lottery/records?prize_type=coupon',
  `/api/lottery/records?cursor=${encodeCursor({ desc: { recordId: '1-00000000000000001000' } })}`,
  '/api/lottery/statistics',
  '/api/lottery/pity-status',
  '/api/exchange/orders',
  '/api/exchange/orders?status=pending',
  `/api/exchange/orders?cursor=${encodeCursor({ desc: { orderId: 1000 } })}`,
  '/api/exchange/statistics',
  '/api/photo/history',
  '/api/photo/history?status=approved',
  `/api/photo/history?cursor=${encodeCursor({ desc: { createdAt: Date.UTC(2099, 0, 1), uploadId: '1-1' } })}`,
  '/api/photo/statistics'
]

let app: FastifyInstance
const statements: string[] = []
let diner: Diner

beforeAll(async () => {
  app = await buildApp({
    overload: { maxEventLoopDelayMs: 0 },
    config: testConfig({ SQL_COMMENTS: false }),
    onQuery: (text) => statements.push(text)
  })
  await app.ready()
  diner = await newDiner(app, { points: 0 })
  const others = await Promise.all(Array.from({ length: 3 }, () => newDiner(app, { points: 0 })))
  const productId = await newProduct(app)
  for (const [index, { userId }] of [diner, ...others].entries()) {
    const rows = index === 0 ? LEDGER_ROWS : 3000
    await sql(`INSERT INTO points_records (user_id, seq, hash, points, balance_after, type, source)
      SELECT ${userId}, n, '', IF(n % 2, 10, -10), IF(n % 2, 10, 0), IF(n % 2, 'earn', 'spend'),
        IF(n % 2, 'photo_review', IF(n % 4, 'lottery', 'exchange')) FROM ${numbers(rows)} ORDER BY n`)
    // A tenth of the table is this diner's, so that reading it whole does not pay.
    const some = index === 0 ? 2000 : 6000
    await sql(`INSERT INTO lottery_draws (draw_id, user_id, draw_type, draw_count, total_cost, points_awarded, rules_version)
      SELECT CONCAT('${userId}-', LPAD(n, 20, '0')), ${userId}, 'single', 1, 10, 0, 1 FROM ${numbers(some)}`)
    await sql(`INSERT INTO lottery_records (record_id, draw_id, user_id, sequence, draw_type, prize_id, prize_name,
        prize_type, prize_value, points_cost)
      SELECT draw_id, draw_id, user_id, 1, 'single', 2, 'x', 'coupon', 1, 10 FROM lottery_draws WHERE user_id = ${userId}`)
    await sql(`INSERT INTO exchange_orders (order_no, user_id, commodity_id, product_name, category, quantity,
        unit_points, total_points) SELECT CONCAT('${userId}-', n), ${userId}, ${productId}, 'x', 'x', 1, 1, 1
      FROM ${numbers(some)}`)
    await sql(
      `INSERT INTO vouchers (user_id, code_hmac, code_enc, title, kind, source, order_id, issued_at, expires_at)
      SELECT user_id, SHA2(order_no, 256), ?, 'x', 'product', 'exchange', order_id, NOW(), NOW() + INTERVAL 1 DAY
      FROM exchange_orders WHERE user_id = ${userId}`,
      [app.cipher.encrypt('K7QXM4PTRW9A')]
    )
    await sql(`INSERT INTO photo_reviews (upload_id, user_id, image_url, thumbnail_url, image_key, thumbnail_key, amount,
        points_rate, points_min, points_max, file_size, sha256, phash)
      SELECT CONCAT('${userId}-', n), ${userId}, '', '', CONCAT('a', '${userId}-', n), CONCAT('b', '${userId}-', n), 1,
        10, 50, 2000, 1, '', '' FROM ${numbers(some)}`)
  }
  await settle(app, [diner.userId])
  const tables = [
    'user_totals',
    'points_records',
    'lottery_draws',
    'lottery_records',
    'exchange_orders',
    'vouchers',
    'photo_reviews'
  ]
  await sql(`ANALYZE TABLE ${tables.join(', ')}`)
  return () => app.close()
}, 300_000)

/** A statement as it was prepared, with values such as this diner's pages give it. */
function withValues(statement: string): string {
  const values: [RegExp, string][] = [
    [/`?\buser_id`? = \?/g, `user_id = ${diner.userId}`],
    [/`user_id` IN \(\?\)/g, `\`user_id\` IN (${diner.userId})`],
    [/(LIMIT|OFFSET) \?/g, '$1 20'],
    [/`?\btype`? = \?/g, "type = 'spend'"],
    [/`?\bsource`? = \?/g, "source = 'lottery'"],
    [/`?\b(expires_at|created_at)`? (>|<=|<|=) \?/g, '$1 $2 NOW()'],
    [/`?\b(status|review_status)`? (=|<>|!=) \?/g, "$1 $2 'pending'"]
  ]
  const whole = values.reduce((text, [pattern, value]) => text.replace(pattern, value), statement)
  return whole.replaceAll('?', "'single'")
}

test.each(PAGES)('%s of a diner with 100,000 ledger rows reads by an index, statement by statement', async (page) => {
  await diner.get(page)
  statements.length = 0
  expect((await diner.get(page)).json().code).toBe(0)
  const sent = statements.flatMap(
    (text) => /^(?:PREPARE: |EXECUTE: \(-?\d+\) sql: )(SELECT[\s\S]*)/.exec(text)?.[1] ?? []
  )
  const whole = [...new Set(sent.map((text) => text.replace(/ - parameters:[\s\S]*$/, '')))]
  expect(whole.length).toBeGreaterThan(0)
  expect(whole.filter((text) => text.endsWith('...'))).toEqual([])
  for (const statement of whole) {
    const plan = await sql<Record<string, unknown>>(`EXPLAIN FORMAT=TRADITIONAL ${withValues(statement)}`)
    for (const step of plan.filter(({ table }) => table !== null && !String(table).startsWith('<'))) {
      expect([statement, step.table, step.type === 'ALL' ? 'read whole' : 'by index']).toEqual([
        statement,
        step.table,
        'by index'
      ])
    }
  }
})
