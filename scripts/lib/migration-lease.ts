import { randomUUID } from 'node:crypto'
import { setTimeout as pause } from 'node:timers/promises'
import { openConnection } from '../../src/engine/connection.js'
import { isTransient } from '../../src/engine/database-errors.js'
import { leaseStatement } from '../../src/engine/lease.js'
import { Fault } from './print.js'

const WAIT_MS = 120_000
const LOOK_EVERY_MS = 200
/** How long whoever died over it holds up the next. */
const LEASE_SECONDS = 30
const RENEW_EVERY_MS = 8000

/** It is there before any migration, so it is none of theirs. */
const TABLE = `CREATE TABLE IF NOT EXISTS \`_migration_lease\` (
  \`name\` VARCHAR(20) CHARACTER SET ascii COLLATE ascii_bin NOT NULL PRIMARY KEY,
  \`holder\` CHAR(36) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  \`expires_at\` DATETIME(3) NOT NULL
)`

/**
 * Runs `work` while no other process migrates the same database, on whichever node of a cluster it does: a named lock
 * would be one node's own. Who waits longer than two minutes gives up.
 * @throws Fault when the lease was not to be had, or what `work` throws
 */
export async function withMigrationLease<T>(url: string, work: () => Promise<T>): Promise<T> {
  const connection = await openConnection(url)
  const holder = randomUUID()
  const take = async (): Promise<boolean> => {
    const { sql, values } = leaseStatement('_migration_lease', 'migrate', holder, LEASE_SECONDS)
    try {
      await connection.query(sql, values)
    } catch (err) {
      // Another node's transaction was faster.
      if (!isTransient(err)) throw err
    }
    const [row] = await connection.query<{ holder: string }[]>('SELECT holder FROM _migration_lease')
    return row?.holder === holder
  }
  try {
    await connection.query(TABLE)
    const deadline = Date.now() + WAIT_MS
    while (!(await take())) {
      if (Date.now() > deadline) throw new Fault('Another process has been migrating this database for too long.')
      await pause(LOOK_EVERY_MS)
    }
    // A failure to renew is no reason to stop half way; should another begin, what is applied is recorded.
    const timer = setInterval(() => void take().catch(() => {}), RENEW_EVERY_MS)
    try {
      return await work()
    } finally {
      clearInterval(timer)
      await connection.query('DELETE FROM _migration_lease WHERE holder = ?', [holder])
    }
  } finally {
    await connection.end()
  }
}
