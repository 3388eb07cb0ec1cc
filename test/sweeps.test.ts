import { describe, expect, test } from 'vitest'
import { answerSweep } from '../src/engine/idempotency.js'
import { dropLease, takeLease } from '../src/engine/lease.js'
import { SWEEP_ROWS, sweepAll } from '../src/engine/sweep.js'
import { SWEEPS } from '../src/registry.js'
import { createApp, newDiner, sql, until } from './helpers/app.js'
import { scrape } from './helpers/metrics.js'

const DAY_MS = 24 * 60 * 60 * 1000

describe('a lease', () => {
  test('is held by one at a time, however many want it, and kept by whoever holds it', async () => {
    const app = await createApp()
    const holders = Array.from({ length: 12 }, (_, n) => `holder ${n}`)
    const taken = await Promise.all(holders.map((holder) => takeLease(app.db, 'probe', holder, 60)))
    expect(taken.filter(Boolean)).toHaveLength(1)
    const holder = holders[taken.indexOf(true)] ?? ''
    expect(await takeLease(app.db, 'probe', holder, 60)).toBe(true)
    expect(await takeLease(app.db, 'probe', 'another', 60)).toBe(false)
    await dropLease(app.db, 'probe', 'another')
    expect(await takeLease(app.db, 'probe', 'another', 60)).toBe(false)
    await dropLease(app.db, 'probe', holder)
    expect(await takeLease(app.db, 'probe', 'another', 60)).toBe(true)
  })

  test('ends by itself when its holder is gone', async () => {
    const app = await createApp()
    expect(await takeLease(app.db, 'short', 'gone', 1)).toBe(true)
    await until(() => takeLease(app.db, 'short', 'next', 60))
  })
})

describe('sweeps', () => {
  test('go in bounded steps, and leave what is not past its time', async () => {
    const app = await createApp()
    const { userId } = await newDiner(app)
    const rows = SWEEP_ROWS * 2 + 5
    const numbers = JSON.stringify(Array.from({ length: rows }, (_, n) => n))
    await sql(
      `INSERT INTO idempotency_keys (user_id, idem_key, request_hash, response, created_at, expires_at)
       SELECT ?, CONCAT('old ', j.n), '', '', '2026-01-01', '2026-01-02'
       FROM JSON_TABLE(?, '$[*]' COLUMNS (n INT PATH '$')) AS j`,
      [userId, numbers]
    )
    const fresh = { userId, idemKey: 'fresh', requestHash: '', response: '', createdAt: new Date() }
    await app.db.idempotencyKey.create({ data: { ...fresh, expiresAt: new Date(Date.now() + DAY_MS) } })
    const context = { db: app.db, tx: app.tx, now: new Date() }
    expect(await answerSweep.step(context)).toBe(SWEEP_ROWS)
    expect(await sweepAll(answerSweep, context)).toBe(rows - SWEEP_ROWS)
    const left = await app.db.idempotencyKey.findMany({ where: { userId } })
    expect(left.map(({ idemKey }) => idemKey)).toEqual(['fresh'])
  })

  test('remove codes at their end, counts of codes once their day is over anywhere, and ended sessions', async () => {
    let now = new Date()
    const app = await createApp({ clock: () => now, config: { JWT_REFRESH_EXPIRES_IN: '7d' } })
    const diner = await newDiner(app)
    const { mobile, userId } = diner
    const counts = async () => ({
      codes: await app.db.verificationCode.count({ where: { mobile } }),
      requests: await app.db.codeRequest.count({ where: { mobile } }),
      sessions: await app.db.session.count({ where: { userId } })
    })
    const after = async (ms: number) => {
      now = new Date(now.getTime() + ms)
      expect(await app.sweepNow()).toBe(true)
      return counts()
    }
    expect(await after(0)).toEqual({ codes: 1, requests: 1, sessions: 1 })
    // Its five minutes are over, and the count of its day may still be asked for.
    expect(await after(DAY_MS / 24)).toEqual({ codes: 0, requests: 1, sessions: 1 })
    expect(await after(DAY_MS)).toEqual({ codes: 0, requests: 1, sessions: 1 })
    expect(await after(3 * DAY_MS)).toEqual({ codes: 0, requests: 0, sessions: 1 })
    expect(await after(7 * DAY_MS)).toEqual({ codes: 0, requests: 0, sessions: 0 })
  })

  test('are done by one instance at a time, each is measured, and one that fails stops no other', async () => {
    const [one, other] = [await createApp(), await createApp()]
    expect(await takeLease(one.db, 'sweeper', 'somebody else', 60)).toBe(true)
    expect(await one.sweepNow()).toBe(false)
    await dropLease(one.db, 'sweeper', 'somebody else')
    const both = await Promise.all([one.sweepNow(), other.sweepNow()])
    expect(both).toContain(true)

    await sql('RENAME TABLE sessions TO sessions_away')
    expect(await one.sweepNow()).toBe(true)
    await sql('RENAME TABLE sessions_away TO sessions')
    const series = await scrape(one)
    for (const { name } of SWEEPS) {
      if (name === 'sessions') continue
      expect(series.get(`sweep_duration_seconds_count{sweep="${name}"}`), name).toBeGreaterThan(0)
    }
    expect(await one.db.lease.count({ where: { name: 'sweeper' } })).toBe(0)
  })
})
