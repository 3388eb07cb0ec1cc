import type { Outbox } from '../../engine/bus.js'
import { answerTo } from '../../engine/idempotency.js'
import type { KeyedRequest } from '../../engine/idempotency-key.js'
import { type RawTx, writeAll } from '../../engine/tx.js'
import type { Vault } from '../../shared/cipher.js'
import { risingId } from '../../shared/ids.js'
import { Refusal, refuse } from '../../shared/refusal.js'
import { businessDay } from '../../shared/time.js'
import { Account } from '../points/ledger.js'
import { lotteryResult, pointsUpdate } from '../realtime/events.js'
import { newCode } from '../voucher/rules.js'
import type { NewVoucher } from '../voucher/vouchers.js'
import { DRAWS, decide, givesVoucher, isPityReady, type Outcome, type Pity, type Rules } from './rules.js'
import type { Draw, DrawResult, DrawType, PityStatus } from './schemas.js'
import { type Decided, drawWrites, type Seat, takeSeats } from './store.js'
import type { RuleBook, RulesVersion } from './versions.js'

export interface DrawRequest {
  readonly userId: number
  readonly type: DrawType
  /** The price of one draw as the client knows it. */
  readonly costPoints?: number | undefined
  readonly keyed?: KeyedRequest | undefined
}

/** What became of a request. A refused one has changed nothing. */
export type DrawAnswer = { readonly draw: Draw; readonly replayed: boolean } | { readonly refusal: Refusal }

/** What a draw needs besides the database. */
export interface DrawTools {
  readonly ruleBook: RuleBook
  readonly vault: Vault
  readonly randomInt: (below: number) => number
  /** Asked once the rows are locked: a draw happens when it gets its turn, not when it began to wait. */
  readonly clock: () => Date
  readonly timeZone: string
  readonly voucherDays: number
}

/**
 * Makes draws for different users in one transaction, with the same few statements however many there are: one
 * locking read in user order, then one statement a table. Each request is answered or refused by itself; the order
 * of checks is that of contract section 4. After the commit the outbox tells each diner their result, then their
 * new balance.
 */
export async function drawAll(
  tx: RawTx,
  outbox: Outbox,
  tools: DrawTools,
  requests: readonly DrawRequest[]
): Promise<DrawAnswer[]> {
  const seats = await takeSeats(tx, requests)
  // The version is read by the locking statement itself; its rules are read once and then remembered.
  const version = seats.values().next().value?.version ?? null
  const rules = await tools.ruleBook.get(tx, version).catch(asRefusal)
  const now = tools.clock()

  const answers = requests.map((request): DrawAnswer | Decided => {
    try {
      const seat = seats.get(request.userId)
      if (seat === undefined) throw refuse('ACCOUNT_DISABLED')
      const earlier = request.keyed && answerTo<Draw>(tools.vault, request.keyed, seat, now)
      if (earlier !== undefined) return { draw: earlier, replayed: true }
      tools.ruleBook.assertReady()
      if (rules instanceof Refusal) throw rules
      return decideRequest(tools, rules, seat, request, now)
    } catch (err) {
      return { refusal: asRefusal(err) }
    }
  })
  const decided = answers.filter((answer): answer is Decided => 'drawId' in answer)
  for (const one of decided) tell(outbox, now, one)
  if (decided.length > 0) await writeAll(tx, drawWrites(tools, decided, outbox.takeUnlogged(), now))
  return answers.map((answer) => ('drawId' in answer ? { draw: answer.draw, replayed: false } : answer))
}

function asRefusal(err: unknown): Refusal {
  if (err instanceof Refusal) return err
  throw err
}

