import type { RawDb, RawTx, Write } from '../engine/tx.js'

/** What is committed and not yet in the log. */
interface Waiting {
  /** One line of canonical JSON each, in the order in which they are to be logged. */
  readonly lines: readonly string[]
  /** Whether nothing else waits. */
  readonly isAll: boolean
  /** The writes that go with them, once each has its place: the first line that one, the others behind it. */
  placed(first: number): Write[]
}

/** What the public log tells of; the log itself knows lines and their places. */
export interface LogSource {
  /** Finds what waits: all of it, or a good part. Whoever asks holds the log, so that nobody else does. */
  waiting(tx: RawTx): Promise<Waiting>
  /** The lines from one place to below another, made again from what they tell of. */
  told(db: RawDb, from: number, to: number): Promise<string[]>
}
