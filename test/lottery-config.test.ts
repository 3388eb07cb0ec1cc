import { randomUUID } from 'node:crypto'
import type { FastifyInstance } from 'fastify'
import { describe, expect, test } from 'vitest'
import type { SettingsPrize } from '../src/domains/lottery/prize.js'
import type {
  ChangedSettings,
  LotterySettings,
  LotteryStats,
  SettingsBody
} from '../src/domains/lottery/settings-schemas.js'
import { standardRules } from '../src/domains/lottery/standard-wheel.js'
import { rulesFrom, toSnapshot } from '../src/domains/lottery/versions.js'
import type { BusEvent } from '../src/engine/bus.js'
import { createApp, type Diner, newDiner, sql, until } from './helpers/app.js'
import { holdLock, underWay } from './helpers/blocker.js'

const standard = toSnapshot(standardRules(50))
const URL = '/api/merchant/lottery-config'

/** A diner with a merchant's rights, and what they do with the wheel. */
async function newMerchant(app: FastifyInstance) {
  const diner = await newDiner(app)
  await app.db.user.update({ where: { userId: diner.userId }, data: { isMerchant: true } })
  app.bus.publish({ kind: 'user_changed', userId: diner.userId })
  const headers = { authorization: `Bearer ${diner.access}` }
  const put = (payload: object, url = URL) => app.inject({ method: 'PUT', url, headers, payload })
  return {
    ...diner,
    put,
    /** A change that is taken. */
    async change(payload: SettingsBody): Promise<ChangedSettings> {
      const reply = await put(payload)
      expect([reply.statusCode, reply.json().details]).toEqual([200, undefined])
      return reply.json().data
    },
    read: async (): Promise<LotterySettings> => (await diner.get(URL)).json().data,
    stats: async (query = ''): Promise<LotteryStats> =>
      (await diner.get(`/api/merchant/lottery-stats?${query}`)).json().data
  }
}

/** The service, a merchant of it, and the standard wheel. */
async function start() {
  const app = await createApp()
  const merchant = await newMerchant(app)
  const { version } = await merchant.change(standard)
  return { app, merchant, version }
}

/** The standard prizes, those with these ids changed. */
const prizes = (changes: Record<number, Partial<SettingsPrize>>): SettingsPrize[] =>
  standard.prizes.map((prize) => ({ ...prize, ...changes[prize.prize_id] }))

const everything = async () => ({
  settings: await sql('SELECT * FROM lottery_settings ORDER BY prize_id'),
  config: await sql('SELECT * FROM lottery_config'),
  versions: await sql('SELECT version, sha256 FROM lottery_rule_versions ORDER BY version'),
  acts: await sql("SELECT id FROM audit_logs WHERE target_type = 'lottery_config' ORDER BY id")
})

const drawOn = async (app: FastifyInstance, { access }: Diner, payload: object = {}) =>
  app.inject({ method: 'POST', url: '/api/lottery/draw', headers: { authorization: `Bearer ${access}` }, payload })

