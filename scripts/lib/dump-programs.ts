import { spawnSync } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import type * as mariadb from 'mariadb'
import { connectionOptions } from '../../src/engine/connection.js'
import { findProgram, provide } from './apt.js'

/** Which of the two families a server or a program belongs to. */
export type Dialect = 'mariadb' | 'mysql'

/** A program that writes or reads dumps. */
export interface Program {
  readonly file: string
  readonly dialect: Dialect
}

const PACKAGES = ['mariadb-client']
const CHOICES = `The programs that write and read dumps were not found, and could not be installed here. Install them:
  apt-get install ${PACKAGES.join(' ')}        (mariadb-dump and mariadb; they serve MySQL too)
or MySQL's own, mysqldump and mysql.`

/** MariaDB's programs go by MySQL's names too, so the name says nothing. */
function programOf(name: string): Program | undefined {
  const file = findProgram(name)
  if (file === undefined) return undefined
  const { stdout } = spawnSync(file, ['--version'], { encoding: 'utf8' })
  return { file, dialect: /mariadb/i.test(stdout) ? 'mariadb' : 'mysql' }
}

/**
 * The program that dumps, or the one that reads dumps: that of the server's own family where there is one, since the
 * other's may not know its newest ways to log in. Installs MariaDB's where there is none.
 * @throws Fault that names the choices
 */
export function provideProgram(purpose: 'dump' | 'read', server: Dialect): Program {
  const names = purpose === 'dump' ? ['mariadb-dump', 'mysqldump'] : ['mariadb', 'mysql']
  const find = () => {
    const found = names.map(programOf).filter((program) => program !== undefined)
    return found.find(({ dialect }) => dialect === server) ?? found[0]
  }
  return provide(find, { what: "MariaDB's client", packages: PACKAGES, choices: CHOICES })
}

/** Asks a connection what it is connected to. */
export async function serverOf(connection: mariadb.Connection): Promise<{ dialect: Dialect; version: string }> {
  const [row] = await connection.query<[{ version: string }]>('SELECT VERSION() AS version')
  return { dialect: /mariadb/i.test(row.version) ? 'mariadb' : 'mysql', version: row.version }
}

/**
 * Runs `work` with a file that holds the address and the password for a program; only we can read it, and it goes when
 * `work` ends. On a command line everybody on the machine could read them.
 */
export async function withDefaultsFile<T>(
  url: string,
  { dialect }: Program,
  work: (option: string) => Promise<T>
): Promise<T> {
  const folder = await mkdtemp(path.join(tmpdir(), 'lottery-client-'))
  try {
    const file = path.join(folder, 'client.cnf')
    await writeFile(file, clientSection(url, dialect), { mode: 0o600, flag: 'wx' })
    return await work(`--defaults-file=${file}`)
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

/** What a program needs to log in where the service does. */
export function clientSection(url: string, dialect: Dialect): string {
  const { host = '', port = 3306, user = '', password = '', socketPath, ssl } = connectionOptions(url)
  const verified = ssl === true
  const tls =
    dialect === 'mysql'
      ? [verified ? 'ssl-mode=VERIFY_IDENTITY' : 'get-server-public-key=1']
      : verified
        ? ['ssl=1', 'ssl-verify-server-cert=1']
        : ['ssl-verify-server-cert=0']
  const lines = [
    `host=${quoted(host)}`,
    `port=${port}`,
    `user=${quoted(user)}`,
    `password=${quoted(password)}`,
    ...(socketPath === undefined ? ['protocol=tcp'] : [`socket=${quoted(socketPath)}`]),
    ...tls
  ]
  return `[client]\n${lines.join('\n')}\n`
}

/** In an option file, a quoted value's backslashes and quotes are escaped by a backslash. */
const quoted = (value: string) => `"${value.replace(/[\\"]/g, '\\$&')}"`

/** The options of a dump: one moment of all tables, without holding anybody up. */
export function dumpOptions({ dialect }: Program): string[] {
  return [
    '--single-transaction',
    '--quick',
    '--skip-lock-tables',
    '--no-tablespaces',
    '--hex-blob',
    '--routines',
    '--triggers',
    '--events',
    '--default-character-set=utf8mb4',
    '--max-allowed-packet=64M',
    // Of the server it comes from, and not wanted, or not allowed, on the one it goes to.
    ...(dialect === 'mysql' ? ['--set-gtid-purged=OFF', '--column-statistics=0'] : [])
  ]
}
