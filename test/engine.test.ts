import { createHash, randomInt } from 'node:crypto'
import type { FastifyInstance } from 'fastify'
import { describe, expect, onTestFinished, test } from 'vitest'
import { migrate } from '../scripts/lib/migrations.js'
import { drawAll } from '../src/domains/lottery/draw.js'
import type { DrawRequest, DrawTools } from '../src/domains/lottery/draw-request.js'
import { createDrawEngine } from '../src/domains/lottery/engine.js'
import { commitmentTo } from '../src/domains/lottery/fairness/dice.js'
import { DRAWS } from '../src/domains/lottery/rules.js'
import type { DrawType } from '../src/domains/lottery/schemas.js'
import { checkLedger, lastUserId } from '../src/domains/points/reconcile.js'
import { createUser } from '../src/domains/user/accounts.js'
import { openConnection } from '../src/engine/connection.js'
import { pushesAfter } from '../src/engine/push-log.js'
import { insertInto, type NewRow, type Value } from '../src/engine/sql.js'
import { type Write, writeAll } from '../src/engine/tx.js'
import {
  createApp,
  createSchema,
  type Diner,
  databaseUrl,
  drawTools,
  dropSchema,
  ledgerFaults,
  newDiner,
  newMobile,
  plant,
  sql,
  until
} from './helpers/app.js'
import { createProxy } from './helpers/proxy.js'
import { newProduct, submit } from './helpers/shop.js'

const draw = (diner: Diner, headers: Record<string, string> = {}) => diner.post('/api/lottery/draw', {}, headers)

/** Diners without a login, for tests that go to the engine itself. */
async function makeDiners(app: FastifyInstance, count: number, points = 10_000): Promise<number[]> {
  const ids: number[] = []
  for (let n = 0; n < count; n += 1) {
    ids.push(await app.tx((uow) => createUser(uow, { mobile: newMobile(), points })))
  }
  return ids
}

function engineOf(app: FastifyInstance, changes: Partial<DrawTools> = {}) {
  const engine = createDrawEngine(app.fastTx, drawTools(app, changes))
  onTestFinished(() => engine.close())
  return engine
}

const drawsOf = async (userId: number) =>
  Number((await sql<{ n: bigint }>('SELECT COUNT(*) AS n FROM lottery_draws WHERE user_id = ?', [userId]))[0]?.n)

test('500 draws at once of 100 diners are made in far fewer transactions', async () => {
  const queries: string[] = []
  const app = await createApp({ onQuery: (text) => queries.push(text) })
  const ids = await makeDiners(app, 100)
  const engine = engineOf(app)
  queries.length = 0
  const answers = await Promise.all(
    Array.from({ length: 500 }, (_, n) => engine.submit({ userId: ids[n % 100] ?? 0, type: 'single' }))
  )
  expect(answers.filter((answer) => 'answer' in answer)).toHaveLength(500)
  const commits = queries.filter((text) => text.includes('COMMIT')).length
  expect(commits).toBeLessThanOrEqual(50)
  for (const userId of ids) expect(await drawsOf(userId)).toBe(5)
  expect(await ledgerFaults(app, ids)).toEqual([])
})

test('a diner’s draws are made one after another, in the order they came, and pushed in that order', async () => {
  const app = await createApp()
  const [one = 0, ...others] = await makeDiners(app, 20)
  const engine = engineOf(app)
  const own = Array.from({ length: 10 }, () => engine.submit({ userId: one, type: 'single' }))
  const rest = others.map((userId) => engine.submit({ userId, type: 'single' }))
  const balances = (await Promise.all(own)).map((answer) =>
    'answer' in answer ? answer.answer.user_points : undefined
  )
  await Promise.all(rest)
  const expected = Array.from({ length: 10 }, (_, n) => 10_000 - 100 * (n + 1))
  expect(balances).toEqual(expected)
  const log = { userId: one, position: 0, limit: 100, now: app.clock() }
  const told = (await pushesAfter(app.db, app.cipher, log)).filter(({ type }) => type === 'points_update')
  expect(told.map(({ data = '' }) => JSON.parse(data).total_points)).toEqual(expected)
})

