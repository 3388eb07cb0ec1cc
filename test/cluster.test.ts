import { randomBytes } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import type { FastifyInstance } from 'fastify'
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest'
import { auditLog } from '../scripts/lib/audit-log.js'
import { type GaleraCluster, type GaleraNode, startGalera } from '../scripts/lib/galera.js'
import { startHaproxy } from '../scripts/lib/haproxy.js'
import { freePort } from '../scripts/lib/mariadbd.js'
import { migrate, readMigrations } from '../scripts/lib/migrations.js'
import { ownLog } from '../scripts/lib/own-log.js'
import { slowDisk } from '../scripts/lib/slow-disk.js'
import {
  createApp,
  type Diner,
  ledgerFaults,
  newAdmin,
  newDiner,
  newMerchant,
  plant,
  sql,
  testConfig,
  until
} from './helpers/app.js'
import { type Cast, Persistent, seeded, startStory, storyFaults } from './helpers/chaos.js'
import { startInstance } from './helpers/cluster.js'
import { startRedis, type TestRedis } from './helpers/redis.js'
import { newProduct } from './helpers/shop.js'
import { upload } from './helpers/upload.js'

/** How long machines are broken: `npm run chaos -- --seconds 120` for the long form. */
const CHAOS_SECONDS = Number(process.env.CHAOS_SECONDS || 20)
const SEED = Number(process.env.CHAOS_SEED || randomBytes(4).readUInt32LE())
const DINERS = CHAOS_SECONDS > 60 ? 30 : 10

let dir: string
let cluster: GaleraCluster
let redis: TestRedis
const ENCRYPTION_KEY = randomBytes(32).toString('hex')
const FAIRNESS_KEY = randomBytes(32).toString('hex')

beforeAll(async () => {
  dir = await mkdtemp(path.join(tmpdir(), 'lottery-cluster-'))
  // What is committed is on three nodes, and need not reach the disk of each at once.
  const args = ['--innodb-flush-log-at-trx-commit=2']
  cluster = await startGalera({ dir, database: 'lottery', args })
  redis = await startRedis()
  await migrate(written().url)
  await plant(written().url)
  await onNode(written(), 'UPDATE lottery_config SET daily_limit = 100000')
})

afterAll(async () => {
  await redis?.stop()
  await cluster?.stop()
  await rm(dir, { recursive: true, force: true })
})

const written = (): GaleraNode => cluster.nodes[0] as GaleraNode
const onNode = <T>(node: GaleraNode, text: string) => sql<T>(text, [], node.url)

/** Longer than a node is silent before the others give it up. */
const NOTICED_MS = 3000
/** Each takes back what runs: of some hundreds one would be at the wrong moment. */
const ALTERATIONS = 200
/** What each write to a slow disk takes, and for how long it is one. */
const SLOW_DISK_MS = 100
const SLOW_FOR_MS = 4000

/** All nodes are there, in one group, with the same data; whoever is to notice that one was away has noticed. */
async function whole(): Promise<void> {
  await pause(NOTICED_MS)
  for (const node of cluster.nodes) await node.settled()
}

/** The service of this process, on the cluster. */
const serviceOn = (url: string) =>
  createApp({ config: { DATABASE_URL: url, REDIS_URL: redis.url, ENCRYPTION_KEY, FAIRNESS_KEY } })

const writtenBy = async (app: FastifyInstance) => (await app.inject('/health')).json().checks.db.host as string
const nameOf = (node: GaleraNode | undefined) => `127.0.0.1:${node?.port}`

/** Makes a change of a table, again where it had to make way for what another node was faster with. */
async function alter(node: GaleraNode, text: string): Promise<void> {
  for (;;) {
    try {
      await onNode(node, text)
      return
    } catch (err) {
      if ((err as { errno?: number }).errno !== INTERRUPTED) throw err
    }
  }
}
const INTERRUPTED = 1317

const MOST_REFUSED = 10

