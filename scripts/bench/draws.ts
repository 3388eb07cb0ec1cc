import { buildApp } from '../../src/app.js'
import { createDrawEngine } from '../../src/domains/lottery/engine.js'
import { RuleBook } from '../../src/domains/lottery/versions.js'
import type { Drawer } from './baselines/baseline.js'
import { driverDrawer } from './baselines/driver.js'
import { prismaDrawer } from './baselines/prisma.js'
import { procedureDrawer } from './baselines/procedure.js'
import type { BenchOptions } from './index.js'
import { barChart } from './lib/chart.js'
import { type Contender, ratio } from './lib/harness.js'
import { LEVELS, measureLevels, printLevels } from './lib/levels.js'
import { Meter } from './lib/meter.js'
import { type Bar, printBars, writeChart, writeResults } from './lib/report.js'
import { makeDiners, type World } from './lib/world.js'

const DINERS = 2000
/** What the baselines do best with here: more connections than this make none of them faster. */
const POOL = 64

/**
 * Single draws, through this engine and as three baselines make them, over the same schema with the same durability.
 * @returns the bars of the engine
 */
export async function main(world: World, { quick }: BenchOptions): Promise<Bar[]> {
  // What the public log takes is measured by itself, see fairness.ts.
  const alone = { overload: { maxEventLoopDelayMs: 0 }, publicLog: { everyMs: 0 } }
  const app = await buildApp({ config: world.config, ...alone })
  await app.ready()
  const meter = await Meter.open(world.config.DATABASE_URL)
  const ruleBook = new RuleBook()
  const { rules, version } = await ruleBook.current(app.db)
  const { cipher, randomInt } = app
  const tools = { ruleBook, randomInt, timeZone: 'Asia/Shanghai', voucherDays: 30 }
  const engine = createDrawEngine(app.fastTx, tools)
  const options = { url: world.config.DATABASE_URL, poolSize: POOL, rules, version, cipher }
  const drawers: Record<string, Drawer> = {
    engine: {
      async draw(userId) {
        const answer = await engine.submit({ userId, type: 'single' })
        if ('refusal' in answer) throw answer.refusal
      },
      close: () => engine.close()
    },
    procedure: await procedureDrawer(options),
    driver: driverDrawer(options),
    prisma: prismaDrawer(options)
  }
  const contenders: Contender[] = []
  for (const [name, drawer] of Object.entries(drawers)) {
    const { first } = await makeDiners(world, DINERS)
    contenders.push({ name, work: (n) => drawer.draw(first + (n % DINERS)) })
  }

  const measured = await measureLevels('draws', { contenders, meter, quick })
  for (const drawer of Object.values(drawers)) await drawer.close()
  await meter.close()
  await app.close()

  printLevels('Single draws', 'engine', measured)
  const { find, rounds, sliceMs, results } = measured
  const at64 = find('engine', 64)
  const bars: Bar[] = [
    { name: 'statements a draw at 64', value: at64.statements, bound: 0.4, kind: 'at most' },
    { name: 'commits a draw at 64', value: at64.commits, bound: 0.1, kind: 'at most' },
    { name: 'of the procedure at 64', value: ratio(at64, find('procedure', 64)), bound: 3, kind: 'at least' },
    { name: 'of plain Prisma at 64', value: ratio(at64, find('prisma', 64)), bound: 30, kind: 'at least' },
    {
      name: 'of the procedure at 256',
      value: ratio(find('engine', 256), find('procedure', 256)),
      bound: 5,
      kind: 'at least'
    },
    {
      name: 'a lone draw, in times of the plain driver’s',
      value: find('engine', 1).p50Ms / find('driver', 1).p50Ms,
      bound: 1.5,
      kind: 'at most'
    }
  ]
  printBars(bars)
  await writeResults('draws', { rounds, sliceMs, results, bars })
  await writeChart(
    'draws',
    barChart({
      title: 'Draws a second',
      groups: LEVELS.map((inFlight) => ({
        name: `${inFlight} in flight`,
        values: contenders.map(({ name }) => find(name, inFlight).perSecond)
      })),
      series: ['this engine', 'stored procedure', 'plain driver', 'plain Prisma']
    })
  )
  return bars
}
