import { Agent, request } from 'node:http'
import { buildApp } from '../../src/app.js'
import { recountTotals } from '../../src/engine/totals.js'
import { TOTALS } from '../../src/registry.js'
import { createCipher } from '../../src/shared/cipher.js'
import { withPrisma } from '../lib/prisma.js'
import type { BenchOptions } from './index.js'
import { barChart } from './lib/chart.js'
import { type Child, startChild } from './lib/child.js'
import { type Contender, measure, type Result } from './lib/harness.js'
import { Meter, processCpuMs } from './lib/meter.js'
import { type Bar, figure, printBars, printTable, startSteps, writeChart, writeResults } from './lib/report.js'
import { type SignedIn, signIn } from './lib/sign-in.js'
import { makeDiners, type World } from './lib/world.js'

const IN_FLIGHT = 32
/** Requests of each page before anything is measured. */
const WARM_UP = 640
/** Rows of history that a diner has of each kind; the first is what is timed. */
const HISTORIES = { quick: [10, 10_000, 100_000], full: [10, 10_000, 100_000, 1_000_000] }

/** What a diner's mini-program reads. */
const PAGES = [
  '/health/live',
  '/api/user/info',
  '/api/user/statistics',
  '/api/user/points-records',
  '/api/user/points-records?page=500',
  '/api/user/vouchers',
  '/api/lottery/config',
  '/api/lottery/records',
  '/api/lottery/statistics',
  '/api/lottery/pity-status',
  '/api/exchange/products',
  '/api/exchange/products/1',
  '/api/exchange/categories',
  '/api/exchange/hot-products',
  '/api/exchange/orders',
  '/api/exchange/orders/1',
  '/api/exchange/statistics',
  '/api/photo/history',
  '/api/photo/statistics',
  '/api/photo/review/UPLOAD'
] as const
/** What is measured beside them, and has no bar: what a login costs, a new pair of tokens, the merchants' queue. */
const OTHERS = ['login', 'refresh', '/api/merchant/reviews/pending'] as const
type Job = (typeof PAGES)[number] | (typeof OTHERS)[number]

interface Measured {
  readonly page: Job
  readonly ours: Result
  readonly byHand: Result
  /** Rows that the database looked at for one, with each length of history. */
  readonly rows: number[]
}

/**
 * What a mini-program asks for each time it opens, through HTTP, beside the same written by hand (reads-server.ts), in
 * turn. With the shortest history both are timed; with longer ones the rows that the database looks at are counted.
 */
export async function main(world: World, { quick }: BenchOptions): Promise<Bar[]> {
  const histories = quick ? HISTORIES.quick : HISTORIES.full
  const people = await makePeople(world, histories)
  const servers = [
    { name: 'ours', child: await startChild('http-server', world.config) },
    { name: 'by hand', child: await startChild('reads-server', world.config) }
  ] as const
  const meter = await Meter.open(world.config.DATABASE_URL)
  const agent = new Agent({ keepAlive: true, maxSockets: IN_FLIGHT })
  const [rounds, sliceMs] = quick ? [3, 400] : [4, 1000]
  const jobs: readonly Job[] = [...PAGES, ...OTHERS]
  const bar = startSteps('reads', jobs.length * (rounds + 1) * servers.length)
  const measured: Measured[] = []
  try {
    // What is measured first is not to pay for what all need to have been compiled.
    for (const { child } of servers) {
      for (const page of PAGES) {
        const work = workOf(page, child, agent, people)
        for (let n = 0; n < WARM_UP; n += IN_FLIGHT) {
          await Promise.all(Array.from({ length: IN_FLIGHT }, (_, index) => work(n + index)))
        }
      }
    }
    for (const page of jobs) {
      const contenders = servers.map(({ name, child }, index): Contender => {
        // A session belongs to one of the servers: each replaces its tokens.
        const crowd = people.crowd.filter((_, place) => place % servers.length === index)
        const work = workOf(page, child, agent, { ...people, crowd })
        return { name, work, cpuMs: () => processCpuMs(child.pid) }
      })
      const [ours, byHand] = await measure({ contenders, inFlight: IN_FLIGHT, rounds, sliceMs, meter, tick: bar.step })
      const rows: number[] = []
      if (page.startsWith('/api') && !page.startsWith('/api/merchant')) {
        for (const reader of people.readers) {
          const url = new URL(pathFor(page, reader), String(servers[0].child.ready.address))
          rows.push(await rowsRead(world, () => send(url, agent, { token: reader.access_token })))
        }
      }
      measured.push({ page, ours: ours as Result, byHand: byHand as Result, rows })
    }
  } finally {
    bar.stop()
    agent.destroy()
    for (const { child } of servers) await child.stop()
    await meter.close()
  }
  return report(measured, { rounds, sliceMs, histories })
}