test('what a connection has prepared before does not overtake what it has not', async () => {
  // One connection for draws and orders alike: the order prepares the vouchers' statement, and nothing of a draw.
  const app = await createApp({ config: { DB_POOL: 2 } })
  const [diner, productId] = [await newDiner(app), await newProduct(app)]
  expect((await submit(diner, productId)).json().code).toBe(0)
  expect((await diner.post('/api/lottery/draw', { draw_type: 'five' })).json().error).toBeUndefined()
  expect((await submit(diner, productId)).json().code).toBe(0)
  expect(await ledgerFaults(app, [diner.userId])).toEqual([])
})

test('one request that fails takes nobody with it', async () => {
  // Whoever draws ten has dice that break: thirteen numbers are one draw and its voucher.
  let broken = false
  const clock = () => {
    broken = false
    return new Date()
  }
  const app = await createApp({ clock })
  const ids = await makeDiners(app, 40)
  const engine = engineOf(app, {
    randomInt: (below) => {
      if (broken) throw new Error('the dice are broken')
      return randomInt(below)
    }
  })
  const poisoned = ids[17] ?? 0
  const trap = new Proxy({ userId: poisoned, type: 'single' } as DrawRequest, {
    get: (request, name, receiver) => {
      if (name === 'costPoints') broken = true
      return Reflect.get(request, name, receiver)
    }
  })
  const outcomes = await Promise.allSettled(
    ids.map((userId) => engine.submit(userId === poisoned ? trap : { userId, type: 'single' }))
  )
  expect(outcomes.flatMap((outcome, n) => (outcome.status === 'rejected' ? [ids[n]] : []))).toEqual([poisoned])
  expect(outcomes[17]).toMatchObject({ reason: { message: 'the dice are broken' } })
  for (const userId of ids) expect(await drawsOf(userId)).toBe(userId === poisoned ? 0 : 1)
})

test('a diner whose row is locked holds nobody up for long, and draws once the lock is gone', async () => {
  const app = await createApp()
  const ids = await makeDiners(app, 24)
  const engine = engineOf(app)
  const locked = ids[5] ?? 0
  const holder = await openConnection(databaseUrl())
  onTestFinished(() => holder.end())
  await holder.beginTransaction()
  await holder.query('SELECT user_id FROM users WHERE user_id = ? FOR UPDATE', [locked])
  const draws = ids.map((userId) => engine.submit({ userId, type: 'single' }))
  const others = await Promise.all(draws.filter((_draw, n) => ids[n] !== locked))
  expect(others.filter((answer) => 'answer' in answer)).toHaveLength(23)
  expect(await drawsOf(locked)).toBe(0)
  await holder.rollback()
  expect(await draws[5]).toMatchObject({ answer: { draw_type: 'single' } })
  expect(await drawsOf(locked)).toBe(1)
})

test('rows go in binary or in the statement, and come out the same', async () => {
  const app = await createApp()
  await sql(`CREATE TABLE probe (n INT PRIMARY KEY, whole INT NULL, big BIGINT NULL, price DECIMAL(10, 2), text TEXT NULL,
    kind ENUM('one', 'two'), at DATETIME(3)) DEFAULT CHARACTER SET utf8mb4`)
  onTestFinished(async () => void (await sql('DROP TABLE probe')))
  const columns = ['n', 'whole', 'big', 'price', 'text', 'kind', 'at'] as const
  const insert = insertInto('probe', columns, 'ON DUPLICATE KEY UPDATE whole = VALUES(whole)')
  const row = ([n, whole, big, price, text, kind, at]: Value[]) =>
    ({ n, whole, big, price, text, kind, at }) as NewRow<(typeof columns)[number]>
  const at = '2026-02-28 23:59:59.999'
  // Empty, then small, then beyond what fits 32 bits: the driver tells the server the types by the rows.
  const rows: Value[][] = [
    [1, null, null, '0.50', null, 'one', at],
    [2, -1, 7, '12345678.90', '', 'two', at],
    [3, 2_147_483_647, 2 ** 40, '-1', `'"\\\n\u0000%_👍🏽中文`, 'one', at],
    [4, 0, Number.MAX_SAFE_INTEGER, '5', 'x'.repeat(20_000), 'two', at]
  ]
  const written = async (write: (writes: Write[]) => Promise<void>) => {
    await sql('DELETE FROM probe')
    await write(insert(rows.map(row)))
    await write(insert([row([2, 5, 1, '1', null, 'one', at])]))
    await write(insert([]))
    return sql('SELECT n, whole, CAST(big AS CHAR) AS big, price, HEX(text) AS text, kind, at FROM probe ORDER BY n')
  }
  const fast = await written((writes) => app.fastTx(({ tx }) => writeAll(tx, writes)))
  const reference = await written((writes) => app.tx(({ tx }) => writeAll(tx, writes)))
  expect(fast).toEqual(reference)
  expect(fast).toHaveLength(4)
  expect(fast[1]).toMatchObject({ whole: 5, big: '7', kind: 'two' })
  expect(fast[3]).toMatchObject({ big: '9007199254740991' })
})

