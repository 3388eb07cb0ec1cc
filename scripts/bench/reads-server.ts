import { createHmac, randomInt, randomUUID } from 'node:crypto'
import jwt from '@fastify/jwt'
import Fastify, { type FastifyRequest } from 'fastify'
import * as mariadb from 'mariadb'
import type { Config } from '../../src/config.js'
import { connectionOptions } from '../../src/engine/connection.js'
import { createCipher } from '../../src/shared/cipher.js'

// What a good engineer would write by hand for the pages that a mini-program opens with: Fastify without our plugins,
// the driver, one good statement a page, the same answer. The baseline of reads.ts.
const config = JSON.parse(process.argv[2] ?? '{}') as Config & { DATABASE_URL: string }
const pool = mariadb.createPool({
  ...connectionOptions(config.DATABASE_URL),
  connectionLimit: config.DB_POOL,
  bigIntAsNumber: true,
  decimalAsNumber: true
})
const cipher = createCipher(config.ENCRYPTION_KEY)
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

app.get('/api/user/statistics', async (request) => {
  const [row] = await read<Record<string, unknown>>(
    `SELECT u.total_points, u.created_at,
      (SELECT COALESCE(SUM(draw_count), 0) FROM lottery_draws d WHERE d.user_id = u.user_id) AS draws,
      (SELECT COUNT(*) FROM exchange_orders o WHERE o.user_id = u.user_id) AS orders,
      (SELECT COUNT(*) FROM photo_reviews r WHERE r.user_id = u.user_id) AS uploads,
      (SELECT COUNT(*) FROM photo_reviews r WHERE r.user_id = u.user_id AND r.review_status = 'approved') AS approved,
      (SELECT COALESCE(SUM(points), 0) FROM points_records p WHERE p.user_id = u.user_id AND p.type = 'earn') AS earned,
      (SELECT COALESCE(-SUM(points), 0) FROM points_records p WHERE p.user_id = u.user_id AND p.type = 'spend') AS spent
     FROM users u WHERE u.user_id = ?`,
    await userOf(request)
  )
  const { total_points: balance, draws, orders, uploads, approved, earned, spent, created_at: since } = row ?? {}
  return ok({
    points_statistics: { total_earned: earned, total_spent: spent, current_balance: balance },
    activity_statistics: {
      total_lottery_count: draws,
      total_exchange_count: orders,
      total_upload_count: uploads,
      approved_upload_count: approved
    },
    totalUploads: uploads,
    approvedUploads: approved,
    totalLotteries: draws,
    totalExchanges: orders,
    joinDays: Math.ceil((Date.now() - Number(since)) / 86_400_000)
  })
})

app.get('/api/user/vouchers', async (request) => {
  const userId = await userOf(request)
  const rows = await read<{ total: number; code_enc: string }>(
    `SELECT code_enc, title, kind, source, IF(status = 'unused' AND expires_at <= NOW(3), 'expired', status) AS status,
      issued_at, expires_at, used_at, (SELECT COUNT(*) FROM vouchers WHERE user_id = ?) AS total
     FROM vouchers WHERE user_id = ? ORDER BY voucher_id DESC LIMIT 20`,
    userId,
    userId
  )
  const vouchers = rows.map(({ total: _, code_enc: code, ...row }) => ({ code: cipher.decrypt(code), ...row }))
  return ok({ vouchers, ...page(rows) })
})

const PITY = `
  SELECT p.current_count, p.pity_triggered_count, p.last_draw_time, p.day_count, c.pity_limit, c.cost_points,
    c.daily_limit, c.is_active, c.version
  FROM lottery_config c LEFT JOIN lottery_pity p ON p.user_id = ? WHERE c.id = 1`
const pityOf = (row: Record<string, unknown> | undefined) => ({
  current_count: row?.current_count ?? 0,
  remaining_draws: Number(row?.pity_limit) - Number(row?.current_count ?? 0),
  pity_limit: row?.pity_limit,
  is_pity_ready: Number(row?.current_count ?? 0) >= Number(row?.pity_limit) - 1,
  pity_triggered_count: row?.pity_triggered_count ?? 0,
  last_draw_time: row?.last_draw_time ?? null
})

app.get('/api/lottery/pity-status', async (request) => {
  const [row] = await read<Record<string, unknown>>(PITY, await userOf(request))
  return ok(pityOf(row))
})

app.get('/api/lottery/config', async (request) => {
  const [[row], prizes] = await Promise.all([
    read<Record<string, unknown>>(PITY, await userOf(request)),
    read('SELECT prize_id, prize_name, prize_type, prize_value, angle, color, probability FROM lottery_settings')
  ])
  return ok({
    prizes,
    costPerDraw: row?.cost_points,
    daily_limit: row?.daily_limit,
    is_active: row?.is_active,
    rules_version: row?.version,
    today_draw_count: row?.day_count ?? 0,
    user_pity: pityOf(row)
  })
})