async function report(
  measured: readonly Measured[],
  { rounds, sliceMs, histories }: { rounds: number; sliceMs: number; histories: readonly number[] }
): Promise<Bar[]> {
  const both = (value: (result: Result) => number, { ours, byHand }: Measured) => [value(ours), value(byHand)]
  printTable(
    `What a diner with ${histories[0]} rows of each kind asks for, ${IN_FLIGHT} in flight; beside it the same by hand`,
    ['', 'a second', '', 'p50 ms', '', 'p99 ms', '', 'node ms', '', 'db ms', '', 'statements', ''],
    measured.map((one) => [
      one.page,
      ...[
        both((result) => result.perSecond, one),
        both((result) => result.p50Ms, one),
        both((result) => result.p99Ms, one),
        both((result) => result.nodeMs, one),
        both((result) => result.databaseMs, one),
        both((result) => result.statements, one)
      ].flatMap((pair) => pair.map(figure))
    ])
  )
  const counted = measured.filter(({ rows }) => rows.length > 0)
  printTable(
    'Rows that the database looks at for one, by the rows of history of each kind',
    ['', ...histories.map((rows) => rows.toLocaleString('en'))],
    counted.map(({ page, rows }) => [page, ...rows.map(figure)])
  )
  const pages = measured.filter(({ page }) => (PAGES as readonly string[]).includes(page))
  const bars = pages.flatMap(({ page, ours, byHand, rows }): Bar[] => [
    {
      name: `${page}: Node, in times of the hand-written`,
      value: ours.nodeMs / byHand.nodeMs,
      bound: 2.5,
      kind: 'at most'
    },
    {
      name: `${page}: a second, in times of it`,
      value: ours.perSecond / byHand.perSecond,
      bound: 0.4,
      kind: 'at least'
    },
    ...(rows.length === 0
      ? []
      : [
          {
            name: `${page}: rows with the longest history, over those with the shortest`,
            value: (rows.at(-1) ?? 0) - (rows[0] ?? 0),
            // A page of twenty of which there are ten, and a label or two.
            bound: 70,
            kind: 'at most' as const
          }
        ])
  ])
  const nodeMs = (page: Job) => measured.find((one) => one.page === page)?.ours.nodeMs ?? Number.NaN
  bars.push(
    { name: '/api/user/info: milliseconds of Node', value: nodeMs('/api/user/info'), bound: 0.4, kind: 'at most' },
    { name: '/health/live: milliseconds of Node', value: nodeMs('/health/live'), bound: 0.08, kind: 'at most' }
  )
  printBars(bars)
  await writeResults('reads', { rounds, sliceMs, inFlight: IN_FLIGHT, histories, pages: measured, bars })
  await writeChart(
    'reads',
    barChart({
      title: 'Pages a second',
      groups: measured.map(({ page, ours, byHand }) => ({
        name: page.replace('/api/', ''),
        values: [ours.perSecond, byHand.perSecond]
      })),
      series: ['this service', 'by hand']
    })
  )
  return bars
}

