import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import { chmod, mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import * as mariadb from 'mariadb'
import { connectionOptions } from '../../src/engine/connection.js'
import { canRun, findProgram, installByApt } from './apt.js'
import { Fault, say } from './print.js'

/** A MariaDB server that is ours alone, on a loopback port. */
export interface PrivateServer {
  /** Address of `database` on it, with its user and password. */
  readonly url: string
  /** Asks the server to stop and waits until it has. */
  stop(): Promise<void>
}

export interface PrivateServerOptions {
  /** Everything the server keeps lies under this folder. */
  readonly dir: string
  readonly database: string
  /** Further server options, such as `--innodb-flush-log-at-trx-commit=0` in tests. */
  readonly args?: readonly string[]
  /** Called when the server ends without having been asked to. */
  readonly onExit?: (reason: string) => void
}

const USER = 'lottery'
const START_ATTEMPTS = 3
const READY_WITHIN_MS = 120_000
const STOP_WITHIN_MS = 60_000

/**
 * Finds `mariadbd`, or installs it by apt-get: as root, or by sudo where that asks no password.
 * @throws Fault that names the choices, where neither works
 */
export function provideMariadb(): { server: string; installer: string } {
  const find = () => {
    const [server, installer, helper] = PROGRAMS.map(findProgram)
    return server && installer && helper ? { server, installer } : undefined
  }
  const found = find()
  if (found !== undefined) return found
  installByApt('MariaDB', PACKAGES, CHOICES)
  const installed = find()
  if (installed === undefined) throw new Fault(CHOICES)
  return installed
}

/** The server, what makes its first tables, and what that calls; Debian has the last in another package. */
const PROGRAMS = ['mariadbd', 'mariadb-install-db', 'my_print_defaults']
const PACKAGES = ['mariadb-server-core', 'mariadb-client-core']

const CHOICES = `No MariaDB server was found, and it could not be installed here. Any one of these will do:
  1. install it yourself:            apt-get install ${PACKAGES.join(' ')}
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
function socketPath(dir: string): string {
  return path.join(tmpdir(), `lottery-db-${createHash('sha256').update(dir).digest('hex').slice(0, 16)}.sock`)
}

async function initialise(installer: string, dataDir: string): Promise<void> {
  say(`creating a private database under ${path.relative(process.cwd(), dataDir) || dataDir}`)
  await rm(dataDir, { recursive: true, force: true })
  await mkdir(path.dirname(dataDir), { recursive: true })
  const args = ['--no-defaults', `--datadir=${dataDir}`, '--auth-root-authentication-method=normal', '--skip-test-db']
  if (process.getuid?.() === 0) args.push('--user=root')
  const { status, stdout, stderr } = spawnSync(installer, args, { encoding: 'utf8' })
  if (status !== 0) {
    await rm(dataDir, { recursive: true, force: true })
    throw new Fault(`mariadb-install-db failed:\n${stdout}${stderr}`)
  }
}

/** The password is made once, and set again at each start, so that the file alone decides. */
async function password(file: string): Promise<string> {
  if (existsSync(file)) return (await readFile(file, 'utf8')).trim()
  const secret = randomBytes(24).toString('base64url')
  await writeFile(file, secret, { mode: 0o600 })
  return secret
}

/** Ends a server that a killed start left behind on the same data; a process that only has its number is let be. */
async function endLeftover(pidFile: string, dataDir: string): Promise<void> {
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

/**
 * Starts a private server, made on first use. Its process gets SIGTERM from the kernel should this one be killed
 * (where `setpriv` exists), and a leftover is ended at the next start all the same.
 * @throws Fault when it cannot be had or does not come up
 */
export async function startPrivateServer(options: PrivateServerOptions): Promise<PrivateServer> {
  const { server, installer } = provideMariadb()
  const dir = path.resolve(options.dir)
  const dataDir = path.join(dir, 'data')
  const pidFile = path.join(dir, 'mariadbd.pid')
  await mkdir(dir, { recursive: true })
  await chmod(dir, 0o700)
  await endLeftover(pidFile, dataDir)
  // The installer makes the system tables last but one: without them the folder is half made.
  const complete = path.join(dir, 'complete')
  if (!existsSync(complete)) {
    await initialise(installer, dataDir)
    await writeFile(complete, '')
  }
  const secret = await password(path.join(dir, 'password'))
  const initFile = path.join(dir, 'init.sql')
  await writeFile(
    initFile,
    [
      `CREATE DATABASE IF NOT EXISTS \`${options.database}\` CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci;`,
      `ALTER USER 'root'@'localhost' IDENTIFIED BY '${secret}';`,
      `CREATE OR REPLACE USER '${USER}'@'127.0.0.1' IDENTIFIED BY '${secret}';`,
      `GRANT ALL ON *.* TO '${USER}'@'127.0.0.1';`,
      ''
    ].join('\n'),
    { mode: 0o600 }
  )

  let failure = ''
  for (let attempt = 1; attempt <= START_ATTEMPTS; attempt += 1) {
    const port = await freePort()
    const logFile = path.join(dir, 'mariadbd.log')
    await rm(logFile, { force: true })
    const child = launch(server, [
      '--no-defaults',
      `--datadir=${dataDir}`,
      `--socket=${socketPath(dir)}`,
      `--port=${port}`,
      '--bind-address=127.0.0.1',
      `--pid-file=${pidFile}`,
      `--log-error=${logFile}`,
      `--init-file=${initFile}`,
      '--skip-name-resolve',
      '--skip-log-bin',
      '--performance-schema=OFF',
      '--max-connections=300',
      '--character-set-server=utf8mb4',
      '--collation-server=utf8mb4_unicode_ci',
      '--default-time-zone=+00:00',
      ...(process.getuid?.() === 0 ? ['--user=root'] : []),
      ...(options.args ?? [])
    ])
    const url = `mysql://${USER}:${secret}@127.0.0.1:${port}/${options.database}`
    if (await answers(child, url)) return supervise(child, url, options.onExit)
    failure = existsSync(logFile) ? await readFile(logFile, 'utf8') : 'it wrote no log'
  }
  throw new Fault(`The private database did not start:\n${failure.split('\n').slice(-15).join('\n')}`)
}

