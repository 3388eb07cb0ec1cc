import { setTimeout as pause } from 'node:timers/promises'
import type { LoggedPush } from '../../engine/push-log.js'

/** What a feed needs of its connection. */
interface FeedEnds {
  /** The next events of the connection's user after a position. */
  read(position: number, limit: number): Promise<LoggedPush[]>
  /** Sends one; resolves once it has left this process, so that a slow reader is not sent a day at once. */
  send(event: LoggedPush & { readonly data: string }): Promise<void>
  isOpen(): boolean
  onError(err: unknown): void
}

const PAGE = 50
const RETRY_MS = 1000

/**
 * Sends a connection the pushes of its user from the log, in order, each once. What was missed and what happens now go
 * the same way: it is woken when there may be more, and reads on from where it is. So it does not matter how often it
 * is woken, in what order, or on which instance a push was made; one that is missed delays.
 */
export class Feed {
  #position: number
  #isRunning = false
  #isWoken = false

  constructor(
    position: number,
    private readonly ends: FeedEnds
  ) {
    this.#position = position
  }

  /** The id of the last event that was sent. */
  get position(): number {
    return this.#position
  }

  /** To be called once there may be more; never waits, never throws. */
  wake(): void {
    this.#isWoken = true
    if (!this.#isRunning) void this.#run()
  }

  async #run(): Promise<void> {
    this.#isRunning = true
    while (this.#isWoken && this.ends.isOpen()) {
      this.#isWoken = false
      try {
        await this.#sendAll()
      } catch (err) {
        this.ends.onError(err)
        this.#isWoken = true
        await pause(RETRY_MS, undefined, { ref: false })
      }
    }
    this.#isRunning = false
  }

  async #sendAll(): Promise<void> {
    for (;;) {
      const events = await this.ends.read(this.#position, PAGE)
      let sent = Promise.resolve()
      for (const event of events) {
        if (!this.ends.isOpen()) return
        this.#position = event.id
        const { data } = event
        if (data !== undefined) sent = this.ends.send({ ...event, data })
      }
      if (events.length < PAGE) return
      await sent
    }
  }
}
