import * as mariadb from 'mariadb'
import { PRIZE_KINDS } from '../../../src/domains/lottery/prize.js'
import { expiryOf } from '../../../src/domains/voucher/rules.js'
import { businessDay } from '../../../src/shared/time.js'
import { type BaselineOptions, type Drawer, drawOnce, pushedLines } from './baseline.js'
import { inTransaction, keepPushes, poolOptions } from './pool.js'

interface Row {
  total_points: number
  ledger_seq: number
  status: string
  deleted_at: Date | null
  current_count: number
  pity_triggered_count: number
  draw_day: string | null
  day_count: number
}

/** A draw as careful code by hand on the driver: one locked read, a prepared statement a table, each awaited. */
export function driverDrawer(options: BaselineOptions): Drawer {
  const { rules, version } = options
  const pool = mariadb.createPool(poolOptions(options))

  async function drawOn(connection: mariadb.PoolConnection, userId: number): Promise<void> {
    const [row] = await connection.execute<Row[]>(
      `SELECT u.total_points, u.ledger_seq, u.status, u.deleted_at, p.current_count, p.pity_triggered_count,
         CAST(p.draw_day AS CHAR) AS draw_day, p.day_count
       FROM users AS u JOIN lottery_pity AS p ON p.user_id = u.user_id WHERE u.user_id = ? FOR UPDATE`,
      [userId]
    )
    if (row === undefined) throw new Error('there is no such user')
    const now = new Date()
    const day = businessDay(now, 'Asia/Shanghai')
    const used = row.draw_day === day ? row.day_count : 0
    if (row.status !== 'active' || row.deleted_at !== null) throw new Error('the account is disabled')
    if (!rules.isActive) throw new Error('the wheel is closed')
    if (used + 1 > rules.dailyLimit) throw new Error('the daily limit is reached')
    if (row.total_points < rules.costPoints) throw new Error('not enough points')
    const drawn = drawOnce(options, { count: row.current_count, triggered: row.pity_triggered_count })
    const { prize, isPity, drawId, recordId, pity } = drawn
    const cost = rules.costPoints
    await connection.execute(
      `UPDATE users AS u JOIN lottery_pity AS p ON p.user_id = u.user_id
       SET u.total_points = u.total_points - ?, u.ledger_seq = u.ledger_seq + 1, u.push_seq = u.push_seq + 1,
         p.current_count = ?, p.pity_triggered_count = ?, p.last_draw_time = ?,
         p.draw_day = ?, p.day_count = ?
       WHERE u.user_id = ?`,
      [cost, pity.count, pity.triggered, now, day, used + 1, userId]
    )
    await connection.execute(
      `INSERT INTO points_records
         (user_id, seq, points, balance_after, type, source, description, related_id, hash, created_at)
       VALUES (?, ?, ?, ?, 'spend', 'lottery', '抽奖1次', ?, '', ?)`,
      [userId, row.ledger_seq + 1, -cost, row.total_points - cost, drawId, now]
    )
    await connection.execute(
      `INSERT INTO lottery_draws
         (draw_id, user_id, draw_type, draw_count, total_cost, points_awarded, rules_version, created_at)
       VALUES (?, ?, 'single', 1, ?, 0, ?, ?)`,
      [drawId, userId, cost, version, now]
    )
    await connection.execute(
      `INSERT INTO lottery_records
         (record_id, draw_id, user_id, sequence, draw_type, prize_id, prize_name, prize_type, prize_value,
          points_cost, points_awarded, is_pity, created_at)
       VALUES (?, ?, ?, 1, 'single', ?, ?, ?, ?, ?, 0, ?, ?)`,
      [recordId, drawId, userId, prize.id, prize.name, prize.type, prize.value, cost, isPity, now]
    )
    const kind = PRIZE_KINDS[prize.type].voucher
    if (kind !== null) {
      await connection.execute(
        `INSERT INTO vouchers
           (user_id, code_hmac, code_enc, title, kind, source, record_id, issued_at, expires_at)
         VALUES (?, ?, ?, ?, ?, 'lottery', ?, ?, ?)`,
        [userId, drawn.codeHmac, drawn.codeEnc, prize.name, kind, recordId, now, expiryOf(now, 30)]
      )
    }
    const text = pushedLines({ userId, drawId, balance: row.total_points - cost, cost, now }, drawn, options.cipher)
    await keepPushes(connection, { cipher: options.cipher, userId, text, now })
  }

  return {
    close: () => pool.end(),
    draw: (userId) => inTransaction(pool, (connection) => drawOn(connection, userId))
  }
}
