import { expect, onTestFinished, test } from 'vitest'
import { migrate, readMigrations } from '../scripts/lib/migrations.js'
import { withPrisma } from '../scripts/lib/prisma.js'
import { checkLedger } from '../src/domains/points/reconcile.js'
import { checkTotals } from '../src/engine/totals.js'
import { TOTALS } from '../src/registry.js'
import { createSchema, databaseUrl, dropSchema, sql } from './helpers/app.js'
import { numbers } from './helpers/numbers.js'

test('a database with a history gets its totals and its chains from the rows that are there', async () => {
  const name = `test_migrated_${process.pid}`
  await createSchema(name)
  onTestFinished(() => dropSchema(name))
  const url = databaseUrl(name)
  const migrations = await readMigrations()
  const before = migrations.filter((migration) => migration.name < '20261128010000')
  await migrate(url, before)
  const run = (statement: string) => sql(statement, [], url)
  await run(`INSERT INTO users (mobile) SELECT 13000000000 + n FROM ${numbers(3)}`)
  await run('UPDATE users SET updated_at = DATE(created_at)')
  // Rows of different users come between one another, and texts hold what a hash or a join could stumble over.
  await run(`INSERT INTO points_records (user_id, points, balance_after, type, source, description, related_id, created_at)
    SELECT u.user_id, IF(n % 2, 30, -30), IF(n % 2, 30, 0), IF(n % 2, 'earn', 'spend'),
      IF(n % 2, 'photo_review', 'lottery'), ELT(1 + n % 4, '抽奖', 'a\\nb', '', '"\\\\''😀'), IF(n % 3, n, NULL),
      NOW(3) + INTERVAL n * 137 SECOND
    FROM ${numbers(50)} JOIN users AS u ON u.user_id < 3 ORDER BY n, u.user_id DESC`)
  await run(`INSERT INTO lottery_rule_versions VALUES (1, '{}', '', NOW(), NULL)`)
  await run(`INSERT INTO lottery_draws (draw_id, user_id, draw_type, draw_count, total_cost, points_awarded, rules_version)
    SELECT n, 1, IF(n % 2, 'single', 'triple'), IF(n % 2, 1, 3), IF(n % 2, 100, 300), 0, 1 FROM ${numbers(9)}`)
  await run(`INSERT INTO lottery_records (record_id, draw_id, user_id, sequence, draw_type, prize_id, prize_name, prize_type,
      prize_value, points_cost, points_awarded)
    SELECT CONCAT(d.draw_id, '-', n), d.draw_id, d.user_id, n, d.draw_type, n, '', ELT(n, 'points', 'empty', 'coupon'), 1,
      100, IF(n = 1, 20, 0) FROM lottery_draws AS d JOIN ${numbers(3)} ON n <= d.draw_count`)
  await run(`INSERT INTO commodity_pool (name, description, category, exchange_points) VALUES ('x', '', 'x', 5)`)
  await run(`INSERT INTO exchange_orders (order_no, user_id, commodity_id, product_name, category, quantity, unit_points,
      total_points, status)
    SELECT n, 2, 1, 'x', IF(n % 2, '饮品', '甜品'), n, 5, 5 * n, ELT(1 + n % 3, 'pending', 'cancelled', 'completed')
    FROM ${numbers(10)}`)
  await run(`INSERT INTO vouchers (user_id, code_hmac, code_enc, title, kind, source, order_id, status, issued_at, expires_at)
    SELECT user_id, order_id, '', '', 'product', 'exchange', order_id, ELT(1 + order_id % 2, 'used', 'unused'), NOW(), NOW()
    FROM exchange_orders`)
  await run(`INSERT INTO photo_reviews (upload_id, user_id, image_url, thumbnail_url, image_key, thumbnail_key, amount,
      review_status, points_awarded, points_rate, points_min, points_max, file_size, sha256, phash)
    SELECT n, 1, '', '', n, n, 1, ELT(1 + n % 3, 'pending', 'approved', 'rejected'), IF(n % 3 = 1, 50, 0), 10, 50, 2000, 1,
      '', '' FROM ${numbers(8)}`)

  await run('UPDATE users SET total_points = 0')
  expect(await migrate(url)).toEqual(migrations.slice(before.length).map((migration) => migration.name))
  await withPrisma(url, async (db) => {
    expect(await checkLedger(db, 1, 3)).toEqual([])
    expect(await checkTotals(db, TOTALS, 1, 3)).toEqual([])
    expect(await db.userTotal.count()).toBe(18)
    expect(await db.user.findMany({ select: { userId: true, ledgerSeq: true } })).toEqual([
      { userId: 1, ledgerSeq: 50 },
      { userId: 2, ledgerSeq: 50 },
      { userId: 3, ledgerSeq: 0 }
    ])
  })
})
