// What is to be installed by apt-get, and how. It is plain JavaScript since `scripts/run.mjs` asks it too, on a machine
// that has Node alone.
// @ts-check
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import path from 'node:path'

/**
 * Debian keeps servers in sbin, which is often not on an ordinary user's PATH.
 * @param {string} name
 * @returns {string | undefined}
 */
export function findProgram(name) {
  const folders = [...(process.env.PATH ?? '').split(path.delimiter), '/usr/sbin', '/usr/local/sbin', '/usr/bin']
  return folders.map((folder) => path.join(folder, name)).find((file) => existsSync(file))
}

/** @param {string} command @param {readonly string[]} args */
export function canRun(command, args) {
  return spawnSync(command, args, { stdio: 'ignore' }).status === 0
}

/**
 * The command that installs packages: as root, or by sudo where that asks no password. The package list may be missing
 * or old: then it is fetched, and only the second try shows what is wrong.
 * @param {readonly string[]} packages
 * @returns {readonly [command: string, ...args: string[]] | undefined} nothing where that cannot be done
 */
export function aptCommand(packages) {
  if (findProgram('apt-get') === undefined) return undefined
  const isRoot = process.getuid?.() === 0
  if (!isRoot && !canRun('sudo', ['-n', 'true'])) return undefined
  const apt = `${isRoot ? '' : 'sudo -n '}env DEBIAN_FRONTEND=noninteractive apt-get -qq`
  const install = `${apt} install -y --no-install-recommends ${packages.join(' ')}`
  return ['sh', '-c', `${install} 2> /dev/null || { ${apt} update && ${install}; }`]
}

/** The server, what makes its first tables, and what that calls; Debian has the last in another package. */
const MARIADB_PROGRAMS = ['mariadbd', 'mariadb-install-db', 'my_print_defaults']
export const MARIADB_PACKAGES = ['mariadb-server-core', 'mariadb-client-core']

/** @returns {{ server: string, installer: string } | undefined} where the programs of MariaDB are */
export function findMariadb() {
  const [server, installer, helper] = MARIADB_PROGRAMS.map(findProgram)
  return server && installer && helper ? { server, installer } : undefined
}
