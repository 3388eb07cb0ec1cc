import { randomUUID } from 'node:crypto'
import type { FastifyBaseLogger } from 'fastify'
import type { Redis, RedisOptions } from 'ioredis'
import { withDeadline } from '../../shared/deadline.js'

/** How long a request waits for Redis before it goes on without. */
const ANSWER_MS = 300
/** A heartbeat is in nobody's way, and a busy process is no lost Redis: it may take longer. */
const HEARTBEAT_ANSWER_MS = 2000
const HEARTBEAT_EVERY_MS = 5000
const PROBE_EVERY_MS = 500
/** Others take this instance for dead when its sign of life is that old. */
const ALIVE_MS = 4 * HEARTBEAT_EVERY_MS
const START_WITHIN_MS = 1500
const RETRY_AT_MOST_MS = 2000
/** So many probes fail on a line that seems open before it is given up: no answer comes through it any more. */
const PROBES_A_LINE = 20

interface LinkOptions {
  readonly url: string
  /** In front of every key and channel: deployments that share a Redis do not receive each other's. */
  readonly namespace: string
  readonly log: FastifyBaseLogger
}

type Message = { readonly from: string } & ({ readonly probe: string } | { readonly event: unknown })

/**
 * Redis as the service uses it: something that may be away, or too slow to wait for, at any time. Nothing here
 * throws into a request, and nothing that must not be lost is kept there. After the first command that fails or takes
 * longer than 300 ms no other waits: Redis counts as away until a probe, made in the background twice a second, has
 * written a key and received its own message in time.
 */
export class RedisLink {
  /** Names this process to the others. */
  readonly id = randomUUID()
  #epoch: string = randomUUID()
  #state: 'starting' | 'up' | 'away' | 'closed' = 'starting'
  #lastError = ''
  #failures = 0
  #probes = 0
  #timer: NodeJS.Timeout | undefined
  readonly #echoes = new Map<string, () => void>()
  readonly #listeners = new Set<(event: unknown) => void>()
  readonly #returns = new Set<() => void>()
  readonly #options: LinkOptions
  readonly #commands: Redis
  readonly #subscriber: Redis

  private constructor(options: LinkOptions, create: (changes: Omit<RedisOptions, 'replyMapping'>) => Redis) {
    this.#options = options
    const retryStrategy = (attempt: number) => Math.min(50 * 2 ** Math.min(attempt, 10), RETRY_AT_MOST_MS)
    const common = { retryStrategy, enableOfflineQueue: false, connectTimeout: 5000, protocol: 2 } as const
    // A command whose line broke may have been done: it is not sent again, or it would count twice.
    this.#commands = create({ ...common, autoResendUnfulfilledCommands: false, maxRetriesPerRequest: 0 })
    this.#subscriber = create({ ...common, autoResubscribe: false })
    for (const line of [this.#commands, this.#subscriber]) {
      line.on('error', (err: Error) => {
        this.#lastError = err.message
      })
      // Whatever was sent while a line was down was missed, however short it was.
      line.on('close', () => this.#markAway(this.#lastError || 'the connection was closed'))
    }
    this.#subscriber.on('ready', () => {
      this.#subscriber.subscribe(this.#channel).catch((err: Error) => this.#markAway(err.message))
    })
    this.#subscriber.on('message', (_channel: string, text: string) => this.#receive(text))
  }

