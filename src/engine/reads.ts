import type * as mariadb from 'mariadb'
import { onConnection } from './following-pool.js'
import { withRoute } from './pool.js'
import { ready } from './prepared.js'
import { readAgain } from './read-again.js'
import { currentUsage } from './request-usage.js'
import type { Db } from './tx.js'

/** A read with its values; what its rows are is said where its text is, see {@link readOf}. */
export interface Read<Row> {
  readonly sql: string
  readonly values: readonly unknown[]
  /** For the compiler alone. */
  readonly row?: Row
}

type RowsOf<Asked extends readonly Read<unknown>[]> = {
  -readonly [Index in keyof Asked]: Asked[Index] extends Read<infer Row> ? Row[] : never
}

/**
 * Hot reads: texts of ours that never change, so that each is prepared once a connection, and no query is compiled for
 * them on the event loop. Those of one call go together, one journey for a page. Each sees what is committed when it
 * runs. `BIGINT` and `DECIMAL` come as numbers, times as UTC `Date`s, flags as 0 and 1.
 */
export type Reads = <const Asked extends readonly Read<unknown>[]>(...asked: Asked) => Promise<RowsOf<Asked>>

/** What reads for diners, and what is left of Prisma. */
export interface ReadsDb {
  readonly db: Db
  readonly reads: Reads
}

/** A read by its text; the one place that says what its rows are. */
export function readOf<Row, Values extends readonly unknown[] = readonly unknown[]>(sql: string) {
  const text = sql.trimStart()
  return (...values: Values): Read<Row> => ({ sql: text, values })
}

/** Conditions that a list is asked for or not: each set of them is one text. @param given by the SQL of each */
export function filtersOf(given: Readonly<Record<string, unknown>>): {
  readonly sql: string
  readonly values: unknown[]
} {
  const asked = Object.entries(given).filter(([, value]) => value !== undefined)
  return { sql: asked.map(([condition]) => ` AND ${condition}`).join(''), values: asked.map(([, value]) => value) }
}

const AS_NUMBERS = { bigIntAsNumber: true, decimalAsNumber: true } as const

/**
 * @param watch hears how long each call took, in seconds
 * @param comments whether statements carry the route of their request
 */
export function createReads(
  pool: Pick<mariadb.Pool, 'getConnection'>,
  watch: { statement(verb: string, seconds: number): void },
  comments = false
): Reads {
  const ask = async (asked: readonly Read<unknown>[]): Promise<unknown[]> => {
    const usage = currentUsage()
    const textOf = (sql: string) => (comments && usage !== undefined ? withRoute(sql, usage.route) : sql)
    return onConnection(pool, async (connection) => {
      const start = performance.now()
      const sent: Promise<unknown>[] = []
      try {
        for (const { sql, values } of asked) {
          const send = await ready(connection, { sql: textOf(sql), ...AS_NUMBERS })
          const rows = send(values)
          // Nobody waits for it until all are sent.
          rows.catch(() => {})
          sent.push(rows)
        }
        return await Promise.all(sent)
      } finally {
        // A connection goes back with nothing under way on it.
        await Promise.allSettled(sent)
        const took = performance.now() - start
        watch.statement('select', took / 1000)
        if (usage !== undefined) {
          usage.connections.add(connection.threadId ?? 0)
          usage.statements += asked.length
          usage.databaseMs += took
        }
      }
    })
  }
  return async (...asked) => (await readAgain(() => ask(asked))) as RowsOf<typeof asked>
}