describe('the wheel of the merchant', () => {
  test('reads as it is in force; what changes nothing makes no version', async () => {
    const { merchant, version } = await start()
    const read = await merchant.read()
    expect(read).toEqual({ version, ...standard })
    const before = await everything()
    for (const same of [{}, read, { prizes: [...standard.prizes].reverse() }]) {
      expect(await merchant.change(same)).toMatchObject({ ...read, saved: false, changes: [] })
    }
    expect(await everything()).toEqual(before)
  })

  test('is for merchants', async () => {
    const { app } = await start()
    const diner = await newDiner(app)
    const headers = { authorization: `Bearer ${diner.access}` }
    const put = await app.inject({ method: 'PUT', url: URL, headers, payload: { cost_points: 1 } })
    for (const reply of [put, await diner.get(URL), await diner.get('/api/merchant/lottery-stats')]) {
      expect([reply.statusCode, reply.json().error]).toEqual([403, 'MERCHANT_REQUIRED'])
    }
  })

  test.each<[string, SettingsBody, string[]]>([
    ['the cost', { cost_points: 80 }, ['cost_points']],
    ['the limit', { daily_limit: 30 }, ['daily_limit']],
    ['the guarantee', { pity_limit: 5, pity_prize_id: 4 }, ['pity_limit', 'pity_prize_id']],
    ['no guarantee', { pity_limit: 0 }, ['pity_limit']],
    [
      'odds',
      { prizes: prizes({ 1: { probability: 0.0099 }, 2: { probability: 0.1001 } }) },
      ['prizes.1.probability', 'prizes.2.probability']
    ],
    ['the order', { prizes: prizes({ 3: { angle: 315 }, 8: { angle: 90 } }) }, ['prizes.3.angle', 'prizes.8.angle']],
    [
      'name, colour, type, value and worth',
      {
        prizes: prizes({
          6: { prize_name: '88积分', color: '#abcdef', prize_type: 'points', prize_value: 88, value_yuan: 8.8 }
        })
      },
      ['prizes.6.prize_name', 'prizes.6.prize_type', 'prizes.6.prize_value', 'prizes.6.value_yuan', 'prizes.6.color']
    ]
  ])('changes in %s, on the other instance with the next draw', async (_what, body, changes) => {
    const { app, merchant, version } = await start()
    const other = await createApp()
    const diner = await newDiner(other)
    const told: BusEvent[] = []
    app.bus.subscribe((event) => told.push(event))
    const changed = await merchant.change(body)
    expect(changed).toMatchObject({ version: version + 1, saved: true, changes })
    const draw = (await drawOn(other, diner)).json().data
    expect(draw.rules_version).toBe(version + 1)
    expect(draw.total_cost).toBe(changed.cost_points)
    const config = (await diner.get('/api/lottery/config')).json().data
    expect([config.rules_version, config.daily_limit, config.pitySystem.pityLimit]).toEqual([
      version + 1,
      changed.daily_limit,
      changed.pity_limit
    ])
    expect(config.prizes.map((prize: { angle: number }) => prize.angle)).toEqual(
      changed.prizes.map(({ angle }) => angle)
    )
    expect(told).toMatchObject([
      { kind: 'push', audience: 'everyone', type: 'system_notice', data: { type: 'lottery_config' } }
    ])

    const kept = await app.db.lotteryRuleVersion.findUniqueOrThrow({ where: { version: version + 1 } })
    expect(kept.createdBy).toBe(merchant.userId)
    const { saved: _s, changes: _c, preview: _p, version: _v, ...whole } = changed
    expect(toSnapshot(rulesFrom(kept.snapshot))).toEqual(whole)
    const [act] = await app.db.auditLog.findMany({
      where: { action: 'lottery_config.update' },
      orderBy: { id: 'desc' }
    })
    expect(act).toMatchObject({ actorId: merchant.userId, targetId: String(version + 1) })
    expect(JSON.parse(act?.before ?? '')).toEqual({ version, ...standard })
    expect(JSON.parse(act?.after ?? '')).toEqual({ version: version + 1, ...whole })
    // The tables say the same: a start makes no version of them, and writes nothing.
    const statements: string[] = []
    await createApp({ onQuery: (text) => statements.push(text) })
    expect(statements.filter((text) => /UPDATE|INSERT/.test(text) && !text.includes('FOR UPDATE'))).toEqual([])
    expect((await merchant.read()).version).toBe(version + 1)
  })

  test('is switched off and on again', async () => {
    const { app, merchant } = await start()
    const diner = await newDiner(app)
    await merchant.change({ is_active: false })
    expect((await drawOn(app, diner)).json().error).toBe('LOTTERY_CLOSED')
    await merchant.change({ is_active: true })
    expect((await drawOn(app, diner)).statusCode).toBe(200)
  })

  test('is not overwritten by who read it before another changed it', async () => {
    const { app, merchant, version } = await start()
    const colleague = await newMerchant(app)
    const replies = await Promise.all([
      merchant.put({ version, cost_points: 110 }),
      colleague.put({ version, cost_points: 120 }),
      merchant.put({ version, cost_points: 130 })
    ])
    expect(replies.map((reply) => reply.statusCode).sort()).toEqual([200, 409, 409])
    for (const reply of replies.filter(({ statusCode }) => statusCode === 409)) {
      expect(reply.json()).toMatchObject({ error: 'STATE_CONFLICT', details: { version: version + 1 } })
    }
    const stale = await merchant.put({ version, cost_points: 90 }, `${URL}?dry_run=true`)
    expect(stale.json().error).toBe('STATE_CONFLICT')
    // Without a number the last one wins.
    expect(await merchant.change({ cost_points: 140 })).toMatchObject({ version: version + 2, cost_points: 140 })
  })

  test('that tables at fault have closed opens again on every instance within two seconds of a change', async () => {
    const { merchant } = await start()
    await sql('UPDATE lottery_settings SET is_active = 0 WHERE prize_id = 8')
    await sql('UPDATE lottery_settings SET probability = 0.5 WHERE prize_id = 1')
    const [one, two] = [await createApp(), await createApp()]
    const diner = await newDiner(one)
    for (const app of [one, two]) expect((await drawOn(app, diner)).json().error).toBe('LOTTERY_NOT_READY')
    expect(await merchant.read()).toMatchObject(standard)
    const mended = await merchant.change({})
    expect(mended.saved).toBe(false)
    const since = Date.now()
    for (const app of [one, two]) await until(async () => (await drawOn(app, diner)).statusCode === 200)
    // One second between two looks; the rest is for a loaded machine.
    expect(Date.now() - since).toBeLessThan(20_000)
    expect(await sql('SELECT COUNT(*) AS n FROM lottery_settings WHERE is_active = 1')).toEqual([{ n: 8n }])
  })

  test('comes back with a change where its row of rules was deleted', async () => {
    const { app, merchant, version } = await start()
    await sql('DELETE FROM lottery_config')
    expect(await merchant.change({ cost_points: 70 })).toMatchObject({ version: version + 1, daily_limit: 50 })
    expect((await drawOn(app, await newDiner(app))).json().data.total_cost).toBe(70)
  })

  test('comes back with one of several changes made at once where its row of rules was deleted', async () => {
    const { app, merchant, version } = await start()
    const atOnce = async (bodies: object[]) => {
      await sql('DELETE FROM lottery_config')
      // None can be saved, and so none is over before all have looked.
      const prize = await holdLock('SELECT prize_id FROM lottery_settings WHERE prize_id = 1 FOR UPDATE')
      const replies = Promise.all(bodies.map((body) => merchant.put(body)))
      await until(async () => (await underWay('%lottery_%')) === bodies.length)
      await prize.release()
      return replies
    }
    const named = await atOnce([90, 80, 70].map((cost_points) => ({ version, cost_points })))
    expect(named.map(({ statusCode }) => statusCode).sort()).toEqual([200, 409, 409])
    for (const reply of named.filter(({ statusCode }) => statusCode === 409)) {
      expect(reply.json()).toMatchObject({ error: 'STATE_CONFLICT', details: { version: version + 1 } })
    }
    // Without a number each is made on top of the one before, and what changes nothing undoes none of them.
    const unnamed = await atOnce([{ cost_points: 60 }, { daily_limit: 40 }, {}])
    expect(unnamed.map(({ statusCode }) => statusCode)).toEqual([200, 200, 200])
    expect(await merchant.read()).toMatchObject({ version: version + 3, cost_points: 60, daily_limit: 40 })
    expect((await drawOn(app, await newDiner(app))).json().data).toMatchObject({ rules_version: version + 3 })
  })
})

