import { type Reads, readOf } from '../../engine/reads.js'
import { sqlTime } from '../../engine/sql.js'
import { FreshCache } from '../../shared/fresh-cache.js'
import { DAY_MS } from '../../shared/time.js'
import type { Waiting } from './schemas.js'

/** What is told of waiting comes from the decisions of so many days (contract section 15). */
const DAYS = 7
/** Of decisions at the same hours fewer say too little, and nothing is told. */
const ENOUGH = 20
/** Of those that waited as long as this one has already. Fewer are no ground to say how much longer it takes. */
const ENOUGH_LONGER = 5
/** What is told holds for eight of ten: one is faster than the low end, one slower than the high one. */
const [LOW, HIGH] = [0.1, 0.9]
const MAX_MINUTES = DAYS * 24 * 60
const HOURS = 24
const MINUTE_MS = 60_000
/** How long what was read is believed. */
const BELIEVE_MS = 60_000

/** How many receipts that were uploaded at an hour of the day waited so many minutes. */
interface WaitCount {
  /** 0 to 23, in UTC. */
  readonly hour: number
  readonly minutes: number
  readonly total: number
}

const COUNTS = readOf<WaitCount, [since: string]>(`
  SELECT HOUR(created_at) AS hour, LEAST(${MAX_MINUTES}, TIMESTAMPDIFF(MINUTE, created_at, review_time)) AS minutes,
    COUNT(*) AS total
  FROM photo_reviews WHERE review_time >= ? GROUP BY hour, minutes`)

type Estimate = NonNullable<Waiting['estimated_wait']>

/** How long receipts had to wait of late. */
export class Waits {
  constructor(
    private readonly counts: readonly WaitCount[],
    private readonly now: Date
  ) {}

  /**
   * How many minutes a receipt has yet to wait. Those count that were uploaded at the same hour of the day, or the one
   * before or after, and of them those that waited as long as this one has: the longer it waits, the less it is told
   * that it is about to be its turn.
   * @returns null where too little is known
   */
  estimate(createdAt: Date): Estimate | null {
    const hour = createdAt.getUTCHours()
    const isNear = (other: number) => [0, 1, HOURS - 1].includes((other - hour + HOURS) % HOURS)
    const near = this.counts.filter((count) => isNear(count.hour))
    if (sum(near) < ENOUGH) return null
    const waited = Math.max(0, Math.floor((this.now.getTime() - createdAt.getTime()) / MINUTE_MS))
    const longer = near.filter(({ minutes }) => minutes >= waited).sort((one, other) => one.minutes - other.minutes)
    if (sum(longer) < ENOUGH_LONGER) return null
    return { minutes_low: quantile(longer, LOW) - waited, minutes_high: quantile(longer, HIGH) - waited }
  }

  /** {@link estimate} of a receipt that is uploaded now, in words; those of old where too little is known. */
  inWords(): string {
    const estimate = this.estimate(this.now)
    return estimate === null ? '24小时内' : wordsOf(estimate)
  }
}

const sum = (counts: readonly WaitCount[]) => counts.reduce((total, count) => total + count.total, 0)

/** The wait that a share of all does not exceed. @param sorted by minutes, not empty */
function quantile(sorted: readonly WaitCount[], share: number): number {
  const place = Math.ceil(sum(sorted) * share)
  let passed = 0
  for (const { minutes, total } of sorted) {
    passed += total
    if (passed >= place) return minutes
  }
  return 0
}

function wordsOf({ minutes_low: low, minutes_high: high }: Estimate): string {
  if (high < 60)
    return high <= 1 ? '预计1分钟内' : low < 1 || low === high ? `预计${high}分钟内` : `预计${low}～${high}分钟`
  const [from, to] = [Math.floor(low / 60), Math.ceil(high / 60)]
  return from < 1 ? `预计${to}小时内` : `预计${from}～${to}小时`
}

/** What is known of waiting, read once a minute. */
export function watchWaits(reads: Reads, clock: () => Date): () => Promise<Waits> {
  const known = new FreshCache<WaitCount[]>(BELIEVE_MS, 1)
  return async () => {
    const now = clock()
    const counts = await known.get('waits', async () => {
      const [rows] = await reads(COUNTS(sqlTime(new Date(now.getTime() - DAYS * DAY_MS))))
      return rows
    })
    return new Waits(counts, now)
  }
}
