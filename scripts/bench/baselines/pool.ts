import type * as mariadb from 'mariadb'
import { connectionOptions, SESSION_SQL } from '../../../src/engine/connection.js'
import type { Cipher } from '../../../src/shared/cipher.js'

/** The connections of a baseline: sessions like the service's, and patience for a crowd. */
export function poolOptions({ url, poolSize }: { url: string; poolSize: number }): mariadb.PoolConfig {
  return {
    ...connectionOptions(url),
    connectionLimit: poolSize,
    acquireTimeout: 60_000,
    initSql: [...SESSION_SQL]
  }
}

/** Runs `work` in a transaction of its own, on a connection of its own. */
export async function inTransaction(
  pool: mariadb.Pool,
  work: (connection: mariadb.PoolConnection) => Promise<void>
): Promise<void> {
  const connection = await pool.getConnection()
  try {
    await connection.query('BEGIN')
    await work(connection)
    await connection.query('COMMIT')
  } catch (err) {
    await connection.query('ROLLBACK')
    throw err
  } finally {
    await connection.release()
  }
}

/** Keeps what is pushed to a diner, as the service does; who wrote the diner's row has raised `push_seq`. */
export async function keepPushes(
  connection: mariadb.PoolConnection,
  { cipher, userId, text, now }: { cipher: Cipher; userId: number; text: string; now: Date }
): Promise<void> {
  await connection.execute(
    `INSERT INTO push_events (user_id, seq, data, created_at)
     SELECT user_id, push_seq, ?, ? FROM users WHERE user_id = ?`,
    [cipher.encrypt(text), now, userId]
  )
}