describe('a change that is refused changes nothing:', () => {
  const WHOLE = ['cost_points', 'daily_limit', 'pity_limit', 'pity_prize_id', 'version']
  const bad = [-1, 1e308, 2 ** 53 + 2, '100', [], {}, true]

  const refused = async (bodies: readonly object[]) => {
    const { merchant } = await start()
    const before = await everything()
    for (const body of bodies) {
      for (const url of [URL, `${URL}?dry_run=true`]) {
        const reply = await merchant.put(body, url)
        const { error, code, details } = reply.json()
        expect([body, reply.statusCode, code, error]).toEqual([body, 400, 1003, 'VALIDATION_FAILED'])
        expect(details[0]).toEqual({ field: expect.any(String), message: expect.any(String) })
      }
    }
    expect(await everything()).toEqual(before)
  }

  test.each(WHOLE)('%s that is no number in its range', async (field) => {
    await refused([...bad, 0.1, 1.5].map((value) => ({ [field]: value })))
  })

  test.each(['prize_id', 'prize_value', 'value_yuan', 'angle', 'probability'])(
    'a prize whose %s is no number in its range',
    async (field) => {
      const wrong = field === 'prize_id' || field === 'angle' ? [...bad, null, 0.1] : [...bad, null, 0.12345]
      await refused(wrong.map((value) => ({ prizes: prizes({ 3: { [field]: value } }) })))
    }
  )

  test('text and switches', async () => {
    const names = ['', ' ', 'x'.repeat(51), 'a\u0000', 'a\nb', '\u202Eabc', 5, null]
    await refused([
      ...names.map((prize_name) => ({ prizes: prizes({ 3: { prize_name: prize_name as string } }) })),
      ...['red', '#12345', '#12345g', '#1234567', null].map((color) => ({
        prizes: prizes({ 3: { color: color as string } })
      })),
      { prizes: prizes({ 3: { prize_type: 'car' as 'coupon' } }) },
      { prizes: prizes({ 3: { is_activity: 1 as unknown as boolean } }) },
      { is_active: 'false' },
      { prizes: {} },
      { prizes: [] },
      { prizes: prizes({}).map(({ color: _, ...prize }) => prize) },
      []
    ])
  })

  test('nothing at all: null where a field may be left out is as if it were', async () => {
    const { merchant, version } = await start()
    const before = await everything()
    const nothing = { is_active: null, cost_points: null, daily_limit: null, pity_prize_id: null, prizes: null }
    expect((await merchant.put({ version, ...nothing })).json().data).toMatchObject({ saved: false, changes: [] })
    expect(await everything()).toEqual(before)
  })

  test('a wheel that does not hold as a whole', async () => {
    const spread = (probability: number, rest: number) => ({
      prizes: prizes({ 8: { probability }, 3: { probability: rest } })
    })
    await refused([
      spread(0.0051, 0.3),
      spread(0, 0.305),
      spread(0.00505, 0.29995),
      spread(0.005, 0.1 + 0.2),
      spread(-0.005, 0.31),
      { prizes: standard.prizes.slice(1) },
      { prizes: [...standard.prizes, ...standard.prizes.slice(0, 1)] },
      { prizes: prizes({ 8: { prize_id: 1 } }) },
      { prizes: prizes({ 8: { prize_id: 9 } }) },
      { prizes: prizes({ 8: { angle: 0 } }) },
      { prizes: prizes({ 8: { angle: 360 } }) },
      { prizes: prizes({ 8: { value_yuan: 50_000.01 } }) },
      { prizes: prizes({ 3: { prize_type: 'points', prize_value: 0.5 } }) },
      { prizes: prizes({ 3: { prize_type: 'points', prize_value: 0 } }) },
      { pity_prize_id: 9 },
      { pity_limit: 1 },
      { cost_points: 0 },
      { cost_points: 50, daily_limit: 0 }
    ])
  })

  test('and each fault is named by its field', async () => {
    const { merchant } = await start()
    const faulty = { pity_prize_id: 9, prizes: prizes({ 8: { probability: 0.0051 }, 2: { value_yuan: 1.005 } }) }
    expect((await merchant.put(faulty)).json().details).toEqual([
      { field: 'prizes', message: 'the odds sum to 1.0001, not 1' },
      { field: 'pity_prize_id', message: 'the pity prize is not on the wheel' },
      { field: 'prizes.1.value_yuan', message: expect.any(String) }
    ])
    expect((await merchant.put({ cost_points: 1 }, `${URL}?dry_run=1`)).json().error).toBe('VALIDATION_FAILED')
  })

  test('but unknown fields are dropped, in a prize too', async () => {
    const { merchant, version } = await start()
    const more = { ...standard, dev_mode: true, prizes: standard.prizes.map((prize) => ({ ...prize, weight: 1 })) }
    const changed = await merchant.change(more)
    expect(changed).toMatchObject({ version, saved: false })
    expect(JSON.stringify(changed)).not.toMatch(/dev_mode|weight/)
  })
})

