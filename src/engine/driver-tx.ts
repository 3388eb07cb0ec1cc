import type { PoolConnection, UpsertResult } from 'mariadb'
import { Prisma } from '../generated/prisma/client.js'
import { verbOf } from './pool.js'
import type { BulkRows, RawTx, Statement } from './tx.js'

/** The line broke while COMMIT was on it: what was written may be there, or not. */
export class OutcomeUnknown extends Error {
  constructor(cause: unknown) {
    super('the answer to COMMIT was lost', { cause })
  }
}

/**
 * Raw statements on a connection without autocommit: the first begins a transaction. The driver sends a statement
 * without waiting for the ones before it. Rows come as numbers, texts and UTC `Date`s, as Prisma gives them; a
 * statement that reads a `DATE` or a `DECIMAL` casts it to text. `watch` hears how long each took, in seconds, those
 * ahead of it included.
 */
export function driverTx(connection: PoolConnection, watch: { statement(verb: string, seconds: number): void }): RawTx {
  // MariaDB prepares and executes in one go. With MySQL the driver waits for the one before it sends the other, and a
  // statement that is prepared already would overtake one that is not: there statements go as text, in their order.
  const isMariaDb = connection.serverVersion().includes('MariaDB')
  const timed = async <T>(sql: string, answer: () => Promise<T>): Promise<T> => {
    const start = performance.now()
    try {
      return await answer()
    } finally {
      watch.statement(verbOf(sql), (performance.now() - start) / 1000)
    }
  }
  const run = (query: Statement, given: unknown[]): Promise<unknown> => {
    const { sql, values } = 'sql' in query ? query : Prisma.sql(query, ...given)
    return timed(sql, () => (isMariaDb ? connection.execute(sql, values) : connection.query(sql, values)))
  }
  const bulk: BulkRows = {
    async prepare(one) {
      // From the connection's cache, but for the first time; closed, it stays there.
      const prepared = await connection.prepare(one)
      prepared.close()
    },
    async run(one, rows) {
      const results = await timed(one, () => connection.batch<UpsertResult | UpsertResult[]>(one, rows))
      return [results].flat().reduce((sum, { affectedRows }) => sum + affectedRows, 0)
    }
  }
  return {
    pipelines: true,
    ...(isMariaDb ? { bulk } : {}),
    async $queryRaw<T>(query: Statement, ...values: unknown[]) {
      return (await run(query, values)) as T
    },
    async $executeRaw(query, ...values) {
      return ((await run(query, values)) as { affectedRows: number }).affectedRows
    }
  }
}

/** Undoes what a connection has open and gives it back to its pool; one that cannot is closed, which undoes it too. */
export async function rollBack(connection: PoolConnection): Promise<void> {
  try {
    await connection.query('ROLLBACK')
    await connection.release()
  } catch {
    connection.destroy()
  }
}
