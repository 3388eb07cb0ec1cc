import assert from 'node:assert/strict'
import type { DrawType, PrizeType } from './schemas.js'

/** Odds are integer weights out of this: four decimals, exactly. */
export const TOTAL_WEIGHT = 10_000
export const WHEEL_SIZE = 8
const STEP_DEGREES = 45

/** A prize as a rules version has it. `probability` is kept as its weight out of {@link TOTAL_WEIGHT}. */
export interface Prize {
  readonly id: number
  readonly name: string
  readonly type: PrizeType
  /** What is won: points, a coupon's factor, or how much of a thing. */
  readonly value: number
  /** What it costs the house, in yuan. */
  readonly valueYuan: number
  readonly angle: number
  readonly color: string
  readonly weight: number
  readonly isActivity: boolean
}

/** Wheel and rules, whole, as one version holds them. A `pityLimit` of 0 switches the guarantee off. */
export interface Rules {
  readonly isActive: boolean
  readonly costPoints: number
  readonly dailyLimit: number
  readonly pityLimit: number
  readonly pityPrizeId: number
  readonly prizes: readonly Prize[]
}

/** Everything that is wrong with a set of rules; empty when they may be drawn under (contract section 4). */
export function faultsOf(rules: Rules): string[] {
  const { prizes } = rules
  const faults: string[] = []
  if (prizes.length !== WHEEL_SIZE) faults.push(`there are ${prizes.length} active prizes, not ${WHEEL_SIZE}`)
  const total = prizes.reduce((sum, prize) => sum + prize.weight, 0)
  if (total !== TOTAL_WEIGHT) faults.push(`the odds sum to ${total / TOTAL_WEIGHT}, not 1`)
  for (const prize of prizes) {
    if (!Number.isInteger(prize.weight)) faults.push(`the odds of ${prize.name} have more than four decimals`)
    if (prize.weight <= 0) faults.push(`${prize.name} has odds of 0 or less: a shown prize must be winnable`)
    if (prize.type === 'points' && !(Number.isInteger(prize.value) && prize.value > 0)) {
      faults.push(`${prize.name} must give a whole number of points`)
    }
  }
  const angles = new Set(prizes.map((prize) => prize.angle))
  const onStep = prizes.every(({ angle }) => angle >= 0 && angle < 360 && angle % STEP_DEGREES === 0)
  if (!onStep || angles.size !== prizes.length) faults.push(`the angles are not each of 0…315 by ${STEP_DEGREES} once`)
  if (!prizes.some((prize) => prize.id === rules.pityPrizeId)) faults.push('the pity prize is not on the wheel')
  if (rules.costPoints < 1 || rules.dailyLimit < 1 || rules.pityLimit < 0)
    faults.push('cost or limits are out of range')
  return faults
}

/** How many draws a type makes (contract section 4). */
export const DRAWS: Readonly<Record<DrawType, number>> = { single: 1, triple: 3, five: 5, ten: 10 }

const ALIASES: Readonly<Record<string, DrawType>> = { quintuple: 'five', decade: 'ten' }

/**
 * The draw that `draw_type` and `count` ask for together: either may be left out, and they must agree.
 * @returns undefined when they do not, or when no type makes `count` draws
 */
export function drawTypeOf(type: string | undefined, count: number | undefined): DrawType | undefined {
  const types = Object.keys(DRAWS) as DrawType[]
  if (type === undefined) return count === undefined ? 'single' : types.find((known) => DRAWS[known] === count)
  const known = ALIASES[type] ?? types.find((candidate) => candidate === type)
  return known !== undefined && (count === undefined || DRAWS[known] === count) ? known : undefined
}

/** A diner's way to the guaranteed prize. `count`: draws since the last pity prize. `triggered`: forced ones, ever. */
export interface Pity {
  readonly count: number
  readonly triggered: number
}

/** Whether the next draw is forced: the `pityLimit`-th since the last pity prize is one. */
export function isPityReady(rules: Pick<Rules, 'pityLimit'>, count: number): boolean {
  return rules.pityLimit > 0 && count >= rules.pityLimit - 1
}

/** The prize that `roll` (0…9999) falls on, counting weights from the first prize up. */
export function pickPrize(prizes: readonly Prize[], roll: number): Prize {
  let edge = 0
  for (const prize of prizes) {
    edge += prize.weight
    if (roll < edge) return prize
  }
  assert.fail(`roll ${roll} is past the last weight ${edge}`)
}

export interface Outcome {
  readonly prize: Prize
  /** Forced by the guarantee, not won by chance. */
  readonly isPity: boolean
}

/**
 * Decides `draws` draws in a row.
 * @param randomInt an integer from 0 to below its argument, each as likely as the next; asked once a draw, forced
 *   ones too, so that the dice of a row do not depend on the way to the guarantee
 */
export function decide(
  rules: Rules,
  pity: Pity,
  draws: number,
  randomInt: (below: number) => number
): { outcomes: Outcome[]; pity: Pity } {
  const guaranteed = rules.prizes.find((prize) => prize.id === rules.pityPrizeId)
  assert(guaranteed, 'the pity prize is on the wheel')
  const outcomes: Outcome[] = []
  let { count, triggered } = pity
  for (let draw = 0; draw < draws; draw += 1) {
    const chance = pickPrize(rules.prizes, randomInt(TOTAL_WEIGHT))
    const isPity = isPityReady(rules, count)
    const prize = isPity ? guaranteed : chance
    count = prize.id === guaranteed.id ? 0 : count + 1
    if (isPity) triggered += 1
    outcomes.push({ prize, isPity })
  }
  return { outcomes, pity: { count, triggered } }
}

/**
 * The share of all draws that each prize gets in the long run, the guarantee counted in: with odds p and a limit of
 * L, a pity prize comes on average every (1 − (1 − p)^L) ÷ p draws; the others share the rest in proportion.
 */
export function effectiveOdds(rules: Rules): Map<number, number> {
  const odds = (prize: Prize) => prize.weight / TOTAL_WEIGHT
  const guaranteed = rules.prizes.find((prize) => prize.id === rules.pityPrizeId)
  assert(guaranteed, 'the pity prize is on the wheel')
  const p = odds(guaranteed)
  const share = rules.pityLimit === 0 ? p : p / (1 - (1 - p) ** rules.pityLimit)
  return new Map(
    rules.prizes.map((prize) => {
      const effective = prize === guaranteed ? share : p === 1 ? 0 : (odds(prize) / (1 - p)) * (1 - share)
      return [prize.id, Math.round(effective * TOTAL_WEIGHT) / TOTAL_WEIGHT]
    })
  )
}
