import { randomBytes } from 'node:crypto'
import type { FastifyInstance } from 'fastify'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { openAccount } from '../src/domains/points/accounts.js'
import { post } from '../src/domains/points/ledger.js'
import { STEP } from '../src/domains/realtime/frames.js'
import { lockUser } from '../src/engine/locks.js'
import { SystemNotice } from '../src/engine/push.js'
import { PUSHES_A_ROW, pushesAfter, pushLogSweep } from '../src/engine/push-log.js'
import { sweepAll } from '../src/engine/sweep.js'
import type { RawTx } from '../src/engine/tx.js'
import type { UnitOfWork } from '../src/engine/unit-of-work.js'
import { refuse } from '../src/shared/refusal.js'
import { createApp, type Diner, ledgerFaults, newDiner, sql, type TestAppOptions, until } from './helpers/app.js'
import { scrape } from './helpers/metrics.js'
import { createProxy } from './helpers/proxy.js'
import { startRedis, type TestRedis } from './helpers/redis.js'
import { type Frame, openSocket, type TestSocket } from './helpers/socket.js'

let redis: TestRedis
beforeAll(async () => {
  redis = await startRedis()
})
afterAll(() => redis.stop())

async function listening(options: TestAppOptions = {}): Promise<FastifyInstance> {
  const app = await createApp(options)
  await app.listen({ port: 0, host: '127.0.0.1' })
  return app
}

/** A move of one point, told to the diner: the balance says which one it was. */
async function credit(app: FastifyInstance, userId: number): Promise<void> {
  await app.tx(async (uow) => {
    const account = await openAccount(uow, userId)
    account.credit(1, { source: 'admin' })
    await post(uow, [account])
    uow.outbox.push({ userId }, SystemNotice, { title: String(account.balance), content: '', type: 'test' })
  })
}
const draw = (diner: Diner, headers: Record<string, string> = {}) => diner.post('/api/lottery/draw', {}, headers)

/** What a client keeps between connections: the frames it got, and the id of the last. */
const notices = (frames: readonly Frame[]) => frames.filter((frame) => frame.type === 'system_notice')
const numbers = (frames: readonly Frame[]) => notices(frames).map((frame) => Number(frame.data.title))
const lastId = (frames: readonly Frame[]) => frames.at(-1)?.id ?? 0
const isRising = (ids: readonly number[]) => ids.every((id, index) => index === 0 || id > (ids[index - 1] ?? 0))

/** Chance that is the same at each run. */
function seeded(seed: number): () => number {
  let state = seed
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return state / 2 ** 32
  }
}

/** Makes 500 events by both instances while the client's connection is cut again and again, and returns all it got. */
async function streamWithCuts(apps: readonly FastifyInstance[], diner: Diner, seed: number): Promise<Frame[]> {
  const chance = seeded(seed)
  const all: Frame[] = []
  let left = 500
  const worker = async (app: FastifyInstance) => {
    while (left > 0) {
      left -= 1
      await credit(app, diner.userId)
    }
  }
  const done = Promise.all([...apps, ...apps].map(worker)).then(() => true)
  let finished = false
  void done.then(() => {
    finished = true
  })
  let cuts = 0
  for (;;) {
    const app = apps[Math.floor(chance() * apps.length)]
    if (app === undefined) throw new Error('no instance')
    const socket: TestSocket = await openSocket(app, diner.access, { since: lastId(all) })
    const want = finished ? 500 : Math.min(500, notices(all).length + 1 + Math.floor(chance() * 40))
    await until(() => notices(all).length + notices(socket.frames).length >= want)
    // Cut in the middle of whatever is under way: what comes in after this is as lost as with the cable.
    const got = [...socket.frames]
    socket.ws.terminate()
    all.push(...got)
    cuts += 1
    if (notices(all).length >= 500) break
  }
  await done
  expect(cuts).toBeGreaterThan(5)
  return all
}

