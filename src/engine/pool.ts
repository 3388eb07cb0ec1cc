import * as mariadb from 'mariadb'
import { refuse } from '../shared/refusal.js'
import { connectionOptions, SESSION_SQL } from './connection.js'
import { type FollowingPool, followWriter, type HostConnection, onConnection } from './following-pool.js'
import { gatheringStream } from './gathering-stream.js'
import type { Host, Hosts } from './hosts.js'
import { type Preparing, ready } from './prepared.js'
import { readAgain } from './read-again.js'
import { currentUsage } from './request-usage.js'

export interface PoolOptions extends FastPoolOptions {
  /** How many may wait for a connection; whoever comes after them is refused at once. */
  readonly maxWaiting: number
  /** Whether statements carry the route of their request. */
  readonly comments: boolean
  /** Hears how long each wait for a connection and each statement took, in seconds, and who was turned away. */
  readonly watch: {
    waited(seconds: number): void
    shed(reason: string): void
    /** @param verb the statement's first word, in lower case */
    statement(verb: string, seconds: number): void
  }
}

interface FastPoolOptions {
  readonly hosts: Hosts
  /** Connections. */
  readonly size: number
  /** What a connection is set to when it is opened. */
  readonly sessionSql: readonly string[]
  /** Sees every statement that is sent; for tests and measurements. */
  readonly onQuery?: (sql: string) => void
}

/** What {@link FastPoolOptions.onQuery} sees of a statement; the driver's own limit would cut most of them off. */
const SHOWN_CHARACTERS = 16_384
/** How long to wait for a connection: a mini-program gives up after ten seconds. */
export const ACQUIRE_MS = 8000
const RETRY_AFTER_SECONDS = 1

/** How many may wait for one of so many connections: what they get done in about a second. */
export function queueLimit(connections: number): number {
  return Math.max(100, 10 * connections)
}

/** What the adapter asks a connection for. */
type Ask = (statement: { sql: string }, values?: unknown) => Promise<unknown>

/** As much of a pool as Prisma's adapter needs as well. */
type WatchedPool = FollowingPool & { readonly query: Ask; readonly execute: Ask }

/**
 * A pool that counts and times, for the service and for the request it works for, and whose queue has an end.
 *
 * A statement of a request carries its route as a comment, so that the server's process list, slow log and general log
 * lead back to our own code. It is prepared all the same, since its text is the same each time: with the request's id
 * in it, it would be prepared anew each time, or read anew as text. Which request it was is found by the connection
 * and the time: a slow request's line in the log names the connections it used.
 * @throws Refusal OVERLOADED when too many wait already
 */
export function createPool({ maxWaiting, comments, watch, ...options }: PoolOptions): WatchedPool {
  const pool = createFastPool(options)
  const acquire = pool.getConnection

  async function getConnection(): Promise<HostConnection> {
    if (pool.taskQueueSize() >= maxWaiting) {
      watch.shed('databaseQueue')
      throw refuse('OVERLOADED', undefined, RETRY_AFTER_SECONDS)
    }
    const usage = currentUsage()
    const start = performance.now()
    try {
      return watched(await acquire())
    } finally {
      const took = performance.now() - start
      watch.waited(took / 1000)
      if (usage !== undefined) usage.waitMs += took
    }
  }

  function watched(connection: HostConnection): HostConnection {
    const query: Ask = connection.query.bind(connection)
    const bare = { prepare: connection.prepare.bind(connection), query } as Preparing
    const execute: Ask = async (statement, values) => (await ready(bare, statement))(values)
    const timed =
      (ask: Ask): Ask =>
      async (statement, values) => {
        const usage = currentUsage()
        const start = performance.now()
        try {
          if (usage === undefined || !comments) return await ask(statement, values)
          return await ask({ ...statement, sql: withRoute(statement.sql, usage.route) }, values)
        } finally {
          const took = performance.now() - start
          watch.statement(verbOf(statement.sql), took / 1000)
          if (usage !== undefined) {
            usage.connections.add(connection.threadId ?? 0)
            usage.statements += 1
            usage.databaseMs += took
          }
        }
      }
    return Object.assign(connection, { query: timed(query), execute: timed(execute) })
  }

  const once =
    (method: 'query' | 'execute'): Ask =>
    async (statement, values) => {
      const ask = () => onConnection({ getConnection }, (connection) => connection[method](statement, values))
      return verbOf(statement.sql) === 'select' ? readAgain(ask) : ask()
    }
  return Object.assign({}, pool, { getConnection, query: once('query'), execute: once('execute') })
}

/**
 * A pool for transactions that many requests share: its statements are prepared once and carry nobody's id, those of
 * one turn go in one system call, and whoever batches the requests says how many may wait.
 */
export function createFastPool(options: FastPoolOptions): FollowingPool {
  const { hosts } = options
  return followWriter(hosts, (host, sessionSql) =>
    mariadb.createPool({ ...poolConfig(options, host, sessionSql), stream: gatheringStream(host, hosts) })
  )
}

function poolConfig(
  { size, sessionSql, onQuery }: FastPoolOptions,
  host: Host,
  further: readonly string[]
): mariadb.PoolConfig {
  return {
    ...connectionOptions(host.url),
    connectionLimit: size,
    minimumIdle: Math.min(2, size),
    idleTimeout: 300,
    acquireTimeout: ACQUIRE_MS,
    connectTimeout: 5000,
    initSql: [...SESSION_SQL, ...further, ...sessionSql],
    ...(onQuery === undefined ? {} : { logger: { query: onQuery }, debugLen: SHOWN_CHARACTERS })
  }
}

/** A statement with the route of its request in front: server and driver show long statements by their beginnings. */
export function withRoute(sql: string, route: string): string {
  return `/*${route.replaceAll('*', '')}*/ ${sql}`
}

const VERBS = new Set(['select', 'insert', 'update', 'delete', 'begin', 'commit', 'rollback'])

/** A statement's first word, where it is one of the usual. */
export function verbOf(sql: string): string {
  const verb = /^\s*(\w+)/.exec(sql)?.[1]?.toLowerCase() ?? ''
  return VERBS.has(verb) ? verb : 'other'
}
