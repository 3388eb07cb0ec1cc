import type { RawDb } from '../../../engine/tx.js'
import { lastCheckpoint } from '../../../transparency/log.js'
import { goodnessOfFit } from '../goodness.js'
import { TOTAL_WEIGHT } from '../prize.js'
import { effectiveOdds } from '../rules.js'
import { rulesFrom } from '../versions.js'
import type { PublicStatistics } from './public-schemas.js'

interface TallyRow {
  readonly version: number
  readonly prize_id: number
  readonly chance: number | bigint
  readonly forced: number | bigint
}

/** How far a share strays from its odds in 95 of 100 cases, in standard deviations. */
const BAND = 1.96

/**
 * What the log says of each rules version, newest first, against the odds it published. Chance is judged by the draws
 * that it decided; why not by all of them is said in wheel-statistics.ts.
 */
export async function publicStatistics(db: RawDb): Promise<PublicStatistics> {
  const tallies = await db.$queryRaw<TallyRow[]>`SELECT version, prize_id, chance, forced FROM fairness_tallies`
  const versions = await db.$queryRaw<{ version: number; sha256: string; snapshot: string }[]>`
    SELECT version, sha256, snapshot FROM lottery_rule_versions WHERE log_index IS NOT NULL ORDER BY version DESC`
  const { size } = (await lastCheckpoint(db)) ?? { size: 0 }
  return { log_size: size, versions: versions.map((row) => sharesOf(row, tallies)) }
}

function sharesOf(
  { version, sha256, snapshot }: { version: number; sha256: string; snapshot: string },
  tallies: readonly TallyRow[]
): PublicStatistics['versions'][number] {
  const rules = rulesFrom(snapshot)
  const effective = effectiveOdds(rules)
  const own = new Map(tallies.filter((row) => row.version === version).map((row) => [row.prize_id, row]))
  const sum = (of: 'chance' | 'forced') => [...own.values()].reduce((total, row) => total + Number(row[of]), 0)
  const [chance, forced] = [sum('chance'), sum('forced')]
  const prizes = rules.prizes.map(({ id, name, weight }) => {
    const [odds, won] = [weight / TOTAL_WEIGHT, Number(own.get(id)?.chance ?? 0)]
    const stray = BAND * Math.sqrt((odds * (1 - odds)) / chance)
    return {
      prize_id: id,
      prize_name: name,
      probability: odds,
      effective_probability: effective.get(id) ?? 0,
      chance_draws: won,
      forced_draws: Number(own.get(id)?.forced ?? 0),
      share: chance === 0 ? null : round(won / chance),
      band: chance === 0 ? null : { low: round(Math.max(0, odds - stray)), high: round(Math.min(1, odds + stray)) }
    }
  })
  const fit = goodnessOfFit(
    prizes.map(({ chance_draws, probability }) => ({ observed: chance_draws, expected: chance * probability }))
  )
  return {
    version,
    sha256,
    draws: chance + forced,
    chance_draws: chance,
    forced_draws: forced,
    chi_square: chance === 0 ? null : round(fit.chiSquare),
    p_value: fit.pValue === null ? null : round(fit.pValue),
    prizes
  }
}

const round = (value: number) => Math.round(value * 1e6) / 1e6
