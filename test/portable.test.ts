import { expect, test } from 'vitest'
import { readSources } from './helpers/source-tree.js'

/** What is more than MySQL, MariaDB, TiDB and Vitess have in common, as it stands in a statement. */
const BEYOND: Readonly<Record<string, RegExp>> = {
  JSON_TABLE: /\bJSON_TABLE\(/g,
  'index hint': /\b(?:FORCE|USE|IGNORE) INDEX\b/g,
  STRAIGHT_JOIN: /\bSTRAIGHT_JOIN\b/g,
  'SKIP LOCKED': /\bSKIP LOCKED\b/g,
  'named lock': /\b(?:GET|RELEASE)_LOCK\b/g,
  'UPDATE of several tables': /\bUPDATE JSON_TABLE\b/g,
  'session setting': /["'`]SET SESSION (?!TRANSACTION|time_zone|autocommit)/g
}

/** Every statement that has one of these, by its file, with why it may. */
const ALLOWED: readonly {
  readonly file: string
  readonly uses: Readonly<Record<string, number>>
  readonly why: string
}[] = [
  {
    file: 'src/domains/exchange/store.ts',
    uses: { JSON_TABLE: 1, 'index hint': 1, STRAIGHT_JOIN: 1, 'UPDATE of several tables': 1 },
    why: 'the stock of a batch’s products, whose matched rows say that all were as read; a derived table is slower'
  },
  {
    file: 'src/domains/lottery/store.ts',
    uses: { 'index hint': 1, STRAIGHT_JOIN: 1 },
    why: 'the way to the guarantee goes with the balance: a statement of its own made draws slower than the bar allows'
  },
  {
    file: 'src/domains/points/ledger.ts',
    uses: { JSON_TABLE: 1, 'index hint': 1, STRAIGHT_JOIN: 1, 'UPDATE of several tables': 1 },
    why: 'the balances of a batch, by a hint: a small table is read whole without it, and waits for the locks of others'
  },
  {
    file: 'src/domains/receipt/evidence/compare.ts',
    uses: { STRAIGHT_JOIN: 1 },
    why: 'candidates by the index on bands first, never all receipts of 180 days first'
  },
  {
    file: 'src/domains/voucher/expiry.ts',
    uses: { 'SKIP LOCKED': 1 },
    why: 'a sweep that passes by vouchers at the counter; the condition stands in the write too, so without it is slower'
  },
  {
    file: 'src/engine/connection.ts',
    uses: { 'session setting': 1 },
    why: 'an optimizer switch that TiDB takes and ignores'
  },
  {
    file: 'src/engine/database.ts',
    uses: { 'session setting': 2 },
    why: 'how long to wait for a lock; TiDB has the same variable'
  },
  {
    file: 'src/engine/following-pool.ts',
    uses: { 'session setting': 1 },
    why: 'causal reads on Galera, where it is one'
  },
  {
    file: 'src/engine/keyset.ts',
    uses: { 'index hint': 1 },
    why: 'a diner’s list: MariaDB walks past everybody’s rows without it; TiDB has the hint'
  }
]

test('every statement that is more than the common subset of engines is named, with the reason', () => {
  const found = readSources('src')
    .filter(({ path: file }) => !file.startsWith('src/generated/'))
    .flatMap(({ path: file, text }) => {
      // What is said about statements is none.
      const code = text.replace(/\/\*[\s\S]*?\*\/|^\s*\/\/.*$/gm, '')
      const counts = Object.entries(BEYOND).map(([name, pattern]) => [name, code.match(pattern)?.length ?? 0] as const)
      const uses = Object.fromEntries(counts.filter(([, count]) => count > 0))
      return Object.keys(uses).length === 0 ? [] : [{ file, uses }]
    })
  expect(found).toEqual(ALLOWED.map(({ file, uses }) => ({ file, uses })))
})
