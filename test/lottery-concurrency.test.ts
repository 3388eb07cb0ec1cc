import { expect, test } from 'vitest'
import { drawAll } from '../src/domains/lottery/draw.js'
import { openAccounts } from '../src/domains/points/accounts.js'
import type { Tx } from '../src/engine/tx.js'
import { UnitOfWork } from '../src/engine/unit-of-work.js'
import {
  createApp,
  type Diner,
  drawTools,
  ledgerFaults,
  newAdmin,
  newDiner,
  signIn,
  sql,
  until
} from './helpers/app.js'
import { holdLock, underWay } from './helpers/blocker.js'
import { newProduct, submit } from './helpers/shop.js'
import { watchStatements } from './helpers/statements.js'

const draw = (diner: Diner, body: object = {}, headers: Record<string, string> = {}) =>
  diner.post('/api/lottery/draw', body, headers)

const tables = async (userId: number) => {
  const [counts] = await sql<Record<string, bigint>>(
    `SELECT (SELECT COUNT(*) FROM lottery_draws WHERE user_id = ?) AS draws,
       (SELECT COUNT(*) FROM lottery_records WHERE user_id = ?) AS records,
       (SELECT COUNT(*) FROM vouchers WHERE user_id = ?) AS vouchers,
       (SELECT COUNT(*) FROM points_records WHERE user_id = ?) AS movements,
       (SELECT COUNT(*) FROM idempotency_keys WHERE user_id = ?) AS answers,
       (SELECT day_count FROM lottery_pity WHERE user_id = ?) AS today,
       (SELECT current_count FROM lottery_pity WHERE user_id = ?) AS pity,
       (SELECT total_points FROM users WHERE user_id = ?) AS points`,
    Array(8).fill(userId)
  )
  return Object.fromEntries(Object.entries(counts ?? {}).map(([name, count]) => [name, Number(count)]))
}

test('a draw waits for nobody else, however few diners there are', async () => {
  const app = await createApp()
  const [diner, other] = [await newDiner(app), await newDiner(app)]
  await app.tx(async ({ tx }) => {
    await tx.$queryRaw`SELECT user_id FROM users WHERE user_id = ${other.userId} FOR UPDATE`
    await tx.$queryRaw`SELECT user_id FROM lottery_pity WHERE user_id = ${other.userId} FOR UPDATE`
    const start = Date.now()
    expect((await draw(diner)).statusCode).toBe(200)
    // A lock that is waited for is given up after 8 seconds.
    expect(Date.now() - start).toBeLessThan(7000)
  })
})

test('of 100 draws at once with points for 7, exactly 7 are made', async () => {
  const app = await createApp()
  const diner = await newDiner(app, { points: 750 })
  const replies = await Promise.all(Array.from({ length: 100 }, () => draw(diner)))
  expect(replies.filter((reply) => reply.statusCode === 200)).toHaveLength(7)
  const refused = replies.filter((reply) => reply.statusCode !== 200)
  for (const reply of refused)
    expect(reply.json()).toMatchObject({ code: 3002, details: { required: 100, current: 50 } })
  expect(await tables(diner.userId)).toMatchObject({ draws: 7, records: 7, vouchers: 7, movements: 8, points: 50 })
  expect(await ledgerFaults(app, [diner.userId])).toEqual([])
})

test('one key sent 64 times at once makes one draw, and the rest replay it', async () => {
  const app = await createApp()
  const diner = await newDiner(app)
  const replies = await Promise.all(
    Array.from({ length: 64 }, () => draw(diner, { draw_type: 'triple' }, { 'idempotency-key': 'the one key' }))
  )
  expect(replies.map((reply) => reply.statusCode)).toEqual(Array(64).fill(200))
  expect(new Set(replies.map((reply) => reply.body)).size).toBe(1)
  expect(replies.filter((reply) => reply.headers['idempotent-replayed'] === 'true')).toHaveLength(63)
  expect(await tables(diner.userId)).toMatchObject({ draws: 1, records: 3, vouchers: 3, points: 700, answers: 1 })
})

