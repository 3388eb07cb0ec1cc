import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { centsOf, pointsOf } from '../src/console/app/receipts.js'
import { differences } from '../src/console/pages/wheel/differences.js'
import { WHOLE, withBorder, withOdds } from '../src/console/pages/wheel/odds.js'
import { en } from '../src/console/words/en.js'
import { zh } from '../src/console/words/zh.js'
import { standardRules } from '../src/domains/lottery/standard-wheel.js'
import { toSnapshot } from '../src/domains/lottery/versions.js'
import { pointsFor } from '../src/domains/receipt/rules.js'

/** Eight odds, each at least one ten thousandth, of one altogether. */
const odds = fc.array(fc.integer({ min: 0, max: 9992 }), { minLength: 7, maxLength: 7 }).map((cuts) => {
  const sorted = [0, ...cuts.sort((a, b) => a - b), WHOLE - 8]
  return sorted.slice(1).map((cut, at) => cut - (sorted[at] ?? 0) + 1)
})
const sum = (list: readonly number[]) => list.reduce((total, each) => total + each, 0)

describe('odds that are changed', () => {
  test('are one altogether, whatever is written; none is less than a ten thousandth; what is written stands', () => {
    fc.assert(
      fc.property(odds, fc.nat(7), fc.double({ min: -5, max: 20_000, noNaN: true }), (before, at, wanted) => {
        const after = withOdds(before, at, wanted)
        expect([after.length, sum(after), after.every((each) => Number.isInteger(each) && each >= 1)]).toEqual([
          8,
          WHOLE,
          true
        ])
        expect(after[at]).toBe(Math.min(WHOLE - 7, Math.max(1, Math.round(wanted))))
      })
    )
  })

  test('the others keep their order, and a border takes from its neighbour alone', () => {
    fc.assert(
      fc.property(odds, fc.nat(6), fc.integer({ min: -WHOLE, max: WHOLE }), (before, border, by) => {
        const after = withBorder(before, border, by)
        expect([sum(after), after.every((each) => each >= 1)]).toEqual([WHOLE, true])
        expect(after.filter((_, at) => at !== border && at !== border + 1)).toEqual(
          before.filter((_, at) => at !== border && at !== border + 1)
        )
        const written = withOdds(before, border, (before[border] ?? 0) + by)
        for (const [at, each] of before.entries()) {
          for (const [other, less] of before.entries()) {
            if (at === border || other === border || each < less) continue
            expect((written[at] ?? 0) + 1).toBeGreaterThanOrEqual(written[other] ?? 0)
          }
        }
      })
    )
  })
})

test('an amount comes to the points that the service gives for it', () => {
  const terms = { rate: 10, min: 50, max: 2000 }
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 1_000_000 }), (cents) => {
      const text = (cents / 100).toFixed(2)
      expect(centsOf(text)).toBe(cents)
      expect(pointsOf(cents, terms)).toBe(pointsFor(cents, terms))
    })
  )
  for (const bad of ['', '0', '0.00', '-1', '1.234', '1e3', '10000.01', '99999', 'x', '1,5', ' ']) {
    expect([bad, centsOf(bad)]).toEqual([bad, undefined])
  }
})

test('what a version changed is told by prize and field; what stayed is not', () => {
  const told = differences(
    { daily_limit: 50, prizes: [{ prize_id: 1, prize_name: 'A', probability: 0.01 }] },
    {
      daily_limit: 40,
      prizes: [{ prize_id: 1, prize_name: 'A', probability: 0.02 }]
    }
  )
  expect(told).toEqual([
    { field: 'daily_limit', was: 50, is: 40 },
    { prize: 'A', field: 'probability', was: 0.01, is: 0.02 }
  ])
  const rules = { daily_limit: 50, prizes: [{ prize_id: 1, prize_name: 'A', probability: 0.01 }] }
  expect(differences({ ...rules, version: 1 }, { ...rules, version: 2 })).toEqual([])
})

test('every field of the rules has words', () => {
  const { prizes, ...rules } = toSnapshot(standardRules(50))
  const fields = [...Object.keys(rules), ...prizes.flatMap(Object.keys)]
  expect(fields.filter((field) => !Object.hasOwn(zh.rule, field))).toEqual([])
})

test('both languages say the same things, with the same blanks', () => {
  const blanks = (text: string) => (text.match(/\{\w+\}/g) ?? []).sort()
  for (const [group, words] of Object.entries(zh)) {
    for (const [key, text] of Object.entries(words)) {
      const other = (en as unknown as Record<string, Record<string, string>>)[group]?.[key] ?? ''
      expect([group, key, blanks(other)]).toEqual([group, key, blanks(text)])
      expect(other).not.toBe('')
    }
  }
})
