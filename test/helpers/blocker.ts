import * as mariadb from 'mariadb'
import { onTestFinished } from 'vitest'
import { connectionOptions } from '../../src/shared/connection.js'
import { databaseUrl } from './app.js'

/** A connection that holds what `statement` locks, until it is told to let go, or the test ends. */
export async function holdLock(statement: string, values: unknown[] = []): Promise<{ release(): Promise<void> }> {
  const connection = await mariadb.createConnection(connectionOptions(databaseUrl()))
  let held = true
  const release = async () => {
    if (held) await connection.end()
    held = false
  }
  onTestFinished(release)
  await connection.query('BEGIN')
  await connection.query(statement, values)
  return { release }
}