test('statements that are prepared outlive a change of their tables', async () => {
  const app = await createApp({ config: { DB_POOL: 2 } })
  const diner = await newDiner(app, { points: 1000 })
  const tables = ['users', 'points_records', 'lottery_draws', 'lottery_records', 'vouchers', 'push_events']
  for (const change of ['ADD COLUMN probe INT NULL', 'DROP COLUMN probe']) {
    expect((await draw(diner)).json()).toMatchObject({ code: 0 })
    for (const table of tables) await sql(`ALTER TABLE ${table} ${change}`)
  }
  expect((await draw(diner)).json()).toMatchObject({ code: 0 })
  expect(await ledgerFaults(app, [diner.userId])).toEqual([])
})

test('writes sent behind one that ended the transaction leave nothing', async () => {
  const app = await createApp()
  const [userId = 0] = await makeDiners(app, 1)
  const before = await sql('SELECT COUNT(*) AS n FROM audit_logs')
  const insert = (action: string) => ({
    sql: `INSERT INTO audit_logs (actor_id, action, target_type, target_id) VALUES (${userId}, '${action}', 'x', 'x')`
  })
  const { Prisma } = await import('../src/generated/prisma/client.js')
  const statement = (text: string) => ({ statement: Prisma.raw(text) })
  const failing = app.fastTx(({ tx }) =>
    writeAll(tx, [
      statement(insert('one').sql),
      // As a deadlock does: the transaction is over, and this session is in none.
      statement('ROLLBACK'),
      statement('INSERT INTO no_such_table VALUES (1)'),
      statement(insert('two').sql)
    ])
  )
  await expect(failing).rejects.toMatchObject({ errno: 1146 })
  expect(await sql('SELECT COUNT(*) AS n FROM audit_logs')).toEqual(before)
})

describe('a line that breaks', () => {
  /** Draws of keyed diners through a proxy that is cut when `when` says so, and mended at once. */
  async function cutWhen(when: (query: string) => boolean, keyed: boolean) {
    const proxy = await createProxy(new URL(databaseUrl()))
    onTestFinished(() => proxy.close())
    let armed = false
    const app = await createApp({
      config: { DATABASE_URL: proxy.url },
      onQuery: (query) => {
        if (!armed || !when(query)) return
        armed = false
        proxy.cut()
        proxy.restore()
      }
    })
    const ids = await makeDiners(app, 16)
    const engine = engineOf(app)
    // Everything is prepared before the line breaks.
    await Promise.all(ids.map((userId) => engine.submit({ userId, type: 'single' })))
    armed = true
    const outcomes = await Promise.allSettled(
      ids.map((userId) => {
        const request: DrawRequest = { userId, type: 'single' }
        return engine.submit(keyed ? { ...request, keyed: { key: 'k', hash: 'a'.repeat(64) } } : request)
      })
    )
    expect(armed).toBe(false)
    return { ids, outcomes, app }
  }

  test.each([
    ['at the lock', (query: string) => query.includes('SELECT u.user_id, u.total_points')],
    ['in the midst of the writes', (query: string) => query.includes('INSERT INTO lottery_records')],
    ['at the commit', (query: string) => query.includes('COMMIT')]
  ])('%s leaves every keyed request done once', async (_where, when) => {
    const { ids, outcomes, app } = await cutWhen(when, true)
    expect(outcomes.map(({ status }) => status)).toEqual(Array(16).fill('fulfilled'))
    for (const userId of ids) expect(await drawsOf(userId)).toBe(2)
    expect(await ledgerFaults(app, ids)).toEqual([])
  })

  test('at the commit is 5002 for a request without a key, which is not made twice', async () => {
    const { ids, outcomes, app } = await cutWhen((query) => query.includes('COMMIT'), false)
    const failed = outcomes.filter((outcome) => outcome.status === 'rejected')
    expect(failed.length).toBeGreaterThan(0)
    for (const { reason } of failed as PromiseRejectedResult[]) {
      expect(reason).toMatchObject({ error: 'DATABASE_UNAVAILABLE' })
    }
    for (const userId of ids) expect(await drawsOf(userId)).toBeLessThanOrEqual(2)
    expect(await ledgerFaults(app, ids)).toEqual([])
  })
})