test('a dry run says what a change would come to, and saves nothing', async () => {
  const { merchant, version } = await start()
  const before = await everything()
  const body = { cost_points: 60, pity_limit: 10, prizes: prizes({ 2: { value_yuan: 10 }, 8: { value_yuan: 200 } }) }
  const preview: ChangedSettings = (await merchant.put(body, `${URL}?dry_run=true`)).json().data
  expect(await everything()).toEqual(before)
  expect(preview).toMatchObject({ version, saved: false, cost_points: 60 })
  expect(preview.changes).toEqual(['cost_points', 'prizes.2.value_yuan', 'prizes.8.value_yuan'])
  // With p = 0.1 and a limit of 10: 15.35 % pity prizes; prize 8 keeps 0.005 ÷ 0.9 of the rest.
  const share = 0.1 / (1 - 0.9 ** 10)
  const cost = share * 10 + (0.005 / 0.9) * (1 - share) * 200
  expect(preview.preview.expected_cost_per_draw_yuan).toBeCloseTo(cost, 4)
  expect(preview.preview.expected_cost_per_ten_yuan).toBeCloseTo(cost * 10, 3)
  expect(preview.preview.chance_to_meet_pity).toBe(0.3874)
  expect(preview.preview.forced_share).toBe(0.0595)
  expect(preview.preview.prizes[1]).toMatchObject({ prize_id: 2, probability: 0.1, effective_probability: 0.1535 })
  const saved = await merchant.change(body)
  expect(saved).toEqual({ ...preview, version: version + 1, saved: true })
})