/** Who asks: readers with histories of different lengths, and others, each of whom has tokens of their own. */
interface People {
  readonly readers: readonly (SignedIn & { readonly orderId: number; readonly uploadId: string })[]
  readonly merchant: SignedIn
  readonly crowd: readonly SignedIn[]
}

async function makePeople(world: World, histories: readonly number[]): Promise<People> {
  const app = await buildApp({ config: world.config, overload: { maxEventLoopDelayMs: 0 } })
  await app.ready()
  const ids = await makeDiners(world, histories.length)
  for (const [index, rows] of histories.entries()) await makeHistory(world, ids.first + index, rows)
  await world.sql(
    'ANALYZE TABLE points_records, lottery_records, exchange_orders, vouchers, photo_reviews, user_totals'
  )
  const readers = await signIn(world, app, ids)
  const orders = await world.sql<{ user_id: number; id: number }>(
    'SELECT user_id, MAX(order_id) AS id FROM exchange_orders GROUP BY user_id'
  )
  const crowd = await signIn(world, app, await makeDiners(world, 4 * IN_FLIGHT))
  const merchants = await makeDiners(world, 1)
  await world.sql('UPDATE users SET is_merchant = 1 WHERE user_id = ?', [merchants.first])
  const [merchant] = await signIn(world, app, merchants)
  await app.close()
  if (merchant === undefined) throw new Error('there is a merchant')
  return {
    readers: readers.map((reader) => ({
      ...reader,
      orderId: Number(orders.find(({ user_id: userId }) => userId === reader.userId)?.id),
      uploadId: `${reader.userId}-1`
    })),
    merchant,
    crowd
  }
}

const pathFor = (page: Job, reader: People['readers'][number]) =>
  page.replace('/orders/1', `/orders/${reader.orderId}`).replace('UPLOAD', reader.uploadId)

/** One piece of work for a server. */
function workOf(page: Job, { ready }: Child, agent: Agent, { readers, merchant, crowd }: People): Contender['work'] {
  const address = String(ready.address)
  if (page === 'login') {
    return async (n) => {
      const mobile = String(13_000_000_000 + (crowd[n % crowd.length]?.userId ?? 0))
      const sent = await send(new URL('/api/auth/send-code', address), agent, { body: { mobile } })
      await send(new URL('/api/auth/login', address), agent, { body: { mobile, code: sent.data.code_hint } })
    }
  }
  if (page === 'refresh') {
    const tokens = crowd.map(({ refresh_token: token }) => token)
    return async (n) => {
      const body = { refresh_token: tokens[n % tokens.length] }
      const { data } = await send(new URL('/api/auth/refresh', address), agent, { body })
      tokens[n % tokens.length] = String(data.refresh_token)
    }
  }
  const [reader] = readers
  if (reader === undefined) throw new Error('there is a reader')
  const token = page.startsWith('/api/merchant') ? merchant.access_token : reader.access_token
  const url = new URL(pathFor(page, reader), address)
  return async () => void (await send(url, agent, { token }))
}

