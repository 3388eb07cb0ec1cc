import type { Static } from '@sinclair/typebox'
import { examples as fair } from './fairness/examples.js'
import { toConfigPrize } from './prize.js'
import { effectiveOdds } from './rules.js'
import type { Draw, DrawResult, LotteryConfig, OwnLimits, PityStatus, Records, Statistics } from './schemas.js'
import { STANDARD_PRIZES, standardRules } from './standard-wheel.js'

const rules = standardRules(50)
const effective = effectiveOdds(rules)
const drawnAt = new Date('2026-11-22T12:00:00.000Z')
const drawId = '019ab1c2-7d00-7000-8000-000000000001'
const recordId = '019ab1c2-7d00-7000-8000-000000000002'

const pity: PityStatus = {
  current_count: 1,
  remaining_draws: 9,
  pity_limit: 10,
  is_pity_ready: false,
  pity_triggered_count: 0,
  last_draw_time: drawnAt
}

const config: LotteryConfig = {
  prizes: STANDARD_PRIZES.map((prize) => toConfigPrize(prize, effective.get(prize.id) ?? 0, rules.costPoints)),
  costPerDraw: 100,
  cost_points: 100,
  totalPrizes: 8,
  daily_limit: 50,
  today_draw_count: 1,
  is_active: true,
  rules_version: 1,
  pitySystem: { enabled: true, pityLimit: 10, pityPrizeName: '九八折券' },
  user_pity: pity,
  lottery_rules: {
    guarantee_rule: '自上次获得九八折券起，第10次抽奖必得九八折券',
    consumption_rule: '每次抽奖消耗100积分，三连抽、五连抽、十连抽按次数计算',
    security_rule:
      '每次抽奖的结果由事先承诺的服务器种子与您的种子共同决定，按公示概率产生，并载入公开日志，任何人均可验证',
    daily_limit_rule: '每人每天最多抽奖50次，每日零点重新计算'
  },
  fairness: fair.fairness
}

const dessert = { id: 3, name: '甜品1份', type: 'physical', value: 1, angle: 90, color: '#FFD93D' } as const
const result: DrawResult = {
  sequence: 1,
  record_id: recordId,
  voucher_code: 'K7QXM4PTRW9A',
  prize_id: dessert.id,
  prize_name: dessert.name,
  prize_type: dessert.type,
  prize_value: dessert.value,
  angle: dessert.angle,
  color: dessert.color,
  is_pity: false,
  points_awarded: 0,
  prize: dessert,
  nonce: 0,
  roll: 1500,
  pity_before: 0
}

const draw: Draw = {
  draw_id: drawId,
  draw_type: 'single',
  rules_version: 1,
  results: [result],
  prizeId: 3,
  prizeName: '甜品1份',
  total_cost: 100,
  points_awarded: 0,
  user_points: 900,
  remaining_points: 900,
  today_count: 1,
  remaining_draws_today: 49,
  pity,
  fairness: fair.drawFairness
}

const records: Static<typeof Records> = {
  records: [
    {
      id: recordId,
      draw_id: drawId,
      draw_type: 'single',
      prize_id: 3,
      prize_name: '甜品1份',
      prize_type: 'physical',
      prize_value: 1,
      points_cost: 100,
      is_pity: false,
      status: 'unused',
      created_at: drawnAt
    }
  ],
  pagination: { total: 1, page: 1, limit: 20, total_pages: 1 },
  next_cursor: null
}

const none = { count: 0, cost: 0 }
const statistics: Statistics = {
  total_draws: 1,
  total_cost: 100,
  total_points_spent: 100,
  total_points_won: 0,
  net_points: -100,
  win_rate: 1,
  draw_type_stats: { single: { count: 1, cost: 100 }, triple: none, five: none, ten: none },
  prize_distribution: { points: 0, coupon: 0, physical: 1, empty: 0 },
  last_draw_time: drawnAt,
  current_pity_count: 1,
  remaining_to_pity: 9
}

const limits: OwnLimits = {
  daily_draws: 10,
  pause_until: null,
  pending: { daily_draws: 20, pause_until: null, from: new Date('2026-11-23T12:00:00.000Z') }
}

/** What the documentation shows of each answer. */
export const examples = { config, draw, records, statistics, pity, limits }
