import { TOTAL_WEIGHT } from './prize.js'
import { exactShares, pityOdds, type Rules } from './rules.js'
import type { Preview } from './settings-schemas.js'

/**
 * What a set of rules comes to in the long run, before anybody has drawn under it. Costs are in yuan, to four
 * decimals, by what each prize is worth (`value_yuan`) and how often it comes with the guarantee counted in.
 */
export function previewOf(rules: Rules): Preview {
  const shares = exactShares(rules)
  const prizes = rules.prizes.map(({ id, name, weight, valueYuan }) => {
    const share = shares.get(id) ?? 0
    return {
      prize_id: id,
      prize_name: name,
      probability: weight / TOTAL_WEIGHT,
      effective_probability: fourDecimals(share),
      expected_cost_yuan: fourDecimals(share * valueYuan)
    }
  })
  // Summed before rounding, so that eight halves of a hundredth of a fen do not add up.
  const cost = rules.prizes.reduce((sum, { id, valueYuan }) => sum + (shares.get(id) ?? 0) * valueYuan, 0)
  const meeting = chanceToMeetPity(rules)
  return {
    expected_cost_per_draw_yuan: fourDecimals(cost),
    expected_cost_per_ten_yuan: fourDecimals(cost * 10),
    chance_to_meet_pity: fourDecimals(meeting),
    forced_share: fourDecimals(meeting * (shares.get(rules.pityPrizeId) ?? 0)),
    prizes
  }
}

/**
 * The chance that whoever has just got the pity prize draws up to the limit without another, so that the next is
 * forced: (1 − p)^(L − 1). Times the share of pity prizes it is the share of all draws that are forced, since each
 * pity prize begins one such run.
 */
function chanceToMeetPity(rules: Rules): number {
  return rules.pityLimit === 0 ? 0 : (1 - pityOdds(rules)) ** (rules.pityLimit - 1)
}

const fourDecimals = (value: number) => Math.round(value * 10_000) / 10_000
