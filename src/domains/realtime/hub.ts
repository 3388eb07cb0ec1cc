import { randomUUID } from 'node:crypto'
import type { FastifyBaseLogger } from 'fastify'
import { WebSocket } from 'ws'
import type { BusEvent } from './bus.js'
import { nextSubscription, parseMessage, type Subscription } from './messages.js'

export interface HubLimits {
  readonly maxConnections: number
  readonly maxPerUser: number
  readonly pingEveryMs: number
  readonly silenceMs: number
  readonly maxUnsentBytes: number
  readonly maxBadFrames: number
  /** How often the sessions of open sockets are looked up again; it bounds how long a ban takes (30 s). */
  readonly recheckEveryMs: number
}

/** Contract section 10. */
export const DEFAULT_LIMITS: Omit<HubLimits, 'maxConnections' | 'maxPerUser'> = {
  pingEveryMs: 30_000,
  silenceMs: 60_000,
  maxUnsentBytes: 1024 * 1024,
  maxBadFrames: 10,
  recheckEveryMs: 15_000
}

/** Close codes of contract section 10. */
export const CLOSE = {
  shutdown: [1001, 'server is shutting down'],
  misbehaved: [1008, 'too many bad frames'],
  slow: [1013, 'too slow: reconnect and resync'],
  unauthorized: [4001, 'token expired or revoked'],
  disabled: [4003, 'account disabled'],
  silent: [4008, 'no sign of life'],
  replaced: [4009, 'replaced by a newer connection']
} as const satisfies Record<string, readonly [number, string]>
export type CloseReason = keyof typeof CLOSE

/** Who holds a socket, and until when. */
export interface Member {
  readonly userId: number
  readonly sid: string
  readonly isMerchant: boolean
  /** End of the access token, in milliseconds since 1970. */
  readonly expiresAt: number
}

/** Who keeps count of a user's sockets beyond this process; see {@link SocketRoll}. */
export interface Roll {
  enter(place: Place): void
  leave(place: Place): void
}

/** A socket as other instances know it. */
export interface Place {
  readonly id: string
  readonly userId: number
  readonly expiresAt: number
  /** In milliseconds since 1970, by the clock of its instance. */
  readonly openedAt: number
}

interface Connection extends Member, Place {
  isMerchant: boolean
  readonly socket: WebSocket
  lastSeenAt: number
  lastPingAt: number
  badFrames: number
  subscription: Subscription
  expiry: NodeJS.Timeout | undefined
}

/** A peer that does not answer our close is cut off after this time. */
const CLOSE_GRACE_MS = 5000
/** The longest that setTimeout can wait: beyond it, it fires at once. */
const MAX_TIMER_MS = 2_147_483_647

/**
 * The open sockets of this process: who they belong to, their limits, their heartbeat, and what is sent to them.
 * A socket leaves the registry the moment it is told to close, so it neither counts nor hears anything after.
 */
export class Hub {
  readonly #connections = new Set<Connection>()
  readonly #byUser = new Map<number, Set<Connection>>()
  readonly #heart: NodeJS.Timeout
  #reserved = 0
  /** Rises with every frame, across restarts too: microseconds since 1970, or one more than the last. */
  #lastId = 0

  constructor(
    readonly limits: HubLimits,
    private readonly log: FastifyBaseLogger,
    private readonly roll?: Roll
  ) {
    this.#heart = setInterval(() => this.#beat(), Math.max(10, limits.pingEveryMs / 6))
    this.#heart.unref()
  }

  get size(): number {
    return this.#connections.size
  }

  get places(): Iterable<Place> {
    return this.#connections
  }