app.get('/api/lottery/statistics', async (request) => {
  const userId = await userOf(request)
  const [byType, byPrize, [pity]] = await Promise.all([
    read(
      `SELECT draw_type, COUNT(*) AS count, SUM(draw_count) AS draws, SUM(total_cost) AS cost,
        SUM(points_awarded) AS won
       FROM lottery_draws WHERE user_id = ? GROUP BY draw_type`,
      userId
    ),
    read('SELECT prize_type, COUNT(*) AS count FROM lottery_records WHERE user_id = ? GROUP BY prize_type', userId),
    read<Record<string, unknown>>(PITY, userId)
  ])
  return ok({ draw_type_stats: byType, prize_distribution: byPrize, ...pityOf(pity) })
})

const PRODUCT = `commodity_id AS id, commodity_id, name, description, category, exchange_points, stock, image, is_hot,
  rating, sales_count, status`
const SHOWN = "deleted_at IS NULL AND status = 'available'"

app.get('/api/exchange/products', async (request) => {
  await userOf(request)
  const rows = await read<{ total: number }>(
    `SELECT ${PRODUCT}, (SELECT COUNT(*) FROM commodity_pool WHERE ${SHOWN}) AS total
     FROM commodity_pool WHERE ${SHOWN} ORDER BY sort_order, commodity_id LIMIT 20`
  )
  return ok({ products: rows.map(({ total: _, ...row }) => row), ...page(rows) })
})

app.get('/api/exchange/products/:id', async (request) => {
  await userOf(request)
  const { id } = request.params as { id: string }
  const [row] = await read<object>(`SELECT ${PRODUCT} FROM commodity_pool WHERE commodity_id = ?`, id)
  return ok(row ?? {})
})

app.get('/api/exchange/categories', async (request) => {
  await userOf(request)
  const rows = await read<{ category: string }>(`SELECT DISTINCT category FROM commodity_pool WHERE ${SHOWN}`)
  return ok({ categories: ['全部', ...rows.map(({ category }) => category)] })
})

app.get('/api/exchange/hot-products', async (request) => {
  await userOf(request)
  const where = `${SHOWN} AND is_hot = 1 AND stock > 0`
  const products = await read(
    `SELECT ${PRODUCT} FROM commodity_pool WHERE ${where} ORDER BY sales_count DESC, commodity_id LIMIT 10`
  )
  return ok({ products })
})

const ORDER = `o.order_id, o.order_no, o.product_name, o.image, o.quantity, o.unit_points, o.total_points, o.status,
  o.delivery_info, o.created_at, o.confirmed_at, o.shipped_at, o.completed_at, o.cancelled_at, v.code_enc`
type OrderRow = { total: number; code_enc: string }
const orderOf = ({ total: _, code_enc: code, ...row }: OrderRow) => ({ ...row, exchange_code: cipher.decrypt(code) })

app.get('/api/exchange/orders', async (request) => {
  const userId = await userOf(request)
  const rows = await read<OrderRow>(
    `SELECT ${ORDER}, (SELECT COUNT(*) FROM exchange_orders WHERE user_id = ?) AS total
     FROM exchange_orders o JOIN vouchers v ON v.order_id = o.order_id
     WHERE o.user_id = ? ORDER BY o.order_id DESC LIMIT 20`,
    userId,
    userId
  )
  return ok({ orders: rows.map(orderOf), ...page(rows) })
})

app.get('/api/exchange/orders/:id', async (request) => {
  const userId = await userOf(request)
  const { id } = request.params as { id: string }
  const [row] = await read<OrderRow>(
    `SELECT ${ORDER} FROM exchange_orders o JOIN vouchers v ON v.order_id = o.order_id
     WHERE o.order_id = ? AND o.user_id = ?`,
    id,
    userId
  )
  return ok(row === undefined ? {} : orderOf(row))
})

app.get('/api/exchange/statistics', async (request) => {
  const userId = await userOf(request)
  const [states, categories] = await Promise.all([
    read(
      `SELECT status, COUNT(*) AS count, SUM(total_points) AS spent FROM exchange_orders WHERE user_id = ?
       GROUP BY status`,
      userId
    ),
    read(
      `SELECT category FROM exchange_orders WHERE user_id = ? AND status <> 'cancelled'
       GROUP BY category ORDER BY SUM(quantity) DESC LIMIT 1`,
      userId
    )
  ])
  return ok({ states, categories })
})

app.get('/api/photo/statistics', async (request) => {
  const groups = await read(
    `SELECT review_status, COUNT(*) AS count, SUM(points_awarded) AS earned FROM photo_reviews WHERE user_id = ?
     GROUP BY review_status`,
    await userOf(request)
  )
  return ok({ groups })
})

app.get('/api/photo/review/:id', async (request) => {
  const userId = await userOf(request)
  const [row] = await read<object>(
    `SELECT upload_id, image_url, thumbnail_url, amount, actual_amount, points_awarded, review_status AS status,
      review_status, review_reason, review_time, created_at, description, points_rate * amount AS expected_points
     FROM photo_reviews WHERE upload_id = ? AND user_id = ?`,
    (request.params as { id: string }).id,
    userId
  )
  return ok(row ?? {})
})

