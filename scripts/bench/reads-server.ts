import jwt from '@fastify/jwt'
import Fastify, { type FastifyRequest } from 'fastify'
import * as mariadb from 'mariadb'
import type { Config } from '../../src/config.js'
import { connectionOptions } from '../../src/engine/connection.js'

// What a good engineer would write by hand for the pages that a mini-program opens with: Fastify without our plugins,
// the driver, one good statement a page, the same answer. The baseline of reads.ts.
const config = JSON.parse(process.argv[2] ?? '{}') as Config & { DATABASE_URL: string }
const pool = mariadb.createPool({
  ...connectionOptions(config.DATABASE_URL),
  connectionLimit: config.DB_POOL,
  bigIntAsNumber: true,
  decimalAsNumber: true
})
const app = Fastify()
await app.register(jwt, { secret: config.JWT_SECRET, verify: { cache: true } })

const read = <T>(sql: string, ...values: unknown[]): Promise<T[]> => pool.execute<T[]>(sql, values)
const userOf = async (request: FastifyRequest) => (await request.jwtVerify<{ user_id: number }>()).user_id
const ok = (data: object) => ({ code: 0, msg: 'success', data })
const page = (rows: readonly { total: number }[]) => {
  const total = rows[0]?.total ?? 0
  return { pagination: { total, page: 1, limit: 20, total_pages: Math.ceil(total / 20) }, next_cursor: null }
}

app.get('/health/live', async () => ({ status: 'ok' }))

app.get('/api/user/info', async (request) => {
  const [row] = await read<Record<string, unknown>>(
    `SELECT u.user_id, CONCAT(LEFT(u.mobile, 3), '****', RIGHT(u.mobile, 4)) AS mobile, u.nickname, u.total_points,
      u.is_merchant, u.status, u.avatar, u.last_login, u.created_at,
      (SELECT COALESCE(SUM(draw_count), 0) FROM lottery_draws d WHERE d.user_id = u.user_id) AS draws,
      (SELECT COUNT(*) FROM exchange_orders o WHERE o.user_id = u.user_id) AS orders,
      (SELECT COUNT(*) FROM photo_reviews r WHERE r.user_id = u.user_id) AS uploads,
      (SELECT COALESCE(SUM(points), 0) FROM points_records p WHERE p.user_id = u.user_id AND p.type = 'earn') AS earned,
      (SELECT COALESCE(-SUM(points), 0) FROM points_records p WHERE p.user_id = u.user_id AND p.type = 'spend') AS spent
     FROM users u WHERE u.user_id = ?`,
    await userOf(request)
  )
  const { draws, orders, uploads, earned, spent, ...user } = row ?? {}
  return ok({
    ...user,
    statistics: {
      total_lottery_count: draws,
      total_exchange_count: orders,
      total_upload_count: uploads,
      total_points_earned: earned,
      total_points_spent: spent
    }
  })
})

app.get('/api/user/points-records', async (request) => {
  const userId = await userOf(request)
  const rows = await read<{ total: number; earned: number; spent: number; balance: number }>(
    `SELECT p.id, p.type, p.points, p.balance_after, p.source, p.description, p.related_id, p.created_at, t.*
     FROM points_records p JOIN (
       SELECT COUNT(*) AS total, SUM(IF(type = 'earn', points, 0)) AS earned,
         -SUM(IF(type = 'spend', points, 0)) AS spent,
         (SELECT total_points FROM users WHERE user_id = ?) AS balance
       FROM points_records WHERE user_id = ?
     ) t WHERE p.user_id = ? ORDER BY p.id DESC LIMIT 20`,
    userId,
    userId,
    userId
  )
  const { earned = 0, spent = 0, balance = 0 } = rows[0] ?? {}
  const records = rows.map(({ total: _t, earned: _e, spent: _s, balance: _b, ...record }) => record)
  return ok({ records, summary: { total_earned: earned, total_spent: spent, current_balance: balance }, ...page(rows) })
})

app.get('/api/lottery/records', async (request) => {
  const userId = await userOf(request)
  const rows = await read<{ total: number }>(
    `SELECT r.record_id AS id, r.draw_id, r.draw_type, r.prize_id, r.prize_name, r.prize_type, r.prize_value,
      r.points_cost, r.is_pity, COALESCE(v.status, 'completed') AS status, r.created_at,
      (SELECT COUNT(*) FROM lottery_records WHERE user_id = ?) AS total
     FROM lottery_records r LEFT JOIN vouchers v ON v.record_id = r.record_id
     WHERE r.user_id = ? ORDER BY r.record_id DESC LIMIT 20`,
    userId,
    userId
  )
  return ok({ records: rows.map(({ total: _total, ...record }) => record), ...page(rows) })
})

app.get('/api/photo/history', async (request) => {
  const userId = await userOf(request)
  const rows = await read<{ total: number; approved: number; rejected: number; earned: number }>(
    `SELECT r.upload_id, r.image_url, r.thumbnail_url, r.amount, r.actual_amount, r.points_awarded,
      r.review_status AS status, r.review_status, r.review_reason, r.review_time, r.created_at, t.*
     FROM photo_reviews r JOIN (
       SELECT COUNT(*) AS total, SUM(review_status = 'approved') AS approved,
         SUM(review_status = 'rejected') AS rejected, SUM(points_awarded) AS earned FROM photo_reviews WHERE user_id = ?
     ) t WHERE r.user_id = ? ORDER BY r.created_at DESC, r.upload_id DESC LIMIT 20`,
    userId,
    userId
  )
  const { total = 0, approved = 0, rejected = 0, earned = 0 } = rows[0] ?? {}
  const history = rows.map(({ total: _t, approved: _a, rejected: _r, earned: _e, ...row }) => row)
  const summary = {
    total_uploads: total,
    approved_uploads: approved,
    rejected_uploads: rejected,
    total_points_earned: earned
  }
  return ok({ history, summary, ...page(rows) })
})

const address = await app.listen({ host: '127.0.0.1', port: 0 })
process.once('disconnect', () => void app.close().then(() => process.exit(0)))
process.send?.({ address })