test('the tenth draw is the pity prize at 16-way parallelism: no run of ten without it, and a natural one resets', async () => {
  const app = await createApp()
  const diners = await Promise.all(Array.from({ length: 4 }, () => newDiner(app, { points: 5000 })))
  const queue = diners.flatMap((diner) => Array.from({ length: 50 }, () => diner))
  const worker = async () => {
    for (let diner = queue.pop(); diner; diner = queue.pop()) expect((await draw(diner)).statusCode).toBe(200)
  }
  await Promise.all(Array.from({ length: 16 }, worker))
  for (const { userId } of diners) {
    const records = await app.db.lotteryRecord.findMany({ where: { userId }, include: { draw: true } })
    // The order in which one user's draws committed is that of their ledger.
    const ledger = await app.db.pointsRecord.findMany({ where: { userId, source: 'lottery' }, orderBy: { id: 'asc' } })
    const byDraw = new Map(records.map((record) => [record.drawId, record]))
    let sincePity = 0
    let forced = 0
    for (const { relatedId } of ledger) {
      const record = byDraw.get(relatedId ?? '')
      expect(record).toBeDefined()
      expect(record?.isPity).toBe(sincePity === 9)
      if (record?.isPity) forced += 1
      sincePity = record?.prizeId === 2 ? 0 : sincePity + 1
      expect(sincePity).toBeLessThan(10)
    }
    const pity = await app.db.lotteryPity.findUniqueOrThrow({ where: { userId } })
    expect(pity).toMatchObject({ currentCount: sincePity, pityTriggeredCount: forced, dayCount: 50 })
  }
  expect(
    await ledgerFaults(
      app,
      diners.map((diner) => diner.userId)
    )
  ).toEqual([])
})

test('the daily limit holds against a burst', async () => {
  const app = await createApp()
  const diner = await newDiner(app, { points: 100_000 })
  const replies = await Promise.all(Array.from({ length: 20 }, () => draw(diner, { draw_type: 'five' })))
  expect(replies.filter((reply) => reply.statusCode === 200)).toHaveLength(10)
  expect(replies.find((reply) => reply.statusCode !== 200)?.json()).toMatchObject({
    code: 3003,
    details: { limit: 50, used: 50 }
  })
})

test('a crash after any statement of a draw leaves nothing of it', async () => {
  const app = await createApp()
  const diner = await newDiner(app)
  const before = await tables(diner.userId)
  const request = { userId: diner.userId, type: 'ten' as const, keyed: { key: 'crash', hash: 'f'.repeat(64) } }
  const tools = drawTools(app)
  /** A transaction that fails once it has written `allowed` times. */
  const crashing = (tx: Tx, allowed: number): Tx => {
    let writes = 0
    return new Proxy(tx, {
      get(target, name) {
        const value = Reflect.get(target, name)
        if (name !== '$executeRaw') return value
        return async (...args: unknown[]) => {
          const result = await (value as (...args: unknown[]) => Promise<number>).apply(target, args)
          writes += 1
          if (writes > allowed) throw new Error('power cut')
          return result
        }
      }
    })
  }
  let crashed = 0
  for (let allowed = 0; ; allowed += 1) {
    const attempt = app.tx(({ tx }) => drawAll(new UnitOfWork(crashing(tx, allowed), app), tools, [request]))
    const outcome = await attempt.catch((err: Error) => err)
    if (!(outcome instanceof Error)) break
    expect(outcome.message).toBe('power cut')
    crashed += 1
    expect(await tables(diner.userId)).toEqual(before)
  }
  expect(crashed).toBe(8)
  expect(await tables(diner.userId)).toMatchObject({
    draws: 1,
    records: 10,
    vouchers: 10,
    movements: 2,
    answers: 1
  })
})

test('a list of requests is drawn with as many statements as one, and a bad one is refused alone', async () => {
  const { seen, onQuery } = watchStatements()
  const app = await createApp({ onQuery })
  const diners = await Promise.all([1000, 1000, 40, 1000, 1000].map((points) => newDiner(app, { points })))
  const statements = async (requests: { userId: number; type: 'single' | 'ten' }[]) => {
    seen.length = 0
    const answers = await app.tx((uow) => drawAll(uow, tools, requests))
    return { answers, count: seen.filter((text) => /^(QUERY|EXECUTE|BULK)/.test(text)).length }
  }
  const tools = drawTools(app)
  const first = { userId: diners[0]?.userId ?? 0, type: 'single' as const }
  await statements([first])
  const one = await statements([first])
  const list = await statements(diners.map(({ userId }, index) => ({ userId, type: index === 1 ? 'ten' : 'single' })))
  expect(list.count).toBe(one.count)
  expect(
    list.answers.map((answer) => ('refusal' in answer ? answer.refusal.error : answer.answer.results.length))
  ).toEqual([1, 10, 'POINTS_INSUFFICIENT', 1, 1])
  expect(
    await ledgerFaults(
      app,
      diners.map((diner) => diner.userId)
    )
  ).toEqual([])
})

