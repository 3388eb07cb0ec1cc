import assert from 'node:assert/strict'
import { PLAIN_TEXT } from '../../shared/text.js'
import { COLOR, MOST, PRIZE_KINDS, type Prize, STEP_DEGREES, TOTAL_WEIGHT } from './prize.js'
import type { DrawType } from './schemas.js'

export const WHEEL_SIZE = 8
/** Wheel and rules, whole, as one version holds them. A `pityLimit` of 0 switches the guarantee off. */
export interface Rules {
  readonly isActive: boolean
  readonly costPoints: number
  readonly dailyLimit: number
  readonly pityLimit: number
  readonly pityPrizeId: number
  readonly prizes: readonly Prize[]
}

/**
 * What is wrong with a set of rules, and where: `field` is spelled as the merchant's routes spell it, such as
 * `prizes.2.angle`.
 */
export interface RuleFault {
  readonly field: string
  readonly message: string
}

/** Everything that is wrong with a set of rules; empty when they may be drawn under (contract section 4). */
export function faultsIn(rules: Rules): RuleFault[] {
  const { prizes } = rules
  const whole: [field: string, isWrong: boolean, message: string][] = [
    ['prizes', prizes.length !== WHEEL_SIZE, `there are ${prizes.length} active prizes, not ${WHEEL_SIZE}`],
    ['prizes', !areDistinct(prizes.map(({ id }) => id)), 'a prize_id is there twice'],
    ['prizes', !sumsToOne(prizes), `the odds sum to ${sumOf(prizes) / TOTAL_WEIGHT}, not 1`],
    [
      'prizes',
      !prizes.every(({ angle }) => isStep(angle)) || !areDistinct(prizes.map(({ angle }) => angle)),
      `the angles are not each of 0…315 by ${STEP_DEGREES} once`
    ],
    ['pity_prize_id', !prizes.some(({ id }) => id === rules.pityPrizeId), 'the pity prize is not on the wheel'],
    ['cost_points', !isWhole(rules.costPoints, 1, MOST.costPoints), 'the cost is out of range'],
    ['daily_limit', !isWhole(rules.dailyLimit, 1, MOST.dailyLimit), 'the daily limit is out of range'],
    ['pity_limit', !isWhole(rules.pityLimit, 0, MOST.pityLimit), 'the pity limit is out of range'],
    ['pity_limit', rules.pityLimit === 1, 'with every draw the pity prize, no other can be won']
  ]
  return [
    ...whole.filter(([, isWrong]) => isWrong).map(([field, , message]) => ({ field, message })),
    ...prizes.flatMap((prize, index) =>
      faultsOfPrize(prize).map(([field, message]) => ({ field: `prizes.${index}.${field}`, message }))
    )
  ]
}

/** The messages of {@link faultsIn}. */
export function faultsOf(rules: Rules): string[] {
  return faultsIn(rules).map(({ message }) => message)
}

function faultsOfPrize({ name, type, value, valueYuan, color, weight }: Prize): [field: string, message: string][] {
  const ofKind = PRIZE_KINDS[type].fault(value)
  const checks: [field: string, isWrong: boolean, message: string][] = [
    ['probability', !Number.isInteger(weight), `the odds of ${name} have more than four decimals`],
    ['probability', weight <= 0, `${name} has odds of 0 or less: a shown prize must be winnable`],
    ['prize_name', !isName(name), `${name} is no name of 1 to ${MOST.nameLength} plain characters`],
    ['color', !new RegExp(COLOR).test(color), `the colour of ${name} is not such as #FF6B35`],
    ['prize_value', !isAmount(value, MOST.value), `the value of ${name} is out of range`],
    ['prize_value', ofKind !== undefined, `${name} ${ofKind}`],
    ['value_yuan', !isAmount(valueYuan, MOST.valueYuan), `what ${name} is worth is not 0 to ${MOST.valueYuan} yuan`]
  ]
  return checks.filter(([, isWrong]) => isWrong).map(([field, , message]) => [field, message])
}

const areDistinct = (list: readonly number[]) => new Set(list).size === list.length
const sumOf = (prizes: readonly Prize[]) => prizes.reduce((sum, { weight }) => sum + weight, 0)
/** Odds that are no whole weights are a fault of their own. */
const sumsToOne = (prizes: readonly Prize[]) =>
  sumOf(prizes) === TOTAL_WEIGHT || prizes.some(({ weight }) => !Number.isInteger(weight))
const isStep = (angle: number) => angle >= 0 && angle < 360 && angle % STEP_DEGREES === 0
const isWhole = (value: number, least: number, most: number) =>
  Number.isInteger(value) && value >= least && value <= most
/** With two decimals at the most: what DECIMAL(10,2) keeps as it is. */
const isAmount = (value: number, most: number) => value >= 0 && value <= most && Number(value.toFixed(2)) === value
const isName = (name: string) => [...name].length <= MOST.nameLength && new RegExp(PLAIN_TEXT, 'u').test(name)

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
  /** What it was decided by: the number that was rolled, and the draws since the last pity prize. */
  readonly roll: number
  readonly pityBefore: number
}

/**
 * Decides `draws` draws in a row.
 * @param rollOf 0…9999, each as likely as the next, by the place of the draw in the row; asked once a draw, forced
 *   ones too, so that the dice of a row do not depend on the way to the guarantee
 */
export function decide(
  rules: Rules,
  pity: Pity,
  draws: number,
  rollOf: (index: number) => number
): { outcomes: Outcome[]; pity: Pity } {
  const guaranteed = rules.prizes.find((prize) => prize.id === rules.pityPrizeId)
  assert(guaranteed, 'the pity prize is on the wheel')
  const outcomes: Outcome[] = []
  let { count, triggered } = pity
  for (let draw = 0; draw < draws; draw += 1) {
    const roll = rollOf(draw)
    const chance = pickPrize(rules.prizes, roll)
    const isPity = isPityReady(rules, count)
    const prize = isPity ? guaranteed : chance
    outcomes.push({ prize, isPity, roll, pityBefore: count })
    count = prize.id === guaranteed.id ? 0 : count + 1
    if (isPity) triggered += 1
  }
  return { outcomes, pity: { count, triggered } }
}

/**
 * The share of all draws that each prize gets in the long run, the guarantee counted in: with odds p and a limit of
 * L, a pity prize comes on average every (1 − (1 − p)^L) ÷ p draws; the others share the rest in proportion.
 */
export function exactShares(rules: Rules): Map<number, number> {
  const p = pityOdds(rules)
  const share = rules.pityLimit === 0 ? p : p / (1 - (1 - p) ** rules.pityLimit)
  return new Map(
    rules.prizes.map(({ id, weight }) => {
      if (id === rules.pityPrizeId) return [id, share]
      return [id, p === 1 ? 0 : (weight / TOTAL_WEIGHT / (1 - p)) * (1 - share)]
    })
  )
}

/** {@link exactShares} to four decimals, as published. */
export function effectiveOdds(rules: Rules): Map<number, number> {
  return new Map([...exactShares(rules)].map(([id, share]) => [id, Math.round(share * TOTAL_WEIGHT) / TOTAL_WEIGHT]))
}

/** The odds of the pity prize without the guarantee. */
export function pityOdds(rules: Rules): number {
  const guaranteed = rules.prizes.find((prize) => prize.id === rules.pityPrizeId)
  assert(guaranteed, 'the pity prize is on the wheel')
  return guaranteed.weight / TOTAL_WEIGHT
}
