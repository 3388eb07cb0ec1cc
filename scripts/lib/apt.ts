import { spawnSync } from 'node:child_process'
import { aptCommand } from './apt.mjs'
import { Fault, say } from './print.js'

export { canRun, findProgram } from './apt.mjs'

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
  const [command, ...args] = aptCommand(packages) ?? []
  if (command === undefined) throw new Fault(choices)
  say(`installing ${what} (apt-get install ${packages.join(' ')})`)
  const { status } = spawnSync(command, args, { stdio: ['ignore', 'ignore', 'inherit'] })
  if (status !== 0) throw new Fault(choices)
}
