import type * as mariadb from 'mariadb'
import { openConnection, SESSION_SQL } from '../../src/engine/connection.js'

/** Runs `work` on a connection of its own. */
export async function withConnection<T>(url: string, work: (connection: mariadb.Connection) => Promise<T>): Promise<T> {
  const connection = await openConnection(url, { initSql: [...SESSION_SQL] })
  try {
    return await work(connection)
  } finally {
    await connection.end()
  }
}

/** The tables of the connection's database. */
export async function tableNames(connection: mariadb.Connection): Promise<string[]> {
  const rows = await connection.query<{ name: string }[]>(
    `SELECT TABLE_NAME AS name FROM information_schema.TABLES
     WHERE TABLE_SCHEMA = DATABASE() AND TABLE_TYPE = 'BASE TABLE'`
  )
  return rows.map(({ name }) => name)
}
