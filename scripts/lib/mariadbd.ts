import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync } from 'node:fs'
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import * as mariadb from 'mariadb'
import { connectionOptions } from '../../src/engine/connection.js'
import { canRun, provide } from './apt.js'
import { findMariadb, MARIADB_PACKAGES } from './apt.mjs'
import { Fault, say } from './print.js'

const READY_WITHIN_MS = 120_000
const STOP_WITHIN_MS = 60_000

/**
 * Finds `mariadbd`, or installs it by apt-get: as root, or by sudo where that asks no password.
 * @throws Fault that names the choices, where neither works
 */
export function provideMariadb(): { server: string; installer: string } {
  return provide(findMariadb, { what: 'MariaDB', packages: MARIADB_PACKAGES, choices: CHOICES })
}

const CHOICES = `No MariaDB server was found, and it could not be installed here. Any one of these will do:
  1. install it yourself:            apt-get install ${MARIADB_PACKAGES.join(' ')}
  2. run this as root, or as a user who may use sudo without a password
  3. use a server you have:          DATABASE_URL=mysql://user:password@host:3306/database npm start
                                     (for tests: TEST_DATABASE_URL=… npm test)`

/** A loopback port that nobody listens on now. */
export async function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const probe = createServer()
    probe.once('error', reject)
    probe.listen(0, '127.0.0.1', () => {
      const { port } = probe.address() as { port: number }
      probe.close(() => resolve(port))
    })
  })
}

/** A UNIX socket's path holds about 100 bytes, so it lies in the temporary folder, named after ours. */
export function socketPath(dir: string): string {
  return path.join(tmpdir(), `lottery-db-${createHash('sha256').update(dir).digest('hex').slice(0, 16)}.sock`)
}

/**
 * A folder for temporary tables beside the data. A server that starts clears away all that it finds in its own, whose
 * ever they are: in /tmp, which is the default, that is what another one is about to read.
 */
function temporaryOf(dataDir: string): string {
  const dir = path.join(path.dirname(dataDir), 'tmp')
  mkdirSync(dir, { recursive: true })
  return dir
}

/** Where a server of ours has its files; the folders beside its data are made. */
export const placeArgs = (dataDir: string): readonly string[] => [
  '--no-defaults',
  `--datadir=${dataDir}`,
  `--tmpdir=${temporaryOf(dataDir)}`
]

export async function initialise(installer: string, dataDir: string): Promise<void> {
  say(`creating a private database under ${path.relative(process.cwd(), dataDir) || dataDir}`)
  await rm(dataDir, { recursive: true, force: true })
  await mkdir(path.dirname(dataDir), { recursive: true })
  const args = ['--no-defaults', `--datadir=${dataDir}`, '--auth-root-authentication-method=normal', '--skip-test-db']
  if (process.getuid?.() === 0) args.push('--user=root')
  // The server that makes the tables knows the folder by this alone.
  const env = { ...process.env, TMPDIR: temporaryOf(dataDir) }
  const { status, stdout, stderr } = spawnSync(installer, args, { encoding: 'utf8', env })
  if (status !== 0) {
    await rm(dataDir, { recursive: true, force: true })
    throw new Fault(`mariadb-install-db failed:\n${stdout}${stderr}`)
  }
}

/** The password is made once, and set again at each start, so that the file alone decides. */
export async function password(file: string): Promise<string> {
  if (existsSync(file)) return (await readFile(file, 'utf8')).trim()
  const secret = randomBytes(24).toString('base64url')
  await writeFile(file, secret, { mode: 0o600 })
  return secret
}

/** Ends a server that a killed start left behind on the same data; a process that only has its number is let be. */
export async function endLeftover(pidFile: string, dataDir: string): Promise<void> {
  if (!existsSync(pidFile)) return
  const pid = Number((await readFile(pidFile, 'utf8')).trim())
  if (!Number.isInteger(pid) || pid <= 1 || !isOurs(pid, dataDir)) return
  say(`stopping a database that an earlier run left behind (process ${pid})`)
  process.kill(pid, 'SIGTERM')
  const deadline = Date.now() + STOP_WITHIN_MS
  while (isOurs(pid, dataDir)) {
    if (Date.now() > deadline) throw new Fault(`The database process ${pid} does not stop. End it, then start again.`)
    await pause(50)
  }
}

function isOurs(pid: number, dataDir: string): boolean {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes(`--datadir=${dataDir}\0`)
  } catch {
    return false
  }
}

/** In a process group of its own: Ctrl-C in the terminal is for us, and we stop the database last. */
export function launch(program: string, args: readonly string[], env: NodeJS.ProcessEnv = {}): ChildProcess {
  const guard = canRun('setpriv', ['--pdeathsig', 'TERM', 'true']) ? ['setpriv', '--pdeathsig', 'TERM', '--'] : []
  const [command = program, ...rest] = [...guard, program, ...args]
  return spawn(command, rest, { stdio: 'ignore', detached: true, env: { ...process.env, ...env } })
}

export const hasEnded = (child: ChildProcess) => child.exitCode !== null || child.signalCode !== null

/** Waits until a server takes connections, and `isReady` says so of one; ends it where that takes too long. */
export async function answers(
  child: ChildProcess,
  url: string,
  isReady: (connection: mariadb.Connection) => Promise<boolean> = async () => true
): Promise<boolean> {
  let spawned = true
  child.once('error', () => {
    spawned = false
  })
  const deadline = Date.now() + READY_WITHIN_MS
  while (spawned && !hasEnded(child) && Date.now() < deadline) {
    try {
      const connection = await mariadb.createConnection({ ...connectionOptions(url), connectTimeout: 2000 })
      const ready = await isReady(connection).finally(() => connection.end())
      if (ready) return true
    } catch {
      // Not yet.
    }
    await pause(40)
  }
  if (!hasEnded(child)) child.kill('SIGKILL')
  return false
}

/** The options of every server of ours. */
export const SERVER_ARGS: readonly string[] = [
  '--bind-address=127.0.0.1',
  '--skip-name-resolve',
  '--performance-schema=OFF',
  '--max-connections=300',
  '--character-set-server=utf8mb4',
  '--collation-server=utf8mb4_unicode_ci',
  '--default-time-zone=+00:00',
  ...(process.getuid?.() === 0 ? ['--user=root'] : [])
]

/** Statements for a server's first moment: the database, and the one user there is, with this password. */
export function initSql(user: string, secret: string, database: string): string {
  return [
    `CREATE DATABASE IF NOT EXISTS \`${database}\` CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci;`,
    `ALTER USER 'root'@'localhost' IDENTIFIED BY '${secret}';`,
    `CREATE OR REPLACE USER '${user}'@'127.0.0.1' IDENTIFIED BY '${secret}';`,
    `GRANT ALL ON *.* TO '${user}'@'127.0.0.1';`,
    ''
  ].join('\n')
}

/** Asks a server to stop, and waits until it has. */
export async function stopServer(child: ChildProcess): Promise<void> {
  if (hasEnded(child)) return
  const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()))
  child.kill('SIGTERM')
  const timer = setTimeout(() => child.kill('SIGKILL'), STOP_WITHIN_MS)
  await ended
  clearTimeout(timer)
}