test('while 500 draws run and a merchant changes the wheel, each draw is one its version could make', async () => {
  const { app: one, merchant } = await start()
  const two = await createApp()
  const diners = await Promise.all(Array.from({ length: 8 }, () => newDiner(one, { points: 10_000_000 })))
  const [desserts, greens] = [standard.prizes[2], standard.prizes[3]]
  const rich: SettingsBody = { ...standard, is_active: true, daily_limit: 100_000, cost_points: 100, pity_limit: 10 }
  const swapped: SettingsBody = {
    ...rich,
    cost_points: 150,
    pity_limit: 5,
    prizes: prizes({
      3: { prize_name: greens?.prize_name ?? '', probability: 0.05, angle: 135, prize_value: 2 },
      4: { prize_name: desserts?.prize_name ?? '', probability: 0.54, angle: 90 },
      6: { prize_name: '66积分', prize_type: 'points', prize_value: 66 }
    })
  }
  await merchant.change(rich)
  let results = 0
  let turns = 0
  let isDone = false
  const draw = async (index: number) => {
    const body = { draw_type: ['single', 'triple', 'ten'][index % 3] }
    const reply = await drawOn(index % 2 === 0 ? one : two, diners[index % diners.length] as Diner, body)
    if (reply.statusCode === 200) results += reply.json().data.results.length
    else expect(reply.json().error).toBe('LOTTERY_CLOSED')
  }
  const worker = async (_: unknown, from: number) => {
    for (let index = from; results < 500 || turns < 12; index += 8) await draw(index)
  }
  const alternate = async () => {
    for (; !isDone; turns += 1) {
      await merchant.change([rich, swapped, { is_active: false }, swapped][turns % 4] as SettingsBody)
    }
  }
  const changing = alternate()
  await Promise.all(Array.from({ length: 8 }, worker))
  isDone = true
  await changing

  const versions = new Map(
    (await one.db.lotteryRuleVersion.findMany()).map((row) => [row.version, rulesFrom(row.snapshot)])
  )
  const used = new Set<number>()
  for (const { userId } of diners) {
    // The order in which one diner's draws committed is that of their ledger.
    const ledger = await one.db.pointsRecord.findMany({ where: { userId, source: 'lottery' }, orderBy: { id: 'asc' } })
    const draws = await one.db.lotteryDraw.findMany({
      where: { userId },
      include: { records: { orderBy: { sequence: 'asc' } } }
    })
    const byId = new Map(draws.map((row) => [row.drawId, row]))
    let sincePity = 0
    expect(ledger).toHaveLength(draws.length)
    for (const { relatedId, points } of ledger) {
      const made = byId.get(relatedId ?? '')
      const rules = versions.get(made?.rulesVersion ?? 0)
      if (made === undefined || rules === undefined) throw new Error(`a draw without its version: ${relatedId}`)
      used.add(made.rulesVersion)
      expect(rules.isActive).toBe(true)
      expect([made.totalCost, -points]).toEqual(Array(2).fill(rules.costPoints * made.drawCount))
      for (const record of made.records) {
        const prize = rules.prizes.find(({ id }) => id === record.prizeId)
        expect([record.prizeName, record.prizeType, record.prizeValue.toNumber(), record.pointsCost]).toEqual([
          prize?.name,
          prize?.type,
          prize?.value,
          rules.costPoints
        ])
        expect(record.pointsAwarded).toBe(prize?.type === 'points' ? prize.value : 0)
        expect(record.isPity).toBe(sincePity >= rules.pityLimit - 1)
        if (record.isPity) expect(record.prizeId).toBe(rules.pityPrizeId)
        sincePity = record.prizeId === rules.pityPrizeId ? 0 : sincePity + 1
      }
    }
  }
  expect(used.size).toBeGreaterThan(3)
  const stats = await merchant.stats()
  expect(stats.fit.impossible_draws).toBe(0)
  expect(stats.versions.length).toBeGreaterThan(3)
})

