/** Thrown by {@link withDeadline} when an answer was not there in time. */
export class DeadlineExceeded extends Error {
  override readonly name = 'DeadlineExceeded'

  constructor(ms: number) {
    super(`no answer within ${ms} ms`)
  }
}

/**
 * The answer, unless it takes longer than so many milliseconds. The work is not stopped by that: an answer that comes
 * later is dropped, and a failure that comes later is nobody's business.
 * @throws DeadlineExceeded, or what the work throws
 */
export async function withDeadline<T>(ms: number, answer: Promise<T>): Promise<T> {
  answer.catch(() => {})
  let timer: NodeJS.Timeout | undefined
  const limit = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new DeadlineExceeded(ms)), ms)
  })
  try {
    return await Promise.race([answer, limit])
  } finally {
    clearTimeout(timer)
  }
}

/** The answer, unless the signal ends the waiting first: one caller's time may be up while others go on waiting. */
export async function untilAborted<T>(signal: AbortSignal, answer: Promise<T>): Promise<T> {
  answer.catch(() => {})
  signal.throwIfAborted()
  let stop: (() => void) | undefined
  const end = new Promise<never>((_, reject) => {
    stop = () => reject(signal.reason)
    signal.addEventListener('abort', stop)
  })
  try {
    return await Promise.race([answer, end])
  } finally {
    if (stop !== undefined) signal.removeEventListener('abort', stop)
  }
}