describe('a stream of 500 events, with the connection cut at random', () => {
  test.each([1, 20, 300])('arrives whole, in order and once, from two instances (seed %i)', async (seed) => {
    const config = { REDIS_URL: redis.url, ENCRYPTION_KEY: randomBytes(32).toString('hex') }
    const apps = [await listening({ config }), await listening({ config })]
    const diner = await newDiner(apps[0] as FastifyInstance, { points: 0 })
    const all = await streamWithCuts(apps, diner, seed)
    expect(numbers(all)).toEqual(Array.from({ length: 500 }, (_, index) => index + 1))
    expect(isRising(all.map((frame) => frame.id))).toBe(true)
    expect(all.filter((frame) => frame.type === 'connected').every((frame) => frame.data.resumed === true)).toBe(true)
    expect(await ledgerFaults(apps[0] as FastifyInstance, [diner.userId])).toEqual([])
  })

  test('arrives whole though the instances cannot hear each other half of the time', async () => {
    const line = await createProxy(new URL(redis.url))
    onTestFinished(() => line.close())
    const config = { REDIS_URL: line.url, ENCRYPTION_KEY: randomBytes(32).toString('hex') }
    const options = { config, realtime: { recheckEveryMs: 300 } }
    const apps = [await listening(options), await listening(options)]
    const diner = await newDiner(apps[0] as FastifyInstance, { points: 0 })
    let isCut = false
    const cutter = setInterval(() => {
      isCut = !isCut
      if (isCut) line.cut()
      else line.restore()
    }, 400)
    onTestFinished(() => clearInterval(cutter))
    const all = await streamWithCuts(apps, diner, 7)
    expect(numbers(all)).toEqual(Array.from({ length: 500 }, (_, index) => index + 1))
  })
})

