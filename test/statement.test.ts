import { createHash } from 'node:crypto'
import { expect, test } from 'vitest'
import { createApp, type Diner, newDiner, sql } from './helpers/app.js'

interface Row {
  readonly seq: number
  readonly points: number
  readonly balance_after: number
  readonly source: string
  readonly description: string
  readonly related_id: string | null
  readonly created_at: string
  readonly hash: string
}

interface Told {
  readonly user_id: number
  readonly opening_balance: number
  readonly opening_hash: string
  readonly rows: readonly Row[]
  readonly closing_balance: number
  readonly closing_hash: string
}

const statement = async (diner: Diner, query = ''): Promise<Told> =>
  (await diner.get(`/api/user/points-statement${query}`)).json().data

/** As a stranger would check it, who has read the documentation of the route. */
function faultsOf({ user_id, opening_balance, opening_hash, rows, closing_balance, closing_hash }: Told): string[] {
  let [balance, hash, seq] = [opening_balance, opening_hash, (rows[0]?.seq ?? 1) - 1]
  const faults: string[] = []
  for (const row of rows) {
    const lines = [hash, user_id, row.seq, row.points, row.balance_after, row.source, row.related_id ?? '']
    hash = createHash('sha256')
      .update([...lines, row.created_at, row.description].join('\n'))
      .digest('hex')
    balance += row.points
    seq += 1
    if (row.seq !== seq) faults.push(`seq ${row.seq}`)
    if (row.balance_after !== balance) faults.push(`balance ${row.seq}`)
    if (row.hash !== hash) faults.push(`hash ${row.seq}`)
  }
  if (closing_balance !== balance || closing_hash !== hash) faults.push('closing')
  return faults
}

/** Three business days in Shanghai: a login and a draw, two draws, and one that is past midnight there. */
async function threeDays() {
  let now = new Date('2026-11-20T04:00:00Z')
  const app = await createApp({ clock: () => now, config: { JWT_EXPIRES_IN: '36500d' } })
  const diner = await newDiner(app, { points: 1000 })
  const drawAt = async (time: string, times: number) => {
    now = new Date(time)
    for (let n = 0; n < times; n += 1) await diner.post('/api/lottery/draw')
  }
  await drawAt('2026-11-20T05:00:00Z', 1)
  await drawAt('2026-11-21T05:00:00Z', 2)
  await drawAt('2026-11-21T16:00:00Z', 1)
  return { app, diner }
}

test('a statement tells a stretch of the ledger, whose chain whoever has it can check', async () => {
  const { diner } = await threeDays()
  const whole = await statement(diner)
  expect(whole).toMatchObject({ opening_balance: 0, opening_hash: '0'.repeat(64), closing_balance: 600 })
  expect(whole.rows.map(({ seq, points }) => [seq, points])).toEqual([
    [1, 1000],
    [2, -100],
    [3, -100],
    [4, -100],
    [5, -100]
  ])
  expect(faultsOf(whole)).toEqual([])
  const days: [string, number[], number, number][] = [
    ['?to=2026-11-20', [1, 2], 0, 900],
    ['?from=2026-11-21&to=2026-11-21', [3, 4], 900, 700],
    ['?from=2026-11-22', [5], 700, 600],
    ['?from=2026-11-25', [], 600, 600],
    ['?to=2026-11-01', [], 0, 0]
  ]
  for (const [query, seqs, opening, closing] of days) {
    const told = await statement(diner, query)
    expect([query, told.rows.map(({ seq }) => seq)]).toEqual([query, seqs])
    expect([told.opening_balance, told.closing_balance]).toEqual([opening, closing])
    expect(faultsOf(told)).toEqual([])
  }
  // Whoever changes a row is found out by whoever has the statement from before, and from the row alone.
  for (const change of [{ points: -99 }, { description: '抽奖2次' }, { hash: 'ab'.repeat(32) }]) {
    const rows = whole.rows.map((row) => (row.seq === 3 ? { ...row, ...change } : row))
    expect(faultsOf({ ...whole, rows })).not.toEqual([])
  }
})

test('as a file it begins and ends with the balance, and opens in a spreadsheet', async () => {
  const { diner } = await threeDays()
  const reply = await diner.get('/api/user/points-statement?from=2026-11-21&to=2026-11-21&format=csv')
  expect(reply.headers['content-type']).toBe('text/csv; charset=utf-8')
  expect(reply.headers['content-disposition']).toMatch(/^attachment; filename="points-statement-[\d-]+\.csv"$/)
  const { opening_hash, closing_hash, rows } = await statement(diner, '?from=2026-11-21&to=2026-11-21')
  const lines = reply.body.replace('\uFEFF', '').trim().split('\r\n')
  expect(lines[0]).toBe('seq,created_at,points,balance_after,source,description,related_id,hash')
  expect(lines[1]).toBe(`,,,900,,期初余额,,${opening_hash}`)
  expect(lines.slice(2, 4)).toEqual(
    rows.map((row) =>
      [
        row.seq,
        row.created_at,
        row.points,
        row.balance_after,
        row.source,
        row.description,
        row.related_id,
        row.hash
      ].join()
    )
  )
  expect(lines[4]).toBe(`,,,700,,期末余额,,${closing_hash}`)
  expect(lines).toHaveLength(5)
})

test('what is too much for one answer is refused, and there as a file', async () => {
  const app = await createApp()
  const diner = await newDiner(app)
  const rows = Array.from({ length: 2000 }, (_, n) => [diner.userId, n + 2, '2026-11-22 04:00:00'])
  for (let from = 0; from < rows.length; from += 500) {
    const part = rows.slice(from, from + 500)
    await sql(
      `INSERT INTO points_records (user_id, seq, points, balance_after, type, source, hash, created_at)
       VALUES ${part.map(() => "(?, ?, 1, 1, 'earn', 'admin', '', ?)").join(', ')}`,
      part.flat()
    )
  }
  const refused = await diner.get('/api/user/points-statement')
  expect(refused.json()).toMatchObject({ error: 'VALIDATION_FAILED', details: [{ field: 'from' }] })
  const file = await diner.get('/api/user/points-statement?format=csv')
  expect(file.body.trim().split('\r\n')).toHaveLength(1 + 2001 + 2)
  expect((await diner.get('/api/user/points-statement?from=2026-13-01')).json().error).toBe('VALIDATION_FAILED')
})
