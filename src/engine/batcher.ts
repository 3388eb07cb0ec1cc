import { setTimeout as pause } from 'node:timers/promises'
import { refuse } from '../shared/refusal.js'

/**
 * What the failure of a batch, which left nothing behind, means for a request that was in it:
 * - `retry`: it was chance, a deadlock say; the same batch once more, then apart from its neighbours;
 * - `blocked`: something holds up one of them; apart at once, and alone until its tries are used up;
 * - `fault`: one of them cannot be done; apart at once, and alone that is its answer;
 * - `lost`: nothing would help, or what became of it is not known: it fails now.
 */
export type Verdict = 'retry' | 'blocked' | 'fault' | 'lost'

export interface BatcherOptions<Request, Answer> {
  /** Requests with the same key are done one after another, in the order they came. */
  readonly keyOf: (request: Request) => number | string
  /** Does requests of different keys together: all, or by throwing none. One answer each, in their order. */
  readonly run: (batch: readonly Request[]) => Promise<readonly Answer[]>
  readonly verdictOf: (err: unknown, request: Request) => Verdict
  readonly maxInFlight?: number
  readonly maxBatch?: number
  /** How many may be under way or waiting; whoever comes after them is sent away at once. */
  readonly maxPending?: number
  /** Whoever waited this long is sent away too: the client has given up, or soon will. */
  readonly maxWaitMs?: number
  /** How long a request is tried again at least, where that may help. */
  readonly persistMs?: number
}

interface Waiting<Request, Answer> {
  readonly request: Request
  readonly key: number | string
  readonly since: number
  readonly resolve: (answer: Answer) => void
  readonly reject: (err: unknown) => void
  /** How often it was run alone. */
  tries: number
}

/** A locked row costs each splitting the time of a lock wait: eighths find one request in 64 in two. */
const PARTS = 8
/** Requests that failed alone and are tried again run beside the batches, so that they hold nobody up. */
const MAX_SUSPECTS = 2
const MAX_TRIES = 5
/** How long it is tried again where it may be chance: a database moves to another machine in less. */
const PERSIST_MS = 6000
const JITTER_MS = 15
/** Tries are at most so far apart, on average half of it. */
const MAX_PAUSE_MS = 500
const RETRY_AFTER_SECONDS = 2
const DEFAULTS = { maxInFlight: 2, maxBatch: 128, maxPending: 2000, maxWaitMs: 8000, persistMs: PERSIST_MS }

/** A few requests beside a large batch wait for company, at most this long. */
const PATIENCE_MS = 10

/**
 * Natural batching: while one batch runs, requests gather; the next takes all that wait, one a key. A request that
 * comes to an idle batcher starts at the end of the current turn of the event loop, with whatever else has arrived
 * in that turn. Beside a batch that runs, the next starts once half as many wait, or the other ends: requests that
 * come one by one, as answers go out, would else make the smallest batches when there is most to do. A batch that fails
 * is tried again, then split until the request that spoils it stands alone, so that no request fails because of
 * another.
 */
export class Batcher<Request, Answer> {
  readonly #options: Required<BatcherOptions<Request, Answer>>
  /** The first of each key that waits, in order of arrival. */
  #ready: Waiting<Request, Answer>[] = []
  /** For each key that waits or runs, those that came after its first. */
  readonly #behind = new Map<number | string, Waiting<Request, Answer>[]>()
  /** What is left of batches that failed; it goes first. */
  readonly #parts: Waiting<Request, Answer>[][] = []
  readonly #suspects: Waiting<Request, Answer>[] = []
  #running = 0
  #runningRequests = 0
  #patience: NodeJS.Timeout | undefined
  #runningAlone = 0
  #pending = 0
  #scheduled = false
  #closed = false
  #drained: (() => void) | undefined

  constructor(options: BatcherOptions<Request, Answer>) {
    this.#options = { ...DEFAULTS, ...options }
  }

  /** Requests that are under way or wait. */
  get pending(): number {
    return this.#pending
  }

  /** @throws Refusal OVERLOADED when too many wait, or what `run` threw where this request is to blame */
  submit(request: Request): Promise<Answer> {
    if (this.#closed || this.#pending >= this.#options.maxPending) {
      return Promise.reject(refuse('OVERLOADED', undefined, RETRY_AFTER_SECONDS))
    }
    return new Promise((resolve, reject) => {
      const key = this.#options.keyOf(request)
      const entry = { request, key, since: performance.now(), resolve, reject, tries: 0 }
      this.#pending += 1
      const behind = this.#behind.get(key)
      if (behind !== undefined) {
        behind.push(entry)
        return
      }
      this.#behind.set(key, [])
      this.#ready.push(entry)
      this.#schedule()
    })
  }

