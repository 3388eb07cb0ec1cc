/** The four alerts of contract section 11. */
export const ALERTS = {
  response_time: { level: 'warn', title: 'API响应时间过长' },
  error_rate: { level: 'critical', title: '错误率过高' },
  memory: { level: 'warn', title: '内存使用率过高' },
  database: { level: 'critical', title: '数据库连接失败' }
} as const
export type AlertName = keyof typeof ALERTS

/** An alert that begins or ends. */
export interface AlertChange {
  readonly alert: AlertName
  readonly state: 'raised' | 'cleared'
  /** What was measured, for people. */
  readonly measured: string
}

/** A request that took longer than this is slow. */
export const SLOW_MS = 1000

const WINDOW_MS = 5 * 60_000
const BUCKET_MS = 10_000

/** Of what happened within the last five minutes, how many were of a kind. Old buckets are dropped as time goes on. */
export class Share {
  readonly #buckets = new Map<number, { total: number; hits: number }>()

  add(nowMs: number, hit: boolean): void {
    const key = Math.floor(nowMs / BUCKET_MS)
    const bucket = this.#buckets.get(key) ?? { total: 0, hits: 0 }
    bucket.total += 1
    if (hit) bucket.hits += 1
    this.#buckets.set(key, bucket)
    if (this.#buckets.size > WINDOW_MS / BUCKET_MS + 1) this.#forget(nowMs)
  }

  read(nowMs: number): { total: number; hits: number } {
    this.#forget(nowMs)
    const sum = { total: 0, hits: 0 }
    for (const { total, hits } of this.#buckets.values()) {
      sum.total += total
      sum.hits += hits
    }
    return sum
  }

  #forget(nowMs: number): void {
    const oldest = Math.floor((nowMs - WINDOW_MS) / BUCKET_MS)
    for (const key of this.#buckets.keys()) if (key <= oldest) this.#buckets.delete(key)
  }
}

/** What is looked at, each time the alerts are judged. */
export interface Reading {
  readonly slow: { total: number; hits: number }
  readonly failed: { total: number; hits: number }
  /** Used memory over the limit. */
  readonly memory: number
  readonly databaseAnswers: boolean
}

/** Fewer requests than these in five minutes say nothing of a share. */
const ENOUGH_REQUESTS = 20
const SHARE = { raiseOver: 0.05, clearUpTo: 0.025 }
const MEMORY = { raiseOver: 0.8, clearUpTo: 0.7 }
/** Probes in a row that must agree: one lost probe is no lost database. */
const DATABASE_PROBES = 2

/**
 * Says which alerts begin and which end, each once. Every alert ends lower than it begins, so that a value on the
 * edge does not ring again and again:
 * - response_time: over 5 % of requests took more than a second (their 95th percentile did), until 2.5 % do;
 * - error_rate: over 5 % were answered 5xx, until 2.5 % are; both of five minutes with 20 requests or more;
 * - memory: over 80 % of the limit, until 70 %;
 * - database: two probes in a row found it away, until two find it there.
 */
export class AlertBoard {
  readonly #active = new Set<AlertName>()
  #probes = 0

  isActive(alert: AlertName): boolean {
    return this.#active.has(alert)
  }

  judge(reading: Reading): AlertChange[] {
    const { slow, failed, memory, databaseAnswers } = reading
    const percent = (value: number) => `${(value * 100).toFixed(1)} %`
    return [
      this.#judge('response_time', shareOf(slow), SHARE, () => `${slow.hits}/${slow.total} > ${SLOW_MS} ms (5 min)`),
      this.#judge('error_rate', shareOf(failed), SHARE, () => `${failed.hits}/${failed.total} 5xx (5 min)`),
      this.#judge('memory', memory, MEMORY, () => percent(memory)),
      this.#judgeDatabase(databaseAnswers)
    ].filter((notice) => notice !== undefined)
  }

  #judge(
    alert: AlertName,
    value: number | undefined,
    { raiseOver, clearUpTo }: { raiseOver: number; clearUpTo: number },
    measured: () => string
  ): AlertChange | undefined {
    if (value === undefined) return undefined
    if (value > raiseOver) return this.#turn(alert, 'raised', measured())
    if (value <= clearUpTo) return this.#turn(alert, 'cleared', measured())
    return undefined
  }

  #judgeDatabase(answers: boolean): AlertChange | undefined {
    this.#probes = answers === this.#active.has('database') ? this.#probes + 1 : 0
    if (this.#probes < DATABASE_PROBES) return undefined
    this.#probes = 0
    return this.#turn('database', answers ? 'cleared' : 'raised', answers ? 'answers again' : 'does not answer')
  }

  #turn(alert: AlertName, state: AlertChange['state'], measured: string): AlertChange | undefined {
    if (this.#active.has(alert) === (state === 'raised')) return undefined
    if (state === 'raised') this.#active.add(alert)
    else this.#active.delete(alert)
    return { alert, state, measured }
  }
}

/** Undefined where there are too few to tell; a silence of five minutes is no fault. */
function shareOf({ total, hits }: { total: number; hits: number }): number | undefined {
  if (total === 0) return 0
  return total < ENOUGH_REQUESTS ? undefined : hits / total
}

/** A message for the robot of a WeCom group. */
export function weComMessage({ alert, state, measured }: AlertChange, from: string, now: Date): object {
  const { level, title } = ALERTS[alert]
  const head =
    state === 'raised' ? `<font color="warning">[告警] ${title}</font>` : `<font color="info">[恢复] ${title}</font>`
  const lines = [`级别：${level}`, `指标：${alert}`, `数值：${measured}`, `来源：${from}`, `时间：${now.toISOString()}`]
  return { msgtype: 'markdown', markdown: { content: [head, ...lines.map((line) => `> ${line}`)].join('\n') } }
}