  /**
   * Holds a place for a handshake that is under way.
   * @returns a function that gives it back, to be called once the socket is admitted or lost; undefined when full
   */
  reserve(): (() => void) | undefined {
    if (this.#connections.size + this.#reserved >= this.limits.maxConnections) return undefined
    this.#reserved += 1
    let held = true
    return () => {
      if (held) this.#reserved -= 1
      held = false
    }
  }

  /** Takes a socket in; a user's oldest goes when they have too many. Attaches all listeners before it returns. */
  admit(socket: WebSocket, member: Member): void {
    const now = Date.now()
    const connection: Connection = {
      ...member,
      id: randomUUID(),
      openedAt: now,
      socket,
      lastSeenAt: now,
      lastPingAt: now,
      badFrames: 0,
      subscription: 'all',
      expiry: undefined
    }
    this.#armExpiry(connection)
    const own = this.#byUser.get(member.userId) ?? new Set()
    this.#byUser.set(member.userId, own)
    for (const oldest of own) {
      if (own.size < this.limits.maxPerUser) break
      this.#drop(oldest, 'replaced')
    }
    own.add(connection)
    this.#byUser.set(member.userId, own)
    this.#connections.add(connection)
    this.roll?.enter(connection)

    socket.on('message', (data, isBinary) => this.#hear(connection, isBinary ? '' : data.toString()))
    socket.on('pong', () => {
      connection.lastSeenAt = Date.now()
    })
    socket.on('close', () => this.#forget(connection))
    socket.on('error', (err) => this.log.debug({ err }, 'socket error'))
    this.#send(connection, 'connected', { message: '连接成功', server_time: new Date().toISOString() })
  }

  /** Sends a push to whom it is for, and closes the sockets of a session that ended. */
  deliver(event: BusEvent): void {
    if (event.kind === 'session_revoked') this.closeSession(event.sid, 'unauthorized')
    if (event.kind === 'sockets_replaced') {
      for (const connection of this.#connections)
        if (event.ids.includes(connection.id)) this.#drop(connection, 'replaced')
    }
    if (event.kind !== 'push') return
    let frame: Buffer | undefined
    for (const connection of this.#audience(event)) {
      if (event.type === 'stock_update' && !wants(connection, event.data.product_id)) continue
      frame ??= this.#frame(event.type, event.data)
      this.#write(connection, frame)
    }
  }

  /** The sessions that have a socket open here. */
  sessions(): string[] {
    return [...new Set([...this.#connections].map((connection) => connection.sid))]
  }

  closeSession(sid: string, reason: CloseReason): void {
    for (const connection of this.#connections) if (connection.sid === sid) this.#drop(connection, reason)
  }

  setMerchant(sid: string, isMerchant: boolean): void {
    for (const connection of this.#connections) if (connection.sid === sid) connection.isMerchant = isMerchant
  }

  /** Closes every socket (1001) and ends the heartbeat. */
  shutdown(): void {
    clearInterval(this.#heart)
    for (const connection of this.#connections) this.#drop(connection, 'shutdown')
  }

  #audience(event: Extract<BusEvent, { kind: 'push' }>): Iterable<Connection> {
    if (event.audience === 'everyone') return this.#connections
    if (event.audience === 'merchants') return [...this.#connections].filter((connection) => connection.isMerchant)
    return this.#byUser.get(event.audience.userId) ?? []
  }

  #hear(connection: Connection, text: string): void {
    if (!this.#connections.has(connection)) return
    connection.lastSeenAt = Date.now()
    const message = parseMessage(text)
    if (message === undefined) {
      connection.badFrames += 1
      if (connection.badFrames >= this.limits.maxBadFrames) this.#drop(connection, 'misbehaved')
      else this.#send(connection, 'error', { code: 1003, msg: '无法识别的消息' })
      return
    }
    if (message.type === 'ping') {
      const now = new Date().toISOString()
      const sent = (message.data as { timestamp?: unknown } | null | undefined)?.timestamp
      const timestamp = typeof sent === 'number' || typeof sent === 'string' ? sent : now
      this.#send(connection, 'pong', { timestamp, server_time: now })
      return
    }
    connection.subscription = nextSubscription(connection.subscription, message)
    const ids = connection.subscription === 'all' ? 'all' : [...connection.subscription]
    this.#send(connection, 'subscribed', { target: 'products', product_ids: ids })
  }

  #send(connection: Connection, type: string, data: object): void {
    this.#write(connection, this.#frame(type, data))
  }

  #frame(type: string, data: object): Buffer {
    const now = new Date()
    this.#lastId = Math.max(this.#lastId + 1, now.getTime() * 1000)
    return Buffer.from(JSON.stringify({ type, data, timestamp: now.toISOString(), id: this.#lastId }))
  }

  #write(connection: Connection, frame: Buffer): void {
    const { socket } = connection
    if (socket.readyState !== WebSocket.OPEN) return
    if (socket.bufferedAmount > this.limits.maxUnsentBytes) this.#drop(connection, 'slow')
    else socket.send(frame, { binary: false })
  }

  #beat(): void {
    const now = Date.now()
    for (const connection of this.#connections) {
      if (now - connection.lastSeenAt >= this.limits.silenceMs) this.#drop(connection, 'silent')
      else if (now - connection.lastPingAt >= this.limits.pingEveryMs) {
        connection.lastPingAt = now
        connection.socket.ping()
      }
    }
  }

  #armExpiry(connection: Connection): void {
    const left = connection.expiresAt - Date.now()
    connection.expiry = setTimeout(
      () => (left > MAX_TIMER_MS ? this.#armExpiry(connection) : this.#drop(connection, 'unauthorized')),
      Math.min(Math.max(0, left), MAX_TIMER_MS)
    )
    connection.expiry.unref()
  }

  #drop(connection: Connection, reason: CloseReason): void {
    this.#forget(connection)
    const { socket } = connection
    const [code, text] = CLOSE[reason]
    socket.close(code, text)
    const cut = setTimeout(() => socket.terminate(), CLOSE_GRACE_MS)
    cut.unref()
    socket.once('close', () => clearTimeout(cut))
  }

  #forget(connection: Connection): void {
    clearTimeout(connection.expiry)
    if (!this.#connections.delete(connection)) return
    this.roll?.leave(connection)
    const own = this.#byUser.get(connection.userId)
    own?.delete(connection)
    if (own?.size === 0) this.#byUser.delete(connection.userId)
  }
}

function wants({ subscription }: Connection, productId: number): boolean {
  return subscription === 'all' || subscription.has(productId)
}