  /** Takes no more requests, and ends when all that were taken have their answer. */
  async close(): Promise<void> {
    this.#closed = true
    if (this.#pending === 0) return
    await new Promise<void>((resolve) => {
      this.#drained = resolve
    })
  }

  #schedule(): void {
    if (this.#scheduled) return
    this.#scheduled = true
    setImmediate(() => {
      this.#scheduled = false
      this.#start()
    })
  }

  #start(): void {
    const { maxInFlight } = this.#options
    while (this.#running < maxInFlight) {
      const batch = this.#parts.shift() ?? (this.#waitsForCompany() ? [] : this.#take(maxInFlight - this.#running))
      if (batch.length === 0) break
      this.#running += 1
      this.#runningRequests += batch.length
      void this.#runBatch(batch).finally(() => {
        this.#running -= 1
        this.#runningRequests -= batch.length
        this.#schedule()
      })
    }
    while (this.#runningAlone < MAX_SUSPECTS) {
      const suspect = this.#suspects.shift()
      if (suspect === undefined) break
      this.#runningAlone += 1
      void this.#runAlone(suspect).finally(() => {
        this.#runningAlone -= 1
        this.#schedule()
      })
    }
  }

  #waitsForCompany(): boolean {
    const [first] = this.#ready
    if (first === undefined || this.#running === 0) return false
    const enough = this.#ready.length * 2 >= this.#runningRequests / this.#running
    const patience = PATIENCE_MS - (performance.now() - first.since)
    if (enough || patience <= 0) return false
    this.#patience ??= setTimeout(() => {
      this.#patience = undefined
      this.#start()
    }, patience)
    return true
  }

  /**
   * The share of one of the free places in what waits: two half batches overlap, where one would leave a place idle.
   */
  #take(free: number): Waiting<Request, Answer>[] {
    const { maxBatch, maxWaitMs } = this.#options
    const size = Math.min(maxBatch, Math.ceil(this.#ready.length / free))
    const taken = this.#ready.splice(0, size)
    const latest = performance.now() - maxWaitMs
    const inTime = taken.filter((entry) => entry.since > latest)
    if (inTime.length < taken.length) {
      const late = taken.filter((entry) => entry.since <= latest)
      for (const entry of late) this.#fail(entry, refuse('OVERLOADED', undefined, RETRY_AFTER_SECONDS))
      if (inTime.length === 0) return this.#ready.length === 0 ? [] : this.#take(free)
    }
    return inTime
  }

  async #runBatch(batch: readonly Waiting<Request, Answer>[]): Promise<void> {
    let left = batch
    for (let attempt = 1; left.length > 0; attempt += 1) {
      const failure = await this.#attempt(left)
      if (failure === undefined) return
      const verdicts = new Map(left.map((entry) => [entry, this.#options.verdictOf(failure.err, entry.request)]))
      const lost = left.filter((entry) => verdicts.get(entry) === 'lost')
      for (const entry of lost) this.#fail(entry, failure.err)
      left = left.filter((entry) => verdicts.get(entry) !== 'lost')
      const [only] = left
      if (batch.length === 1 && only !== undefined) {
        this.#blame(only, failure.err)
        return
      }
      const byChance = left.every((entry) => verdicts.get(entry) === 'retry')
      if (attempt === 1 && byChance) {
        await pause(Math.random() * JITTER_MS * 2)
        continue
      }
      const size = Math.ceil(left.length / PARTS)
      for (let at = 0; at < left.length; at += size) this.#parts.push(left.slice(at, at + size))
      return
    }
  }

  async #runAlone(entry: Waiting<Request, Answer>): Promise<void> {
    await pause(Math.random() * Math.min(JITTER_MS * 2 ** entry.tries, MAX_PAUSE_MS))
    const failure = await this.#attempt([entry])
    if (failure !== undefined) this.#blame(entry, failure.err)
  }

  /** A request failed alone: that is its answer, unless it is worth another try. */
  #blame(entry: Waiting<Request, Answer>, err: unknown): void {
    entry.tries += 1
    const verdict = this.#options.verdictOf(err, entry.request)
    const mayHelp = verdict === 'retry' || verdict === 'blocked'
    const isEarly = performance.now() - entry.since < this.#options.persistMs
    if (mayHelp && (entry.tries < MAX_TRIES || isEarly)) this.#suspects.push(entry)
    else this.#fail(entry, err)
  }

  /** @returns what was thrown, where something was */
  async #attempt(batch: readonly Waiting<Request, Answer>[]): Promise<{ readonly err: unknown } | undefined> {
    try {
      const answers = await this.#options.run(batch.map(({ request }) => request))
      if (answers.length !== batch.length) throw new Error(`${answers.length} answers to ${batch.length} requests`)
      batch.forEach((entry, index) => {
        this.#finish(entry)
        entry.resolve(answers[index] as Answer)
      })
      return undefined
    } catch (err) {
      return { err }
    }
  }

  #fail(entry: Waiting<Request, Answer>, err: unknown): void {
    this.#finish(entry)
    entry.reject(err)
  }

  #finish({ key }: Waiting<Request, Answer>): void {
    this.#pending -= 1
    const behind = this.#behind.get(key)
    const next = behind?.shift()
    if (next === undefined) this.#behind.delete(key)
    else {
      this.#ready.push(next)
      this.#schedule()
    }
    if (this.#pending === 0) this.#drained?.()
  }
}
