import assert from 'node:assert/strict'
import { answersOf, asRefusal, decidedOf, decideEach } from '../../engine/batched-decisions.js'
import { type RawTx, writeAll } from '../../engine/tx.js'
import type { UnitOfWork } from '../../engine/unit-of-work.js'
import { risingId } from '../../shared/ids.js'
import { Refusal, refuse } from '../../shared/refusal.js'
import { businessDay } from '../../shared/time.js'
import { pushBalance } from '../points/pushes.js'
import { newVoucherCode } from '../voucher/rules.js'
import { assertWithin } from './brake.js'
import { drawsTotal, resultsTotal } from './counters.js'
import type { DecidedDraw, DrawAnswer, DrawRequest, DrawTools } from './draw-request.js'
import { rollOf } from './fairness/dice.js'
import {
  type Epoch,
  type EpochTurn,
  epochOf,
  isDue,
  type NextEpoch,
  readNextEpochs,
  turnOf
} from './fairness/epochs.js'
import { openSeed } from './fairness/seeds.js'
import { PRIZE_KINDS, toDrawnPrize } from './prize.js'
import { pushResult } from './pushes.js'
import { DRAWS, decide, isPityReady, type Outcome, type Pity, type Rules } from './rules.js'
import type { Draw, DrawResult, PityStatus } from './schemas.js'
import { drawWrites, type LockedDiner, lockDiners } from './store.js'
import type { RulesVersion } from './versions.js'

/**
 * Makes draws for different users in one transaction, with the same few statements however many there are: one
 * locking read in user order, then one statement a table. Each request is answered or refused by itself; the order
 * of checks is that of contract section 4. After the commit each diner is pushed their result, then their new balance.
 */
export async function drawAll(
  uow: UnitOfWork<RawTx>,
  tools: DrawTools,
  requests: readonly DrawRequest[]
): Promise<DrawAnswer[]> {
  const diners = await lockDiners(uow, requests)
  // The version is read by the locking statement itself; its rules are read once and then remembered.
  const version = diners.all[0]?.row.version ?? null
  const rules = await tools.ruleBook.get(uow.tx, version).catch(asRefusal)
  const dinerOf = ({ userId }: DrawRequest) => diners.acting(userId)
  const due = diners.all.filter(({ row }) => isDue(epochOf(row), MOST_DRAWS, uow.now))
  const next = await readNextEpochs(
    uow.tx,
    due.map(({ row }) => row.user_id)
  )

  const decisions = decideEach<DrawRequest, DecidedDraw, Draw>(
    uow,
    requests,
    (request) => dinerOf(request).row,
    (request) => {
      tools.ruleBook.assertReady()
      if (rules instanceof Refusal) throw rules
      return decideDraw(uow, { tools, rules, next: next.get(request.userId) }, dinerOf(request), request)
    }
  )
  const decided = decidedOf(decisions)
  for (const one of decided) publish(uow, one)
  if (decided.length > 0) await writeAll(uow.tx, drawWrites(uow, tools, decided))
  return answersOf(decisions, ({ draw }) => draw)
}

/** The most results that one request has. */
const MOST_DRAWS = Math.max(...Object.values(DRAWS))

/** What a draw is decided by, besides its diner and what they ask. */
interface Terms {
  readonly tools: DrawTools
  readonly rules: RulesVersion
  /** The epoch that begins should the diner's have to end. */
  readonly next: NextEpoch | undefined
}

/** @throws Refusal */
function decideDraw(
  { now, cipher }: UnitOfWork<RawTx>,
  { tools, rules: { version, sha256, rules }, next }: Terms,
  { account, row }: LockedDiner,
  request: DrawRequest
): DecidedDraw {
  const draws = DRAWS[request.type]
  const cost = rules.costPoints * draws
  const today = drawDay(now, tools.timeZone, row.draw_day)
  const used = row.draw_day === today ? (row.day_count ?? 0) : 0

  if (!rules.isActive) throw refuse('LOTTERY_CLOSED')
  if (request.costPoints !== undefined && request.costPoints !== rules.costPoints) {
    throw refuse('PRICE_CHANGED', { cost_points: rules.costPoints })
  }
  assertWithin(row, used, draws, now)
  if (used + draws > rules.dailyLimit) throw refuse('DRAW_LIMIT_REACHED', { limit: rules.dailyLimit, used })

  const drawId = risingId()
  account.debit(cost, { source: 'lottery', description: `抽奖${draws}次`, relatedId: drawId })
  const before: Pity = { count: row.current_count ?? 0, triggered: row.pity_triggered_count ?? 0 }
  const running = epochOf(row)
  const turn = turnBefore(request, running, next, draws, now)
  const epoch = turn?.begun ?? running
  const clientSeed = request.clientSeed ?? epoch.clientSeed
  const serverSeed = openSeed(cipher, epoch.serverSeed)
  const { outcomes, pity } = decide(rules, before, draws, (index) =>
    rollOf(serverSeed, clientSeed, epoch.nonce + index)
  )
  const results = outcomes.map((outcome, index) => resultOf(tools, outcome, index + 1, epoch.nonce + index))
  for (const { prize_name: name, points_awarded: points } of results) {
    if (points > 0) account.credit(points, { source: 'lottery_prize', description: `抽中${name}`, relatedId: drawId })
  }
  const awarded = results.reduce((sum, result) => sum + result.points_awarded, 0)
  const todayCount = used + draws
  const draw: Draw = {
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
    pity: pityStatus(rules, pity, now),
    fairness: {
      epoch: epoch.epoch,
      server_seed_hash: epoch.serverSeedHash,
      client_seed: clientSeed,
      nonce: epoch.nonce,
      rules_sha256: sha256
    }
  }
  return { request, account, draw, pity, today, epoch, turn }
}

/** The end of an epoch that has to come before these draws. */
function turnBefore(
  { userId }: DrawRequest,
  epoch: Epoch,
  next: NextEpoch | undefined,
  draws: number,
  now: Date
): EpochTurn | undefined {
  if (!isDue(epoch, draws, now)) return undefined
  assert(next !== undefined, 'there is always a next epoch')
  return turnOf(userId, epoch, next, now)
}

/** Another instance's clock may be past midnight while ours is not: a day, once begun, does not end again. */
function drawDay(now: Date, timeZone: string, lastDay: string | null): string {
  const day = businessDay(now, timeZone)
  return lastDay !== null && lastDay > day ? lastDay : day
}

function resultOf(tools: DrawTools, outcome: Outcome, sequence: number, nonce: number): DrawResult {
  const code = PRIZE_KINDS[outcome.prize.type].voucher === null ? null : newVoucherCode(tools.randomInt)
  return toResult(outcome, { sequence, recordId: risingId(), code, nonce })
}

/** A result as clients see it. `code` is its voucher's, null where its prize has none. */
export function toResult(
  { prize, isPity, roll, pityBefore }: Outcome,
  { sequence, recordId, code, nonce }: { sequence: number; recordId: string; code: string | null; nonce: number }
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
    points_awarded: PRIZE_KINDS[type].points(value),
    prize: toDrawnPrize(prize),
    nonce,
    roll,
    pity_before: pityBefore
  }
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

/** Pushes and counts a draw, for after the commit. */
function publish(uow: UnitOfWork<RawTx>, { request: { userId, type }, account, draw }: DecidedDraw): void {
  uow.count(drawsTotal, { draw_type: type })
  for (const { prize_type, is_pity } of draw.results) uow.count(resultsTotal, { prize_type, is_pity: String(is_pity) })
  pushResult(uow, userId, draw)
  pushBalance(uow, account, 'lottery')
}