/** Rows of the ledger, of draws and their results, of orders and their vouchers, and of receipts, as many of each. */
async function makeHistory(world: World, userId: number, rows: number): Promise<void> {
  const list = `FROM seq_1_to_${rows}`
  await world.sql(
    `INSERT INTO points_records (user_id, seq, hash, points, balance_after, type, source)
     SELECT ${userId}, seq + 1, '', IF(seq % 2, 10, -10), 0, IF(seq % 2, 'earn', 'spend'), 'lottery' ${list}`
  )
  await world.sql('UPDATE users SET ledger_seq = ? WHERE user_id = ?', [rows + 1, userId])
  await world.sql(
    `INSERT INTO lottery_draws (draw_id, user_id, draw_type, draw_count, total_cost, points_awarded, rules_version)
     SELECT CONCAT(LPAD(${userId}, 10, '0'), '-', LPAD(seq, 25, '0')), ${userId}, 'single', 1, 100, 0, 1 ${list}`
  )
  await world.sql(
    `INSERT INTO lottery_records (record_id, draw_id, user_id, sequence, draw_type, prize_id, prize_name, prize_type,
       prize_value, points_cost)
     SELECT draw_id, draw_id, user_id, 1, 'single', 2, '九八折券', 'coupon', 0.98, 100 FROM lottery_draws
     WHERE user_id = ${userId}`
  )
  await world.sql(
    `INSERT IGNORE INTO commodity_pool (commodity_id, name, description, category, exchange_points, stock, is_hot)
     SELECT seq, CONCAT('招牌菜', seq), '一份', ELT(1 + seq % 3, '热菜', '饮品', '甜品'), 100 * seq, 50, seq % 2
     FROM seq_1_to_30`
  )
  await world.sql(
    `INSERT INTO exchange_orders (order_no, user_id, commodity_id, product_name, category, quantity, unit_points,
       total_points)
     SELECT CONCAT('EX', ${userId}, '-', seq), ${userId}, 1, '招牌菜1', '热菜', 1, 100, 100 ${list}`
  )
  await world.sql(
    `INSERT INTO vouchers (user_id, code_hmac, code_enc, title, kind, source, order_id, issued_at, expires_at)
     SELECT user_id, SHA2(order_no, 256), ?, product_name, 'product', 'exchange', order_id, NOW(3),
       NOW(3) + INTERVAL 30 DAY
     FROM exchange_orders WHERE user_id = ${userId}`,
    [createCipher(world.config.ENCRYPTION_KEY).encrypt('K7QXM4PTRW9A')]
  )
  await world.sql(
    `INSERT INTO photo_reviews (upload_id, user_id, image_url, thumbnail_url, image_key, thumbnail_key, amount,
       points_rate, points_min, points_max, file_size, sha256, phash, created_at)
     SELECT CONCAT(${userId}, '-', seq), ${userId}, '', '', CONCAT('i', ${userId}, '-', seq),
       CONCAT('t', ${userId}, '-', seq), 1, 10, 50, 2000, 1, '', '', NOW(3) - INTERVAL seq SECOND ${list}`
  )
  await withPrisma(world.config.DATABASE_URL, (db) =>
    db.$transaction((tx) => recountTotals(tx, TOTALS, userId), { timeout: 300_000 })
  )
}

/** How many rows the server looks at while `work` goes on, and nobody else asks it anything. */
async function rowsRead(world: World, work: () => Promise<unknown>): Promise<number> {
  const looked = async () => {
    const counters = await world.sql<{ Value: string }>("SHOW GLOBAL STATUS LIKE 'Handler_read%'")
    return counters.reduce((sum, { Value }) => sum + Number(Value), 0)
  }
  const start = await looked()
  const ofLooking = (await looked()) - start
  const before = await looked()
  await work()
  return Math.max(0, (await looked()) - before - ofLooking)
}

/** A request and its answer, which is read only where it is asked for something: then it has a body. */
function send(
  url: URL,
  agent: Agent,
  { token, body }: { token?: string; body?: object }
): Promise<{ data: Record<string, unknown> }> {
  return new Promise((resolve, reject) => {
    const headers = {
      ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
      ...(body === undefined ? {} : { 'content-type': 'application/json' })
    }
    const sent = request(url, { agent, headers, method: body === undefined ? 'GET' : 'POST' }, (response) => {
      const chunks: Buffer[] = []
      if (body === undefined) response.resume()
      else response.on('data', (chunk: Buffer) => chunks.push(chunk))
      response.once('end', () => {
        if (response.statusCode !== 200) {
          reject(new Error(`${url.pathname} was answered ${response.statusCode}`))
          return
        }
        resolve(body === undefined ? { data: {} } : JSON.parse(Buffer.concat(chunks).toString()))
      })
    })
    sent.once('error', reject)
    sent.end(body === undefined ? undefined : JSON.stringify(body))
  })
}
