import { createHash } from 'node:crypto'
import { readdir, readFile } from 'node:fs/promises'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { openConnection } from './connection.js'
import { writableUrl } from './hosts.js'

export interface Migration {
  readonly name: string
  readonly sql: string
  /** SHA-256 of the file, in hexadecimal, as Prisma computes it. */
  readonly checksum: string
}

/** A row of `_prisma_migrations`. */
export interface AppliedMigration {
  migration_name: string
  checksum: string
  finished_at: Date | null
}

export const APPLIED_SQL =
  'SELECT migration_name, checksum, finished_at FROM _prisma_migrations WHERE rolled_back_at IS NULL'

/** The project's own folder, whether this file runs from `src/` or compiled from `dist/src/`. */
function migrationsFolder(): string {
  const here = path.dirname(fileURLToPath(import.meta.url))
  const root = here.includes(`${path.sep}dist${path.sep}`) ? '../../..' : '../..'
  return path.resolve(here, root, 'prisma/migrations')
}

/** The migrations of the project, oldest first. */
export async function readMigrations(folder = migrationsFolder()): Promise<Migration[]> {
  const entries = await readdir(folder, { withFileTypes: true })
  const names = entries.filter((entry) => entry.isDirectory()).map((entry) => entry.name)
  return Promise.all(
    names.sort().map(async (name) => {
      const sql = await readFile(path.join(folder, name, 'migration.sql'), 'utf8')
      return { name, sql, checksum: createHash('sha256').update(sql).digest('hex') }
    })
  )
}

/** What a database has not seen yet. */
export function missingFrom(wanted: readonly Migration[], applied: readonly AppliedMigration[]): Migration[] {
  const done = new Set(applied.map((row) => row.migration_name))
  return wanted.filter((migration) => !done.has(migration.name))
}

/** Why a database's history does not fit these migrations, and the way out; undefined when it does. */
export function historyFault(wanted: readonly Migration[], applied: readonly AppliedMigration[]): string | undefined {
  const known = new Map(wanted.map((migration) => [migration.name, migration]))
  const ahead = applied.map((row) => row.migration_name).filter((name) => !known.has(name))
  if (ahead.length > 0) {
    const what = ahead.length === 1 ? `the migration ${ahead[0]}` : `the migrations ${ahead.join(', ')}`
    return (
      `The database has ${what}, which this version does not know: it is older than the database. Deploy the newer ` +
      'version again.'
    )
  }
  for (const row of applied) {
    if (row.finished_at === null) {
      return (
        `The migration ${row.migration_name} failed half way. Mend the database by hand, then set finished_at (done) ` +
        'or rolled_back_at (undone) of its row in _prisma_migrations, and start again.'
      )
    }
    if (known.get(row.migration_name)?.checksum !== row.checksum) {
      return (
        `The migration ${row.migration_name} was edited after it had been applied. Restore its file, and write the ` +
        'change as a new migration.'
      )
    }
  }
  return undefined
}

/** Thrown by {@link requireSchema}; its message says what to do. */
export class SchemaError extends Error {}

const NO_SUCH_TABLE = 1146

/**
 * Makes sure that the database is exactly as far as this code, before anything is asked of it.
 * @throws SchemaError when it is behind, ahead, or half way; NoDatabase when it cannot be reached
 */
export async function requireSchema(url: string, migrations?: readonly Migration[]): Promise<void> {
  const wanted = migrations ?? (await readMigrations())
  const connection = await openConnection(await writableUrl(url))
  try {
    const applied = await connection.query<AppliedMigration[]>(APPLIED_SQL).catch((err: { errno?: number }) => {
      if (err.errno === NO_SUCH_TABLE) return []
      throw err
    })
    const fault = historyFault(wanted, applied)
    if (fault !== undefined) throw new SchemaError(fault)
    const missing = missingFrom(wanted, applied).map((migration) => migration.name)
    if (missing.length > 0) {
      throw new SchemaError(
        `The database is behind this version: it has not seen ${missing.join(', ')}. Run \`npm run migrate\` (in the ` +
          'image: `node dist/scripts/task.js migrate`), and start again.'
      )
    }
  } finally {
    await connection.end()
  }
}
