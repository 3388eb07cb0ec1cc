import pc from 'picocolors'

/** A step that is being done, on standard error: what scripts print to standard output is their result. */
export function say(message: string): void {
  process.stderr.write(`${pc.dim('·')} ${message}\n`)
}

/** A mistake that the person at the terminal can mend: its message is all that is shown, without a stack. */
export class Fault extends Error {}

/** Runs a script's body; a {@link Fault} ends it with its message, anything else with its stack, both with code 1. */
export async function guarded(body: () => Promise<number | undefined>): Promise<void> {
  try {
    process.exitCode = (await body()) ?? 0
  } catch (err) {
    process.stderr.write(`\n${err instanceof Fault ? err.message : err instanceof Error ? err.stack : String(err)}\n`)
    process.exitCode = 1
  }
}