/** Draws by several diners until told to stop; tells how long nobody's draw was answered, and what else was said. */
function drawing(diners: readonly Diner[]): { stop(): Promise<{ drawn: number; gapMs: number; refused: string[] }> } {
  let [isOn, drawn, gapMs, last] = [true, 0, 0, Date.now()]
  const refused: string[] = []
  const draw = async (diner: Diner, key: string): Promise<void> => {
    for (;;) {
      const reply = await diner.post('/api/lottery/draw', {}, { 'idempotency-key': key })
      if (reply.statusCode === 200) break
      refused.push(`${reply.json().error} ${reply.headers['retry-after']}`)
      // Who is refused for ever is told of, not waited for.
      if (refused.length >= MOST_REFUSED) return
      await pause(50)
    }
    drawn += 1
    gapMs = Math.max(gapMs, Date.now() - last)
    last = Date.now()
  }
  const work = Promise.allSettled(
    diners.map(async (diner) => {
      for (let n = 1; isOn; n += 1) await draw(diner, `${diner.userId}-${n}-${last}`)
    })
  )
  return {
    async stop() {
      isOn = false
      await work
      return { drawn, gapMs, refused }
    }
  }
}

test('the node that is written is killed, comes back, is frozen, comes back: draws go on, nobody hears of it', async () => {
  const app = await serviceOn(cluster.url)
  const diners = await Promise.all(Array.from({ length: 6 }, () => newDiner(app, { points: 1_000_000 })))
  expect(await writtenBy(app)).toBe(nameOf(written()))
  const load = drawing(diners)
  await written().kill()
  await until(async () => (await writtenBy(app)) === nameOf(cluster.nodes[1]))
  await written().start()
  // Not at once: who comes and goes is not written.
  expect(await writtenBy(app)).toBe(nameOf(cluster.nodes[1]))
  await until(async () => (await writtenBy(app)) === nameOf(written()))
  written().freeze()
  await until(async () => (await writtenBy(app)) === nameOf(cluster.nodes[1]))
  await pause(NOTICED_MS)
  written().thaw()
  await whole()
  const { drawn, gapMs, refused } = await load.stop()
  expect(refused).toEqual([])
  expect(gapMs).toBeLessThan(15_000)
  await whole()
  for (const node of cluster.nodes) {
    const [row] = await onNode<{ n: bigint }>(node, 'SELECT COUNT(*) AS n FROM lottery_draws')
    expect(Number(row?.n)).toBe(drawn)
  }
  expect(
    await ledgerFaults(
      app,
      diners.map(({ userId }) => userId)
    )
  ).toEqual([])
})

test('each node keeps its temporary tables to itself', async () => {
  const places = await Promise.all(
    cluster.nodes.map((node) => onNode<{ place: string }>(node, 'SELECT @@tmpdir AS place'))
  )
  expect(new Set(places.map(([row]) => row?.place)).size).toBe(3)
})

test('a node that is cut off does nothing by itself: 5002, to be asked again, and it is not ready', async () => {
  const alone = cluster.nodes[2] as GaleraNode
  const app = await serviceOn(alone.url)
  const diner = await newDiner(app)
  const draw = () => diner.post('/api/lottery/draw')
  expect((await draw()).statusCode).toBe(200)
  await alone.isolate(true)
  await until(async () => (await app.inject('/health/ready')).statusCode === 503)
  const refused = await draw()
  expect([refused.statusCode, refused.json().code, refused.headers['retry-after']]).toEqual([503, 5002, '2'])
  expect((await app.inject('/health')).json()).toMatchObject({
    status: 'unhealthy',
    checks: { db: { status: 'unhealthy' } }
  })
  await alone.isolate(false)
  await whole()
  await until(async () => (await app.inject('/health/ready')).statusCode === 200)
  expect((await draw()).statusCode).toBe(200)
  expect(await ledgerFaults(app, [diner.userId])).toEqual([])
})

