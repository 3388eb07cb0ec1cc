import { randomUUID } from 'node:crypto'
import type { FastifyBaseLogger } from 'fastify'
import { WebSocket } from 'ws'
import type { BusEvent } from '../../engine/bus.js'
import type { PushKind } from '../../engine/push.js'
import type { LoggedPush, ResumePoint } from '../../engine/push-log.js'
import { Feed } from './feed.js'
import { FrameBudget } from './frame-budget.js'
import { FrameIds, frameBody } from './frames.js'
import { CLOSE, type CloseReason, type HubLimits } from './limits.js'
import { MAX_SUBSCRIBED, nextSubscription, parseMessage, type Subscription } from './messages.js'

type BroadcastPush = Extract<BusEvent, { kind: 'push' }>

/** Who holds a socket, and until when. */
interface Member {
  readonly userId: number
  readonly sid: string
  /** It hears what is for merchants: theirs, and admins'. */
  readonly isMerchant: boolean
  /** End of the access token, in milliseconds since 1970. */
  readonly expiresAt: number
}

/** Who keeps count of a user's sockets beyond this process; see socket-registry.ts. */
export interface SocketRegistry {
  enter(entry: SocketEntry): void
  leave(entry: SocketEntry): void
}

/** A socket as other instances know it. */
export interface SocketEntry {
  readonly id: string
  readonly userId: number
  readonly expiresAt: number
  /** In milliseconds since 1970, by the clock of its instance. */
  readonly openedAt: number
}

interface Connection extends Member, SocketEntry {
  isMerchant: boolean
  readonly socket: WebSocket
  readonly ids: FrameIds
  readonly feed: Feed
  lastSeenAt: number
  lastPingAt: number
  badFrames: number
  readonly budget: FrameBudget
  subscription: Subscription
  expiry: NodeJS.Timeout | undefined
}

