import { parseArgs } from 'node:util'
import { Fault, guarded } from '../lib/print.js'
import { type Bar, isMet } from './lib/report.js'
import { createWorld, type World } from './lib/world.js'

export interface BenchOptions {
  /** Shorter, and so less exact. */
  readonly quick: boolean
}

/** The benchmarks by name, each loaded when its turn comes. */
const benchmarks: Record<string, () => Promise<{ main(world: World, options: BenchOptions): Promise<Bar[]> }>> = {
  draws: () => import('./draws.js'),
  http: () => import('./http.js'),
  reads: () => import('./reads.js'),
  'flash-sale': () => import('./flash-sale.js'),
  upload: () => import('./upload.js'),
  fanout: () => import('./fanout.js'),
  growth: () => import('./growth.js'),
  batches: () => import('./batches.js'),
  cluster: () => import('./cluster.js'),
  fairness: () => import('./fairness.js'),
  evidence: () => import('./evidence.js')
}

/**
 * `npm run bench`: measures what the design promises, and says which promises hold on this machine. `--only` chooses
 * benchmarks, `--quick` shortens them. Results go to scripts/bench/results/.
 */
export async function main(args: string[]): Promise<void> {
  await guarded(async () => {
    const { values } = parseArgs({
      args,
      options: { only: { type: 'string', multiple: true }, quick: { type: 'boolean', default: false } }
    })
    const names = values.only?.flatMap((list) => list.split(',')) ?? Object.keys(benchmarks)
    for (const name of names) {
      if (!Object.hasOwn(benchmarks, name)) {
        throw new Fault(`There is no benchmark "${name}". There are: ${Object.keys(benchmarks).join(', ')}.`)
      }
    }
    const bars: Bar[] = []
    for (const name of names) {
      const benchmark = await benchmarks[name]?.()
      // Each with a server of its own, which need not clean up after the one before.
      const world = await createWorld()
      try {
        bars.push(...((await benchmark?.main(world, { quick: values.quick })) ?? []))
      } finally {
        await world.close()
      }
    }
    return bars.every(isMet) ? 0 : 1
  })
}