test('two instances that write different nodes contradict each other never: one key, one draw; one balance', async () => {
  const apps = [await serviceOn(cluster.nodes[0]?.url ?? ''), await serviceOn(cluster.nodes[1]?.url ?? '')] as const
  // Often enough that a transaction is struck between any two of its statements.
  for (let round = 0; round < 12; round += 1) {
    const diner = await newDiner(apps[0], { points: 700 })
    const headers = { authorization: `Bearer ${diner.access}` }
    const drawAt = (app: FastifyInstance, key: string) =>
      app.inject({
        method: 'POST',
        url: '/api/lottery/draw',
        headers: { ...headers, 'idempotency-key': key },
        payload: {}
      })
    const replies = await Promise.all(
      Array.from({ length: 40 }, (_, n) => drawAt(apps[n % 2 === 0 ? 0 : 1], `key ${round} ${Math.floor(n / 2) % 10}`))
    )
    const won = new Set(replies.filter((reply) => reply.statusCode === 200).map((reply) => reply.json().data.draw_id))
    const others = replies.filter(({ statusCode }) => ![200, 409, 503].includes(statusCode))
    expect(others.map((reply) => reply.payload)).toEqual([])
    const left = 7 - won.size
    for (let n = 0; n < left; n += 1) expect((await drawAt(apps[1], `more ${round} ${n}`)).statusCode).toBe(200)
    // What one node has done the other shows at once.
    for (const app of apps) {
      const info = await app.inject({ method: 'GET', url: '/api/user/info', headers })
      const drawn = await app.db.lotteryDraw.count({ where: { userId: diner.userId } })
      expect(drawn).toBe(7)
      expect(info.json().data.total_points).toBe(
        (await apps[0].db.user.findUniqueOrThrow({ where: { userId: diner.userId } })).totalPoints
      )
    }
    expect(await ledgerFaults(apps[1], [diner.userId])).toEqual([])
    // The numbers of what was pushed are a row without gaps, though two nodes gave them.
    const pushed = await apps[0].db.pushEvent.findMany({ where: { userId: diner.userId }, orderBy: { seq: 'asc' } })
    const [opening] = pushed
    expect(pushed.map(({ seq }) => Number(seq))).toEqual(pushed.map((_, n) => Number(opening?.seq) + n))
  }
})

test('a schema is migrated, and every node restarted one after the other, while draws go on', async () => {
  const app = await serviceOn(cluster.url)
  const diners = await Promise.all(Array.from({ length: 4 }, () => newDiner(app, { points: 1_000_000 })))
  const load = drawing(diners)
  const name = '29990101000000_one_more'
  const more = { name, sql: 'ALTER TABLE lottery_draws ADD COLUMN note INT NULL', checksum: 'a'.repeat(64) }
  const both = [...(await readMigrations()), more]
  // Two at once, on two nodes: one of them does it.
  const applied = await Promise.all(cluster.nodes.slice(1).map(({ url }) => migrate(url, both)))
  expect(applied.flat()).toEqual([name])
  for (const node of cluster.nodes) {
    await node.stop()
    await node.start()
    await node.settled()
  }
  await onNode(written(), 'ALTER TABLE lottery_draws DROP COLUMN note')
  await onNode(written(), `DELETE FROM _prisma_migrations WHERE migration_name = '${name}'`)
  const { refused } = await load.stop()
  expect(refused).toEqual([])
  expect(
    await ledgerFaults(
      app,
      diners.map(({ userId }) => userId)
    )
  ).toEqual([])
})

test('a table is altered again and again while draws go on: of no transaction is a half there', async () => {
  const app = await serviceOn(cluster.url)
  const diners = await Promise.all(Array.from({ length: 8 }, () => newDiner(app, { points: 1_000_000 })))
  const load = drawing(diners)
  for (let n = 0; n < ALTERATIONS; n += 1) {
    const change = n % 2 === 0 ? 'ADD COLUMN note INT NULL' : 'DROP COLUMN note'
    await alter(cluster.nodes[n % 3] as GaleraNode, `ALTER TABLE lottery_draws ${change}`)
  }
  const { drawn, refused } = await load.stop()
  expect(refused).toEqual([])
  expect(drawn).toBeGreaterThan(diners.length)
  const userIds = diners.map(({ userId }) => userId)
  expect(await ledgerFaults(app, userIds)).toEqual([])
  const half = await onNode(
    written(),
    `SELECT u.user_id, u.push_seq, MAX(e.seq) AS pushed FROM users AS u JOIN push_events AS e USING (user_id)
     WHERE u.user_id IN (${userIds.join(', ')}) GROUP BY u.user_id HAVING pushed <> u.push_seq`
  )
  expect(half).toEqual([])
})

