import { spawn } from 'node:child_process'
import { createReadStream } from 'node:fs'
import path from 'node:path'
import { pipeline } from 'node:stream/promises'
import { parseArgs } from 'node:util'
import { createGunzip } from 'node:zlib'
import { connectionOptions, openConnection } from '../src/engine/connection.js'
import { endOf } from './backup.js'
import { type Manifest, verifyBackup } from './lib/backup-manifest.js'
import { tableNames, withConnection } from './lib/connection.js'
import { openDatabase } from './lib/database.js'
import { provideProgram, serverOf, withDefaultsFile } from './lib/dump-programs.js'
import { readMigrations } from './lib/migrations.js'
import { Fault, guarded, say } from './lib/print.js'
import { withPrisma } from './lib/prisma.js'
import { readSettings } from './lib/settings.js'
import { checkAll } from './reconcile.js'

const USAGE = 'npm run restore -- --from FILE.sql.gz [--database-url URL] [--force]'
const UNKNOWN_DATABASE = 1049

/**
 * `npm run restore`: fills an empty database from a backup, and checks it: the rows that were written, and every
 * balance. Exits 1 if anything does not agree.
 */
export async function main(args: string[]): Promise<void> {
  await guarded(async () => {
    const { from, url, force } = readArguments(args)
    const settings = readSettings()
    const database = await openDatabase(url === undefined ? settings : { ...settings, DATABASE_URL: url })
    try {
      const faults = await restore(database.url, from, { force })
      for (const fault of faults) process.stdout.write(`${fault}\n`)
      return faults.length === 0 ? 0 : 1
    } finally {
      await database.close()
    }
  })
}

function readArguments(args: string[]): { from: string; url: string | undefined; force: boolean } {
  const options = {
    from: { type: 'string' },
    'database-url': { type: 'string' },
    force: { type: 'boolean', default: false }
  } as const
  try {
    const { values } = parseArgs({ args, options })
    if (values.from === undefined) throw new Error('--from is missing')
    const url = values['database-url']
    if (url !== undefined) connectionOptions(url)
    return { from: values.from, url, force: values.force }
  } catch (err) {
    throw new Fault(`${(err as Error).message}\n${USAGE}`)
  }
}

/**
 * Fills the database at `url`, which is made where it is missing, from a backup. Everything about the backup is
 * checked before anything is changed.
 * @param force empties the database first, instead of refusing one that has tables
 * @returns what does not agree with the manifest, or with the ledger; nothing when all is well
 * @throws Fault when the backup is not whole, is of a newer version, or the database is not empty
 */
export async function restore(url: string, file: string, { force = false } = {}): Promise<string[]> {
  const manifest = await verifyBackup(file)
  const known = new Set((await readMigrations()).map(({ name }) => name))
  const newer = manifest.migrations.filter(({ name }) => !known.has(name)).map(({ name }) => name)
  if (newer.length > 0) {
    throw new Fault(
      `The backup is of a newer version: this one does not know ${newer.join(', ')}. Restore it with that one.`
    )
  }
  await makeRoom(url, force)
  say(`restoring the state of ${manifest.taken_at}`)
  await fill(url, file)
  const faults = await rowFaults(url, manifest)
  const ledgerFaults = await withPrisma(url, (db) => checkAll(db))
  if (ledgerFaults > 0) faults.push(`${ledgerFaults} faults in the ledger`)
  const rows = Object.values(manifest.rows).reduce((sum, count) => sum + count, 0)
  if (faults.length === 0) say(`restored: ${rows} rows of ${Object.keys(manifest.rows).length} tables, as written`)
  return faults
}

/** Makes sure that there is an empty database. @throws Fault when there is one that is not, unless it may be emptied */
async function makeRoom(url: string, force: boolean): Promise<void> {
  await createIfMissing(url)
  await withConnection(url, async (connection) => {
    const tables = await tableNames(connection)
    if (tables.length === 0) return
    if (!force) {
      throw new Fault(
        `The database has ${tables.length} tables already, and nothing was changed. Restore into an empty one, or ` +
          'stop the service and add --force: that deletes all that is in it.'
      )
    }
    say(`emptying the database (${tables.length} tables)`)
    await connection.query('SET SESSION foreign_key_checks = 0')
    for (const table of tables) await connection.query(`DROP TABLE \`${table}\``)
  })
}

async function createIfMissing(url: string): Promise<void> {
  try {
    await withConnection(url, async () => {})
  } catch (err) {
    const { database } = connectionOptions(url)
    const { errno } = ((err as Error).cause ?? {}) as { errno?: number }
    if (errno !== UNKNOWN_DATABASE || database === undefined) throw err
    const connection = await openConnection(url, { database: '' })
    try {
      const name = connection.escapeId(database)
      await connection.query(`CREATE DATABASE ${name} CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci`)
    } finally {
      await connection.end()
    }
  }
}

async function fill(url: string, file: string): Promise<void> {
  const { dialect } = await withConnection(url, serverOf)
  const program = provideProgram('read', dialect)
  const database = decodeURIComponent(new URL(url).pathname.slice(1))
  await withDefaultsFile(url, program, async (defaults) => {
    const options = ['--default-character-set=utf8mb4', '--max-allowed-packet=64M', database]
    const child = spawn(program.file, [defaults, ...options], { stdio: ['pipe', 'ignore', 'pipe'] })
    const ended = endOf(child, path.basename(program.file))
    const [sent, exited] = await Promise.allSettled([
      pipeline(createReadStream(file), createGunzip(), child.stdin),
      ended
    ])
    // Where the program failed, its complaint says more than that it stopped reading.
    if (exited.status === 'rejected') throw exited.reason
    if (sent.status === 'rejected') throw sent.reason
  })
}

async function rowFaults(url: string, { rows }: Manifest): Promise<string[]> {
  return withConnection(url, async (connection) => {
    const faults: string[] = []
    const tables = new Set(await tableNames(connection))
    for (const table of tables) {
      const [found] = await connection.query<[{ n: number | bigint }]>(`SELECT COUNT(*) AS n FROM \`${table}\``)
      const expected = rows[table] ?? 0
      if (Number(found.n) !== expected) faults.push(`${table}: ${found.n} rows, but ${expected} were written`)
    }
    const missing = Object.keys(rows).filter((table) => !tables.has(table))
    return [...faults, ...missing.map((table) => `${table}: the table is missing`)]
  })
}
