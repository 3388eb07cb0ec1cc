import { setTimeout as pause } from 'node:timers/promises'
import { Refusal } from '../shared/refusal.js'
import { isTransient, isUnavailable } from './database-errors.js'

const ATTEMPTS = 4
/** So long after its start a read is begun again: whoever asked still waits then. */
const AGAIN_WITHIN_MS = 4000
const PAUSE_MS = 50

/**
 * A read that broke off is made again, since it has changed nothing: where the database moves to another machine, the
 * next try finds it there.
 */
export async function readAgain<T>(read: () => Promise<T>): Promise<T> {
  const start = performance.now()
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await read()
    } catch (err) {
      const mayHelp = !(err instanceof Refusal) && (isUnavailable(err) || isTransient(err))
      if (!mayHelp || attempt >= ATTEMPTS || performance.now() - start > AGAIN_WITHIN_MS) throw err
      await pause(PAUSE_MS * attempt)
    }
  }
}