test.each([0, 1])(
  'the disk of node %i is slow: draws are slower, nobody is refused, nothing is lost',
  async (index) => {
    const app = await serviceOn(cluster.url)
    const diners = await Promise.all(Array.from({ length: 4 }, () => newDiner(app, { points: 1_000_000 })))
    const node = cluster.nodes[index] as GaleraNode
    const mend = await slowDisk(node.pid ?? 0, SLOW_DISK_MS)
    const load = drawing(diners)
    await pause(SLOW_FOR_MS)
    const { drawn, refused } = await load.stop()
    await mend()
    expect(refused).toEqual([])
    expect(drawn).toBeGreaterThan(0)
    // It is slow, not gone: who is written has not changed.
    expect(await writtenBy(app)).toBe(nameOf(written()))
    await whole()
    const userIds = diners.map(({ userId }) => userId)
    expect(await ledgerFaults(app, userIds)).toEqual([])
    for (const each of cluster.nodes) {
      const list = userIds.join(', ')
      const [row] = await onNode<{ n: bigint }>(
        each,
        `SELECT COUNT(*) AS n FROM lottery_draws WHERE user_id IN (${list})`
      )
      expect(Number(row?.n)).toBe(drawn)
    }
  }
)

/** Two instances: one chooses among the nodes itself, the other asks HAProxy; and what breaks them. */
async function deployment(random: () => number) {
  const { JWT_SECRET } = testConfig()
  const [databasePort, servicePort] = [await freePort(), await freePort()]
  const options = { dir, databasePort, nodes: cluster.nodes, servicePort, instancePorts: [] as number[] }
  let haproxy = await startHaproxy(options)
  onTestFinished(() => void haproxy.kill('SIGKILL'))
  const env = {
    NODE_ENV: 'development',
    REDIS_URL: redis.url,
    DATA_DIR: dir,
    JWT_SECRET,
    ENCRYPTION_KEY,
    FAIRNESS_KEY,
    RATE_LIMIT: 'off',
    DB_POOL: '10'
  }
  const proxied = cluster.url.replace(/@[^/]+/, `@127.0.0.1:${databasePort}`)
  const envs = [
    { ...env, DATABASE_URL: cluster.url },
    { ...env, DATABASE_URL: proxied }
  ] as const
  const instances = [await startInstance(envs[0]), await startInstance(envs[1])]
  const wait = (most: number) => pause(500 + random() * most)
  const faults: Record<string, (node: GaleraNode) => Promise<void>> = {
    async kill(node) {
      await node.kill()
      await wait(1500)
      await node.start()
    },
    async stop(node) {
      await node.stop()
      await wait(1000)
      await node.start()
    },
    async freeze(node) {
      node.freeze()
      await wait(5000)
      node.thaw()
    },
    async 'cut off'(node) {
      await node.isolate(true)
      await wait(4000)
      await node.isolate(false)
    },
    async 'slow disk'(node) {
      const mend = await slowDisk(node.pid ?? 0, SLOW_DISK_MS)
      await wait(4000)
      await mend()
    },
    async 'kill an instance'() {
      const index = random() < 0.5 ? 0 : 1
      await instances[index]?.end('SIGKILL')
      instances[index] = await startInstance(envs[index], instances[index]?.port)
    },
    async 'kill Redis'() {
      await redis.stop()
      await wait(2000)
      redis = await startRedis(Number(new URL(redis.url).port))
    },
    async 'kill HAProxy'() {
      haproxy.kill('SIGKILL')
      await wait(1000)
      haproxy = await startHaproxy(options)
    }
  }
  return { addresses: instances.map(({ address }) => address), faults }
}

