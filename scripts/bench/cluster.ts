import { randomUUID } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import type { FastifyInstance } from 'fastify'
import { buildApp } from '../../src/app.js'
import type { DrawRequest } from '../../src/domains/lottery/draw-request.js'
import { createDrawEngine } from '../../src/domains/lottery/engine.js'
import { RuleBook } from '../../src/domains/lottery/versions.js'
import { openConnection } from '../../src/engine/connection.js'
import { writableUrl } from '../../src/engine/hosts.js'
import { keyedRequest } from '../../src/engine/idempotency-key.js'
import { plantFirstData } from '../lib/first-data.js'
import { type GaleraCluster, startGalera } from '../lib/galera.js'
import { migrate } from '../lib/migrations.js'
import { withPrisma } from '../lib/prisma.js'
import type { BenchOptions } from './index.js'
import { type Contender, measure, ratio } from './lib/harness.js'
import { Meter } from './lib/meter.js'
import { type Bar, figure, printBars, printTable, startSteps, writeResults } from './lib/report.js'
import { DAILY_LIMIT, makeDiners, type World } from './lib/world.js'

const DINERS = 2000
const IN_FLIGHT = 64
/** Of each kill: how many draw meanwhile, one draw after the other. */
const DRAWING = 16
const GONE_ON = 200
const RETRY_MS = 50

/**
 * Draws on a cluster of three nodes on this machine beside draws on one server of the same durability; then the node
 * that is written is killed, again and again, while diners draw with keys.
 */
export async function main(world: World, { quick }: BenchOptions): Promise<Bar[]> {
  const dir = await mkdtemp(path.join(tmpdir(), 'lottery-bench-cluster-'))
  const cluster = await startGalera({
    dir,
    database: 'bench',
    args: ['--innodb-flush-log-at-trx-commit=1', '--innodb-buffer-pool-size=512M']
  })
  try {
    const own = await openWorld(world, cluster)
    const throughput = await compare(world, own, quick)
    const failovers = await killAgain(own, cluster, quick ? 3 : 20)
    const bars: Bar[] = [
      { name: 'of a single server at 64 in flight', value: throughput, bound: 0.5, kind: 'at least' },
      { name: 'longest without a draw, seconds', value: failovers.longest, bound: 5, kind: 'at most' },
      { name: 'draws that were acknowledged and lost', value: failovers.lost, bound: 0, kind: 'at most' },
      { name: 'draws made twice', value: failovers.twice, bound: 0, kind: 'at most' }
    ]
    printBars(bars)
    await writeResults('cluster', { throughput, failovers, bars })
    return bars
  } finally {
    await cluster.stop()
    await rm(dir, { recursive: true, force: true })
  }
}

/** The same world, on the cluster. */
async function openWorld({ config }: World, { url, nodes }: GaleraCluster): Promise<World> {
  const first = nodes[0]?.url ?? url
  await migrate(first)
  await withPrisma(first, (db) => plantFirstData(db, { dailyLimit: DAILY_LIMIT, newUserPoints: 0, samples: false }))
  return {
    config: { ...config, DATABASE_URL: url },
    // A connection each: any node may have been killed since.
    async sql<T>(text: string, values: unknown[] = []) {
      const connection = await openConnection(await writableUrl(url))
      return (await connection.query(text, values).finally(() => connection.end())) as T[]
    },
    sibling: () => Promise.reject(new Error('a cluster has one database')),
    close: async () => {}
  }
}

async function openEngine(world: World) {
  const app = await buildApp({ config: world.config, overload: { maxEventLoopDelayMs: 0 } })
  await app.ready()
  const tools = { ruleBook: new RuleBook(), randomInt: app.randomInt, timeZone: 'Asia/Shanghai', voucherDays: 30 }
  const { first } = await makeDiners(world, DINERS)
  return { app, first, engine: createDrawEngine(app.fastTx, tools) }
}