describe('since', () => {
  test('replays a draw that was missed as it was told, with the same ids on every connection', async () => {
    const app = await listening()
    const diner = await newDiner(app)
    const [phone, tablet] = [await openSocket(app, diner.access), await openSocket(app, diner.access)]
    await draw(diner)
    await phone.take('points_update')
    phone.ws.terminate()
    await draw(diner)
    await tablet.take('points_update', 2)
    const again = await openSocket(app, diner.access, { since: lastId(phone.frames) })
    await again.take('points_update')
    const own = (socket: TestSocket) => socket.frames.filter((frame) => frame.type !== 'connected')
    expect(own(again)).toEqual(own(tablet).slice(2))
    expect([...own(phone), ...own(again)]).toEqual(own(tablet))
    expect(isRising([...phone.frames, ...again.frames].map((frame) => frame.id))).toBe(true)
  })

  test('may be the id of any frame, and of a connection that heard nothing but the greeting', async () => {
    const app = await listening()
    const diner = await newDiner(app)
    await credit(app, diner.userId)
    const first = await openSocket(app, diner.access)
    const [greeting] = await first.take('connected')
    first.send({ type: 'ping' })
    const [pong] = await first.take('pong')
    first.ws.terminate()
    await credit(app, diner.userId)
    for (const since of [greeting?.id, pong?.id]) {
      const socket = await openSocket(app, diner.access, { since: since ?? 0 })
      await socket.take('system_notice')
      socket.send({ type: 'ping' })
      await socket.take('pong')
      expect(numbers(socket.frames)).toEqual([1002])
      expect(isRising([since ?? 0, ...socket.frames.map((frame) => frame.id)])).toBe(true)
    }
  })

  test('=0 replays all of a day, without it nothing old comes, and nobody gets what is another’s', async () => {
    const app = await listening()
    const [diner, other] = [await newDiner(app), await newDiner(app)]
    for (let index = 0; index < 120; index += 1) await credit(app, diner.userId)
    await credit(app, other.userId)
    const whole = await openSocket(app, diner.access, { since: 0 })
    await whole.take('system_notice', 120)
    const [plain, theirs] = [await openSocket(app, diner.access), await openSocket(app, other.access, { since: 0 })]
    for (const socket of [plain, theirs]) {
      socket.send({ type: 'ping' })
      await socket.take('pong')
    }
    await theirs.take('system_notice')
    expect(numbers(whole.frames)).toEqual(Array.from({ length: 120 }, (_, index) => 1001 + index))
    expect(whole.frames[0]?.data.resumed).toBe(true)
    expect(plain.frames[0]?.data).not.toHaveProperty('resumed')
    expect(numbers(plain.frames)).toEqual([])
    expect(numbers(theirs.frames)).toEqual([1001])
  })

  test('that is no id is refused before the upgrade; one from nowhere does not make deaf', async () => {
    const app = await listening()
    const diner = await newDiner(app)
    for (const since of ['x', '-1', '1.5', '99999999999999999999']) {
      const refused = await openSocket(app, diner.access, { since }).catch((err) => err)
      expect(refused).toMatchObject({ status: 400, body: { error: 'VALIDATION_FAILED' } })
    }
    const socket = await openSocket(app, diner.access, { since: 2 ** 52 })
    await credit(app, diner.userId)
    await socket.take('system_notice')
  })

  test('of one transaction come in order and from any of them on, however many share a row', async () => {
    const app = await listening()
    const diner = await newDiner(app)
    const count = PUSHES_A_ROW + 3
    await app.tx(async (uow) => {
      await lockUser(uow, diner.userId)
      for (let n = 1; n <= count; n += 1) {
        uow.outbox.push({ userId: diner.userId }, SystemNotice, { title: String(n), content: '一\n二', type: 'test' })
      }
    })
    expect(await app.db.pushEvent.count({ where: { userId: diner.userId } })).toBe(2)
    const all = await openSocket(app, diner.access, { since: 0 })
    await all.take('system_notice', count)
    const expected = Array.from({ length: count }, (_, n) => n + 1)
    expect(numbers(all.frames)).toEqual(expected)
    expect(notices(all.frames).every((frame) => frame.data.content === '一\n二')).toBe(true)
    for (const [place, frame] of notices(all.frames).entries()) {
      if (place === count - 1) continue
      const socket = await openSocket(app, diner.access, { since: frame.id })
      await socket.take('system_notice', count - 1 - place)
      expect(socket.frames[0]?.data.resumed).toBe(true)
      expect(numbers(socket.frames)).toEqual(expected.slice(place + 1))
      socket.ws.terminate()
    }
    expect(isRising(all.frames.map((frame) => frame.id))).toBe(true)
  })

  test('a replay of an answer tells nothing again, and a refused draw tells nothing', async () => {
    const app = await listening()
    const diner = await newDiner(app, { points: 100 })
    const key = { 'idempotency-key': 'once' }
    expect((await draw(diner, key)).statusCode).toBe(200)
    expect((await draw(diner, key)).headers['idempotent-replayed']).toBe('true')
    expect((await draw(diner)).statusCode).toBe(409)
    const log = { userId: diner.userId, position: 0, limit: 100, now: app.clock() }
    const told = await pushesAfter(app.db, app.cipher, log)
    expect(told.map(({ type }) => type)).toEqual(['lottery_result', 'points_update'])
  })

  test('of more than a day ago is gone, and the greeting says so', async () => {
    const app = await listening()
    const diner = await newDiner(app)
    for (let index = 0; index < 4; index += 1) await credit(app, diner.userId)
    const rows = await app.db.pushEvent.findMany({ where: { userId: diner.userId }, orderBy: { id: 'asc' } })
    const [first, second, third] = rows.map((row) => Number(row.seq))
    const old = new Date(Date.now() - 25 * 60 * 60 * 1000)
    await app.db.pushEvent.updateMany({
      where: { id: { lte: rows[1]?.id ?? 0 } },
      data: { createdAt: old }
    })
    const lastOf = (row: number) => row * PUSHES_A_ROW + PUSHES_A_ROW - 1
    const since = async (event: number | undefined, count: number) => {
      const socket = await openSocket(app, diner.access, { since: event ? lastOf(event) * STEP : 0 })
      await socket.take('system_notice', count)
      const result = { resumed: socket.frames[0]?.data.resumed, numbers: numbers(socket.frames) }
      socket.ws.terminate()
      return result
    }
    const answers = async () => [
      await since(0, 2),
      await since(first, 2),
      await since(second, 2),
      await since(third, 1)
    ]
    const kept = (resumed: boolean, ...got: number[]) => ({ resumed, numbers: got })
    const late = [kept(false, 1003, 1004), kept(true, 1003, 1004), kept(true, 1004)]
    // Past its time it is not told, whether or not it was swept yet.
    expect(await answers()).toEqual([kept(true, 1003, 1004), ...late])
    const sweep = () => sweepAll(pushLogSweep, { db: app.db, tx: app.tx, now: new Date() })
    await Promise.all([sweep(), sweep()])
    expect(await app.db.pushEvent.count({ where: { userId: diner.userId } })).toBe(2)
    expect(await answers()).toEqual([kept(true, 1003, 1004), ...late])
  })
})

