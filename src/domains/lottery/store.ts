import assert from 'node:assert/strict'
import type { OwnPush } from '../../engine/bus.js'
import { keepingAnswers, type StoredAnswer, storedAnswers } from '../../engine/idempotency.js'
import { loggingPushes } from '../../engine/push-log.js'
import { inList, insertInto, padded, sqlTime, type Value } from '../../engine/sql.js'
import { noteLocks, type RawTx, type Write } from '../../engine/tx.js'
import { Prisma } from '../../generated/prisma/client.js'
import { type Account, type Alongside, posting } from '../points/ledger.js'
import { issuing, type NewVoucher } from '../voucher/vouchers.js'
import type { DrawRequest, DrawTools } from './draw.js'
import type { Pity } from './rules.js'
import type { Draw, DrawResult } from './schemas.js'

/** A diner's rows as the lock found them. */
export interface Seat extends StoredAnswer {
  user_id: number
  total_points: number
  status: 'active' | 'inactive' | 'banned'
  deleted_at: Date | null
  current_count: number | null
  pity_triggered_count: number | null
  draw_day: string | null
  day_count: number | null
  version: number | null
}

/** A draw that is decided, and not yet written. */
export interface Decided {
  readonly request: DrawRequest
  readonly drawId: string
  readonly account: Account
  readonly cost: number
  readonly awarded: number
  readonly version: number
  readonly results: DrawResult[]
  readonly vouchers: NewVoucher[]
  readonly pity: Pity
  /** The business day it counts for. */
  readonly today: string
  readonly todayCount: number
  readonly draw: Draw
}

/** Locks the users and their pity rows, in user order, and reads with them all that the decisions depend on. */
export async function takeSeats(
  tx: RawTx,
  requests: readonly Pick<DrawRequest, 'userId' | 'keyed'>[]
): Promise<Map<number, Seat>> {
  const ordered = [...requests].sort((a, b) => a.userId - b.userId)
  const userIds = padded(ordered.map((request) => request.userId))
  assert.equal(new Set(userIds).size, requests.length, 'one request a user')
  const ids = inList(userIds)
  const answers = storedAnswers(ordered, ids)
  const read = async () => {
    const rows = await tx.$queryRaw<Seat[]>`
      SELECT u.user_id, u.total_points, u.status, u.deleted_at,
        p.current_count, p.pity_triggered_count, CAST(p.draw_day AS CHAR) AS draw_day, p.day_count,
        ${answers.columns},
        (SELECT c.version FROM lottery_config AS c WHERE c.id = 1) AS version
      FROM users AS u
      LEFT JOIN lottery_pity AS p ON p.user_id = u.user_id
      ${answers.join}
      WHERE u.user_id IN (${ids})
      ORDER BY u.user_id
      FOR UPDATE`
    const found = new Map(rows.map((row) => [row.user_id, row]))
    noteLocks(tx, found.keys())
    return found
  }
  const seats = await read()
  const unknown = [...seats.values()].filter((seat) => seat.current_count === null)
  if (unknown.length === 0) return seats
  // A user made by hand, in Prisma Studio say, has no pity row yet.
  const added = inList(padded(unknown.map((seat) => seat.user_id)))
  await tx.$executeRaw`INSERT IGNORE INTO lottery_pity (user_id) SELECT user_id FROM users WHERE user_id IN (${added})`
  return read()
}

/** One statement a table; the balances and the pity rows, both of the locked users, share theirs. */
export function* drawWrites(
  { vault, voucherDays }: Pick<DrawTools, 'vault' | 'voucherDays'>,
  decided: readonly Decided[],
  pushes: readonly OwnPush[],
  now: Date
): Generator<Write, void> {
  const at = sqlTime(now)
  const accounts = decided.map(({ account }) => account)
  yield* posting(accounts, now, pityAlongside(decided, now))
  yield* writeDrawRows(decided.map((one) => drawRow(one, at)))
  yield* writeRecordRows(decided.flatMap((one) => recordRows(one, at)))
  const vouchers = decided.flatMap((one) => one.vouchers)
  yield* issuing(vault, vouchers, now, voucherDays)
  const answers = decided.flatMap(({ request, draw }) =>
    request.keyed === undefined ? [] : [{ userId: request.userId, request: request.keyed, answer: draw }]
  )
  yield* keepingAnswers(vault, answers, now)
  yield* loggingPushes(vault, pushes, now)
}

const PITY = ['pity_count INT', 'triggered INT', 'today DATE', 'today_count INT']
const writeDrawRows = insertInto('lottery_draws', [
  'draw_id CHAR(36)',
  'user_id INT',
  'draw_type VARCHAR(10)',
  'draw_count INT',
  'total_cost INT',
  'points_awarded INT',
  'rules_version INT',
  'created_at DATETIME(3)'
])
const writeRecordRows = insertInto('lottery_records', [
  'record_id CHAR(36)',
  'draw_id CHAR(36)',
  'user_id INT',
  'sequence INT',
  'draw_type VARCHAR(10)',
  'prize_id INT',
  'prize_name VARCHAR(50)',
  'prize_type VARCHAR(10)',
  'prize_value DECIMAL(10, 2)',
  'points_cost INT',
  'points_awarded INT',
  'is_pity INT',
  'created_at DATETIME(3)'
])

function pityAlongside(decided: readonly Decided[], now: Date): Alongside {
  const values = new Map(
    decided.map(({ request, pity, today, todayCount }) => [
      request.userId,
      [pity.count, pity.triggered, today, todayCount]
    ])
  )
  return {
    valuesOf: (userId) => values.get(userId) ?? [],
    columns: PITY,
    join: Prisma.sql`STRAIGHT_JOIN lottery_pity AS p FORCE INDEX (PRIMARY) ON p.user_id = j.user_id`,
    set: Prisma.sql`, p.current_count = j.pity_count, p.pity_triggered_count = j.triggered,
      p.last_draw_time = ${sqlTime(now)}, p.draw_day = j.today, p.day_count = j.today_count`
  }
}

function drawRow({ request, drawId, cost, awarded, version, results }: Decided, at: string): Value[] {
  return [drawId, request.userId, request.type, results.length, cost, awarded, version, at]
}

function recordRows({ request, drawId, cost, results }: Decided, at: string): Value[][] {
  return results.map((result) => [
    result.record_id,
    drawId,
    request.userId,
    result.sequence,
    request.type,
    result.prize_id,
    result.prize_name,
    result.prize_type,
    String(result.prize_value),
    cost / results.length,
    result.points_awarded,
    result.is_pity ? 1 : 0,
    at
  ])
}
