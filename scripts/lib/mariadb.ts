import type { ChildProcess } from 'node:child_process'
import { existsSync } from 'node:fs'
import { chmod, mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import path from 'node:path'
import {
  answers,
  endLeftover,
  freePort,
  initialise,
  initSql,
  launch,
  password,
  placeArgs,
  provideMariadb,
  SERVER_ARGS,
  socketPath,
  stopServer
} from './mariadbd.js'
import { Fault } from './print.js'

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
  await writeFile(initFile, initSql(USER, secret, options.database), { mode: 0o600 })

  let failure = ''
  for (let attempt = 1; attempt <= START_ATTEMPTS; attempt += 1) {
    const port = await freePort()
    const logFile = path.join(dir, 'mariadbd.log')
    await rm(logFile, { force: true })
    const child = launch(server, [
      ...placeArgs(dataDir),
      `--socket=${socketPath(dir)}`,
      `--port=${port}`,
      `--pid-file=${pidFile}`,
      `--log-error=${logFile}`,
      `--init-file=${initFile}`,
      '--skip-log-bin',
      ...SERVER_ARGS,
      ...(options.args ?? [])
    ])
    const url = `mysql://${USER}:${secret}@127.0.0.1:${port}/${options.database}`
    if (await answers(child, url)) return supervise(child, url, options.onExit)
    failure = existsSync(logFile) ? await readFile(logFile, 'utf8') : 'it wrote no log'
  }
  throw new Fault(`The private database did not start:\n${failure.split('\n').slice(-15).join('\n')}`)
}

function supervise(child: ChildProcess, url: string, onExit?: (reason: string) => void): PrivateServer {
  let stopping = false
  child.once('exit', (code, signal) => {
    if (!stopping) onExit?.(signal ?? `code ${code}`)
  })
  return {
    url,
    stop() {
      stopping = true
      return stopServer(child)
    }
  }
}
