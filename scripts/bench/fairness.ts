import path from 'node:path'
import { pathToFileURL } from 'node:url'
import { buildApp } from '../../src/app.js'
import { createDrawEngine } from '../../src/domains/lottery/engine.js'
import { firstEpochWrites } from '../../src/domains/lottery/fairness/epochs.js'
import { RuleBook } from '../../src/domains/lottery/versions.js'
import { writeAll } from '../../src/engine/tx.js'
import type { BenchOptions } from './index.js'
import { type Contender, measure, type Result, ratio } from './lib/harness.js'
import { difference, Meter } from './lib/meter.js'
import { type Bar, figure, printBars, printTable, startSteps, writeResults } from './lib/report.js'
import { makeDiners, type World } from './lib/world.js'

const DINERS = 2000
const IN_FLIGHT = 64
const LOGGED_DRAWS = 20_000
/** Of the log, and of what a draw keeps for it. */
/** Epoch and place in the log of a draw; nonce, roll and count of a result. A client seed of its own comes on top. */
const COLUMN_BYTES = 4 + 8 + 4 + 2 + 2
const LOG_TABLES = ['fairness_leaves', 'fairness_nodes', 'fairness_checkpoints', 'fairness_tallies']

/**
 * What it costs that anybody can check a draw: the draws beside those of another checkout, compiled, whose folder
 * `BENCH_AGAINST` names (the commit before, say), in turn in one run; and the log's own work.
 */
export async function main(world: World, { quick }: BenchOptions): Promise<Bar[]> {
  const [meter, ours] = [await Meter.open(world.config.DATABASE_URL), await ownEngine(world)]
  const bars: Bar[] = []
  const results: Result[] = []
  const against = process.env.BENCH_AGAINST
  if (against !== undefined) {
    const before = await otherEngine(against, await world.sibling('earlier'))
    const contenders = [ours.contender, before.contender]
    const [rounds, sliceMs] = quick ? ([6, 500] as const) : ([20, 1000] as const)
    const bar = startSteps('draws, and those of before', (rounds + 1) * contenders.length)
    results.push(...(await measure({ contenders, inFlight: IN_FLIGHT, rounds, sliceMs, meter, tick: bar.step })))
    bar.stop()
    await before.close()
    const [now, then] = results as [Result, Result]
    printDraws(results)
    const cpu = ({ nodeMs, databaseMs }: Result) => nodeMs + databaseMs
    const aBatch = (result: Result) => result.statements / result.commits
    bars.push(
      { name: 'processor time a draw, × before', value: cpu(now) / cpu(then), bound: 1.1, kind: 'at most' },
      { name: 'statements a batch more than before', value: aBatch(now) - aBatch(then), bound: 1, kind: 'at most' }
    )
  }
  bars.push(...(await costOfLog(world, ours, meter)))
  await ours.close()
  await meter.close()
  printBars(bars)
  await writeResults('fairness', { results, bars })
  return bars
}

interface Engine {
  readonly contender: Contender
  close(): Promise<void>
}

const TOOLS = { timeZone: 'Asia/Shanghai', voucherDays: 30 }

async function ownEngine(world: World) {
  const options = { overload: { maxEventLoopDelayMs: 0 }, publicLog: { everyMs: 0 } }
  const app = await buildApp({ config: world.config, ...options })
  await app.ready()
  const { first, last } = await makeDiners(world, DINERS)
  const userIds = Array.from({ length: last - first + 1 }, (_, n) => first + n)
  await app.fastTx((uow) => writeAll(uow.tx, firstEpochWrites(uow, userIds)))
  const engine = createDrawEngine(app.fastTx, { ruleBook: new RuleBook(), randomInt: app.randomInt, ...TOOLS })
  const contender = contenderOf('now', first, (userId) => engine.submit({ userId, type: 'single' }))
  const close = async () => {
    await engine.close()
    await app.close()
  }
  return { app, contender, close }
}