/** @returns how many times as many draws the cluster makes as the single server */
async function compare(world: World, own: World, quick: boolean): Promise<number> {
  const meter = await Meter.open(world.config.DATABASE_URL)
  const [single, several] = [await openEngine(world), await openEngine(own)]
  const contender = (name: string, { engine, first }: typeof single): Contender => ({
    name,
    async work(n) {
      const answer = await engine.submit({ userId: first + (n % DINERS), type: 'single' })
      if ('refusal' in answer) throw answer.refusal
    }
  })
  const [rounds, sliceMs] = quick ? ([3, 500] as const) : ([10, 1000] as const)
  const bar = startSteps('cluster', 2 * (rounds + 1))
  const contenders = [contender('single server', single), contender('three nodes', several)]
  const results = await measure({ contenders, inFlight: IN_FLIGHT, rounds, sliceMs, meter, tick: bar.step })
  bar.stop()
  await Promise.all([single, several].map(({ engine, app }) => closeAll(app, engine)))
  await meter.close()
  printTable(
    `Draws with ${IN_FLIGHT} in flight, all on this machine`,
    ['', 'a second', 'p50 ms', 'p99 ms', 'node ms'],
    results.map(({ name, perSecond, p50Ms, p99Ms, nodeMs }) => [name, ...[perSecond, p50Ms, p99Ms, nodeMs].map(figure)])
  )
  const [one, three] = results
  return one === undefined || three === undefined ? Number.NaN : ratio(three, one)
}

interface Failovers {
  readonly runs: readonly { readonly seconds: number; readonly draws: number; readonly repeated: number }[]
  readonly longest: number
  readonly lost: number
  readonly twice: number
}

/** Kills the written node under draws with keys, so many times. */
async function killAgain(own: World, cluster: GaleraCluster, times: number): Promise<Failovers> {
  const { app, engine, first } = await openEngine(own)
  const acknowledged: string[] = []
  const before = await countDraws(own, first)
  const runs: Failovers['runs'][number][] = []
  const bar = startSteps('kills', times)
  for (let run = 0; run < times; run += 1) {
    let isOn = true
    let [longest, last, repeated] = [0, performance.now(), 0]
    const from = acknowledged.length
    const draw = async (request: DrawRequest): Promise<void> => {
      for (;;) {
        const answer = await engine.submit(request).catch(() => undefined)
        if (answer !== undefined && !('refusal' in answer)) {
          acknowledged.push(answer.answer.draw_id)
          longest = Math.max(longest, performance.now() - last)
          last = performance.now()
          return
        }
        repeated += 1
        await pause(RETRY_MS)
      }
    }
    const work = Promise.all(
      Array.from({ length: DRAWING }, async (_, index) => {
        const userId = first + index
        while (isOn)
          await draw({
            userId,
            type: 'single',
            keyed: keyedRequest(randomUUID(), 'POST /api/lottery/draw', { userId })
          })
      })
    )
    await goOn(acknowledged)
    const node = cluster.nodes.find(({ port }) => app.databaseHosts.written.name.endsWith(`:${port}`))
    await node?.kill()
    await goOn(acknowledged)
    isOn = false
    await work
    runs.push({ seconds: longest / 1000, draws: acknowledged.length - from, repeated })
    await node?.start()
    await node?.settled()
    bar.step()
  }
  bar.stop()
  await closeAll(app, engine)
  printTable(
    'The written node is killed',
    ['run', 'seconds without a draw', 'draws', 'asked again'],
    runs.map(({ seconds, draws, repeated }, index) => [String(index + 1), ...[seconds, draws, repeated].map(figure)])
  )
  const made = (await countDraws(own, first)) - before
  const there = await own.sql<{ draw_id: string }>('SELECT draw_id FROM lottery_draws')
  const all = new Set(there.map((row) => row.draw_id))
  return {
    runs,
    longest: Math.max(...runs.map(({ seconds }) => seconds)),
    lost: acknowledged.filter((id) => !all.has(id)).length,
    twice: made - acknowledged.length
  }
}

async function closeAll(app: FastifyInstance, engine: { close(): Promise<void> }): Promise<void> {
  await engine.close()
  await app.close()
}

/** Waits for as many draws more. */
async function goOn(acknowledged: readonly string[]): Promise<void> {
  const enough = acknowledged.length + GONE_ON
  while (acknowledged.length < enough) await pause(20)
}

async function countDraws(world: World, first: number): Promise<number> {
  const [row] = await world.sql<{ n: bigint }>('SELECT COUNT(*) AS n FROM lottery_draws WHERE user_id >= ?', [first])
  return Number(row?.n)
}
