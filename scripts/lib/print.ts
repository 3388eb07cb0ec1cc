import pc from 'picocolors'
import { NoDatabase } from '../../src/engine/connection.js'

/** A step that is being done, on standard error: what scripts print to standard output is their result. */
export function say(message: string): void {
  process.stderr.write(`${pc.dim('·')} ${message}\n`)
}

/** A mistake that the person at the terminal can mend: its message is all that is shown, without a stack. */
export class Fault extends Error {}

/**
 * Runs a script's body; a {@link Fault}, or a database that is not there, ends it with its message, anything else with
 * its stack, all with code 1.
 */
export async function guarded(body: () => Promise<number | undefined>): Promise<void> {
  try {
    process.exitCode = (await body()) ?? 0
  } catch (err) {
    const isExplained = err instanceof Fault || err instanceof NoDatabase
    process.stderr.write(`\n${isExplained ? err.message : err instanceof Error ? err.stack : String(err)}\n`)
    process.exitCode = 1
  }
}
