import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import path from 'node:path'
import { Fault, say } from './print.js'

/** Debian keeps servers in sbin, which is often not on an ordinary user's PATH. */
export function findProgram(name: string): string | undefined {
  const folders = [...(process.env.PATH ?? '').split(path.delimiter), '/usr/sbin', '/usr/local/sbin', '/usr/bin']
  return folders.map((folder) => path.join(folder, name)).find((file) => existsSync(file))
}

export function canRun(command: string, args: readonly string[]): boolean {
  return spawnSync(command, args, { stdio: 'ignore' }).status === 0
}

/**
 * What `find` finds, once the packages are installed where it finds nothing.
 * @throws Fault with `choices`, see {@link installByApt}
 */
export function provide<T>(
  find: () => T | undefined,
  { what, packages, choices }: { what: string; packages: readonly string[]; choices: string }
): T {
  const found = find()
  if (found !== undefined) return found
  installByApt(what, packages, choices)
  const installed = find()
  if (installed === undefined) throw new Fault(choices)
  return installed
}

/**
 * Installs packages by apt-get: as root, or by sudo where that asks no password. Says so before it does.
 * @param what the thing's name, for the line that is printed
 * @param choices what the person at the terminal can do instead
 * @throws Fault with `choices`, where it cannot be done
 */
function installByApt(what: string, packages: readonly string[], choices: string): void {
  if (!findProgram('apt-get')) throw new Fault(choices)
  const root = process.getuid?.() === 0
  if (!root && !canRun('sudo', ['-n', 'true'])) throw new Fault(choices)
  say(`installing ${what} (apt-get install ${packages.join(' ')})`)
  const apt = (errors: 'ignore' | 'inherit', ...args: string[]) => {
    const env = ['env', 'DEBIAN_FRONTEND=noninteractive', 'apt-get', '-qq', ...args]
    const [command = '', ...rest] = root ? env : ['sudo', '-n', ...env]
    return spawnSync(command, rest, { stdio: ['ignore', 'ignore', errors] }).status === 0
  }
  const install = ['install', '-y', '--no-install-recommends', ...packages]
  // The package list may be missing or old: then fetch it and try again, and only then show what is wrong.
  if (apt('ignore', ...install)) return
  if (!(apt('inherit', 'update') && apt('inherit', ...install))) throw new Fault(choices)
}
