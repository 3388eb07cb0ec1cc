import { expect, onTestFinished, test } from 'vitest'
import { Account, NEW_ACCOUNT } from '../src/domains/points/account.js'
import { openAccount } from '../src/domains/points/accounts.js'
import { post } from '../src/domains/points/ledger.js'
import { checkLedger, lastUserId } from '../src/domains/points/reconcile.js'
import { createApp, type Diner, databaseUrl, ledgerFaults, newDiner, sql } from './helpers/app.js'
import { runScript } from './helpers/script.js'

test('the ledger of a user is listed, filtered and summed', async () => {
  const app = await createApp()
  const diner = await newDiner(app)
  await diner.post('/api/lottery/draw', { draw_type: 'five' })
  const list = async (query = '') => (await diner.get(`/api/user/points-records?${query}`)).json().data
  const all = await list()
  expect(all.summary).toEqual({ total_earned: 1000, total_spent: 500, current_balance: 500 })
  expect(all.records.map((row: { points: number }) => row.points)).toEqual([-500, 1000])
  for (const type of ['spend', 'consume']) expect((await list(`type=${type}`)).records).toHaveLength(1)
  expect((await list('type=earn')).records[0]).toMatchObject({ type: 'earn', source: 'register', balance_after: 1000 })
  expect((await list('source=lottery')).pagination.total).toBe(1)
  const { data } = (await diner.get('/api/user/info')).json()
  expect(data.statistics).toEqual({
    total_lottery_count: 5,
    total_exchange_count: 0,
    total_upload_count: 0,
    total_points_earned: 1000,
    total_points_spent: 500
  })
})

test('after a random mix of draws, credits and debits at once every ledger holds', async () => {
  const app = await createApp()
  const diners = await Promise.all(Array.from({ length: 6 }, () => newDiner(app, { points: 3000 })))
  const move = (userId: number, points: number) =>
    app.tx(async (uow) => {
      const account = await openAccount(uow, userId)
      if (points > 0) account.credit(points, { source: 'admin' })
      else account.debit(-points, { source: 'admin' })
      await post(uow, [account])
    })
  const jobs = Array.from({ length: 240 }, () => {
    const diner = diners[Math.floor(Math.random() * diners.length)] as (typeof diners)[number]
    const dice = Math.random()
    if (dice < 0.6) {
      const draw_type = ['single', 'triple', 'five', 'ten'][Math.floor(Math.random() * 4)]
      return () => diner.post('/api/lottery/draw', { draw_type })
    }
    return () =>
      move(diner.userId, dice < 0.8 ? 250 : -400).catch((err) => expect(err.error).toBe('POINTS_INSUFFICIENT'))
  })
  const worker = async () => {
    for (let job = jobs.pop(); job; job = jobs.pop()) await job()
  }
  await Promise.all(Array.from({ length: 24 }, worker))
  const userIds = diners.map((diner) => diner.userId)
  expect(await ledgerFaults(app, userIds)).toEqual([])
  expect(await checkLedger(app.db, Math.min(...userIds), Math.max(...userIds))).toEqual([])
})

test('a balance that is not what the lock showed stops everything', async () => {
  const app = await createApp()
  const diner = await newDiner(app)
  const stale = new Account(diner.userId, { ...NEW_ACCOUNT, balance: 900 })
  stale.debit(100, { source: 'admin' })
  await expect(app.tx((uow) => post(uow, [stale]))).rejects.toThrow(/still what was read/)
  expect(await ledgerFaults(app, [diner.userId])).toEqual([])
  expect(() => stale.credit(0, { source: 'admin' })).toThrow(/no movement/)
  expect(() => stale.credit(0.5, { source: 'admin' })).toThrow(/no movement/)
  expect(() => stale.debit(801, { source: 'admin' })).toThrow(expect.objectContaining({ error: 'POINTS_INSUFFICIENT' }))
})