test('a draw is at most 9 statements, COMMIT among them', async () => {
  const { seen, onQuery } = watchStatements()
  const app = await createApp({ onQuery })
  const diner = await newDiner(app, { points: 5000 })
  const count = async (headers: Record<string, string> = {}) => {
    seen.length = 0
    expect((await draw(diner, { draw_type: 'ten' }, headers)).statusCode).toBe(200)
    return seen.filter((text) => /^(QUERY|EXECUTE|BULK)/.test(text))
  }
  await count()
  const plain = await count()
  expect(plain.at(-1)).toMatch(/COMMIT/)
  expect(plain).toHaveLength(9)
  // A key adds the one statement that keeps the answer.
  expect(await count({ 'idempotency-key': 'counted' })).toHaveLength(10)
})

test('one diner on two instances: draws, orders and adjustments at once all count, and the balance says so', async () => {
  const [one, two] = [await createApp(), await createApp()]
  const diner = await newDiner(one, { points: 50_000 })
  // Each instance keeps a diner's own requests apart by itself: only the row's lock keeps the two apart.
  const elsewhere = await signIn(two, diner.mobile)
  const admins = [await newAdmin(one), await newAdmin(two)]
  const productId = await newProduct(one, { exchangePoints: 7, stock: 1000 })
  let expected = 50_000
  const rounds = Array.from({ length: 25 }, async (_, round) => {
    const here = round % 2 === 0 ? diner : elsewhere
    const there = round % 2 === 0 ? elsewhere : diner
    const url = `/api/admin/users/${diner.userId}/points`
    const [drawn, ordered, adjusted] = await Promise.all([
      draw(here),
      submit(there, productId),
      admins[round % 2]?.post(url, { change: round % 3 === 0 ? -11 : 13, reason: '对账' })
    ])
    expect([drawn.json().code, ordered.json().code, adjusted?.json().code]).toEqual([0, 0, 0])
    expected += drawn.json().data.points_awarded - 100 - 7 + (round % 3 === 0 ? -11 : 13)
  })
  await Promise.all(rounds)
  const { totalPoints } = await one.db.user.findUniqueOrThrow({ where: { userId: diner.userId } })
  expect(totalPoints).toBe(expected)
  expect(await tables(diner.userId)).toMatchObject({ draws: 25, records: 25, movements: 1 + 75, today: 25 })
  expect(await ledgerFaults(one, [diner.userId])).toEqual([])
})

test('accounts are locked in the order of their ids, whatever the order of their requests', async () => {
  const app = await createApp()
  const ids = [(await newDiner(app)).userId, (await newDiner(app)).userId, (await newDiner(app)).userId].sort(
    (a, b) => a - b
  )
  const [first = 0, second = 0, third = 0] = ids
  const locks = (userId: number) =>
    sql('SELECT user_id FROM users WHERE user_id = ? FOR UPDATE NOWAIT', [userId]).then(
      () => false,
      () => true
    )
  for (const order of [
    [third, first, second],
    [second, third, first],
    [first, second, third]
  ]) {
    const held = await holdLock('SELECT user_id FROM users WHERE user_id = ? FOR UPDATE', [second])
    const all = app.tx((uow) =>
      openAccounts(
        uow,
        order.map((userId) => ({ userId, keyed: { key: 'k', hash: '' } }))
      )
    )
    await until(() => locks(first))
    await until(async () => (await underWay('%FROM users AS u%FOR UPDATE')) > 0)
    // It waits for the second with the first in hand, and has not asked for the third.
    expect(await locks(third)).toBe(false)
    await held.release()
    await all
  }
})