/** The same of another checkout; what it is made of has the same names there. */
async function otherEngine(folder: string, world: Pick<World, 'config' | 'sql'>): Promise<Engine> {
  const load = (file: string) => import(pathToFileURL(path.resolve(folder, 'dist', file)).href)
  // Its schema is ours, but for what would cost it something.
  await world.sql('ALTER TABLE lottery_draws DROP INDEX lottery_draws_log_index_user_id_idx')
  const app = await (await load('src/app.js')).buildApp({ config: world.config, overload: { maxEventLoopDelayMs: 0 } })
  await app.ready()
  const { first } = await makeDiners(world, DINERS)
  const { RuleBook: Book } = await load('src/domains/lottery/versions.js')
  const tools = { ruleBook: new Book(), randomInt: app.randomInt, ...TOOLS }
  const engine = (await load('src/domains/lottery/engine.js')).createDrawEngine(app.fastTx, tools)
  const contender = contenderOf('before', first, (userId) => engine.submit({ userId, type: 'single' }))
  const close = async () => {
    await engine.close()
    await app.close()
  }
  return { contender, close }
}

const contenderOf = (name: string, first: number, draw: (userId: number) => Promise<object>): Contender => ({
  name,
  async work(n) {
    const answer = await draw(first + (n % DINERS))
    if ('refusal' in answer) throw answer.refusal
  }
})

function printDraws(results: readonly Result[]): void {
  const [now] = results
  printTable(
    'Draws, 64 in flight',
    ['', 'a second', '×', 'node ms', 'db ms', 'statements', 'commits'],
    results.map((result) => [
      result.name,
      ...[
        result.perSecond,
        now === undefined ? 1 : ratio(now, result),
        result.nodeMs,
        result.databaseMs,
        result.statements,
        result.commits
      ].map(figure)
    ])
  )
}

/** What it takes to log so many draws, in processor time of both and in bytes. */
async function costOfLog(
  world: World,
  { app, contender }: Awaited<ReturnType<typeof ownEngine>>,
  meter: Meter
): Promise<Bar[]> {
  const drawSome = async () => {
    for (let n = 0; n < LOGGED_DRAWS; n += IN_FLIGHT) {
      await Promise.all(Array.from({ length: IN_FLIGHT }, (_, offset) => contender.work(n + offset)))
    }
  }
  // Once to be warm: a log is continued for years.
  await drawSome()
  await app.publicLog.advance()
  await drawSome()
  const before = await meter.read()
  const logged = (await app.publicLog.advance()) ?? 0
  const cost = difference(await meter.read(), before)
  const [leaves] = await world.sql<{ n: bigint }>('SELECT COUNT(*) AS n FROM fairness_leaves')
  return [
    {
      name: 'the log’s own work a draw, µs of processor',
      value: ((cost.nodeMs + cost.databaseMs) * 1000) / logged,
      bound: 40,
      kind: 'at most'
    },
    {
      name: 'bytes a draw on disk',
      value: (await logBytes(world)) / Number(leaves?.n) + COLUMN_BYTES,
      bound: 250,
      kind: 'at most'
    }
  ]
}

/** Of the log's tables, and of the index by which its draws are found: what the table has less without it. */
async function logBytes(world: World): Promise<number> {
  const sizeOf = async (table: string) => {
    await world.sql(`ANALYZE TABLE ${table}`)
    const [row] = await world.sql<{ bytes: bigint }>(
      `SELECT DATA_LENGTH + INDEX_LENGTH AS bytes FROM information_schema.TABLES
       WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = ?`,
      [table]
    )
    return Number(row?.bytes)
  }
  let bytes = 0
  for (const table of LOG_TABLES) bytes += await sizeOf(table)
  const withIndex = await sizeOf('lottery_draws')
  await world.sql('ALTER TABLE lottery_draws DROP INDEX lottery_draws_log_index_user_id_idx')
  return bytes + withIndex - (await sizeOf('lottery_draws'))
}
