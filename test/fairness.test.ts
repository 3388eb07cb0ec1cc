import { createHash } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { clientSeedFault, commitmentTo, rollOf } from '../src/domains/lottery/fairness/dice.js'
import { decide } from '../src/domains/lottery/rules.js'
import { standardRules } from '../src/domains/lottery/standard-wheel.js'
import { createApp, type Diner, ledgerFaults, newDiner, sql } from './helpers/app.js'

const SEED = Buffer.from(Array.from({ length: 32 }, (_, byte) => byte))
const view = async (diner: Diner) => (await diner.get('/api/lottery/fairness')).json().data
const rotate = (diner: Diner, body: object = {}, key?: string) =>
  diner.post('/api/lottery/fairness/rotate', body, key === undefined ? {} : { 'idempotency-key': key })

describe('the dice', () => {
  test('fall as the published vectors say', () => {
    expect(commitmentTo(SEED)).toBe('630dcd2966c4336691125448bbb25b4ff412a49c732db2c8abc1b8581bd710dd')
    const nonces = [0, 1, 2, 9, 999]
    expect(nonces.map((nonce) => rollOf(SEED, 'my-seed', nonce))).toEqual([5752, 5186, 3809, 6805, 3363])
    expect(rollOf(SEED, '种子', 0)).toBe(4672)
  })

  test('and the standard wheel with them', () => {
    const { outcomes } = decide(standardRules(50), { count: 0, triggered: 0 }, 12, (n) => rollOf(SEED, 'diner-1', n))
    const told = outcomes.map(
      ({ roll, pityBefore, prize, isPity }) => `${roll}:${pityBefore}:${prize.id}${isPity ? '!' : ''}`
    )
    expect(told.join(' ')).toBe(
      '5972:0:4 3393:1:3 3511:2:3 7618:3:6 3083:4:3 7976:5:6 6437:6:4 2074:7:3 4717:8:4 9635:9:2! 9418:0:6 6916:1:4'
    )
  })

  test('100,000 rolls of one seed are spread evenly (chi-square, twenty bins)', () => {
    const bins = Array<number>(20).fill(0)
    for (let nonce = 0; nonce < 100_000; nonce += 1) {
      const bin = Math.floor(rollOf(SEED, 'even', nonce) / 500)
      bins[bin] = (bins[bin] ?? 0) + 1
    }
    // The seed is fixed, and so is the figure: 99.9 % of fair dice are below 43.8.
    expect(bins.reduce((sum, found) => sum + (found - 5000) ** 2 / 5000, 0)).toBeLessThan(43.8)
  })

  test.each([
    ['', false],
    ['a', true],
    ['x'.repeat(64), true],
    ['x'.repeat(65), false],
    ['种'.repeat(21), true],
    ['种'.repeat(22), false],
    ['a:b', false],
    ['a\nb', false],
    ['a\u0085b', false],
    ['\ud800', false],
    ['🎲', true]
  ])('the client seed %j is good: %s', (seed, isGood) => {
    expect(clientSeedFault(seed) === undefined).toBe(isGood)
  })
})

