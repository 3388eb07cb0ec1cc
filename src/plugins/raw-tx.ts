import type { PoolConnection } from 'mariadb'
import { Prisma } from '../generated/prisma/client.js'
import type { RawTx, Statement } from '../shared/tx.js'
import { verbOf } from './pool.js'

/** The line broke while COMMIT was on it: what was written may be there, or not. */
export class OutcomeUnknown extends Error {
  constructor(cause: unknown) {
    super('the answer to COMMIT was lost', { cause })
  }
}

/**
 * Raw statements on a connection with an open transaction. The driver sends a statement without waiting for the
 * ones before it. Rows come as numbers, texts and UTC `Date`s, as Prisma gives them; a statement that reads a `DATE`
 * or a `DECIMAL` casts it to text. `watch` hears how long each took, in seconds, those ahead of it included.
 */
export function rawTx(connection: PoolConnection, watch: { statement(verb: string, seconds: number): void }): RawTx {
  // MariaDB prepares and executes in one go. With MySQL the driver waits for the one before it sends the other, and a
  // statement that is prepared already would overtake one that is not: there statements go as text, in their order.
  const isMariaDb = connection.serverVersion().includes('MariaDB')
  const run = async (query: Statement, values: unknown[]): Promise<unknown> => {
    const whole = 'sql' in query ? query : Prisma.sql(query, ...values)
    const start = performance.now()
    try {
      return await (isMariaDb ? connection.execute(whole.sql, whole.values) : connection.query(whole.sql, whole.values))
    } finally {
      watch.statement(verbOf(whole.sql), (performance.now() - start) / 1000)
    }
  }
  return {
    pipelines: true,
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
