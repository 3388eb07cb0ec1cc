import { Agent, request } from 'node:http'
import { buildApp } from '../../src/app.js'
import type { BenchOptions } from './index.js'
import { type Child, startChild } from './lib/child.js'
import { type Contender, measure, type Result } from './lib/harness.js'
import { Meter, processCpuMs } from './lib/meter.js'
import { type Bar, figure, printBars, printTable, startSteps, writeResults } from './lib/report.js'
import { signIn } from './lib/sign-in.js'
import { makeDiners, type World } from './lib/world.js'

const IN_FLIGHT = 32
/** Rows of history that a diner has of each kind. */
const HISTORIES = [10, 10_000, 100_000]
const PAGES = [
  '/health/live',
  '/api/user/info',
  '/api/user/points-records',
  '/api/lottery/records',
  '/api/photo/history'
]

/**
 * What a mini-program asks for each time it opens, through HTTP, beside the same written by hand (reads-server.ts), in
 * turn. With the shortest history both are timed; with longer ones the rows that the database looks at are counted.
 */
export async function main(world: World, { quick }: BenchOptions): Promise<Bar[]> {
  const app = await buildApp({ config: world.config, overload: { maxEventLoopDelayMs: 0 } })
  await app.ready()
  const diners = await makeDiners(world, HISTORIES.length)
  for (const [index, rows] of HISTORIES.entries()) await makeHistory(world, diners.first + index, rows)
  const tokens = await signIn(world, app, diners)
  await app.close()
  const [ours, byHand] = [await startChild('http-server', world.config), await startChild('reads-server', world.config)]
  const meter = await Meter.open(world.config.DATABASE_URL)
  const agent = new Agent({ keepAlive: true, maxSockets: IN_FLIGHT })
  const [rounds, sliceMs] = quick ? [3, 500] : [6, 1500]
  const bar = startSteps('reads', PAGES.length * (rounds + 1) * 2)
  const pages: { page: string; ours: Result; byHand: Result; rows: number[] }[] = []
  for (const page of PAGES) {
    const ask = (child: Child, token = '') => get(new URL(page, String(child.ready.address)), agent, token)
    const contender = (name: string, child: Child): Contender => ({
      name,
      work: () => ask(child, tokens[0]),
      cpuMs: () => processCpuMs(child.pid)
    })
    const contenders = [contender('ours', ours), contender('by hand', byHand)]
    const results = await measure({ contenders, inFlight: IN_FLIGHT, rounds, sliceMs, meter, tick: bar.step })
    const rows: number[] = []
    for (const token of tokens) rows.push(await rowsRead(world, () => ask(ours, token)))
    pages.push({ page, ours: results[0] as Result, byHand: results[1] as Result, rows })
  }
  bar.stop()
  agent.destroy()
  await Promise.all([ours.stop(), byHand.stop()])
  await meter.close()

  printTable(
    `Pages of a diner with ${HISTORIES[0]} rows of each kind, ${IN_FLIGHT} in flight; rows looked at with so many`,
    ['', 'a second', 'by hand', 'p99 ms', 'node ms', 'by hand', 'db ms', 'by hand', ...HISTORIES.map(String)],
    pages.map(({ page, ours: one, byHand: other, rows }) => [
      page,
      ...[one.perSecond, other.perSecond, one.p99Ms, one.nodeMs, other.nodeMs, one.databaseMs, other.databaseMs].map(
        figure
      ),
      ...rows.map(figure)
    ])
  )
  const bars = pages.flatMap(({ page, ours: one, byHand: other }): Bar[] => [
    {
      name: `${page}: Node, in times of the hand-written`,
      value: one.nodeMs / other.nodeMs,
      bound: 2.5,
      kind: 'at most'
    },
    { name: `${page}: a second, in times of it`, value: one.perSecond / other.perSecond, bound: 0.4, kind: 'at least' }
  ])
  printBars(bars)
  await writeResults('reads', { rounds, sliceMs, inFlight: IN_FLIGHT, histories: HISTORIES, pages, bars })
  return bars
}

/** Rows of the ledger, of draws and their results, and of receipts, as many of each. */
async function makeHistory(world: World, userId: number, rows: number): Promise<void> {
  const list = `FROM seq_1_to_${rows}`
  await world.sql(
    `INSERT INTO points_records (user_id, points, balance_after, type, source)
     SELECT ${userId}, IF(seq % 2, 10, -10), 0, IF(seq % 2, 'earn', 'spend'), 'lottery' ${list}`
  )
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
    `INSERT INTO photo_reviews (upload_id, user_id, image_url, thumbnail_url, image_key, thumbnail_key, amount,
       points_rate, points_min, points_max, file_size, sha256, phash, created_at)
     SELECT CONCAT(${userId}, '-', seq), ${userId}, '', '', CONCAT('i', ${userId}, '-', seq),
       CONCAT('t', ${userId}, '-', seq), 1, 10, 50, 2000, 1, '', '', NOW(3) - INTERVAL seq SECOND ${list}`
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

function get(url: URL, agent: Agent, token: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const sent = request(url, { agent, headers: { authorization: `Bearer ${token}` } }, (response) => {
      response.resume()
      response.once('end', () =>
        response.statusCode === 200
          ? resolve()
          : reject(new Error(`${url.pathname} was answered ${response.statusCode}`))
      )
    })
    sent.once('error', reject)
    sent.end()
  })
}
