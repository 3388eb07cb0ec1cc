import type { PoolConnection, UpsertResult } from 'mariadb'
import { Prisma } from '../generated/prisma/client.js'
import { verbOf } from './pool.js'
import { prepare, ready } from './prepared.js'
import type { RawTx, Statement } from './tx.js'

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
  // MySQL takes no rows in binary: there they go as one JSON parameter, in statements that are sent as text.
  const isMariaDb = connection.serverVersion().includes('MariaDB')
  const timed = async <T>(sql: string, answer: () => Promise<T>): Promise<T> => {
    const start = performance.now()
    try {
      return await answer()
    } finally {
      watch.statement(verbOf(sql), (performance.now() - start) / 1000)
    }
  }
  const readyToSend = async ({ sql, values }: Prisma.Sql): Promise<() => Promise<unknown>> => {
    const send = isMariaDb ? await ready(connection, sql) : (given: unknown) => connection.query(sql, given)
    return () => timed(sql, () => send(values))
  }
  const run = async (query: Statement, given: unknown[]): Promise<unknown> => {
    const send = await readyToSend('sql' in query ? query : Prisma.sql(query, ...given))
    return send()
  }
  const insertRows = async (one: string, rows: readonly (readonly unknown[])[]): Promise<number> => {
    const results = await timed(one, () => connection.batch<UpsertResult | UpsertResult[]>(one, rows))
    return [results].flat().reduce((sum, { affectedRows }) => sum + affectedRows, 0)
  }
  return {
    async ready({ statement, bulk }) {
      if (isMariaDb && bulk !== undefined) {
        const prepared = await prepare(connection, bulk.one)
        // From the connection's cache, where it stays once closed, `batch` has it at once.
        prepared?.close()
        if (prepared !== undefined) return () => insertRows(bulk.one, bulk.rows)
      }
      const send = await readyToSend(statement)
      return async () => affectedRows(await send())
    },
    async $queryRaw<T>(query: Statement, ...values: unknown[]) {
      return (await run(query, values)) as T
    },
    async $executeRaw(query, ...values) {
      return affectedRows(await run(query, values))
    }
  }
}

const affectedRows = (answer: unknown): number => (answer as UpsertResult).affectedRows

/** Undoes what a connection has open and gives it back to its pool; one that cannot is closed, which undoes it too. */
export async function rollBack(connection: PoolConnection): Promise<void> {
  try {
    await connection.query('ROLLBACK')
    await connection.release()
  } catch {
    connection.destroy()
  }
}