test('through HTTP a crowd is served, and closing the service lets it finish', async () => {
  const app = await createApp()
  const diners = await Promise.all(Array.from({ length: 10 }, () => newDiner(app)))
  const replies = diners.flatMap((diner) => [draw(diner), draw(diner, { 'idempotency-key': 'x' })])
  await until(async () => (await Promise.race([...replies, undefined])) === undefined)
  const all = await Promise.all(replies)
  expect(all.map((reply) => reply.statusCode)).toEqual(Array(20).fill(200))

  const [userId = 0] = await makeDiners(app, 1)
  const engine = createDrawEngine(app.fastTx, drawTools(app))
  const late = engine.submit({ userId, type: 'single' })
  await engine.close()
  expect(await late).toMatchObject({ replayed: false })
  await expect(engine.submit({ userId, type: 'single' })).rejects.toMatchObject({ error: 'OVERLOADED' })
})

describe('the engine is the reference', () => {
  const TABLES = [
    ['users', 'user_id, total_points, ledger_seq, status', 'user_id'],
    ['user_totals', '*', 'user_id, topic, label'],
    ['lottery_pity', '*', 'user_id'],
    ['points_records', '*', 'id'],
    ['lottery_draws', '*', 'draw_id'],
    ['lottery_records', '*', 'record_id'],
    ['vouchers', '*', 'voucher_id'],
    ['idempotency_keys', 'user_id, idem_key, request_hash, response, created_at, expires_at', 'user_id, idem_key']
  ] as const
  const UUID = /[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}/g

  /** Every row in its order, with secrets opened; ids that are made up are as the order in which they came. */
  async function rowsOf(app: FastifyInstance, url: string): Promise<string[]> {
    const known = new Map<string, string>()
    const lines: string[] = []
    for (const [table, columns, order] of TABLES) {
      for (const row of await sql<Record<string, unknown>>(
        `SELECT ${columns} FROM ${table} ORDER BY ${order}`,
        [],
        url
      )) {
        // A statement of many rows reserves more numbers than it uses.
        for (const name of ['id', 'voucher_id']) if (name in row) row[name] = 0
        // Over ids that are made up; that it is right is looked at below.
        if ('hash' in row) row.hash = ''
        for (const name of ['code_enc', 'response']) {
          if (typeof row[name] === 'string') row[name] = app.cipher.decrypt(row[name])
        }
        const line = JSON.stringify(row, (_key, value) => (typeof value === 'bigint' ? Number(value) : value))
        lines.push(
          `${table} ${line.replaceAll(UUID, (id) => {
            if (!known.has(id)) known.set(id, `#${known.size + 1}`)
            return known.get(id) ?? ''
          })}`
        )
      }
    }
    return lines
  }

  /** Dice that fall alike for all that start them alike. */
  function dice(seed: number): (below: number) => number {
    let state = seed
    return (below) => {
      state = (Math.imul(state ^ (state >>> 15), 0x2c1b3c6d) + 0x9e3779b9) >>> 0
      return Math.floor((state / 2 ** 32) * below)
    }
  }

  /** Seeds that are alike in all worlds. */
  async function sameSeeds(app: FastifyInstance): Promise<void> {
    for (const { userId, epoch } of await app.db.fairnessEpoch.findMany()) {
      const seed = createHash('sha256').update(`${userId} ${epoch}`).digest()
      await app.db.fairnessEpoch.update({
        where: { userId_epoch: { userId, epoch } },
        data: {
          serverSeed: app.cipher.encrypt(seed.toString('hex')),
          serverSeedHash: commitmentTo(seed),
          clientSeed: epoch === 1 ? 'a word' : null
        }
      })
    }
  }

  test('batches on the driver leave the same rows as Prisma’s transaction one request at a time', async () => {
    const seed = randomInt(2 ** 31)
    let clock = new Date('2026-11-22T15:59:00.000Z')
    const worlds = await Promise.all(
      ['reference', 'engine'].map(async (name) => {
        const schema = `test_${name}_${process.pid}_${randomInt(1_000_000)}`
        await createSchema(schema)
        onTestFinished(() => dropSchema(schema))
        const url = databaseUrl(schema)
        await migrate(url)
        await plant(url)
        const app = await createApp({ config: { DATABASE_URL: url }, clock: () => clock })
        const users: number[] = []
        for (let n = 0; n < 12; n += 1) {
          const account = { mobile: String(13_700_000_000 + n), points: 300 * (n + 1) }
          users.push(await app.tx((uow) => createUser(uow, account)))
        }
        await sql('UPDATE users SET status = "banned" WHERE user_id = ?', [users[3]], url)
        await sameSeeds(app)
        // An epoch that soon has to end.
        await sql('UPDATE lottery_pity SET nonce = 990 WHERE user_id = ?', [users[5]], url)
        // Made by hand, without a pity row.
        await sql('DELETE FROM lottery_pity WHERE user_id = ?', [users[4]], url)
        return { app, url, users, dice: dice(seed) }
      })
    )
    const [reference, engine] = worlds
    if (reference === undefined || engine === undefined) throw new Error('two worlds')
    expect(engine.users).toEqual(reference.users)

    const choose = dice(seed + 1)
    const types = Object.keys(DRAWS) as DrawType[]
    for (let round = 0; round < 25; round += 1) {
      // Over midnight in Shanghai after the first rounds.
      clock = new Date(clock.getTime() + choose(20_000))
      const requests = reference.users
        .filter(() => choose(3) > 0)
        .sort(() => choose(3) - 1)
        .map((userId): DrawRequest => {
          const type = types[choose(types.length)] ?? 'single'
          const keyed = choose(3) === 0 ? { key: `key ${choose(4)}`, hash: String(choose(2)).repeat(64) } : undefined
          return { userId, type, keyed, costPoints: choose(8) === 0 ? 50 : undefined }
        })
      if (requests.length === 0) continue
      const tools = (world: typeof reference) =>
        drawTools(world.app, { randomInt: world.dice, timeZone: 'Asia/Shanghai' })
      const expected = []
      for (const request of requests) {
        expected.push(...(await reference.app.tx((uow) => drawAll(uow, tools(reference), [request]))))
      }
      const given = await engine.app.fastTx((uow) => drawAll(uow, tools(engine), requests))
      const plain = (answers: typeof given) => JSON.stringify(answers).replaceAll(UUID, '#')
      expect(plain(given), `seed ${seed}, round ${round}`).toBe(plain(expected))
    }
    const rows = await rowsOf(engine.app, engine.url)
    expect(rows.length).toBeGreaterThan(100)
    const wanted = await rowsOf(reference.app, reference.url)
    const differing = rows.findIndex((row, n) => row !== wanted[n])
    expect(rows[differing], `seed ${seed}`).toBe(wanted[differing])
    expect(rows).toHaveLength(wanted.length)
    for (const { app } of [engine, reference])
      expect(await checkLedger(app.db, 1, await lastUserId(app.db))).toEqual([])
  })
})