/** Plants results as if drawn on a day, in requests of ten; counts are by prize, forced ones last. */
async function plantDraws(app: FastifyInstance, userId: number, version: number, day: string, counts: number[]) {
  const rows = counts.flatMap((count, index) =>
    Array.from({ length: count }, () => ({ prizeId: index < 8 ? index + 1 : 2, isPity: index >= 8 }))
  )
  expect(rows.length % 10).toBe(0)
  const createdAt = new Date(`${day}T04:00:00Z`)
  const draws = Array.from({ length: rows.length / 10 }, () => randomUUID())
  await app.db.lotteryDraw.createMany({
    data: draws.map((drawId) => ({
      drawId,
      userId,
      drawType: 'ten' as const,
      drawCount: 10,
      totalCost: 1000,
      pointsAwarded: 0,
      rulesVersion: version,
      createdAt
    }))
  })
  await app.db.lotteryRecord.createMany({
    data: rows.map(({ prizeId, isPity }, index) => ({
      recordId: randomUUID(),
      drawId: draws[Math.floor(index / 10)] ?? '',
      userId,
      sequence: (index % 10) + 1,
      drawType: 'ten' as const,
      prizeId,
      prizeName: standard.prizes[prizeId - 1]?.prize_name ?? 'a prize of no version',
      prizeType: 'physical' as const,
      prizeValue: 1,
      pointsCost: 100,
      isPity,
      createdAt
    }))
  })
}

