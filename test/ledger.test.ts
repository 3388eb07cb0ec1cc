import { expect, onTestFinished, test } from 'vitest'
import { Account } from '../src/domains/points/account.js'
import { post } from '../src/domains/points/ledger.js'
import { checkLedger, lastUserId } from '../src/domains/points/reconcile.js'
import { createApp, databaseUrl, ledgerFaults, newDiner, sql } from './helpers/app.js'
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
      const [row] = await uow.tx.$queryRaw<{ total_points: number }[]>`
        SELECT total_points FROM users WHERE user_id = ${userId} FOR UPDATE`
      const account = new Account(userId, row?.total_points ?? 0)
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
  const stale = new Account(diner.userId, 900)
  stale.debit(100, { source: 'admin' })
  await expect(app.tx((uow) => post(uow, [stale]))).rejects.toThrow(/still what was read/)
  expect(await ledgerFaults(app, [diner.userId])).toEqual([])
  expect(() => stale.credit(0, { source: 'admin' })).toThrow(/no movement/)
  expect(() => stale.credit(0.5, { source: 'admin' })).toThrow(/no movement/)
  expect(() => stale.debit(801, { source: 'admin' })).toThrow(expect.objectContaining({ error: 'POINTS_INSUFFICIENT' }))
})

test('npm run reconcile names each fault and exits 1, and exits 0 when there is none', async () => {
  const app = await createApp()
  const [sound, balance, chain] = [await newDiner(app), await newDiner(app), await newDiner(app)]
  for (const diner of [sound, balance, chain]) await diner.post('/api/lottery/draw', { draw_type: 'triple' })
  const env = { DATABASE_URL: databaseUrl() }
  const good = await runScript('reconcile', env)
  expect([good.code, good.stdout]).toEqual([0, ''])
  expect(good.stderr).toContain('The ledger agrees.')

  await sql('UPDATE users SET total_points = total_points + 5 WHERE user_id = ?', [balance.userId])
  await sql("UPDATE points_records SET balance_after = 699 WHERE user_id = ? AND source = 'lottery'", [chain.userId])
  onTestFinished(async () => {
    await sql('UPDATE users SET total_points = total_points - 5 WHERE user_id = ?', [balance.userId])
    await sql("UPDATE points_records SET balance_after = 700 WHERE user_id = ? AND source = 'lottery'", [chain.userId])
  })
  const bad = await runScript('reconcile', env)
  expect(bad.code).toBe(1)
  expect(bad.stdout.trim().split('\n').sort()).toEqual([
    expect.stringMatching(new RegExp(`^user ${balance.userId}: balance is not the sum .* expected 700, found 705$`)),
    expect.stringMatching(
      new RegExp(`^user ${chain.userId}, ledger row \\d+: balance_after .* expected 700, found 699$`)
    )
  ])
  expect(await lastUserId(app.db)).toBeGreaterThanOrEqual(chain.userId)
})