describe('the log', () => {
  test('is encrypted: no voucher code can be read in it', async () => {
    const app = await listening()
    const diner = await newDiner(app)
    const { data } = (await draw(diner)).json()
    const rows = await sql<{ data: string }>('SELECT data FROM push_events WHERE user_id = ?', [diner.userId])
    expect(rows).toHaveLength(1)
    for (const row of rows) {
      expect(row.data).not.toContain('lottery')
      expect(row.data).not.toContain(data.draw_id)
      expect(row.data).not.toContain(String(data.results[0].prize_name))
    }
  })

  test('has nothing of a transaction that was rolled back, and all of one that committed, bell or no bell', async () => {
    const app = await listening({ realtime: { recheckEveryMs: 100 } })
    const diner = await newDiner(app)
    const socket = await openSocket(app, diner.access)
    await app
      .tx(async ({ outbox }) => {
        outbox.push({ userId: diner.userId }, SystemNotice, { title: 'never', content: '', type: '' })
        throw new Error('rolled back')
      })
      .catch(() => {})
    // Another instance, which was killed between its commit and its bell.
    const silent = await createApp()
    await credit(silent, diner.userId)
    await socket.take('system_notice')
    expect(numbers(socket.frames)).toEqual([1001])
  })

  test('takes nothing from a transaction that does not hold the user’s lock: it does not commit', async () => {
    const app = await listening()
    const diner = await newDiner(app)
    for (const transaction of [app.tx, app.fastTx]) {
      const before = await app.db.pushEvent.count({ where: { userId: diner.userId } })
      const tell = (lock: boolean) =>
        transaction(async (uow: UnitOfWork<RawTx>) => {
          await uow.tx.$executeRaw`UPDATE users SET nickname = ${`锁${lock}`} WHERE user_id = ${diner.userId}`
          if (lock) await lockUser(uow, diner.userId)
          uow.outbox.push({ userId: diner.userId }, SystemNotice, { title: '', content: '', type: 'test' })
        })
      await app.db.user.update({ where: { userId: diner.userId }, data: { nickname: '阿明' } })
      await expect(tell(false)).rejects.toThrow('is locked')
      const nickname = async () => (await diner.get('/api/user/info')).json().data.nickname
      expect(await nickname()).toBe('阿明')
      expect(await app.db.pushEvent.count({ where: { userId: diner.userId } })).toBe(before)
      await tell(true)
      expect(await nickname()).toBe('锁true')
    }
  })

  test('tells nothing of a transaction that was refused or failed, to one or to all, on either kind of connection', async () => {
    const app = await listening()
    const [diner, witness] = [await newDiner(app), await newDiner(app)]
    const socket = await openSocket(app, witness.access)
    const heard: string[] = []
    app.bus.subscribe((event) => heard.push(event.kind))
    for (const transaction of [app.tx, app.fastTx]) {
      for (const failure of [refuse('STATE_CONFLICT'), new Error('planted')]) {
        const told = transaction(async (uow: UnitOfWork<RawTx>) => {
          await lockUser(uow, diner.userId)
          uow.outbox.push({ userId: diner.userId }, SystemNotice, { title: 'no', content: '', type: 'test' })
          uow.outbox.push('everyone', SystemNotice, { title: 'no', content: '', type: 'test' })
          uow.outbox.notify({ kind: 'user_changed', userId: diner.userId })
          throw failure
        })
        await expect(told).rejects.toBe(failure)
      }
    }
    expect(heard).toEqual([])
    expect(await app.db.pushEvent.count({ where: { userId: diner.userId } })).toBe(0)
    const scraped = await scrape(app)
    expect(scraped.get('events_total{type="system_notice"}')).toBeUndefined()
    socket.send({ type: 'ping' })
    await socket.take('pong')
    expect(notices(socket.frames)).toEqual([])
  })

  test('one that cannot be decrypted is passed over', async () => {
    const [app, other] = [await listening(), await createApp({ config: { ENCRYPTION_KEY: 'ab'.repeat(32) } })]
    const diner = await newDiner(app)
    await credit(other, diner.userId)
    await credit(app, diner.userId)
    const socket = await openSocket(app, diner.access, { since: 0 })
    await socket.take('system_notice')
    expect(numbers(socket.frames)).toEqual([1002])
  })
})
