import type { Connection, Prepare, QueryOptions } from 'mariadb'
import { isOutOfPrepared } from './database-errors.js'

/** As much of a connection as a prepared statement needs. */
export type Preparing = Pick<Connection, 'prepare' | 'query'>

/** A statement with the driver's options for it, as Prisma's adapter gives them. */
type Query = string | QueryOptions

/** Sends a statement that is ready at once, without a wait in between. */
type Send = (values: unknown) => Promise<unknown>

/**
 * Makes a statement ready to be sent. It is prepared, or was before, and the server has said so: the driver's own
 * `execute` sends EXECUTE behind a PREPARE that is not answered, as "the last prepared statement", and where the
 * server aborts the PREPARE (a certification conflict of a cluster, a kill) another statement may run, or the driver
 * dies of the answer, outside any promise. Where the server has no room for another it goes as text.
 */
export async function ready(connection: Preparing, query: Query): Promise<Send> {
  const prepared = await prepare(connection, query)
  if (prepared === undefined) return (values) => connection.query(query, values)
  return async (values) => {
    try {
      return await (prepared.execute as (values: unknown, options?: Query) => Promise<unknown>)(
        values,
        ...(typeof query === 'string' ? [] : [query])
      )
    } finally {
      // It stays in the connection's cache.
      prepared.close()
    }
  }
}

/** @returns undefined where the server holds as many prepared statements as it may */
export async function prepare(connection: Preparing, query: Query): Promise<Prepare | undefined> {
  try {
    return await connection.prepare(query as string)
  } catch (err) {
    if (isOutOfPrepared(err)) return undefined
    throw err
  }
}
