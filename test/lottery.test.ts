import { createHash } from 'node:crypto'
import { describe, expect, onTestFinished, test } from 'vitest'
import { migrate } from '../scripts/lib/migrations.js'
import { drawAll } from '../src/domains/lottery/draw.js'
import { readVersions } from '../src/domains/lottery/versions.js'
import { openAccount } from '../src/domains/points/accounts.js'
import { post } from '../src/domains/points/ledger.js'
import { UnitOfWork } from '../src/engine/unit-of-work.js'
import {
  createApp,
  createSchema,
  databaseUrl,
  drawTools,
  dropSchema,
  ledgerFaults,
  luckyWord,
  newDiner,
  plant,
  sql,
  until
} from './helpers/app.js'

/** A database of its own, for a test that changes the wheel. */
async function ownDatabase(name: string): Promise<string> {
  const schema = `test_${name}_${process.pid}`
  await createSchema(schema)
  onTestFinished(() => dropSchema(schema))
  await migrate(databaseUrl(schema))
  await plant(databaseUrl(schema))
  return databaseUrl(schema)
}

describe('the wheel', () => {
  test('config publishes eight prizes with the odds that draw, from the snapshot whose hash is kept', async () => {
    const app = await createApp()
    const diner = await newDiner(app)
    const { data } = (await diner.get('/api/lottery/config')).json()
    expect(data.prizes.map((prize: { probability: number }) => prize.probability)).toEqual([
      0.01, 0.1, 0.3, 0.29, 0.05, 0.2, 0.045, 0.005
    ])
    expect(data.prizes.map((prize: { angle: number }) => prize.angle)).toEqual([0, 45, 90, 135, 180, 225, 270, 315])
    expect(data.prizes[1]).toEqual({
      id: 2,
      name: '九八折券',
      type: 'coupon',
      value: 0.98,
      angle: 45,
      color: '#4ECDC4',
      probability: 0.1,
      effective_probability: 0.1535,
      isActivity: false,
      costPoints: 100,
      prize_id: 2,
      prize_name: '九八折券'
    })
    expect(data).toMatchObject({
      costPerDraw: 100,
      totalPrizes: 8,
      daily_limit: 50,
      today_draw_count: 0,
      is_active: true,
      pitySystem: { enabled: true, pityLimit: 10, pityPrizeName: '九八折券' },
      user_pity: { current_count: 0, remaining_draws: 10, is_pity_ready: false }
    })
    const version = await app.db.lotteryRuleVersion.findUniqueOrThrow({ where: { version: data.rules_version } })
    expect(createHash('sha256').update(version.snapshot).digest('hex')).toBe(version.sha256)
  })

  test.each([
    ['odds that do not sum to 1', 'UPDATE lottery_settings SET probability = 0.0051 WHERE prize_id = 8'],
    [
      'a shown prize with odds 0',
      'UPDATE lottery_settings SET probability = CASE prize_id WHEN 8 THEN 0 WHEN 3 THEN 0.305 ELSE probability END'
    ],
    ['seven prizes', 'UPDATE lottery_settings SET is_active = 0 WHERE prize_id = 8'],
    ['no rules at all', 'DELETE FROM lottery_config']
  ])('%s at start close it with 3001, until the tables are mended', async (what, damage) => {
    const url = await ownDatabase(what.replaceAll(/[^a-z0-9]/g, '_').slice(0, 20))
    await sql('CREATE TABLE kept AS SELECT * FROM lottery_settings', [], url)
    await sql('CREATE TABLE kept_config AS SELECT * FROM lottery_config', [], url)
    await sql(damage, [], url)
    const app = await createApp({ config: { DATABASE_URL: url } })
    const diner = await newDiner(app)
    for (const path of ['config', 'pity-status', 'statistics']) {
      expect((await diner.get(`/api/lottery/${path}`)).json()).toMatchObject({ code: 3001, error: 'LOTTERY_NOT_READY' })
    }
    expect((await diner.post('/api/lottery/draw')).json()).toMatchObject({ code: 3001 })
    expect((await diner.get('/api/user/info')).json().data.total_points).toBe(1000)
    await sql('REPLACE INTO lottery_settings SELECT * FROM kept', [], url)
    await sql('REPLACE INTO lottery_config SELECT * FROM kept_config', [], url)
    await until(async () => (await diner.post('/api/lottery/draw')).statusCode === 200)
  })

  test('tables changed by hand make a new version at the next start, and draws name the version they were made under', async () => {
    const url = await ownDatabase('versions')
    const before = await createApp({ config: { DATABASE_URL: url } })
    const diner = await newDiner(before)
    expect((await diner.post('/api/lottery/draw')).json().data.rules_version).toBe(1)
    await sql('UPDATE lottery_config SET cost_points = 50', [], url)
    expect((await diner.post('/api/lottery/draw')).json().data).toMatchObject({ rules_version: 1, total_cost: 100 })
    const after = await createApp({ config: { DATABASE_URL: url } })
    expect((await diner.post('/api/lottery/draw')).json().data).toMatchObject({ rules_version: 2, total_cost: 50 })
    await createApp({ config: { DATABASE_URL: url } })
    expect(await after.db.lotteryRuleVersion.count()).toBe(2)
    expect(
      (await after.db.lotteryDraw.findMany({ orderBy: { drawId: 'asc' } })).map((draw) => draw.rulesVersion)
    ).toEqual([1, 1, 2])
  })

  test('it can be switched off', async () => {
    const url = await ownDatabase('closed')
    await sql('UPDATE lottery_config SET is_active = 0', [], url)
    const app = await createApp({ config: { DATABASE_URL: url } })
    const diner = await newDiner(app)
    expect((await diner.get('/api/lottery/config')).json().data.is_active).toBe(false)
    expect((await diner.post('/api/lottery/draw')).json()).toMatchObject({ code: 3011, error: 'LOTTERY_CLOSED' })
  })
})

