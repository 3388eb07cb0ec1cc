import { type Static, Type } from '@sinclair/typebox'
import {
  Count,
  DateTime,
  Id,
  Nullable,
  Page,
  PageQuery,
  Points,
  PointsFilter,
  Rate,
  StringEnum,
  Uuid
} from '../../shared/schemas.js'
import { ClientSeed, DrawFairness, Fairness, Rolled } from './fairness/schemas.js'
import { ConfigPrize, DrawnPrize, forEachKind, PrizeType } from './prize.js'

export const DrawType = StringEnum(['single', 'triple', 'five', 'ten'])
export type DrawType = Static<typeof DrawType>

export const PityStatus = Type.Object({
  current_count: Count,
  remaining_draws: Count,
  pity_limit: Count,
  is_pity_ready: Type.Boolean({ description: 'the next draw is the guaranteed prize' }),
  pity_triggered_count: Count,
  last_draw_time: Nullable(DateTime)
})
export type PityStatus = Static<typeof PityStatus>

export const LotteryConfig = Type.Object({
  prizes: Type.Array(ConfigPrize, { minItems: 8, maxItems: 8 }),
  costPerDraw: Points,
  cost_points: Points,
  totalPrizes: Type.Literal(8),
  daily_limit: Count,
  today_draw_count: Count,
  is_active: Type.Boolean(),
  rules_version: Id,
  pitySystem: Type.Object({ enabled: Type.Boolean(), pityLimit: Count, pityPrizeName: Type.String() }),
  user_pity: PityStatus,
  lottery_rules: Type.Object({
    guarantee_rule: Type.String(),
    consumption_rule: Type.String(),
    security_rule: Type.String(),
    daily_limit_rule: Type.String()
  }),
  fairness: Fairness
})
export type LotteryConfig = Static<typeof LotteryConfig>

export const DrawBody = Type.Object(
  {
    draw_type: Type.Optional(
      StringEnum(['single', 'triple', 'five', 'quintuple', 'ten', 'decade'], { description: 'default single' })
    ),
    count: Type.Optional(
      Type.Integer({ minimum: 1, maximum: 10, description: '1, 3, 5 or 10; must agree with draw_type' })
    ),
    userId: Type.Optional(Type.Integer({ ...Id, description: "must be the token's user" })),
    costPoints: Type.Optional(
      Type.Integer({ ...PointsFilter, description: 'the price of one draw as the client knows it' })
    ),
    client_seed: Type.Optional(ClientSeed)
  },
  { examples: [{ draw_type: 'ten', count: 10, costPoints: 100, client_seed: 'my own word' }] }
)
export type DrawBody = Static<typeof DrawBody>

export const DrawResult = Type.Object({
  sequence: Type.Integer({ minimum: 1, maximum: 10 }),
  record_id: Uuid,
  voucher_code: Nullable(Type.String()),
  prize_id: Id,
  prize_name: Type.String(),
  prize_type: PrizeType,
  prize_value: Type.Number(),
  angle: Type.Integer(),
  color: Type.String(),
  is_pity: Type.Boolean(),
  points_awarded: Points,
  prize: DrawnPrize,
  ...Rolled.properties
})
export type DrawResult = Static<typeof DrawResult>

export const Draw = Type.Object({
  draw_id: Uuid,
  draw_type: DrawType,
  rules_version: Id,
  results: Type.Array(DrawResult),
  prizeId: Id,
  prizeName: Type.String(),
  total_cost: Points,
  points_awarded: Points,
  user_points: Points,
  remaining_points: Points,
  today_count: Count,
  remaining_draws_today: Count,
  pity: PityStatus,
  fairness: Type.Optional(DrawFairness)
})
export type Draw = Static<typeof Draw>

export const RecordsQuery = Type.Composite([
  PageQuery,
  Type.Object({ draw_type: Type.Optional(DrawType), prize_type: Type.Optional(PrizeType) })
])
export type RecordsQuery = Static<typeof RecordsQuery>

export const LotteryRecord = Type.Object({
  id: Uuid,
  draw_id: Uuid,
  draw_type: DrawType,
  prize_id: Id,
  prize_name: Type.String(),
  prize_type: PrizeType,
  prize_value: Type.Number(),
  points_cost: Points,
  is_pity: Type.Boolean(),
  status: StringEnum(['completed', 'unused', 'used', 'expired', 'cancelled'], {
    description: "the state of the prize's voucher; completed where there is none"
  }),
  created_at: DateTime
})
export type LotteryRecord = Static<typeof LotteryRecord>

export const Records = Page({ records: Type.Array(LotteryRecord) })

const TypeStats = Type.Object({ count: Count, cost: Points })

export const Statistics = Type.Object({
  total_draws: Count,
  total_cost: Points,
  total_points_spent: Points,
  total_points_won: Points,
  net_points: Type.Integer(),
  win_rate: Rate,
  draw_type_stats: Type.Object({ single: TypeStats, triple: TypeStats, five: TypeStats, ten: TypeStats }),
  prize_distribution: Type.Object(forEachKind(() => Count)),
  last_draw_time: Nullable(DateTime),
  current_pity_count: Count,
  remaining_to_pity: Count
})
export type Statistics = Static<typeof Statistics>

/** The most draws a day that a diner may hold themselves to. */
const MOST_OWN_DRAWS = 50
const OwnDraws = Type.Integer({ minimum: 0, maximum: MOST_OWN_DRAWS })

export const OwnLimitsBody = Type.Object(
  {
    daily_draws: Type.Optional(OwnDraws),
    pause_until: Type.Optional(
      Type.String({ format: 'date-time', maxLength: 40, description: 'no draws before; at most 366 days from now' })
    )
  },
  { examples: [{ daily_draws: 10, pause_until: '2026-12-01T00:00:00.000Z' }] }
)
export type OwnLimitsBody = Static<typeof OwnLimitsBody>

const OwnLimit = { daily_draws: Nullable(OwnDraws), pause_until: Nullable(DateTime) }
export const OwnLimits = Type.Object({
  ...OwnLimit,
  pending: Nullable(Type.Object({ ...OwnLimit, from: DateTime }))
})
export type OwnLimits = Static<typeof OwnLimits>
