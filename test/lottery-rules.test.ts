import { randomInt } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { goodnessOfFit } from '../src/domains/lottery/goodness.js'
import { previewOf } from '../src/domains/lottery/odds.js'
import { weightOf } from '../src/domains/lottery/prize.js'
import {
  decide,
  drawTypeOf,
  effectiveOdds,
  faultsOf,
  isPityReady,
  pickPrize,
  type Rules
} from '../src/domains/lottery/rules.js'
import { standardRules } from '../src/domains/lottery/standard-wheel.js'
import { rulesFrom, snapshotOf } from '../src/domains/lottery/versions.js'

const rules = standardRules(50)
const withoutPity: Rules = { ...rules, pityLimit: 0 }

/** 99.9 % of the chi-square distribution with 7 degrees of freedom: a fair wheel is past it once in 1000 runs. */
const CHI_SQUARE_999 = 24.32

function chiSquare(found: Map<number, number>, expected: (id: number) => number): number {
  return rules.prizes.reduce((sum, { id }) => sum + ((found.get(id) ?? 0) - expected(id)) ** 2 / expected(id), 0)
}

function tally(set: Rules, draws: number): { counts: Map<number, number>; forced: number } {
  const counts = new Map<number, number>()
  let pity = { count: 0, triggered: 0 }
  for (let done = 0; done < draws; done += 10) {
    const decided = decide(set, pity, 10, () => randomInt(10_000))
    pity = decided.pity
    for (const { prize } of decided.outcomes) counts.set(prize.id, (counts.get(prize.id) ?? 0) + 1)
  }
  return { counts, forced: pity.triggered }
}

describe('the odds', () => {
  test('200,000 decisions fall as the published odds say (chi-square)', () => {
    // Two runs must both be past the bound for a fair wheel to fail: once in a million.
    const run = () => {
      const { counts } = tally(withoutPity, 200_000)
      const weight = new Map(rules.prizes.map((prize) => [prize.id, prize.weight]))
      return chiSquare(counts, (id) => 200_000 * ((weight.get(id) ?? 0) / 10_000))
    }
    expect(Math.min(run(), run())).toBeLessThan(CHI_SQUARE_999)
  })

  test('with the guarantee, shares are the effective odds: 15.35 % for the pity prize', () => {
    const effective = effectiveOdds(rules)
    expect(effective.get(2)).toBe(0.1535)
    const draws = 200_000
    const { counts, forced } = tally(rules, draws)
    for (const { id } of rules.prizes)
      expect(Math.abs((counts.get(id) ?? 0) / draws - (effective.get(id) ?? 0))).toBeLessThan(0.005)
    // A forced one ends a run of nine without: 0.9^9 of all runs.
    expect(forced / (counts.get(2) ?? 1)).toBeCloseTo(0.9 ** 9, 1)
    expect([...effective.values()].reduce((sum, share) => sum + share, 0)).toBeCloseTo(1, 3)
  })

  test('without the guarantee the effective odds are the odds', () => {
    for (const prize of rules.prizes) expect(effectiveOdds(withoutPity).get(prize.id)).toBe(prize.weight / 10_000)
  })

  test('each roll from 0 to 9999 falls on one prize, and each prize gets its weight', () => {
    const counts = new Map<number, number>()
    for (let roll = 0; roll < 10_000; roll += 1) {
      const { id } = pickPrize(rules.prizes, roll)
      counts.set(id, (counts.get(id) ?? 0) + 1)
    }
    for (const prize of rules.prizes) expect(counts.get(prize.id)).toBe(prize.weight)
    expect(() => pickPrize(rules.prizes, 10_000)).toThrow(/past the last weight/)
  })
})

describe('the guarantee', () => {
  const never = () => 9_999
  const pityRoll = () => 150

  test('the tenth draw without the pity prize is the pity prize', () => {
    const { outcomes, pity } = decide(rules, { count: 0, triggered: 0 }, 10, never)
    expect(outcomes.map((outcome) => outcome.isPity)).toEqual([...Array(9).fill(false), true])
    expect(outcomes.at(-1)?.prize.id).toBe(2)
    expect(pity).toEqual({ count: 0, triggered: 1 })
  })

  test('it spans requests, and a natural pity prize starts the count anew without being a forced one', () => {
    expect(decide(rules, { count: 8, triggered: 3 }, 3, never)).toMatchObject({ pity: { count: 1, triggered: 4 } })
    expect(decide(rules, { count: 8, triggered: 3 }, 1, pityRoll)).toMatchObject({
      outcomes: [{ isPity: false, prize: { id: 2 } }],
      pity: { count: 0, triggered: 3 }
    })
  })

  test('a forced draw whose roll is the pity prize anyway still counts as forced', () => {
    expect(decide(rules, { count: 9, triggered: 0 }, 1, pityRoll).pity).toEqual({ count: 0, triggered: 1 })
  })

  test('it is ready at nine, and at once when the limit was lowered below the count; a limit of 0 switches it off', () => {
    expect([8, 9, 12].map((count) => isPityReady(rules, count))).toEqual([false, true, true])
    expect(isPityReady(withoutPity, 99)).toBe(false)
  })
})