describe('a draw', () => {
  test('answers as the contract says, and gives each prize a voucher that is not readable in the database', async () => {
    const app = await createApp()
    const diner = await newDiner(app)
    const { data } = (await diner.post('/api/lottery/draw', { draw_type: 'triple' })).json()
    expect(data).toMatchObject({
      draw_type: 'triple',
      total_cost: 300,
      points_awarded: 0,
      user_points: 700,
      remaining_points: 700,
      today_count: 3,
      remaining_draws_today: 47,
      prizeId: data.results[0].prize_id,
      prizeName: data.results[0].prize_name
    })
    expect(data.results.map((result: { sequence: number }) => result.sequence)).toEqual([1, 2, 3])
    for (const result of data.results) {
      expect(result.voucher_code).toMatch(/^[34679ACDEFGHJKMNPQRTUVWXY]{12}$/)
      expect(result.prize).toMatchObject({ id: result.prize_id, name: result.prize_name, type: result.prize_type })
      const voucher = await app.db.voucher.findUniqueOrThrow({ where: { recordId: result.record_id } })
      expect(voucher).toMatchObject({
        userId: diner.userId,
        title: result.prize_name,
        source: 'lottery',
        status: 'unused'
      })
      expect(JSON.stringify(voucher, (_k, v) => (typeof v === 'bigint' ? String(v) : v))).not.toContain(
        result.voucher_code
      )
      expect(app.cipher.decrypt(voucher.codeEnc)).toBe(result.voucher_code)
      expect(voucher.expiresAt.getTime() - voucher.issuedAt.getTime()).toBe(30 * 86_400_000)
    }
    const kept = await app.db.lotteryDraw.findUniqueOrThrow({
      where: { drawId: data.draw_id },
      include: { records: true }
    })
    expect(kept).toMatchObject({
      userId: diner.userId,
      drawType: 'triple',
      drawCount: 3,
      totalCost: 300,
      rulesVersion: 1
    })
    expect(kept.records).toHaveLength(3)
  })

  test('without a body is a single one, and unknown fields switch nothing', async () => {
    const app = await createApp()
    const diner = await newDiner(app)
    expect((await diner.post('/api/lottery/draw')).json().data.draw_type).toBe('single')
    const reply = await diner.post('/api/lottery/draw', {
      draw_type: 'five',
      count: 5,
      userId: diner.userId,
      costPoints: 100,
      dev_mode: true,
      total_cost: 0,
      prize_id: 8
    })
    expect(reply.json().data).toMatchObject({ draw_type: 'five', total_cost: 500, user_points: 400 })
  })

  test.each<[string, object, number, string]>([
    ['count and draw_type that disagree', { draw_type: 'five', count: 3 }, 400, 'VALIDATION_FAILED'],
    ['a count no type makes', { count: 4 }, 400, 'VALIDATION_FAILED'],
    ['an unknown type', { draw_type: 'dozen' }, 400, 'VALIDATION_FAILED'],
    ['a count as text', { count: '3' }, 400, 'VALIDATION_FAILED'],
    ['a count of 1e308', { count: 1e308 }, 400, 'VALIDATION_FAILED'],
    ['a negative count', { count: -1 }, 400, 'VALIDATION_FAILED'],
    ["another's userId", { userId: 2_000_000_000 }, 403, 'FORBIDDEN'],
    ['a stale price', { costPoints: 99 }, 409, 'PRICE_CHANGED']
  ])('with %s is refused and changes nothing', async (_what, body, status, error) => {
    const app = await createApp()
    const diner = await newDiner(app)
    const reply = await diner.post('/api/lottery/draw', body)
    expect([reply.statusCode, reply.json().error]).toEqual([status, error])
    expect((await diner.get('/api/user/info')).json().data.total_points).toBe(1000)
    expect(await app.db.lotteryDraw.count({ where: { userId: diner.userId } })).toBe(0)
  })

  test('a points prize credits with a ledger row of its own, and its diner gets no voucher for it', async () => {
    const url = await ownDatabase('points_prize')
    await sql("UPDATE lottery_settings SET prize_type = 'points', prize_value = 50 WHERE prize_id = 3", [], url)
    await sql("UPDATE lottery_settings SET prize_type = 'empty', prize_value = 0 WHERE prize_id = 4", [], url)
    const app = await createApp({ config: { DATABASE_URL: url } })
    const diner = await newDiner(app)
    const client_seed = await luckyWord(app, diner.userId, [3, 4, 3])
    const { data } = (await diner.post('/api/lottery/draw', { draw_type: 'triple', client_seed })).json()
    expect(data).toMatchObject({ total_cost: 300, points_awarded: 100, user_points: 800 })
    expect(data.results.map((result: { voucher_code: null }) => result.voucher_code)).toEqual([null, null, null])
    const ledger = await app.db.pointsRecord.findMany({ where: { userId: diner.userId }, orderBy: { id: 'asc' } })
    expect(ledger.map((row) => [row.source, row.points, row.balanceAfter])).toEqual([
      ['register', 1000, 1000],
      ['lottery', -300, 700],
      ['lottery_prize', 50, 750],
      ['lottery_prize', 50, 800]
    ])
    expect(await ledgerFaults(app, [diner.userId])).toEqual([])
    expect((await diner.get('/api/lottery/statistics')).json().data).toMatchObject({
      total_draws: 3,
      total_points_spent: 300,
      total_points_won: 100,
      net_points: -200,
      win_rate: 0.6667,
      draw_type_stats: { triple: { count: 1, cost: 300 }, single: { count: 0, cost: 0 } },
      prize_distribution: { points: 2, coupon: 0, physical: 0, empty: 1 }
    })
    const { records } = (await diner.get('/api/lottery/records?prize_type=points')).json().data
    expect(records.map((record: { status: string }) => record.status)).toEqual(['completed', 'completed'])
  })

  test('the daily limit counts draws, and starts anew at midnight in Shanghai', async () => {
    let now = new Date('2026-11-22T15:59:58.000Z') // 23:59:58 in Shanghai
    const app = await createApp({ clock: () => now, config: { JWT_EXPIRES_IN: '36500d' } })
    const diner = await newDiner(app, { points: 20_000 })
    const ten = () => diner.post('/api/lottery/draw', { draw_type: 'ten' })
    for (let time = 0; time < 4; time += 1) expect((await ten()).statusCode).toBe(200)
    await diner.post('/api/lottery/draw', { draw_type: 'five' })
    expect((await ten()).json()).toMatchObject({ code: 3003, details: { limit: 50, used: 45 } })
    expect((await diner.post('/api/lottery/draw', { draw_type: 'five' })).json().data.remaining_draws_today).toBe(0)
    expect((await diner.post('/api/lottery/draw')).json()).toMatchObject({
      code: 3003,
      details: { limit: 50, used: 50 }
    })
    now = new Date('2026-11-22T16:00:00.000Z') // midnight in Shanghai
    expect((await diner.get('/api/lottery/config')).json().data.today_draw_count).toBe(0)
    expect((await ten()).json().data).toMatchObject({ today_count: 10, remaining_draws_today: 40 })
    expect((await diner.get('/api/lottery/config')).json().data.today_draw_count).toBe(10)
  })

  test('by an instance whose clock is still before midnight does not end a day that has begun', async () => {
    const app = await createApp()
    const diner = await newDiner(app, { points: 9000 })
    const request = { userId: diner.userId, type: 'ten' as const }
    const drawAt = async (time: string) => {
      const at = { cipher: app.cipher, clock: () => new Date(time) }
      const [answer] = await app.tx(({ tx }) => drawAll(new UnitOfWork(tx, at), drawTools(app), [request]))
      return answer && 'answer' in answer ? answer.answer.today_count : undefined
    }
    expect(await drawAt('2026-11-22T15:59:59.000Z')).toBe(10)
    expect(await drawAt('2026-11-22T16:00:00.000Z')).toBe(10)
    expect(await drawAt('2026-11-22T15:59:59.500Z')).toBe(20)
    expect(await drawAt('2026-11-22T16:00:01.000Z')).toBe(30)
  })

  test('under a snapshot that was altered in the table is refused', async () => {
    const url = await ownDatabase('altered')
    const app = await createApp({ config: { DATABASE_URL: url } })
    const diner = await newDiner(app)
    // Rules that would hold by themselves: it is the hash that tells.
    const bend =
      'UPDATE lottery_rule_versions SET snapshot = REPLACE(snapshot, \'"cost_points":100\', \'"cost_points":1\')'
    expect(await sql(bend, [], url)).toMatchObject({ affectedRows: 1 })
    expect((await diner.post('/api/lottery/draw')).json()).toMatchObject({ code: 3001, error: 'LOTTERY_NOT_READY' })
    expect((await diner.get('/api/user/info')).json().data.total_points).toBe(1000)
    expect((await diner.get('/api/lottery/config')).json().error).toBe('LOTTERY_NOT_READY')
    await expect(readVersions(app.db, 1, 1)).rejects.toMatchObject({ error: 'LOTTERY_NOT_READY' })
  })

  test('is refused for the first reason in the order of the contract: limit before balance', async () => {
    const app = await createApp()
    const diner = await newDiner(app, { points: 5000 })
    for (let time = 0; time < 5; time += 1) await diner.post('/api/lottery/draw', { draw_type: 'ten' })
    expect((await diner.post('/api/lottery/draw')).json().error).toBe('DRAW_LIMIT_REACHED')
  })

  test('for a user made by hand, without a pity row, works', async () => {
    const app = await createApp()
    const diner = await newDiner(app)
    await sql('DELETE FROM lottery_pity WHERE user_id = ?', [diner.userId])
    expect((await diner.get('/api/lottery/pity-status')).json().data.current_count).toBe(0)
    expect((await diner.post('/api/lottery/draw')).json().data).toMatchObject({
      today_count: 1,
      fairness: { epoch: 1, nonce: 0 }
    })
  })

  test('for a user who was banned since the token was checked is refused under the lock', async () => {
    const app = await createApp()
    const diner = await newDiner(app)
    await app.db.user.update({ where: { userId: diner.userId }, data: { status: 'banned' } })
    const [answer] = await app.tx((uow) => drawAll(uow, drawTools(app), [{ userId: diner.userId, type: 'single' }]))
    expect(answer).toMatchObject({ refusal: { error: 'ACCOUNT_DISABLED' } })
  })
})

