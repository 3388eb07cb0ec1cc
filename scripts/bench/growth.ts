import type { FastifyInstance } from 'fastify'
import { buildApp } from '../../src/app.js'
import { createDrawEngine } from '../../src/domains/lottery/engine.js'
import { RuleBook } from '../../src/domains/lottery/versions.js'
import type { BenchOptions } from './index.js'
import { type Contender, measure, type Result } from './lib/harness.js'
import { Meter } from './lib/meter.js'
import { type Bar, figure, printBars, printTable, startSteps, writeResults } from './lib/report.js'
import { makeDiners, type World } from './lib/world.js'

const SIZES = [10_000, 100_000, 1_000_000]
const QUICK_SIZES = [10_000, 100_000]
const IN_FLIGHT = 64
/** A prime: it goes through the diners in a scattered order. */
const STEP = 7919

/** Whether a draw costs the same however many users and ledger rows there are. */
export async function main(world: World, { quick }: BenchOptions): Promise<Bar[]> {
  const sizes = quick ? QUICK_SIZES : SIZES
  const contenders: Contender[] = []
  const opened: { app: FastifyInstance; engine: ReturnType<typeof createDrawEngine> }[] = []
  for (const size of sizes) {
    const town = await world.sibling(`bench_${size}`)
    const { first } = await makeDiners(town, size)
    await town.sql('ANALYZE TABLE users, lottery_pity, points_records')
    const app = await buildApp({ config: town.config })
    await app.ready()
    const { randomInt } = app
    const tools = { ruleBook: new RuleBook(), randomInt, timeZone: 'Asia/Shanghai', voucherDays: 30 }
    const engine = createDrawEngine(app.fastTx, tools)
    opened.push({ app, engine })
    contenders.push({
      name: `${size.toLocaleString('en')} users`,
      async work(n) {
        const answer = await engine.submit({ userId: first + ((n * STEP) % size), type: 'single' })
        if ('refusal' in answer) throw answer.refusal
      }
    })
  }
  const meter = await Meter.open(world.config.DATABASE_URL)
  const [rounds, sliceMs] = quick ? [2, 1000] : [6, 2000]
  const bar = startSteps('growth', (rounds + 1) * contenders.length)
  const results = await measure({ contenders, inFlight: IN_FLIGHT, rounds, sliceMs, meter, tick: bar.step })
  bar.stop()
  await meter.close()
  for (const { app, engine } of opened) {
    await engine.close()
    await app.close()
  }

  printTable(
    `Draws with ${IN_FLIGHT} in flight, as the house grows`,
    ['', 'a second', 'p50 ms', 'p99 ms', 'node ms', 'db ms'],
    results.map((result) => [
      result.name,
      ...[result.perSecond, result.p50Ms, result.p99Ms, result.nodeMs, result.databaseMs].map(figure)
    ])
  )
  const cost = (result: Result | undefined) => (result?.nodeMs ?? Number.NaN) + (result?.databaseMs ?? Number.NaN)
  const bars: Bar[] = results.slice(1).map((result) => ({
    name: `processor time of a draw with ${result.name}, in times of that with ${results[0]?.name}`,
    value: cost(result) / cost(results[0]),
    bound: 1.2,
    kind: 'at most'
  }))
  printBars(bars)
  await writeResults('growth', { rounds, sliceMs, results, bars })
  return bars
}
