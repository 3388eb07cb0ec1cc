import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type BrakeColumns, brakeAt, changed } from '../src/domains/lottery/brake.js'
import { createApp, type Diner, ledgerFaults, newDiner, sql } from './helpers/app.js'

const NONE: BrakeColumns = {
  own_daily: null,
  own_pause_until: null,
  next_daily: null,
  next_pause_until: null,
  next_from: null
}
const HOUR_MS = 3_600_000
const limits = async (diner: Diner) => (await diner.get('/api/user/limits')).json().data
const set = async (diner: Diner, body: object) => (await diner.put('/api/user/limits', body)).json()

describe('the rule', () => {
  const brakes = fc.record({
    dailyDraws: fc.option(fc.integer({ min: 0, max: 50 })),
    pauseUntil: fc.option(fc.integer({ min: 1, max: 200 }).map((hours) => new Date(hours * HOUR_MS)))
  })

  test('whatever is asked for, one after another: nothing gets looser within 24 hours, nothing stricter waits', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(brakes, fc.integer({ min: 0, max: 40 })), { maxLength: 12 }), (asked) => {
        let [columns, now] = [NONE, new Date(0)]
        for (const [wanted, hours] of asked) {
          now = new Date(now.getTime() + hours * HOUR_MS)
          const before = brakeAt(columns, now)
          const future = {
            ...wanted,
            pauseUntil: wanted.pauseUntil !== null && wanted.pauseUntil > now ? wanted.pauseUntil : null
          }
          columns = changed(columns, future, now)
          const after = brakeAt(columns, now)
          const least = (limit: number | null) => limit ?? Number.POSITIVE_INFINITY
          const late = (pause: Date | null) => pause?.getTime() ?? 0
          expect(least(after.dailyDraws)).toBe(Math.min(least(before.dailyDraws), least(future.dailyDraws)))
          expect(late(after.pauseUntil)).toBe(Math.max(late(before.pauseUntil), late(future.pauseUntil)))
          // A moment before the day is over it is the same; then it is what was asked for.
          const dayLater = new Date(now.getTime() + 24 * HOUR_MS)
          const end = brakeAt(columns, dayLater)
          expect(end.dailyDraws).toBe(future.dailyDraws)
          expect(late(end.pauseUntil)).toBe(
            future.pauseUntil !== null && future.pauseUntil > dayLater ? late(future.pauseUntil) : 0
          )
        }
      })
    )
  })

  test('what was asked for again is not put off', () => {
    const at = (hours: number) => new Date(hours * HOUR_MS)
    const wanted = { dailyDraws: 20, pauseUntil: null }
    const first = changed({ ...NONE, own_daily: 5 }, wanted, at(0))
    expect(changed(first, wanted, at(20))).toEqual(first)
    expect(changed(first, { dailyDraws: 30, pauseUntil: null }, at(20)).next_from).toEqual(at(44))
  })
})

describe('a diner', () => {
  test('holds themselves to so many draws a day, and hears what the limit is', async () => {
    const app = await createApp()
    const diner = await newDiner(app, { points: 5000 })
    expect(await limits(diner)).toEqual({ daily_draws: null, pause_until: null, pending: null })
    expect((await set(diner, { daily_draws: 4 })).data).toEqual({ daily_draws: 4, pause_until: null, pending: null })
    expect((await diner.post('/api/lottery/draw', { draw_type: 'triple' })).statusCode).toBe(200)
    const refused = await diner.post('/api/lottery/draw', { draw_type: 'triple' })
    expect([refused.statusCode, refused.json()]).toMatchObject([
      409,
      { code: 3012, error: 'SELF_LIMIT', details: { limit: 4, used: 3, pause_until: null } }
    ])
    expect((await diner.post('/api/lottery/draw')).statusCode).toBe(200)
    expect((await diner.get('/api/user/info')).json().data.total_points).toBe(4600)
    expect(await ledgerFaults(app, [diner.userId])).toEqual([])
  })

  test('who loosens it and draws at once is still held, whichever comes first; a day later no longer', async () => {
    let now = new Date('2026-11-20T04:00:00Z')
    const app = await createApp({ clock: () => now, config: { JWT_EXPIRES_IN: '36500d' } })
    const diner = await newDiner(app, { points: 5000 })
    await set(diner, { daily_draws: 0 })
    const [loosened, ...draws] = await Promise.all([
      set(diner, {}),
      ...Array.from({ length: 12 }, () => diner.post('/api/lottery/draw'))
    ])
    expect(loosened.data).toEqual({
      daily_draws: 0,
      pause_until: null,
      pending: { daily_draws: null, pause_until: null, from: '2026-11-21T04:00:00.000Z' }
    })
    expect(draws.map((reply) => reply.json().error)).toEqual(Array(12).fill('SELF_LIMIT'))
    now = new Date('2026-11-21T03:59:59.999Z')
    expect((await diner.post('/api/lottery/draw')).json().error).toBe('SELF_LIMIT')
    now = new Date('2026-11-21T04:00:00Z')
    expect(await limits(diner)).toEqual({ daily_draws: null, pause_until: null, pending: null })
    expect((await diner.post('/api/lottery/draw')).statusCode).toBe(200)
  })

  test('may pause, for a year at the most; the wheel comes before the brake, and that before the house’s limit', async () => {
    let now = new Date('2026-11-20T04:00:00Z')
    const app = await createApp({ clock: () => now, config: { JWT_EXPIRES_IN: '36500d' } })
    const diner = await newDiner(app, { points: 9000 })
    expect((await set(diner, { pause_until: '2026-11-22T00:00:00.000Z' })).data.pause_until).toBe(
      '2026-11-22T00:00:00.000Z'
    )
    const reply = await diner.post('/api/lottery/draw')
    expect(reply.json().details).toEqual({ limit: null, used: 0, pause_until: '2026-11-22T00:00:00.000Z' })
    expect((await set(diner, { pause_until: '2028-01-01T00:00:00.000Z' })).details[0].field).toBe('pause_until')
    for (const body of [{ daily_draws: 51 }, { daily_draws: -1 }, { daily_draws: 1.5 }, { pause_until: 'soon' }]) {
      expect((await set(diner, body)).error).toBe('VALIDATION_FAILED')
    }
    expect((await limits(diner)).pause_until).toBe('2026-11-22T00:00:00.000Z')
    now = new Date('2026-11-22T00:00:00.000Z')
    for (let n = 0; n < 5; n += 1)
      expect((await diner.post('/api/lottery/draw', { draw_type: 'ten' })).statusCode).toBe(200)
    expect((await diner.post('/api/lottery/draw')).json().error).toBe('DRAW_LIMIT_REACHED')
    await set(diner, { daily_draws: 50 })
    expect((await diner.post('/api/lottery/draw')).json().error).toBe('SELF_LIMIT')
    await sql('UPDATE lottery_config SET is_active = 0')
    await app.tx(async () => {})
    const closed = await createApp({ clock: () => now })
    const other = await closed.inject({
      method: 'POST',
      url: '/api/lottery/draw',
      headers: { authorization: `Bearer ${diner.access}` },
      payload: {}
    })
    expect(other.json().error).toBe('LOTTERY_CLOSED')
    await sql('UPDATE lottery_config SET is_active = 1')
  })
})