app.get('/api/merchant/reviews/pending', async (request) => {
  await userOf(request)
  const rows = await read<{ total: number }>(
    `SELECT r.upload_id, r.image_url, r.thumbnail_url, r.amount, r.description, r.review_status AS status, r.created_at,
      u.nickname, CONCAT(LEFT(u.mobile, 3), '****', RIGHT(u.mobile, 4)) AS mobile,
      TIMESTAMPDIFF(MINUTE, r.created_at, UTC_TIMESTAMP()) AS waiting_minutes, t.*
     FROM photo_reviews r JOIN users u ON u.user_id = r.user_id
     JOIN (SELECT COUNT(*) AS total, MIN(created_at) AS oldest FROM photo_reviews WHERE review_status = 'pending') t
     WHERE r.review_status = 'pending' ORDER BY r.created_at, r.upload_id LIMIT 20`
  )
  return ok({ reviews: rows.map(({ total: _, ...row }) => row), ...page(rows) })
})

interface Session {
  readonly user_id: number
  readonly sid: string
  readonly jti: string
}

const codeHmac = (mobile: string, code: string) =>
  createHmac('sha256', config.ENCRYPTION_KEY).update(`${mobile} ${code}`).digest('hex')
const signed = (session: Session, typ: 'access' | 'refresh', seconds: number) => {
  const iat = Math.floor(Date.now() / 1000)
  return app.jwt.sign({ ...session, mobile: '138****8000', is_merchant: false, typ, iat, exp: iat + seconds })
}
const pairOf = (session: Session) => ({
  access_token: signed(session, 'access', 7200),
  refresh_token: signed(session, 'refresh', 2_592_000)
})

app.post('/api/auth/send-code', async (request) => {
  const { mobile } = request.body as { mobile: string }
  const code = String(randomInt(1_000_000)).padStart(6, '0')
  await read(
    `INSERT INTO verification_codes (mobile, code_hmac, sent_at, expires_at)
     VALUES (?, ?, UTC_TIMESTAMP(3), UTC_TIMESTAMP(3) + INTERVAL 5 MINUTE)
     ON DUPLICATE KEY UPDATE code_hmac = VALUES(code_hmac), attempts = 0, sent_at = VALUES(sent_at),
       expires_at = VALUES(expires_at), consumed_at = NULL`,
    mobile,
    codeHmac(mobile, code)
  )
  return ok({ expires_in: 300, code_hint: code })
})

app.post('/api/auth/login', async (request) => {
  const { mobile, code } = request.body as { mobile: string; code: string }
  const connection = await pool.getConnection()
  try {
    await connection.beginTransaction()
    const used = await connection.execute<{ affectedRows: number }>(
      `UPDATE verification_codes SET consumed_at = UTC_TIMESTAMP(3)
       WHERE mobile = ? AND code_hmac = ? AND consumed_at IS NULL AND expires_at > UTC_TIMESTAMP(3)`,
      [mobile, codeHmac(mobile, code)]
    )
    const [user] = await connection.execute<{ user_id: number }[]>('SELECT * FROM users WHERE mobile = ?', [mobile])
    if (used.affectedRows !== 1 || user === undefined) throw new Error('no such code or user')
    const session = { user_id: user.user_id, sid: randomUUID(), jti: randomUUID() }
    await connection.execute('UPDATE users SET last_login = UTC_TIMESTAMP(3) WHERE user_id = ?', [user.user_id])
    await connection.execute(
      `INSERT INTO sessions (sid, user_id, refresh_jti, refresh_issued_at, expires_at)
       VALUES (?, ?, ?, UTC_TIMESTAMP(3), UTC_TIMESTAMP(3) + INTERVAL 30 DAY)`,
      [session.sid, session.user_id, session.jti]
    )
    await connection.execute(
      "INSERT INTO login_logs (method, account, user_id, success, ip) VALUES ('sms', ?, ?, 1, ?)",
      [`${mobile.slice(0, 3)}****${mobile.slice(-4)}`, user.user_id, request.ip]
    )
    await connection.commit()
    return ok({ ...pairOf(session), user_info: user })
  } catch (err) {
    await connection.rollback()
    throw err
  } finally {
    await connection.release()
  }
})

app.post('/api/auth/refresh', async (request) => {
  const { refresh_token: token } = request.body as { refresh_token: string }
  const { user_id, sid, jti } = app.jwt.verify<Session>(token)
  const next = randomUUID()
  await read(
    `UPDATE sessions SET previous_jti = refresh_jti, refresh_jti = ?, refresh_issued_at = UTC_TIMESTAMP(3)
     WHERE sid = ? AND refresh_jti = ? AND revoked_at IS NULL`,
    next,
    sid,
    jti
  )
  return ok(pairOf({ user_id, sid, jti: next }))
})

const address = await app.listen({ host: '127.0.0.1', port: 0 })
process.once('disconnect', () => void app.close().then(() => process.exit(0)))
process.send?.({ address })
