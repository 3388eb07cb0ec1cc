import { type Contender, measure, type Result, ratio } from './harness.js'
import type { Meter } from './meter.js'
import { figure, printTable, startSteps } from './report.js'

/** How much work is in flight, from one piece at a time to a rush. */
export const LEVELS = [1, 16, 64, 256]

/** What contenders did at each level. */
export interface LevelResults {
  readonly rounds: number
  readonly sliceMs: number
  readonly results: readonly Result[]
  /** @throws Error when that was not measured */
  find(name: string, inFlight: number): Result
}

/** Measures contenders in turn at each level. */
export async function measureLevels(
  title: string,
  { contenders, meter, quick }: { contenders: readonly Contender[]; meter: Meter; quick: boolean }
): Promise<LevelResults> {
  const results: Result[] = []
  const [rounds, sliceMs] = quick ? ([2, 400] as const) : ([5, 1000] as const)
  const bar = startSteps(title, LEVELS.length * (rounds + 1) * contenders.length)
  for (const inFlight of LEVELS) {
    results.push(...(await measure({ contenders, inFlight, rounds, sliceMs, meter, tick: bar.step })))
  }
  bar.stop()
  return {
    rounds,
    sliceMs,
    results,
    find(name, inFlight) {
      const found = results.find((result) => result.name === name && result.inFlight === inFlight)
      if (found === undefined) throw new Error(`${name} was not measured at ${inFlight}`)
      return found
    }
  }
}

/** Prints it all, with how many times as much `name` did as each at its level. */
export function printLevels(title: string, name: string, { results, find }: LevelResults): void {
  printTable(
    title,
    ['', 'in flight', 'a second', '×', 'p50 ms', 'p99 ms', 'node ms', 'db ms', 'statements', 'commits', 'fsyncs'],
    results.map((result) => [
      result.name,
      String(result.inFlight),
      figure(result.perSecond),
      figure(ratio(find(name, result.inFlight), result)),
      figure(result.p50Ms),
      figure(result.p99Ms),
      figure(result.nodeMs),
      figure(result.databaseMs),
      figure(result.statements),
      figure(result.commits),
      figure(result.fsyncs)
    ])
  )
}
