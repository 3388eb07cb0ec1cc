import type { Session } from './session.js'
import type { Socket, Transport } from './transport.js'
import type { Frame, LivePush } from './types.js'

/** A push of one kind, as it comes. */
export type PushOf<Name extends LivePush['type']> = Extract<LivePush, { type: Name }>

/** What the socket is: `stopped` for good where it was closed here, its account is, or another device has its place. */
export type LiveState = 'connecting' | 'open' | 'waiting' | 'stopped'

export interface LiveTimes {
  /** Between two pings of ours. */
  readonly pingMs: number
  /** Without a word for so long, the line is taken for dead. */
  readonly silenceMs: number
  readonly firstWaitMs: number
  readonly longestWaitMs: number
}

const TIMES: LiveTimes = { pingMs: 25_000, silenceMs: 60_000, firstWaitMs: 500, longestWaitMs: 30_000 }

/** Codes with which the service closes (contract section 10). */
const TOKEN_ENDED = 4001
const DISABLED = 4003
const REPLACED = 4009

/** How many ids of frames are remembered, so that none is told twice. */
const REMEMBERED = 2000

export interface LiveSettings {
  readonly url: string
  readonly transport: Transport
  readonly session: Session
  readonly times?: Partial<LiveTimes>
  /** The id of the last frame that was heard before, of this user. */
  readonly since?: number
}

interface Listeners {
  readonly frame: Set<(frame: Frame) => void>
  readonly state: Set<(state: LiveState) => void>
  readonly gap: Set<() => void>
}

/**
 * The socket, kept up: pings, and after a loss connects again, later and later, from where it was; each push is told
 * once, in its order. Where the service cannot say what was missed, `gap` says so, and pages are to be fetched anew.
 */
export class Live {
  state: LiveState = 'connecting'
  /** The id of the last frame, to go on from at the next start. */
  last: number | undefined
  readonly #settings: LiveSettings
  readonly #times: LiveTimes
  readonly #listeners: Listeners = { frame: new Set(), state: new Set(), gap: new Set() }
  readonly #seen = new Set<number>()
  #socket: Socket | undefined
  #timers: ReturnType<typeof setTimeout>[] = []
  #tries = 0
  #heardAt = 0
  #products: readonly number[] | 'all' | undefined

  constructor(settings: LiveSettings) {
    this.#settings = settings
    this.#times = { ...TIMES, ...settings.times }
    this.last = settings.since
    void this.#connect()
  }

  /** Hears of pushes of one kind. @returns what stops it */
  on<Name extends LivePush['type']>(type: Name, listener: (data: PushOf<Name>['data'], frame: PushOf<Name>) => void) {
    return this.onFrame((frame) => {
      if (frame.type === type) listener(frame.data as PushOf<Name>['data'], frame as PushOf<Name>)
    })
  }

  /** Hears of everything. @returns what stops it */
  onFrame(listener: (frame: Frame) => void): () => void {
    return add(this.#listeners.frame, listener)
  }

  onState(listener: (state: LiveState) => void): () => void {
    return add(this.#listeners.state, listener)
  }

  /** Hears that pushes may have been missed which nobody can repeat. */
  onGap(listener: () => void): () => void {
    return add(this.#listeners.gap, listener)
  }

  /** From now on stock of these products alone is told; `all` goes back to all. Holds over reconnections. */
  watchProducts(products: readonly number[] | 'all'): void {
    this.#products = products
    if (this.state === 'open') this.#subscribe()
  }

  close(): void {
    this.#become('stopped')
    this.#clear()
    this.#socket?.close()
  }

  async #connect(): Promise<void> {
    if (this.#isStopped()) return
    this.#become('connecting')
    const token = await this.#settings.session.access()
    if (this.#isStopped()) return
    if (token === undefined) return this.#become('stopped')
    const since = this.last === undefined ? '' : `&since=${this.last}`
    let hasOpened = false
    const { transport, url } = this.#settings
    this.#socket = transport.connect(`${url}?token=${encodeURIComponent(token)}${since}`, {
      opened: () => {
        hasOpened = true
        this.#heardAt = Date.now()
        this.#become('open')
        this.#beat()
        if (this.#products !== undefined) this.#subscribe()
      },
      heard: (text) => this.#hear(text),
      closed: (code) => void this.#lost(code, hasOpened, token)
    })
  }

  #isStopped(): boolean {
    return this.state === 'stopped'
  }

  #hear(text: string): void {
    this.#heardAt = Date.now()
    let frame: Frame
    try {
      frame = JSON.parse(text) as Frame
    } catch {
      return
    }
    if (frame.type === 'connected') {
      this.#tries = 0
      const { resumed } = frame.data as { resumed?: boolean }
      if (this.last !== undefined && resumed === false) for (const listener of this.#listeners.gap) listener()
    }
    if (typeof frame.id === 'number') {
      if (this.#seen.has(frame.id)) return
      this.#remember(frame.id)
    }
    for (const listener of [...this.#listeners.frame]) listener(frame)
  }

  #remember(id: number): void {
    this.#seen.add(id)
    if (this.#seen.size > REMEMBERED) this.#seen.delete(this.#seen.values().next().value as number)
    this.last = id
  }

  async #lost(code: number, hasOpened: boolean, token: string): Promise<void> {
    this.#clear()
    if (this.#isStopped()) return
    if (code === DISABLED || code === REPLACED) return this.#become('stopped')
    this.#become('waiting')
    // An upgrade that is refused has no code: the token may have ended while nobody was looking.
    const isTokenAtFault = code === TOKEN_ENDED || (!hasOpened && this.#tries % 2 === 1)
    if (isTokenAtFault) {
      const isRenewed = await this.#settings.session.renew(token).catch(() => true)
      if (!isRenewed) return this.#become('stopped')
    }
    const { firstWaitMs, longestWaitMs } = this.#times
    const wait = Math.min(longestWaitMs, firstWaitMs * 2 ** this.#tries) * (0.5 + Math.random() / 2)
    this.#tries += 1
    if (!this.#isStopped()) this.#timers.push(setTimeout(() => void this.#connect(), wait))
  }

  #beat(): void {
    const { pingMs, silenceMs } = this.#times
    this.#timers.push(
      setTimeout(() => {
        if (Date.now() - this.#heardAt > silenceMs) return this.#socket?.close()
        this.#send({ type: 'ping', data: { timestamp: Date.now() } })
        this.#beat()
      }, pingMs)
    )
  }

  #subscribe(): void {
    this.#send({ type: 'subscribe', data: { target: 'products', product_ids: this.#products } })
  }

  #send(message: object): void {
    try {
      this.#socket?.send(JSON.stringify(message))
    } catch {
      // It is closing, and will say so.
    }
  }

  #clear(): void {
    for (const timer of this.#timers) clearTimeout(timer)
    this.#timers = []
  }

  #become(state: LiveState): void {
    if (this.state === state || this.state === 'stopped') return
    this.state = state
    for (const listener of [...this.#listeners.state]) listener(state)
  }
}

function add<T>(listeners: Set<T>, listener: T): () => void {
  listeners.add(listener)
  return () => listeners.delete(listener)
}
