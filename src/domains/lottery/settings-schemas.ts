import { type Static, Type } from '@sinclair/typebox'
import { Count, Day, Id, Nullable, Points, Rate } from '../../shared/schemas.js'
import { MOST, SettingsPrize } from './prize.js'
import { WHEEL_SIZE } from './rules.js'

const Yuan = Type.Number({ minimum: 0 })
const Share = (description: string) => Type.Number({ minimum: 0, maximum: 1, description })
const Tally = (description: string) => Type.Integer({ minimum: 0, description })

/** Wheel and rules as merchants see them, and as a version keeps them. */
export const Snapshot = Type.Object({
  is_active: Type.Boolean(),
  cost_points: Type.Integer({ minimum: 1, maximum: MOST.costPoints }),
  daily_limit: Type.Integer({ minimum: 1, maximum: MOST.dailyLimit }),
  pity_limit: Type.Integer({
    minimum: 0,
    maximum: MOST.pityLimit,
    not: { const: 1 },
    description: 'the draw, since the last pity prize, that is one for certain; 0 switches it off'
  }),
  pity_prize_id: Id,
  prizes: Type.Array(SettingsPrize, { minItems: WHEEL_SIZE, maxItems: WHEEL_SIZE })
})
export type Snapshot = Static<typeof Snapshot>

export const LotterySettings = Type.Composite([Type.Object({ version: Id }), Snapshot])
export type LotterySettings = Static<typeof LotterySettings>

export const SettingsQuery = Type.Object({
  dry_run: Type.Boolean({ default: false, description: 'judge it and say what it would come to; save nothing' })
})

/** What {@link LotterySettings} gives, any field left out that is to stay; `prizes` whole or not at all. */
export const SettingsBody = Type.Partial(LotterySettings, {
  description: '`version`, where given, is the one that was read: refused when it is no longer the current',
  examples: [{ version: 1, cost_points: 80, pity_limit: 8 }]
})
export type SettingsBody = Static<typeof SettingsBody>

export const Preview = Type.Object(
  {
    expected_cost_per_draw_yuan: Yuan,
    expected_cost_per_ten_yuan: Yuan,
    chance_to_meet_pity: Share('that a diner who has just had the pity prize draws up to the limit without another'),
    forced_share: Share('of all draws, those that the guarantee decides'),
    prizes: Type.Array(
      Type.Object({
        prize_id: Id,
        prize_name: Type.String(),
        probability: Rate,
        effective_probability: Rate,
        expected_cost_yuan: Type.Number({ minimum: 0, description: 'its part of the cost of a draw' })
      })
    )
  },
  { description: 'in the long run, the guarantee counted in; costs by value_yuan' }
)
export type Preview = Static<typeof Preview>

export const ChangedSettings = Type.Composite([
  LotterySettings,
  Type.Object({
    saved: Type.Boolean({ description: 'a new version was made: neither a dry run, nor a change of nothing' }),
    changes: Type.Array(Type.String(), {
      description: 'the fields that differ from the current version; those of a prize by its prize_id'
    }),
    preview: Preview
  })
])
export type ChangedSettings = Static<typeof ChangedSettings>

export const StatsQuery = Type.Object({
  version: Type.Optional(Id),
  from: Type.Optional(Day),
  to: Type.Optional(Day)
})
export type StatsQuery = Static<typeof StatsQuery>

export const LotteryStats = Type.Object({
  total_draws: Tally('results, of whatever draw_type'),
  natural_draws: Tally('those that chance decided'),
  forced_draws: Tally('those that the guarantee decided'),
  total_cost: Points,
  points_awarded: Points,
  cost_yuan: Type.Number({ minimum: 0, description: 'what was won, by value_yuan at the time' }),
  versions: Type.Array(Type.Object({ version: Id, draws: Count })),
  prizes: Type.Array(
    Type.Object({
      prize_id: Id,
      prize_name: Type.String({ description: 'of the latest of these versions' }),
      draws: Count,
      drawn_share: Share('of all draws'),
      effective_probability: Share('what that tends to'),
      natural_draws: Count,
      natural_share: Share('of the draws that chance decided'),
      probability: Share('what that tends to: the set odds'),
      expected_draws: Type.Number({ minimum: 0, description: 'natural draws by the set odds' }),
      cost_yuan: Type.Number({ minimum: 0 })
    })
  ),
  fit: Type.Object(
    {
      chi_square: Nullable(Type.Number({ minimum: 0 })),
      degrees_of_freedom: Count,
      p_value: Nullable(
        Type.Number({
          minimum: 0,
          maximum: 1,
          description: 'the chance that a fair wheel strays as far from its odds; null with too few draws'
        })
      ),
      enough_draws: Type.Boolean({ description: 'of each prize, five are expected' }),
      smallest_expected: Type.Number({ minimum: 0, description: 'of natural draws, by prize' }),
      impossible_draws: Tally('results that were no prize of their version')
    },
    { description: 'natural draws against the set odds' }
  )
})
export type LotteryStats = Static<typeof LotteryStats>