describe('an Idempotency-Key', () => {
  test('answers a repetition with the first result, and refuses another request', async () => {
    const app = await createApp()
    const diner = await newDiner(app)
    const key = { 'idempotency-key': 'k-1' }
    const first = await diner.post('/api/lottery/draw', { draw_type: 'five', ignored: 1 }, key)
    expect(first.headers['idempotent-replayed']).toBeUndefined()
    const again = await diner.post('/api/lottery/draw', { count: 5, timestamp: 2 }, key)
    expect(again.headers['idempotent-replayed']).toBe('true')
    expect(again.json()).toEqual(first.json())
    expect((await diner.post('/api/lottery/draw', { draw_type: 'ten' }, key)).json().error).toBe('IDEMPOTENCY_CONFLICT')
    expect((await diner.get('/api/user/info')).json().data.total_points).toBe(500)
  })

  test('is scoped to the user, and kept encrypted', async () => {
    const app = await createApp()
    const [one, two] = [await newDiner(app), await newDiner(app)]
    const key = { 'idempotency-key': 'shared' }
    const first = await one.post('/api/lottery/draw', {}, key)
    const second = await two.post('/api/lottery/draw', {}, key)
    expect(second.json().data.draw_id).not.toBe(first.json().data.draw_id)
    const row = await app.db.idempotencyKey.findFirstOrThrow({ where: { userId: one.userId } })
    expect(row.response).not.toContain(first.json().data.results[0].voucher_code)
  })

  test('a refusal stores nothing: the retry is judged afresh', async () => {
    const app = await createApp()
    const diner = await newDiner(app, { points: 50 })
    const key = { 'idempotency-key': 'try again' }
    expect((await diner.post('/api/lottery/draw', {}, key)).json().error).toBe('POINTS_INSUFFICIENT')
    await app.tx(async (uow) => {
      const account = await openAccount(uow, diner.userId)
      account.credit(100, { source: 'admin' })
      await post(uow, [account])
    })
    const reply = await diner.post('/api/lottery/draw', {}, key)
    expect([reply.statusCode, reply.headers['idempotent-replayed']]).toEqual([200, undefined])
  })

  test('replays though the balance is gone, and acts anew after 24 hours', async () => {
    let now = Date.now()
    const app = await createApp({ clock: () => new Date(now), config: { JWT_EXPIRES_IN: '30d' } })
    const diner = await newDiner(app, { points: 200 })
    const key = { 'idempotency-key': 'a day' }
    const first = (await diner.post('/api/lottery/draw', {}, key)).json().data
    await diner.post('/api/lottery/draw')
    now += 23 * 3600_000
    expect((await diner.post('/api/lottery/draw', {}, key)).json().data.draw_id).toBe(first.draw_id)
    now += 3600_001
    expect((await diner.post('/api/lottery/draw', {}, key)).json().error).toBe('POINTS_INSUFFICIENT')
  })

  test.each(['', 'x'.repeat(65), 'schlüssel'])('%j is malformed', async (key) => {
    const app = await createApp()
    const diner = await newDiner(app)
    const reply = await diner.post('/api/lottery/draw', {}, { 'idempotency-key': key })
    expect(reply.json()).toMatchObject({ code: 1003, error: 'VALIDATION_FAILED' })
  })
})

test('records are paged newest first, and filtered', async () => {
  const app = await createApp()
  const diner = await newDiner(app, { points: 2000 })
  for (const draw_type of ['ten', 'five', 'single']) await diner.post('/api/lottery/draw', { draw_type })
  const list = async (query: string) => (await diner.get(`/api/lottery/records?${query}`)).json()
  const all = (await list('limit=100')).data
  expect(all.pagination).toEqual({ total: 16, page: 1, limit: 50, total_pages: 1 })
  expect(all.records[0].draw_type).toBe('single')
  const pages = [await list('limit=5'), await list('page=2&page_size=5'), await list('page=4&pageSize=5')]
  expect(pages.map((page) => page.data.records.length)).toEqual([5, 5, 1])
  expect(new Set(pages.flatMap((page) => page.data.records.map((record: { id: string }) => record.id))).size).toBe(11)
  expect((await list('draw_type=five')).data.pagination.total).toBe(5)
  for (const query of ['limit=0', 'page=0', 'limit=x', 'draw_type=dozen', 'page=1.5']) {
    expect((await list(query)).error).toBe('VALIDATION_FAILED')
  }
})
