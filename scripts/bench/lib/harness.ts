import { difference, type Meter, type Reading } from './meter.js'

/** Somebody who does the same work as the others in a run. */
export interface Contender {
  readonly name: string
  /** Does one piece of work; `n` counts up, so that it can choose for whom. */
  work(n: number): Promise<void>
  /** Processor time of the Node process that does it, where that is another one. */
  readonly cpuMs?: () => number
}

/** What a contender did in one slice of time. */
export interface Slice {
  readonly count: number
  readonly seconds: number
  readonly used: Reading
  readonly latenciesMs: readonly number[]
}

/** A contender's slices with so much work in flight, put together. */
export interface Result {
  readonly name: string
  readonly inFlight: number
  readonly perSecond: number
  readonly p50Ms: number
  readonly p99Ms: number
  /** Of Node and of the database, for one piece of work. */
  readonly nodeMs: number
  readonly databaseMs: number
  readonly statements: number
  readonly commits: number
  readonly fsyncs: number
  /** Pieces of work a second, slice by slice. */
  readonly slices: readonly number[]
}

export interface RunOptions {
  readonly contenders: readonly Contender[]
  readonly inFlight: number
  readonly rounds: number
  readonly sliceMs: number
  readonly meter: Meter
  /** Called after each slice. */
  readonly tick?: () => void
}

/**
 * Measures contenders in turn: in each round every one has a slice, in random order, so that whatever else the
 * machine does falls on all alike. A short slice each, not counted, warms them up.
 */
export async function measure({ contenders, inFlight, rounds, sliceMs, meter, tick }: RunOptions): Promise<Result[]> {
  const slices = new Map<Contender, Slice[]>(contenders.map((contender) => [contender, []]))
  const counters = new Map<Contender, { n: number }>(contenders.map((contender) => [contender, { n: 0 }]))
  for (let round = 0; round <= rounds; round += 1) {
    for (const contender of shuffled(contenders)) {
      const counter = counters.get(contender) ?? { n: 0 }
      const warming = round === 0
      const slice = await closedLoop(contender, counter, inFlight, warming ? sliceMs / 4 : sliceMs, meter)
      if (!warming) slices.get(contender)?.push(slice)
      tick?.()
    }
  }
  return contenders.map((contender) => summary(contender.name, inFlight, slices.get(contender) ?? []))
}

async function closedLoop(
  contender: Contender,
  counter: { n: number },
  inFlight: number,
  forMs: number,
  meter: Meter
): Promise<Slice> {
  const before = await meter.read(contender.cpuMs)
  const latenciesMs: number[] = []
  const start = performance.now()
  const worker = async () => {
    while (performance.now() - start < forMs) {
      const began = performance.now()
      counter.n += 1
      await contender.work(counter.n)
      latenciesMs.push(performance.now() - began)
    }
  }
  await Promise.all(Array.from({ length: inFlight }, worker))
  const seconds = (performance.now() - start) / 1000
  return {
    count: latenciesMs.length,
    seconds,
    used: difference(await meter.read(contender.cpuMs), before),
    latenciesMs
  }
}

function summary(name: string, inFlight: number, slices: readonly Slice[]): Result {
  const count = slices.reduce((sum, slice) => sum + slice.count, 0)
  const each = (of: (used: Reading) => number) => slices.reduce((sum, { used }) => sum + of(used), 0) / count
  const latencies = slices.flatMap((slice) => slice.latenciesMs).sort((a, b) => a - b)
  const perSecond = slices.map((slice) => slice.count / slice.seconds)
  return {
    name,
    inFlight,
    perSecond: median(perSecond),
    p50Ms: quantile(latencies, 0.5),
    p99Ms: quantile(latencies, 0.99),
    nodeMs: each((used) => used.nodeMs),
    databaseMs: each((used) => used.databaseMs),
    statements: each((used) => used.statements),
    commits: each((used) => used.commits),
    fsyncs: each((used) => used.fsyncs),
    slices: perSecond
  }
}

/** How many times as much `one` did as `other`: the median over the rounds, in each of which both had a slice. */
export function ratio(one: Result, other: Result): number {
  return median(one.slices.map((value, round) => value / (other.slices[round] ?? Number.NaN)))
}

export function median(values: readonly number[]): number {
  return quantile(
    [...values].sort((a, b) => a - b),
    0.5
  )
}

/** @param sorted in ascending order */
export function quantile(sorted: readonly number[], share: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN
}

function shuffled<T>(list: readonly T[]): T[] {
  const key = new Map(list.map((item) => [item, Math.random()]))
  return [...list].sort((a, b) => (key.get(a) ?? 0) - (key.get(b) ?? 0))
}
