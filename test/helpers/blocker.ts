import { onTestFinished } from 'vitest'
import { openConnection } from '../../src/engine/connection.js'
import { databaseUrl, sql } from './app.js'

/** A connection that holds what `statement` locks, until it is told to let go, or to commit, or the test ends. */
export async function holdLock(
  statement: string,
  values: unknown[] = []
): Promise<{ release(): Promise<void>; commit(): Promise<void> }> {
  const connection = await openConnection(databaseUrl())
  let held = true
  const release = async () => {
    if (held) await connection.end()
    held = false
  }
  onTestFinished(release)
  await connection.query('BEGIN')
  await connection.query(statement, values)
  const commit = async () => {
    await connection.query('COMMIT')
    await release()
  }
  return { release, commit }
}

/**
 * How many statements like that are under way in the file's schema: those that wait, where something holds them up.
 * InnoDB's own list of waits is no help to who asks often, since each look at it puts off its renewal by 100 ms.
 */
export async function underWay(pattern: string): Promise<number> {
  const [row] = await sql<{ n: bigint }>(
    `SELECT COUNT(*) AS n FROM information_schema.PROCESSLIST
     WHERE DB = DATABASE() AND INFO LIKE ? AND ID <> CONNECTION_ID()`,
    [pattern]
  )
  return Number(row?.n)
}