describe('statistics', () => {
  const FAIR = [12, 95, 310, 288, 48, 197, 44, 6]

  test('hold natural draws against the set odds: forced ones count, and make no fair wheel crooked', async () => {
    const { app, merchant, version } = await start()
    await plantDraws(app, merchant.userId, version, '2025-03-01', [...FAIR, 60])
    const stats = await merchant.stats('from=2025-03-01&to=2025-03-01')
    expect(stats).toMatchObject({
      total_draws: 1060,
      natural_draws: 1000,
      forced_draws: 60,
      total_cost: 106_000,
      points_awarded: 0,
      cost_yuan: 6 * 158,
      versions: [{ version, draws: 1060 }]
    })
    expect(stats.prizes[1]).toEqual({
      prize_id: 2,
      prize_name: '九八折券',
      draws: 155,
      drawn_share: 0.1462,
      effective_probability: 0.1535,
      natural_draws: 95,
      natural_share: 0.095,
      probability: 0.1,
      expected_draws: 100,
      cost_yuan: 0
    })
    // By hand: 4/10 + 25/100 + 100/300 + 4/290 + 4/50 + 9/200 + 1/45 + 1/5 = 1.3443; 7 degrees: p = 0.987.
    expect(stats.fit).toEqual({
      chi_square: 1.34,
      degrees_of_freedom: 7,
      p_value: expect.closeTo(0.987, 3),
      enough_draws: true,
      smallest_expected: 5,
      impossible_draws: 0
    })
    expect((await merchant.stats('from=2025-03-02&to=2025-03-02')).total_draws).toBe(0)
    expect((await merchant.stats('to=2025-02-28')).total_draws).toBe(0)
  })

  test('tell a crooked wheel', async () => {
    const { app, merchant, version } = await start()
    await plantDraws(app, merchant.userId, version, '2025-03-03', [0, 95, 330, 288, 48, 199, 40, 0])
    const { fit } = await merchant.stats('from=2025-03-03&to=2025-03-03')
    expect(fit.p_value).toBeLessThan(0.05)
    await plantDraws(app, merchant.userId, version, '2025-03-04', [40, 95, 250, 312, 48, 207, 44, 4])
    const crooked = await merchant.stats('from=2025-03-04&to=2025-03-04')
    expect(crooked.fit.p_value).toBeLessThan(0.001)
    expect(crooked.fit.enough_draws).toBe(true)
  })

  test('judge each draw by the odds of its own version', async () => {
    const { app, merchant, version } = await start()
    await plantDraws(app, merchant.userId, version, '2025-03-05', FAIR)
    const { version: next } = await merchant.change({
      prizes: prizes({ 2: { probability: 0.3 }, 3: { probability: 0.1 }, 8: { value_yuan: 200 } })
    })
    await plantDraws(app, merchant.userId, next, '2025-03-05', [12, 310, 95, 288, 48, 197, 44, 6])
    const both = await merchant.stats('from=2025-03-05&to=2025-03-05')
    expect(both.versions).toEqual([
      { version, draws: 1000 },
      { version: next, draws: 1000 }
    ])
    expect(both.fit.p_value).toBeGreaterThan(0.5)
    expect(both.prizes[1]).toMatchObject({ probability: 0.2, natural_draws: 405, expected_draws: 400 })
    expect(both.cost_yuan).toBe(6 * 158 + 6 * 200)
    const alone = await merchant.stats(`version=${next}`)
    expect(alone).toMatchObject({ total_draws: 1000, versions: [{ version: next, draws: 1000 }] })
    expect(alone.prizes[1]).toMatchObject({ probability: 0.3, natural_share: 0.31 })
  })

  test('say when there are too few draws, and name what cannot be', async () => {
    const { app, merchant } = await start()
    const { version } = await merchant.change({ cost_points: 99 })
    const none = await merchant.stats(`version=${version}`)
    expect(none.fit).toMatchObject({ chi_square: null, p_value: null, enough_draws: false })
    expect(none.prizes[1]).toMatchObject({ draws: 0, probability: 0.1, effective_probability: 0.1535 })
    await plantDraws(app, merchant.userId, version, '2025-03-06', [1, 9, 29, 29, 5, 22, 5, 0])
    expect((await merchant.stats(`version=${version}`)).fit).toMatchObject({ p_value: null, enough_draws: false })
    await sql('UPDATE lottery_records SET prize_id = 77 WHERE prize_id = 1 AND created_at = ?', ['2025-03-06 04:00:00'])
    expect((await merchant.stats(`version=${version}`)).fit).toMatchObject({ p_value: 0, impossible_draws: 1 })
    for (const query of ['version=2000000', 'version=0', 'version=x', 'from=2025-13-01', 'to=yesterday']) {
      expect((await merchant.get(`/api/merchant/lottery-stats?${query}`)).json().error).toBe('VALIDATION_FAILED')
    }
  })
})
