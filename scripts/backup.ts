import { type ChildProcess, spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { createWriteStream } from 'node:fs'
import { mkdir, open, rename, rm, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { Transform } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { parseArgs } from 'node:util'
import { createGzip } from 'node:zlib'
import { type Manifest, manifestOf } from './lib/backup-manifest.js'
import { tableNames, withConnection } from './lib/connection.js'
import { openDatabase } from './lib/database.js'
import { dumpOptions, provideProgram, serverOf, withDefaultsFile } from './lib/dump-programs.js'
import { DumpReader } from './lib/dump-stream.js'
import { Fault, guarded, say } from './lib/print.js'
import { readSettings } from './lib/settings.js'

const USAGE = 'npm run backup -- --to FOLDER'

/** `npm run backup`: writes a backup beside a running service, and prints the name of its file. */
export async function main(args: string[]): Promise<void> {
  await guarded(async () => {
    const folder = readFolder(args)
    const database = await openDatabase(readSettings())
    try {
      const { file, manifest } = await backUp(database.url, folder)
      const rows = Object.values(manifest.rows).reduce((sum, count) => sum + count, 0)
      say(`${rows} rows of ${Object.keys(manifest.rows).length} tables, ${manifest.bytes} bytes`)
      process.stdout.write(`${file}\n`)
    } finally {
      await database.close()
    }
    return 0
  })
}

function readFolder(args: string[]): string {
  try {
    const { values } = parseArgs({ args, options: { to: { type: 'string' } } })
    if (values.to === undefined || values.to === '') throw new Error('--to is missing')
    return values.to
  } catch (err) {
    throw new Fault(`${(err as Error).message}\n${USAGE}`)
  }
}

/**
 * Writes all of a database, as it is at one moment, to a new file in `folder`, with a manifest beside it. Either both
 * have their names and are whole, or there is neither. Nobody who writes meanwhile is held up.
 * @throws Fault with what the program said
 */
export async function backUp(url: string, folder: string): Promise<{ file: string; manifest: Manifest }> {
  const takenAt = new Date()
  const { server, migrations, tables } = await withConnection(url, async (connection) => ({
    server: await serverOf(connection),
    migrations: await connection.query<Manifest['migrations']>(
      `SELECT migration_name AS name, checksum FROM _prisma_migrations
       WHERE rolled_back_at IS NULL AND finished_at IS NOT NULL ORDER BY migration_name`
    ),
    tables: await tableNames(connection)
  }))
  await mkdir(folder, { recursive: true, mode: 0o700 })
  const stamp = takenAt.toISOString().replace(/[-:]|\.\d+/g, '')
  const file = path.join(folder, `lottery-${stamp}.sql.gz`)
  const partial = `${file}.${process.pid}.partial`
  try {
    const dumped = await dump(url, server.dialect, partial)
    const manifest: Manifest = {
      format: 1,
      taken_at: takenAt.toISOString(),
      file: path.basename(file),
      bytes: dumped.bytes,
      sha256: dumped.sha256,
      server: server.version,
      migrations: [...migrations],
      rows: { ...Object.fromEntries(tables.map((table) => [table, 0])), ...dumped.rows }
    }
    await rename(partial, file)
    await writeFile(partial, `${JSON.stringify(manifest, null, 2)}\n`, { mode: 0o600 })
    await rename(partial, manifestOf(file))
    return { file, manifest }
  } catch (err) {
    await rm(partial, { force: true })
    throw err
  }
}

/** Runs the program into a compressed file that only we can read. */
async function dump(
  url: string,
  dialect: 'mariadb' | 'mysql',
  file: string
): Promise<Pick<Manifest, 'bytes' | 'sha256' | 'rows'>> {
  const program = provideProgram('dump', dialect)
  const database = decodeURIComponent(new URL(url).pathname.slice(1))
  return withDefaultsFile(url, program, async (defaults) => {
    const child = spawn(program.file, [defaults, ...dumpOptions(program), database], {
      stdio: ['ignore', 'pipe', 'pipe']
    })
    const ended = endOf(child, path.basename(program.file))
    const reader = new DumpReader()
    const hash = createHash('sha256')
    let bytes = 0
    const measure = new Transform({
      transform(chunk: Buffer, _encoding, done) {
        hash.update(chunk)
        bytes += chunk.length
        done(null, chunk)
      }
    })
    const target = createWriteStream(file, { mode: 0o600, flags: 'wx' })
    // Both are waited for: a program that failed also ended its output.
    const [written, exited] = await Promise.allSettled([
      pipeline(child.stdout, reader, createGzip(), measure, target),
      ended
    ])
    if (exited.status === 'rejected') throw exited.reason
    if (written.status === 'rejected') throw written.reason
    if (!reader.complete) throw new Fault('The dump broke off: its last line is missing.')
    await flush(file)
    return { bytes, sha256: hash.digest('hex'), rows: reader.rows }
  })
}

/** Until it is on the disk, a crash could leave the name without the content. */
async function flush(file: string): Promise<void> {
  const handle = await open(file)
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}

/** Waits for a program to end. @throws Fault with what it wrote to standard error, unless it ended well */
export function endOf(child: ChildProcess, name: string): Promise<void> {
  let complaint = ''
  child.stderr?.on('data', (chunk) => {
    complaint = `${complaint}${chunk}`.slice(-4000)
  })
  return new Promise((resolve, reject) => {
    child.once('error', (err) => reject(new Fault(`${name} could not be started: ${err.message}`)))
    child.once('close', (code, signal) => {
      if (code === 0) resolve()
      else reject(new Fault(`${name} failed (${signal ?? `code ${code}`}):\n${complaint.trim()}`))
    })
  })
}