/** A peer that does not answer our close is cut off after this time. */
const CLOSE_GRACE_MS = 5000
/** One that sends too much is not listened to: it has this long to hear why. */
const FLOOD_GRACE_MS = 1000
/** How long a broadcast may keep the event loop at a stretch. */
const SLICE_MS = 8
const STEPS_PER_CHECK = 16
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
  /** Those that are not sent to their end, the first of them under way. */
  readonly #broadcasts: Generator<void>[] = []
  #reserved = 0

  constructor(
    readonly limits: HubLimits,
    private readonly log: FastifyBaseLogger,
    /** The next events of a user, from the log. */
    private readonly read: (userId: number, position: number, limit: number) => Promise<LoggedPush[]>,
    private readonly registry: SocketRegistry | undefined,
    /** Every push there is, by its name. */
    private readonly pushes: ReadonlyMap<string, PushKind>
  ) {
    this.#heart = setInterval(() => this.#beat(), Math.max(10, limits.pingEveryMs / 6))
    this.#heart.unref()
  }

  get size(): number {
    return this.#connections.size
  }

  get entries(): Iterable<SocketEntry> {
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

  /**
   * Takes a socket in; a user's oldest goes when they have too many. Attaches all listeners before it returns. After
   * the greeting it is sent what was pushed to its user since `start`, and goes live without a gap.
   * @param since the id of the last frame that the client has, should it have said so
   */
  admit(socket: WebSocket, member: Member, start: ResumePoint, since?: number): void {
    const now = Date.now()
    const connection: Connection = {
      ...member,
      id: randomUUID(),
      openedAt: now,
      socket,
      ids: new FrameIds(start.position, since),
      feed: new Feed(start.position, {
        read: (position, limit) => this.read(member.userId, position, limit),
        send: (event) => this.#sendOwn(connection, event),
        isOpen: () => this.#connections.has(connection),
        onError: (err) => this.log.error({ err }, 'the log of pushes could not be read: trying again')
      }),
      lastSeenAt: now,
      lastPingAt: now,
      badFrames: 0,
      budget: new FrameBudget(this.limits, performance.now()),
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
    this.registry?.enter(connection)

    socket.on('message', (data, isBinary) => {
      if (this.#hears(connection)) this.#receive(connection, isBinary ? '' : data.toString())
    })
    // ws answers pings by itself.
    for (const control of ['ping', 'pong'] as const) socket.on(control, () => this.#hears(connection))
    socket.on('close', () => this.#forget(connection))
    socket.on('error', (err) => {
      this.log.debug({ err }, 'socket error')
      socket.terminate()
    })
    const resumed = start.resumed === undefined ? {} : { resumed: start.resumed }
    this.#send(connection, 'connected', { message: '连接成功', server_time: new Date().toISOString(), ...resumed })
    connection.feed.wake()
  }

  /** Sends a push to whom it is for, and closes the sockets of a session that ended. */
  deliver(event: BusEvent): void {
    if (event.kind === 'session_revoked') this.closeSession(event.sid, 'unauthorized')
    if (event.kind === 'sockets_replaced') {
      for (const connection of this.#connections)
        if (event.ids.includes(connection.id)) this.#drop(connection, 'replaced')
    }
    if (event.kind === 'logged') for (const userId of event.userIds) this.#wake(userId)
    if (event.kind !== 'push') return
    this.#broadcasts.push(this.#broadcast(event))
    if (this.#broadcasts.length === 1) this.#sendBroadcasts()
  }

  /** Sends a push to one connection after another; each step is one of them. Serialised once. */
  *#broadcast(event: BroadcastPush): Generator<void> {
    const body = frameBody(event.type, JSON.stringify(event.data), new Date())
    const connections = [...this.#connections].filter((connection) => this.#isFor(connection, event))
    for (const connection of connections) {
      // Whoever left meanwhile is not written to: their socket is not open.
      this.#write(connection, body, connection.ids.other())
      yield
    }
  }

  /** Broadcasts go out one after another; with very many sockets, in slices between which others have their turn. */
  #sendBroadcasts(): void {
    const end = performance.now() + SLICE_MS
    for (let steps = 1; this.#broadcasts.length > 0; steps += 1) {
      if (this.#broadcasts[0]?.next().done === true) this.#broadcasts.shift()
      // The clock is asked now and then: it costs as much as some of the steps.
      if (steps % STEPS_PER_CHECK === 0 && performance.now() > end) {
        setImmediate(() => this.#sendBroadcasts())
        return
      }
    }
  }

  /** The sessions that have a socket open here. */
  sessions(): string[] {
    return [...new Set([...this.#connections].map((connection) => connection.sid))]
  }

  /** The users that have a socket open here. */
  users(): number[] {
    return [...this.#byUser.keys()]
  }

  /** Wakes the feeds of users who have later pushes than were sent: what should have woken them was missed. */
  catchUp(newest: ReadonlyMap<number, number>): void {
    for (const [userId, id] of newest) {
      for (const { feed } of this.#byUser.get(userId) ?? []) if (feed.position < id) feed.wake()
    }
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

  #wake(userId: number): void {
    for (const { feed } of this.#byUser.get(userId) ?? []) feed.wake()
  }

  /** Whether a frame is to be looked at. Any is a sign of life, and takes from the budget of its socket. */
  #hears(connection: Connection): boolean {
    if (!this.#connections.has(connection)) return false
    connection.lastSeenAt = Date.now()
    if (connection.budget.take(performance.now())) return true
    this.#drop(connection, 'misbehaved')
    return false
  }

  #receive(connection: Connection, text: string): void {
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
    const next = nextSubscription(connection.subscription, message)
    if (next !== 'all' && next.size > MAX_SUBSCRIBED) {
      this.#send(connection, 'error', { code: 1003, msg: `最多可订阅${MAX_SUBSCRIBED}个商品` })
      return
    }
    connection.subscription = next
    const ids = connection.subscription === 'all' ? 'all' : [...connection.subscription]
    this.#send(connection, 'subscribed', { target: 'products', product_ids: ids })
  }

  #send(connection: Connection, type: string, data: object): void {
    this.#write(connection, frameBody(type, JSON.stringify(data), new Date()), connection.ids.other())
  }

  #sendOwn(connection: Connection, { id, type, data, at }: LoggedPush & { readonly data: string }): Promise<void> {
    return new Promise((resolve) =>
      this.#write(connection, frameBody(type, data, at), connection.ids.own(id), () => resolve())
    )
  }

  #write(connection: Connection, body: string, id: number, onSent: () => void = () => {}): void {
    const { socket } = connection
    if (socket.readyState !== WebSocket.OPEN) onSent()
    else if (socket.bufferedAmount <= this.limits.maxUnsentBytes) socket.send(`${body}${id}}`, onSent)
    else {
      this.#drop(connection, 'slow')
      onSent()
    }
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
    // Whoever floods us would go on until the end: nothing more is read, not even its own close.
    if (reason === 'misbehaved') socket.pause()
    const cut = setTimeout(() => socket.terminate(), reason === 'misbehaved' ? FLOOD_GRACE_MS : CLOSE_GRACE_MS)
    cut.unref()
    socket.once('close', () => clearTimeout(cut))
  }

  #forget(connection: Connection): void {
    clearTimeout(connection.expiry)
    if (!this.#connections.delete(connection)) return
    this.registry?.leave(connection)
    const own = this.#byUser.get(connection.userId)
    own?.delete(connection)
    if (own?.size === 0) this.#byUser.delete(connection.userId)
  }

  /** Whether a push is for a connection: its audience, and the products it subscribed to. */
  #isFor({ isMerchant, subscription }: Connection, { audience, type, data }: BroadcastPush): boolean {
    if (audience === 'merchants' && !isMerchant) return false
    const productId = this.pushes.get(type)?.productId?.(data)
    return productId === undefined || subscription === 'all' || subscription.has(productId)
  }
}