/** In a process group of its own: Ctrl-C in the terminal is for us, and we stop the database last. */
function launch(server: string, args: readonly string[]): ChildProcess {
  const guard = canRun('setpriv', ['--pdeathsig', 'TERM', 'true']) ? ['setpriv', '--pdeathsig', 'TERM', '--'] : []
  const [command = server, ...rest] = [...guard, server, ...args]
  return spawn(command, rest, { stdio: 'ignore', detached: true })
}

const hasEnded = (child: ChildProcess) => child.exitCode !== null || child.signalCode !== null

async function answers(child: ChildProcess, url: string): Promise<boolean> {
  let spawned = true
  child.once('error', () => {
    spawned = false
  })
  const deadline = Date.now() + READY_WITHIN_MS
  while (spawned && !hasEnded(child) && Date.now() < deadline) {
    try {
      const connection = await mariadb.createConnection({ ...connectionOptions(url), connectTimeout: 2000 })
      await connection.end()
      return true
    } catch {
      await pause(40)
    }
  }
  if (!hasEnded(child)) child.kill('SIGKILL')
  return false
}

function supervise(child: ChildProcess, url: string, onExit?: (reason: string) => void): PrivateServer {
  let stopping = false
  const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()))
  child.once('exit', (code, signal) => {
    if (!stopping) onExit?.(signal ?? `code ${code}`)
  })
  return {
    url,
    async stop() {
      stopping = true
      if (hasEnded(child)) return
      child.kill('SIGTERM')
      const timer = setTimeout(() => child.kill('SIGKILL'), STOP_WITHIN_MS)
      await ended
      clearTimeout(timer)
    }
  }
}