test(
  `machines break at random for ${CHAOS_SECONDS} s, seed ${SEED}: what was acknowledged is there once, on every node`,
  async () => {
    const random = seeded(SEED)
    const app = await serviceOn(cluster.url)
    const cast: Cast = {
      diners: await Promise.all(Array.from({ length: DINERS }, () => newDiner(app, { points: 1_000_000 }))),
      spender: await newDiner(app, { points: 0 }),
      merchant: await newMerchant(app),
      admin: await newAdmin(app),
      productId: await newProduct(app, { stock: 100_000, exchangePoints: 10 }),
      receipts: []
    }
    const receipts: string[] = []
    for (const diner of [...Array(6).fill(cast.spender), ...cast.diners])
      receipts.push((await upload(app, diner)).json().data.upload_id)
    const { addresses, faults } = await deployment(random)
    const client = new Persistent(addresses, random)
    const story = startStory(client, { ...cast, receipts }, random)
    const done: string[] = []
    const end = Date.now() + CHAOS_SECONDS * 1000
    const names = Object.keys(faults)
    // Each kind once, before any a second time.
    let left: string[] = []
    while (Date.now() < end) {
      if (left.length === 0) left = [...names]
      const [name = ''] = left.splice(Math.floor(random() * left.length), 1)
      // The one that is written, more often than not.
      const node = cluster.nodes[random() < 0.6 ? 0 : 1 + Math.floor(random() * 2)] as GaleraNode
      done.push(`${name} ${node.name}`)
      await faults[name]?.(node)
      await whole()
    }
    await story.finish()
    await whole()
    const userIds = [...cast.diners, cast.spender, cast.merchant, cast.admin].map(({ userId }) => userId)
    console.info(`${done.join(', ')}: ${story.actions()} actions; asked again: ${JSON.stringify(client.repeated)}`)
    // Whatever breaks is to be asked again later; it is no fault of ours.
    expect(client.repeated).not.toHaveProperty('INTERNAL')
    expect(await storyFaults(app, cast, story.acknowledged)).toEqual([])
    expect(story.acknowledged.owed).toBeGreaterThan(0)
    expect(await ledgerFaults(app, userIds)).toEqual([])
    // The public log was continued by whichever instance was there: each draw is in it once, and all of it agrees.
    await until(async () => {
      const rows = await onNode<{ n: bigint }>(
        written(),
        'SELECT COUNT(*) AS n FROM lottery_draws WHERE log_index IS NULL'
      )
      return Number(rows[0]?.n) === 0 || (await app.publicLog.advance().catch(() => undefined)) === 0
    })
    const folder = path.join(dir, `audit-${SEED}`)
    const audited = await auditLog(ownLog(app.db, app.cipher, app.publicLog.signer), folder, { start() {}, done() {} })
    expect(audited.faults).toEqual([])
    const logged = await onNode<{ n: bigint }>(
      written(),
      'SELECT COUNT(*) AS n FROM lottery_draws WHERE log_index IS NULL'
    )
    expect(Number(logged[0]?.n)).toBe(0)
    await whole()
    const tables = await onNode<{ t: string }>(
      written(),
      "SELECT TABLE_NAME AS t FROM information_schema.TABLES WHERE TABLE_SCHEMA = 'lottery'"
    )
    const list = tables.map(({ t }) => `\`${t}\``).join(', ')
    const sumsOf = async () => {
      const sums = await Promise.all(
        cluster.nodes.map((node) => onNode<{ Table: string; Checksum: bigint }>(node, `CHECKSUM TABLE ${list}`))
      )
      return sums.map((rows) => rows.map(({ Table, Checksum }) => `${Table} ${Checksum}`).join('\n'))
    }
    // A lease is renewed each second, perhaps between two of the questions.
    await until(async () => new Set(await sumsOf()).size === 1)
    const sold = [...story.acknowledged.orders.values()].flat().length - story.acknowledged.cancelled.length
    const product = await app.db.product.findUniqueOrThrow({ where: { productId: cast.productId } })
    expect(product.stock).toBe(100_000 - sold)
  },
  CHAOS_SECONDS * 1000 + 240_000
)