test('npm run reconcile names each fault and exits 1, and exits 0 when there is none', async () => {
  const app = await createApp()
  const diners = await Promise.all(Array.from({ length: 5 }, () => newDiner(app)))
  const [sound, balance, chain, gap, forged] = diners as [Diner, Diner, Diner, Diner, Diner]
  for (const diner of diners) await diner.post('/api/lottery/draw', { draw_type: 'triple' })
  const env = { DATABASE_URL: databaseUrl() }
  const good = await runScript('reconcile', env)
  expect([good.code, good.stdout]).toEqual([0, ''])
  expect(good.stderr).toContain('The ledger and all figures agree.')

  const undone: (() => Promise<unknown>)[] = []
  const bend = async (statement: string, back: string, userId: number) => {
    await sql(`${statement} WHERE user_id = ${userId}`)
    undone.push(() => sql(`${back} WHERE user_id = ${userId}`))
  }
  onTestFinished(async () => {
    for (const undo of undone) await undo()
  })
  await bend(
    'UPDATE users SET total_points = total_points + 5',
    'UPDATE users SET total_points = total_points - 5',
    balance.userId
  )
  await bend(
    "UPDATE points_records SET balance_after = balance_after - IF(source = 'register', 0, 1)",
    "UPDATE points_records SET balance_after = balance_after + IF(source = 'register', 0, 1)",
    chain.userId
  )
  await bend(
    'UPDATE points_records SET seq = seq + IF(seq = 1, 0, 5)',
    'UPDATE points_records SET seq = seq - IF(seq = 1, 0, 5)',
    gap.userId
  )
  // A word of the first row; what follows it is chained to the hash that it had.
  await bend(
    "UPDATE points_records SET description = IF(seq = 1, '新用户注册奖励!', description)",
    "UPDATE points_records SET description = IF(seq = 1, '新用户注册奖励', description)",
    forged.userId
  )
  const bad = await runScript('reconcile', env)
  expect(bad.code).toBe(1)
  const lines = bad.stdout.trim().split('\n')
  const about = ({ userId }: Diner) =>
    lines
      .filter((line) => line.startsWith(`user ${userId}:`) || line.startsWith(`user ${userId},`))
      .map((line) => line.replace(/^user \d+(, ledger row \d+)?: /, '').replace(/: expected.*/, ''))
  expect(about(sound)).toEqual([])
  expect(lines).toContainEqual(expect.stringMatching(`^user ${balance.userId}: .* expected 700, found 705$`))
  expect(about(balance)).toEqual(['balance is not the sum of the ledger'])
  expect(about(chain).slice(0, 2)).toEqual([
    'balance_after does not follow from the row before',
    'hash does not follow from the row before'
  ])
  expect(about(gap)).toEqual(
    expect.arrayContaining(['seq does not follow from the row before', 'ledger_seq is not that of the last row'])
  )
  expect(about(forged)).toEqual(['hash does not follow from the row before'])
  expect(await lastUserId(app.db)).toBeGreaterThanOrEqual(chain.userId)
})

test('a kept figure or number that is not that of its rows is named, and counted anew while the service works', async () => {
  const app = await createApp()
  const diner = await newDiner(app, { points: 100_000 })
  await diner.post('/api/lottery/draw', { draw_type: 'ten' })
  await sql("UPDATE user_totals SET total = total + 1 WHERE user_id = ? AND topic = 'ledger'", [diner.userId])
  await sql("DELETE FROM user_totals WHERE user_id = ? AND topic = 'result'", [diner.userId])
  await sql("INSERT INTO user_totals VALUES (?, 'upload', 'approved', 3, 90, 0)", [diner.userId])
  // As half a transaction would leave it: the diner's next push number is taken.
  const behind = await newDiner(app)
  await behind.post('/api/lottery/draw')
  const [told] = await sql<{ push_seq: bigint }>('SELECT push_seq FROM users WHERE user_id = ?', [behind.userId])
  await sql('UPDATE users SET push_seq = push_seq - 1 WHERE user_id = ?', [behind.userId])
  expect((await behind.post('/api/lottery/draw')).statusCode).toBe(503)
  const env = { DATABASE_URL: databaseUrl() }
  const bad = await runScript('reconcile', env)
  expect(bad.code).toBe(1)
  expect(bad.stdout).toMatch(new RegExp(`user ${behind.userId}: push_seq is behind .*: expected ${told?.push_seq},`))
  expect(bad.stdout).toContain(`user ${diner.userId}, upload approved: `)
  expect(bad.stdout).toContain('expected 0 (earned 0, spent 0), found 3 (earned 90, spent 0)')
  expect(bad.stdout).toMatch(new RegExp(`user ${diner.userId}, ledger spend:lottery: .*expected 1 .*found 2 `))

  // Draws, orders and receipts go on while it counts.
  let working = true
  const worker = async () => {
    while (working) await diner.post('/api/lottery/draw', { draw_type: 'triple' })
  }
  const workers = [worker(), worker()]
  const mended = await runScript('reconcile', env, ['--recount'])
  working = false
  await Promise.all(workers)
  expect([mended.code, mended.stderr]).toEqual([0, expect.stringContaining('counted anew')])
  expect(await ledgerFaults(app, [diner.userId])).toEqual([])
  expect((await behind.post('/api/lottery/draw')).statusCode).toBe(200)
  expect((await runScript('reconcile', env, ['--all'])).stderr).toContain('Usage: npm run reconcile -- [--recount]')
})
