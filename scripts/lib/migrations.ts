import { randomUUID } from 'node:crypto'
import type * as mariadb from 'mariadb'
import { openConnection } from '../../src/engine/connection.js'
import {
  APPLIED_SQL,
  type AppliedMigration,
  historyFault,
  type Migration,
  missingFrom,
  readMigrations
} from '../../src/engine/migrations.js'
import { withMigrationLease } from './migration-lease.js'
import { Fault } from './print.js'

export { type Migration, readMigrations } from '../../src/engine/migrations.js'

/** As Prisma makes it. */
const LEDGER_TABLE = `CREATE TABLE IF NOT EXISTS \`_prisma_migrations\` (
  \`id\` VARCHAR(36) NOT NULL PRIMARY KEY,
  \`checksum\` VARCHAR(64) NOT NULL,
  \`finished_at\` DATETIME(3) NULL,
  \`migration_name\` VARCHAR(255) NOT NULL,
  \`logs\` TEXT NULL,
  \`rolled_back_at\` DATETIME(3) NULL,
  \`started_at\` DATETIME(3) NOT NULL DEFAULT CURRENT_TIMESTAMP(3),
  \`applied_steps_count\` INTEGER UNSIGNED NOT NULL DEFAULT 0
) DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci`

/**
 * Applies what the database has not yet seen, and records it where `prisma migrate deploy` looks.
 * Safe to call from several processes at once: one applies, the others wait and find nothing left to do.
 * @returns the names of those applied now
 * @throws Fault when an applied migration was edited since, is unknown here, or an earlier one failed half way
 */
export async function migrate(url: string, migrations?: readonly Migration[]): Promise<string[]> {
  const wanted = migrations ?? (await readMigrations())
  return withMigrationLease(url, async () => {
    const connection = await openConnection(url, { multipleStatements: true })
    try {
      await connection.query(LEDGER_TABLE)
      const applied = await connection.query<AppliedMigration[]>(APPLIED_SQL)
      const pending = pendingOf(wanted, applied)
      for (const migration of pending) await apply(connection, migration)
      return pending.map((migration) => migration.name)
    } finally {
      await connection.end()
    }
  })
}

/** Whether a migrated database has no wheel yet. Asked without Prisma, whose client is a lot to load for one look. */
export async function isEmpty(url: string): Promise<boolean> {
  const connection = await openConnection(url)
  try {
    return (await connection.query<unknown[]>('SELECT 1 FROM lottery_config LIMIT 1')).length === 0
  } finally {
    await connection.end()
  }
}

/** What is left to apply. @throws Fault on a history that does not fit ours */
function pendingOf(wanted: readonly Migration[], applied: readonly AppliedMigration[]): Migration[] {
  const fault = historyFault(wanted, applied)
  if (fault !== undefined) throw new Fault(fault)
  return missingFrom(wanted, applied)
}

async function apply(connection: mariadb.Connection, migration: Migration): Promise<void> {
  const id = randomUUID()
  await connection.query('INSERT INTO _prisma_migrations (id, checksum, migration_name) VALUES (?, ?, ?)', [
    id,
    migration.checksum,
    migration.name
  ])
  try {
    await connection.query(migration.sql)
  } catch (err) {
    await connection.query('UPDATE _prisma_migrations SET logs = ? WHERE id = ?', [String(err), id])
    throw new Fault(`The migration ${migration.name} failed: ${err instanceof Error ? err.message : String(err)}`)
  }
  await connection.query(
    'UPDATE _prisma_migrations SET finished_at = CURRENT_TIMESTAMP(3), applied_steps_count = 1 WHERE id = ?',
    [id]
  )
}
