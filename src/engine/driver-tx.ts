import type { PoolConnection, UpsertResult } from 'mariadb'
import { Prisma } from '../generated/prisma/client.js'
import type { HostConnection } from './following-pool.js'
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
export function driverTx(connection: HostConnection, watch: { statement(verb: string, seconds: number): void }): RawTx {
  // MySQL takes no rows in binary: there they stand in the statements, which are sent as text.
  const isMariaDb = connection.serverVersion().includes('MariaDB')
  // A node of a Galera cluster that takes a transaction back while such a statement runs says that all went well. What
  // comes after would be a transaction of its own, and half of what belongs together be committed.
  const takesRows = isMariaDb && connection.isClustered !== true
  const timed = async <T>(sql: string, answer: () => Promise<T>): Promise<T> => {
    const start = performance.now()
    try {
      return await answer()
    } finally {
      watch.statement(verbOf(sql), (performance.now() - start) / 1000)
    }
  }
  const asText = ({ sql, values }: Prisma.Sql) => {
    return () => timed(sql, () => connection.query<unknown>(sql, values))
  }
  const readyToSend = async (statement: Prisma.Sql): Promise<() => Promise<unknown>> => {
    if (!isMariaDb) return asText(statement)
    const send = await ready(connection, statement.sql)
    return () => timed(statement.sql, () => send(statement.values))
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
    async ready(write) {
      const { bulk } = write
      if (takesRows && bulk !== undefined) {
        const prepared = await prepare(connection, bulk.one)
        // From the connection's cache, where it stays once closed, `batch` has it at once.
        prepared?.close()
        if (prepared !== undefined) return () => insertRows(bulk.one, bulk.rows)
      }
      // With other numbers of rows it is another text: too many to be prepared.
      const send = bulk === undefined ? await readyToSend(write.statement) : asText(write.statement)
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