describe('an epoch', () => {
  test('is there before the first draw, is what draws, and tells its seed once it is over', async () => {
    const app = await createApp()
    const diner = await newDiner(app, { points: 5000 })
    const before = await view(diner)
    expect(before).toMatchObject({ epoch: 1, nonce: 0, rules_version: 1, verify_url: 'http://localhost:80/fair' })
    expect((await diner.get('/api/lottery/config')).json().data.fairness).toEqual(before)
    const first = (await diner.post('/api/lottery/draw', { draw_type: 'five' })).json().data
    const second = (await diner.post('/api/lottery/draw', { client_seed: '我的种子' })).json().data
    expect(first.fairness).toEqual({
      epoch: 1,
      server_seed_hash: before.server_seed_hash,
      client_seed: before.client_seed,
      nonce: 0,
      rules_sha256: before.rules_sha256
    })
    expect(second.fairness).toMatchObject({ client_seed: '我的种子', nonce: 5 })
    const { revealed, current } = (await rotate(diner, { client_seed: 'chosen now' })).json().data
    expect(revealed).toMatchObject({ epoch: 1, client_seed: before.client_seed, draws: 6 })
    expect(current).toMatchObject({
      epoch: 2,
      server_seed_hash: before.next_server_seed_hash,
      client_seed: 'chosen now',
      nonce: 0
    })
    const seed = Buffer.from(revealed.server_seed, 'hex')
    expect(createHash('sha256').update(seed).digest('hex')).toBe(before.server_seed_hash)
    const { outcomes } = decide(standardRules(50), { count: 0, triggered: 0 }, 6, (n) =>
      rollOf(seed, n < 5 ? before.client_seed : '我的种子', n)
    )
    const results = [...first.results, ...second.results]
    expect(
      results.map(({ nonce, roll, pity_before, prize_id, is_pity }) => [nonce, roll, pity_before, prize_id, is_pity])
    ).toEqual(outcomes.map(({ roll, pityBefore, prize, isPity }, n) => [n, roll, pityBefore, prize.id, isPity]))
    const { epochs, pagination } = (await diner.get('/api/lottery/fairness/epochs')).json().data
    expect(pagination.total).toBe(2)
    expect(
      epochs.map((epoch: { epoch: number; server_seed: string | null; draws: number }) => [
        epoch.epoch,
        epoch.server_seed,
        epoch.draws
      ])
    ).toEqual([
      [2, null, 0],
      [1, revealed.server_seed, 6]
    ])
    expect(await ledgerFaults(app, [diner.userId])).toEqual([])
  })

  test('of a user from before begins at their first look, or their first draw', async () => {
    const app = await createApp()
    for (const [look, url] of [
      [true, '/api/lottery/fairness'],
      [true, '/api/lottery/config'],
      [false, '']
    ] as const) {
      const diner = await newDiner(app)
      await sql('DELETE FROM fairness_epochs WHERE user_id = ?', [diner.userId])
      await sql('UPDATE lottery_pity SET epoch = 0 WHERE user_id = ?', [diner.userId])
      if (look) expect((await diner.get(url)).json().code).toBe(0)
      const { data } = (await diner.post('/api/lottery/draw')).json()
      expect(data.fairness).toMatchObject({ epoch: 1, nonce: 0 })
    }
  })

  test('ends by itself before it has more than 1000 draws, and after 30 days; its client seed goes on', async () => {
    let now = new Date('2026-11-29T00:00:00Z')
    const app = await createApp({ clock: () => now, config: { JWT_EXPIRES_IN: '36500d' } })
    const diner = await newDiner(app, { points: 9000 })
    const { client_seed, next_server_seed_hash: next } = await view(diner)
    await sql('UPDATE lottery_pity SET nonce = 995 WHERE user_id = ?', [diner.userId])
    const five = (await diner.post('/api/lottery/draw', { draw_type: 'five' })).json().data
    expect(five.fairness).toMatchObject({ epoch: 1, nonce: 995 })
    const one = (await diner.post('/api/lottery/draw')).json().data
    expect(one.fairness).toMatchObject({ epoch: 2, nonce: 0, client_seed, server_seed_hash: next })
    now = new Date(now.getTime() + 30 * 86_400_000 - 1)
    expect((await diner.post('/api/lottery/draw')).json().data.fairness).toMatchObject({ epoch: 2, nonce: 1 })
    now = new Date(now.getTime() + 1)
    // What is refused ends nothing.
    expect((await diner.post('/api/lottery/draw', { costPoints: 1 })).json().error).toBe('PRICE_CHANGED')
    expect(await view(diner)).toMatchObject({ epoch: 2, nonce: 2 })
    expect((await diner.post('/api/lottery/draw')).json().data.fairness).toMatchObject({ epoch: 3, nonce: 0 })
    const { epochs } = (await diner.get('/api/lottery/fairness/epochs')).json().data
    expect(
      epochs.map(({ epoch, draws, ended_at }: { epoch: number; draws: number; ended_at: string | null }) => [
        epoch,
        draws,
        ended_at !== null
      ])
    ).toEqual([
      [3, 1, false],
      [2, 2, true],
      [1, 1000, true]
    ])
  })

  test('is ended once by ten at once, and no draw that runs meanwhile is of an ended one', async () => {
    const app = await createApp()
    const diner = await newDiner(app, { points: 5000 })
    const replies = await Promise.all([
      ...Array.from({ length: 10 }, () => rotate(diner)),
      ...Array.from({ length: 10 }, () => diner.post('/api/lottery/draw'))
    ])
    expect(replies.map((reply) => reply.statusCode)).toEqual(Array(20).fill(200))
    const ended = new Set(replies.slice(0, 10).map((reply) => reply.json().data.revealed.epoch))
    const { epoch } = await view(diner)
    expect(epoch).toBe(ended.size + 1)
    const draws = await app.db.lotteryDraw.findMany({ where: { userId: diner.userId }, include: { records: true } })
    const epochs = await app.db.fairnessEpoch.findMany({ where: { userId: diner.userId, startedAt: { not: null } } })
    for (const one of epochs) {
      const nonces = draws
        .filter((draw) => draw.epoch === one.epoch)
        .flatMap((draw) => draw.records.map((r) => r.nonce))
      expect(nonces.sort((a, b) => Number(a) - Number(b))).toEqual(nonces.map((_, n) => n))
      if (one.endedAt !== null) expect(one.draws).toBe(nonces.length)
    }
  })

  test('under a key is ended once, and answered the same again', async () => {
    const app = await createApp()
    const diner = await newDiner(app)
    const first = await rotate(diner, { client_seed: 'mine' }, 'one')
    const again = await rotate(diner, { client_seed: 'mine' }, 'one')
    expect([again.headers['idempotent-replayed'], again.json()]).toEqual(['true', first.json()])
    expect((await rotate(diner, { client_seed: 'other' }, 'one')).json().error).toBe('IDEMPOTENCY_CONFLICT')
    expect(await view(diner)).toMatchObject({ epoch: 2, client_seed: 'mine' })
  })

  test('whose end somebody else brought about does not take a second client seed in silence', async () => {
    const app = await createApp()
    const diner = await newDiner(app)
    const replies = await Promise.all(['a', 'b', 'c', 'd'].map((client_seed) => rotate(diner, { client_seed })))
    const done = replies.filter((reply) => reply.statusCode === 200)
    const refused = replies.filter((reply) => reply.statusCode !== 200)
    expect(refused.map((reply) => reply.json().error)).toEqual(refused.map(() => 'STATE_CONFLICT'))
    expect((await view(diner)).epoch).toBe(1 + done.length)
  })

  test.each(['', 'a:b', 'x'.repeat(65), '种'.repeat(22), 'a\tb'])(
    'refuses the client seed %j, and changes nothing',
    async (client_seed) => {
      const app = await createApp()
      const diner = await newDiner(app)
      for (const url of ['/api/lottery/draw', '/api/lottery/fairness/rotate']) {
        const reply = await diner.post(url, { client_seed })
        expect([reply.statusCode, reply.json().code, reply.json().details[0].field]).toEqual([400, 1003, 'client_seed'])
      }
      expect(await view(diner)).toMatchObject({ epoch: 1, nonce: 0 })
      expect((await diner.get('/api/user/info')).json().data.total_points).toBe(1000)
    }
  )

  test('goes on where it was when its pity row is made again', async () => {
    const app = await createApp()
    const diner = await newDiner(app)
    await diner.post('/api/lottery/draw', { draw_type: 'three', count: 3 })
    await diner.post('/api/lottery/draw', { count: 3 })
    await sql('DELETE FROM lottery_pity WHERE user_id = ?', [diner.userId])
    expect((await diner.post('/api/lottery/draw')).json().data.fairness).toMatchObject({ epoch: 1, nonce: 3 })
  })
})

test('a push of a draw is as it was: what decided it is in the answer alone', async () => {
  const app = await createApp()
  const diner = await newDiner(app)
  await diner.post('/api/lottery/draw', { draw_type: 'ten' })
  const events = await app.db.pushEvent.findMany({ where: { userId: diner.userId } })
  const told = events.map((event) => app.cipher.decrypt(event.data))
  const text = JSON.stringify(told)
  expect(text).toContain('voucher_code')
  expect(text).not.toMatch(/"(?:nonce|roll|pity_before|fairness)"/)
})
