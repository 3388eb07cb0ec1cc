import { previewOf } from './odds.js'
import type { ChangedSettings, LotterySettings, LotteryStats } from './settings-schemas.js'
import { standardRules } from './standard-wheel.js'
import { toSnapshot } from './versions.js'
import { statisticsOf } from './wheel-statistics.js'

const rules = standardRules(50)
const cheaper = { ...rules, costPoints: 80, pityLimit: 8 }

const settings: LotterySettings = { version: 1, ...toSnapshot(rules) }

const changed: ChangedSettings = {
  version: 2,
  ...toSnapshot(cheaper),
  saved: true,
  changes: ['cost_points', 'pity_limit'],
  preview: previewOf(cheaper)
}

/** A thousand draws that chance decided, as near to the odds as whole numbers can be, and a few forced ones. */
const stats: LotteryStats = statisticsOf(
  [...rules.prizes.map(({ id, weight }) => ({ prizeId: id, draws: weight / 10 })), { prizeId: 2, draws: 63 }].map(
    ({ prizeId, draws }, index) => ({
      version: 1,
      prizeId,
      isForced: index === rules.prizes.length,
      draws,
      costPoints: draws * rules.costPoints,
      pointsAwarded: 0
    })
  ),
  new Map([[1, rules]]),
  1
)

/** What the documentation shows of each answer. */
export const examples = { settings, changed, stats }