/** @throws Refusal */
function decideRequest(
  tools: DrawTools,
  { version, rules }: RulesVersion,
  seat: Seat,
  request: DrawRequest,
  now: Date
): Decided {
  const draws = DRAWS[request.type]
  const cost = rules.costPoints * draws
  const lastDay = seat.draw_day ?? ''
  // Another instance's clock may be past midnight while ours is not: a day, once begun, does not end again.
  const today = [businessDay(now, tools.timeZone), lastDay].sort().at(-1) ?? lastDay
  const used = lastDay === today ? (seat.day_count ?? 0) : 0

  if (seat.status !== 'active' || seat.deleted_at !== null) throw refuse('ACCOUNT_DISABLED')
  if (!rules.isActive) throw refuse('LOTTERY_CLOSED')
  if (request.costPoints !== undefined && request.costPoints !== rules.costPoints) {
    throw refuse('PRICE_CHANGED', { cost_points: rules.costPoints })
  }
  if (used + draws > rules.dailyLimit) throw refuse('DRAW_LIMIT_REACHED', { limit: rules.dailyLimit, used })

  const drawId = risingId()
  const account = new Account(seat.user_id, seat.total_points)
  account.debit(cost, { source: 'lottery', description: `抽奖${draws}次`, relatedId: drawId })
  const before: Pity = { count: seat.current_count ?? 0, triggered: seat.pity_triggered_count ?? 0 }
  const { outcomes, pity } = decide(rules, before, draws, tools.randomInt)
  const results = outcomes.map((outcome, index) => resultOf(tools, outcome, index + 1))
  for (const { prize_name: name, points_awarded: points } of results) {
    if (points > 0) account.credit(points, { source: 'lottery_prize', description: `抽中${name}`, relatedId: drawId })
  }
  const awarded = results.reduce((sum, result) => sum + result.points_awarded, 0)
  const todayCount = used + draws
  return {
    request,
    drawId,
    account,
    cost,
    awarded,
    version,
    results,
    vouchers: vouchersFor(seat.user_id, results),
    pity,
    today,
    todayCount,
    draw: {
      draw_id: drawId,
      draw_type: request.type,
      rules_version: version,
      results,
      prizeId: results[0]?.prize_id ?? 0,
      prizeName: results[0]?.prize_name ?? '',
      total_cost: cost,
      points_awarded: awarded,
      user_points: account.balance,
      remaining_points: account.balance,
      today_count: todayCount,
      remaining_draws_today: rules.dailyLimit - todayCount,
      pity: pityStatus(rules, pity, now)
    }
  }
}

function resultOf(tools: DrawTools, outcome: Outcome, sequence: number): DrawResult {
  const code = givesVoucher(outcome.prize.type) ? newCode(tools.randomInt) : null
  return toResult(outcome, { sequence, recordId: risingId(), code })
}

/** A result as clients see it. `code` is its voucher's, null where its prize is none. */
export function toResult(
  { prize, isPity }: Outcome,
  { sequence, recordId, code }: { sequence: number; recordId: string; code: string | null }
): DrawResult {
  const { id, name, type, value, angle, color } = prize
  return {
    sequence,
    record_id: recordId,
    voucher_code: code,
    prize_id: id,
    prize_name: name,
    prize_type: type,
    prize_value: value,
    angle,
    color,
    is_pity: isPity,
    points_awarded: type === 'points' ? value : 0,
    prize: { id, name, type, value, angle, color }
  }
}

function vouchersFor(userId: number, results: readonly DrawResult[]): NewVoucher[] {
  return results.flatMap(({ prize_type: type, prize_name: title, voucher_code: code, record_id: recordId }) =>
    code !== null && givesVoucher(type)
      ? [{ userId, code, title, kind: type, source: 'lottery' as const, recordId }]
      : []
  )
}

/** Where a diner stands on the way to the guaranteed prize, as clients see it. */
export function pityStatus(rules: Rules, pity: Pity, lastDrawTime: Date | null): PityStatus {
  return {
    current_count: pity.count,
    remaining_draws: rules.pityLimit === 0 ? 0 : Math.max(1, rules.pityLimit - pity.count),
    pity_limit: rules.pityLimit,
    is_pity_ready: isPityReady(rules, pity.count),
    pity_triggered_count: pity.triggered,
    last_draw_time: lastDrawTime
  }
}

function tell(outbox: Outbox, now: Date, { request: { userId }, draw, cost, awarded }: Decided): void {
  outbox.push({ userId }, 'lottery_result', lotteryResult(userId, draw, now))
  const change = awarded - cost
  outbox.push({ userId }, 'points_update', pointsUpdate(userId, draw.user_points, change, 'lottery', now))
}