describe('a set of rules', () => {
  const change = (id: number, more: object): Rules => ({
    ...rules,
    prizes: rules.prizes.map((prize) => (prize.id === id ? { ...prize, ...more } : prize))
  })

  test('the standard wheel holds', () => {
    expect(faultsOf(rules)).toEqual([])
  })

  test.each<[string, Rules, RegExp]>([
    ['seven prizes', { ...rules, prizes: rules.prizes.slice(1) }, /7 active prizes/],
    ['odds that do not sum to 1', change(3, { weight: 3001 }), /sum to 1\.0001, not 1/],
    ['a prize with odds 0', { ...change(8, { weight: 0 }), ...{} }, /must be winnable/],
    ['odds with five decimals', change(8, { weight: weightOf(0.00505) }), /more than four decimals/],
    ['an angle twice', change(8, { angle: 0 }), /angles/],
    ['an angle between', change(8, { angle: 314 }), /angles/],
    ['a pity prize that is not on the wheel', { ...rules, pityPrizeId: 9 }, /not on the wheel/],
    ['a points prize of half a point', change(8, { type: 'points', value: 0.5 }), /whole number/],
    ['odds of a hair more than four decimals', change(3, { weight: weightOf(0.1 + 0.2) }), /more than four decimals/],
    ['a prize twice', change(8, { id: 7 }), /there twice/],
    ['a free draw', { ...rules, costPoints: 0 }, /out of range/],
    ['a price past what the columns hold', { ...rules, costPoints: 1_000_001 }, /out of range/],
    ['a daily limit of 0', { ...rules, dailyLimit: 0 }, /daily limit/],
    ['a guarantee that leaves nothing to chance', { ...rules, pityLimit: 1 }, /no other can be won/],
    ['a guarantee half a draw away', { ...rules, pityLimit: 9.5 }, /pity limit/],
    ['a name that turns its text', change(3, { name: '\u202Eabc' }), /no name/],
    ['a name of 51 characters', change(3, { name: '甜'.repeat(51) }), /no name/],
    ['a colour by name', change(3, { color: 'red' }), /colour/],
    ['a value of three decimals', change(3, { value: 0.885 }), /value/],
    ['a prize dearer than the law allows', change(8, { valueYuan: 50_000.01 }), /50000 yuan/]
  ])('%s is refused', (_what, set, fault) => {
    expect(faultsOf(set).join('\n')).toMatch(fault)
  })

  test('its snapshot says all of it, and reads back the same', () => {
    expect(rulesFrom(snapshotOf(rules))).toEqual(rules)
    expect(snapshotOf(rulesFrom(snapshotOf(rules)))).toBe(snapshotOf(rules))
  })
})

describe('the preview', () => {
  test('forced draws are as many as 200,000 decisions have, and cost what comes, guarantee and all', () => {
    const prized: Rules = {
      ...rules,
      pityLimit: 5,
      prizes: rules.prizes.map((prize) => ({ ...prize, valueYuan: prize.id * 3 }))
    }
    const preview = previewOf(prized)
    expect(preview.chance_to_meet_pity).toBeCloseTo(0.9 ** 4, 4)
    const draws = 200_000
    const { counts, forced } = tally(prized, draws)
    expect(Math.abs(forced / draws - preview.forced_share)).toBeLessThan(0.005)
    const cost = prized.prizes.reduce((sum, { id, valueYuan }) => sum + (counts.get(id) ?? 0) * valueYuan, 0) / draws
    expect(Math.abs(cost - preview.expected_cost_per_draw_yuan)).toBeLessThan(0.1)
    const parts = preview.prizes.reduce((sum, prize) => sum + prize.expected_cost_yuan, 0)
    expect(parts).toBeCloseTo(preview.expected_cost_per_draw_yuan, 2)
  })

  test('without the guarantee nothing is forced', () => {
    expect(previewOf(withoutPity)).toMatchObject({ chance_to_meet_pity: 0, forced_share: 0 })
  })
})

describe('the chi-square test', () => {
  /** Cells of 100 expected each, strayed to exactly that statistic. */
  const cells = (chiSquare: number, categories: number) =>
    Array.from({ length: categories }, (_, index) => ({
      expected: 100,
      observed: index === 0 ? 100 + Math.sqrt(chiSquare * 100) : 100
    }))

  test.each([
    [3.841, 2, 0.05],
    [10.828, 2, 0.001],
    [5.991, 3, 0.05],
    [14.067, 8, 0.05],
    [18.475, 8, 0.01],
    [24.322, 8, 0.001],
    [0, 8, 1]
  ])('%d with %i categories has the p of the tables: %d', (chiSquare, categories, p) => {
    const fit = goodnessOfFit(cells(chiSquare, categories))
    expect(fit.chiSquare).toBeCloseTo(chiSquare, 6)
    expect(fit.degreesOfFreedom).toBe(categories - 1)
    expect(fit.pValue).toBeCloseTo(p, 4)
  })

  test('does not judge by fewer than five expected, and leaves out what cannot come', () => {
    const fair = cells(0, 8)
    expect(goodnessOfFit([...fair, { observed: 4, expected: 4.9 }])).toMatchObject({
      pValue: null,
      degreesOfFreedom: 8
    })
    expect(goodnessOfFit([...fair, { observed: 0, expected: 0 }])).toMatchObject({ pValue: 1, degreesOfFreedom: 7 })
    expect(goodnessOfFit([])).toMatchObject({ pValue: null, degreesOfFreedom: 0, smallestExpected: 0 })
    expect(goodnessOfFit(cells(1e9, 8)).pValue).toBe(0)
  })
})

test.each([
  [undefined, undefined, 'single'],
  ['single', undefined, 'single'],
  ['triple', 3, 'triple'],
  ['five', 5, 'five'],
  ['quintuple', undefined, 'five'],
  ['decade', 10, 'ten'],
  [undefined, 10, 'ten'],
  [undefined, 2, undefined],
  ['five', 3, undefined],
  ['dozen', undefined, undefined]
])('draw_type %s with count %s is %s', (type, count, expected) => {
  expect(drawTypeOf(type, count)).toBe(expected)
})
