import type { MiniClient } from './mini-client.js'
import type { Frame } from './socket.js'

const PING_EVERY_MS = 30_000
const FIRST_WAIT_MS = 3000
const LONGEST_WAIT_MS = 60_000
const TRIES = 5
/** The codes after which the token, and not the line, is at fault. */
const TOKEN_EXPIRED = 4001

/** A timer; tests run it faster than a phone does. Returns what stops it. */
export type Later = (ms: number, task: () => void) => () => void

/**
 * The socket manager of a mini-program as they are in the field: a ping every 30 s, after a loss up to five tries with
 * 3 s × 2^n between them, at most 60 s, and what was missed fetched anew once it is connected.
 */
export class MiniSocket {
  readonly frames: Frame[] = []
  readonly closes: number[] = []
  connected = false
  /** No try is left: the page shows a button. */
  gaveUp = false
  #tries = 0
  #connectedBefore = false
  #task: WechatMiniprogram.SocketTask | undefined
  #stop = () => {}
  #stopPing = () => {}
  #closing = false

  constructor(
    private readonly client: MiniClient,
    private readonly url: string,
    private readonly later: Later
  ) {}

  /** At the start, and when the diner presses the button after it gave up. */
  open(): void {
    this.#closing = false
    this.gaveUp = false
    this.#tries = 0
    this.#connect()
  }

  #connect(): void {
    const task = this.client.wx.connectSocket({ url: `${this.url}?token=${this.client.token}`, protocols: ['wss'] })
    this.#task = task
    task.onOpen(() => {
      this.connected = true
      this.#tries = 0
      this.#ping()
      if (this.#connectedBefore) void this.client.resync().catch(() => {})
      this.#connectedBefore = true
    })
    task.onMessage(({ data }) => this.#hear(JSON.parse(data as string) as Frame))
    task.onClose(({ code }) => this.#lost(code))
  }

  close(): void {
    this.#closing = true
    this.#stop()
    this.#stopPing()
    this.#task?.close({})
  }

  /** The data of the pushes of a type, in their order. */
  of(type: string): Record<string, unknown>[] {
    return this.frames.filter((frame) => frame.type === type).map((frame) => frame.data)
  }

  #hear(frame: Frame): void {
    this.frames.push(frame)
    if (frame.type === 'points_update') this.client.points = frame.data.total_points as number
  }

  #ping(): void {
    this.#stopPing = this.later(PING_EVERY_MS, () => {
      this.#task?.send({ data: JSON.stringify({ type: 'ping', data: { timestamp: Date.now() } }) })
      this.#ping()
    })
  }

  #lost(code: number): void {
    this.connected = false
    this.#stopPing()
    this.closes.push(code)
    if (this.#closing) return
    if (this.#tries >= TRIES) {
      this.gaveUp = true
      return
    }
    const wait = Math.min(FIRST_WAIT_MS * 2 ** this.#tries, LONGEST_WAIT_MS)
    this.#tries += 1
    this.#stop = this.later(wait, () => {
      // An upgrade that is refused has no code: a look at the user tells whether the token holds, and renews it.
      const ready = code === TOKEN_EXPIRED ? this.client.renew() : this.client.resync()
      ready.catch(() => {}).finally(() => !this.#closing && this.#connect())
    })
  }
}
