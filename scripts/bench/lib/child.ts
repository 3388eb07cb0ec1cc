import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'

/** A process that a benchmark measures from outside. */
export interface Child {
  readonly pid: number
  /** What it said when it was ready. */
  readonly ready: Record<string, unknown>
  /** Sends a message, and waits for its answer. */
  ask(message: object): Promise<Record<string, unknown>>
  stop(): Promise<void>
}

/** Starts a module of this folder's parent; it answers each message with one, after a first one when it is ready. */
export async function startChild(module: string, argument: object): Promise<Child> {
  const path = fileURLToPath(new URL(`../${module}.js`, import.meta.url))
  const child: ChildProcess = fork(path, [JSON.stringify(argument)], { stdio: ['ignore', 'ignore', 'inherit', 'ipc'] })
  const next = async () => {
    const [message] = await once(child, 'message')
    return message as Record<string, unknown>
  }
  const ready = await next()
  return {
    pid: child.pid ?? 0,
    ready,
    async ask(message) {
      const answer = next()
      child.send(message)
      return answer
    },
    async stop() {
      const ended = once(child, 'exit')
      child.disconnect()
      await ended
    }
  }
}