  /** Connects, and waits for it a moment: a Redis that is gone does not keep the service from starting. */
  static async open(options: LinkOptions): Promise<RedisLink> {
    const { Redis } = await import('ioredis')
    const link = new RedisLink(options, (changes) => new Redis(options.url, changes))
    const deadline = Date.now() + START_WITHIN_MS
    while (!link.isUp && Date.now() < deadline) {
      if (!(await link.#probe(ANSWER_MS))) await new Promise((resolve) => setTimeout(resolve, 25))
    }
    if (!link.isUp) link.#setAway(link.#lastError || 'no answer')
    link.#schedule()
    return link
  }

  get isUp(): boolean {
    return this.#state === 'up'
  }

  /** Changes with each return of Redis: what was entered under an earlier one may be out of date. */
  get epoch(): string {
    return this.#epoch
  }

  key(...parts: readonly (string | number)[]): string {
    return ['lottery', this.#options.namespace, ...parts].join(':')
  }

  /** In front of an epoch, the key that is there for as long as its process gives a sign of life. */
  get alivePrefix(): string {
    return `${this.key('alive')}:`
  }

  /** What Redis says; undefined when it is away, fails or is too slow. Never throws. */
  async call<T>(command: (redis: Redis) => Promise<T>): Promise<T | undefined> {
    if (this.#state !== 'up') return undefined
    try {
      return await withDeadline(ANSWER_MS, command(this.#commands))
    } catch (err) {
      this.#markAway((err as Error).message)
      return undefined
    }
  }

  /** Sends to the other instances, in the order of the calls; nobody while Redis is away. */
  send(event: unknown): void {
    void this.call((redis) => redis.publish(this.#channel, JSON.stringify({ from: this.id, event })))
  }

  /** @param listener gets what other instances send, as it came: it is for the listener to check */
  onMessage(listener: (event: unknown) => void): void {
    this.#listeners.add(listener)
  }

  /** @param listener is called each time Redis is there again: what others sent meanwhile was missed */
  onReturn(listener: () => void): void {
    this.#returns.add(listener)
  }

  /** For /health. @throws Error when Redis is away or does not answer in time */
  async check(): Promise<void> {
    if (!this.isUp || !(await this.#probe(ANSWER_MS))) throw new Error(`Redis is away: ${this.#lastError}`)
  }

  /** Ends both lines. What this process entered is void from then on. */
  async close(): Promise<void> {
    clearTimeout(this.#timer)
    await this.call((redis) => redis.del(`${this.alivePrefix}${this.#epoch}`))
    this.#state = 'closed'
    this.#commands.disconnect()
    this.#subscriber.disconnect()
  }

  get #channel(): string {
    return this.key('events')
  }

  #receive(text: string): void {
    const message = parse(text)
    if (message === undefined) {
      this.#options.log.warn({ length: text.length }, 'a message on Redis that is none of ours was dropped')
    } else if ('probe' in message) {
      if (message.from === this.id) this.#echoes.get(message.probe)?.()
    } else if (message.from !== this.id) {
      for (const listener of this.#listeners) listener(message.event)
    }
  }

  #markAway(reason: string): void {
    if (!this.isUp) return
    this.#setAway(reason)
    this.#schedule()
  }

  #setAway(reason: string): void {
    this.#state = 'away'
    this.#options.log.warn({ reason }, 'Redis is away: limits and events are those of this process alone')
  }

  #schedule(): void {
    clearTimeout(this.#timer)
    if (this.#state === 'closed') return
    const limit = this.isUp ? HEARTBEAT_ANSWER_MS : ANSWER_MS
    this.#timer = setTimeout(
      () => void this.#probe(limit).finally(() => this.#schedule()),
      this.isUp ? HEARTBEAT_EVERY_MS : PROBE_EVERY_MS
    )
    this.#timer.unref()
  }

  /** Writes the sign of life and sends a message to ourselves: both lines work, and the server takes writes. */
  async #probe(limit: number): Promise<boolean> {
    const epoch = this.isUp ? this.#epoch : randomUUID()
    const probe = String(++this.#probes)
    const echo = new Promise<void>((resolve) => this.#echoes.set(probe, resolve))
    try {
      // An epoch ends before the next begins: what was entered under both would count twice.
      if (epoch !== this.#epoch) this.#commands.del(`${this.alivePrefix}${this.#epoch}`).catch(() => {})
      const write = this.#commands.set(`${this.alivePrefix}${epoch}`, '1', 'PX', ALIVE_MS)
      const published = this.#commands.publish(this.#channel, JSON.stringify({ from: this.id, probe }))
      await withDeadline(limit, Promise.all([write, published, echo]))
      this.#failures = 0
      if (!this.isUp && this.#state !== 'closed') this.#markUp(epoch)
      return true
    } catch (err) {
      this.#failures += 1
      this.#markAway((err as Error).message)
      if (this.#failures % PROBES_A_LINE === 0) {
        for (const line of [this.#commands, this.#subscriber]) if (line.status === 'ready') line.disconnect(true)
      }
      return false
    } finally {
      this.#echoes.delete(probe)
    }
  }

  #markUp(epoch: string): void {
    const isStart = this.#state === 'starting'
    this.#state = 'up'
    this.#epoch = epoch
    this.#options.log.info(isStart ? 'Redis is connected' : 'Redis is back')
    for (const listener of this.#returns) listener()
  }
}

function parse(text: string): Message | undefined {
  try {
    const message = JSON.parse(text) as Partial<Record<'from' | 'probe' | 'event', unknown>> | null
    if (typeof message?.from !== 'string') return undefined
    return typeof message.probe === 'string' || 'event' in message ? (message as Message) : undefined
  } catch {
    return undefined
  }
}
