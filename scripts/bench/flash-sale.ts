import { buildApp } from '../../src/app.js'
import { createOrderEngine } from '../../src/domains/exchange/engine.js'
import { lockedRowSeller, type Seller } from './baselines/order.js'
import type { BenchOptions } from './index.js'
import { barChart } from './lib/chart.js'
import { type Contender, ratio } from './lib/harness.js'
import { LEVELS, measureLevels, printLevels } from './lib/levels.js'
import { Meter } from './lib/meter.js'
import { type Bar, printBars, writeChart, writeResults } from './lib/report.js'
import { makeDiners, type World } from './lib/world.js'

const DINERS = 2000
const POOL = 64
const STOCK = 100_000_000

/**
 * A flash sale: everybody orders the same product. This engine against careful code that locks the product's row for
 * each order.
 * @returns the bar of the engine
 */
export async function main(world: World, { quick }: BenchOptions): Promise<Bar[]> {
  const app = await buildApp({ config: world.config, overload: { maxEventLoopDelayMs: 0 } })
  await app.ready()
  const meter = await Meter.open(world.config.DATABASE_URL)
  const { cipher, randomInt } = app
  const engine = createOrderEngine(app.fastTx, { randomInt, timeZone: 'Asia/Shanghai', voucherDays: 30 })
  const product = async (name: string) => {
    const data = { name, description: '', category: '秒杀', exchangePoints: 1, stock: STOCK }
    return (await app.db.product.create({ data })).productId
  }
  const [ours, theirs] = [await product('ours'), await product('theirs')]
  const sellers: Record<string, Seller> = {
    engine: {
      async order(userId) {
        const answer = await engine.submit({ userId, productId: ours, quantity: 1 })
        if ('refusal' in answer) throw answer.refusal
      },
      close: () => engine.close()
    },
    'locked row': lockedRowSeller({ url: world.config.DATABASE_URL, poolSize: POOL, cipher, productId: theirs })
  }
  const contenders: Contender[] = []
  for (const [name, seller] of Object.entries(sellers)) {
    const { first } = await makeDiners(world, DINERS)
    contenders.push({ name, work: (n) => seller.order(first + (n % DINERS)) })
  }

  const measured = await measureLevels('flash sale', { contenders, meter, quick })
  for (const seller of Object.values(sellers)) await seller.close()
  await meter.close()
  await app.close()

  printLevels('Orders of one product', 'engine', measured)
  const { find, rounds, sliceMs, results } = measured
  const bars: Bar[] = [
    {
      name: 'a flash sale, in times of a locked row at 64',
      value: ratio(find('engine', 64), find('locked row', 64)),
      bound: 4,
      kind: 'at least'
    }
  ]
  printBars(bars)
  await writeResults('flash-sale', { rounds, sliceMs, results, bars })
  await writeChart(
    'flash-sale',
    barChart({
      title: 'Orders of one product a second',
      groups: LEVELS.map((inFlight) => ({
        name: `${inFlight} in flight`,
        values: contenders.map(({ name }) => find(name, inFlight).perSecond)
      })),
      series: ['this engine', 'locked row']
    })
  )
  return bars
}
