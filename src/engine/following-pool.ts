import type * as mariadb from 'mariadb'
import type { Host, Hosts } from './hosts.js'

/** A connection, and whether it is to a node of a Galera cluster. */
export type HostConnection = mariadb.PoolConnection & { readonly isClustered?: boolean }

/** As much of a pool as is asked of one. */
export interface FollowingPool
  extends Pick<mariadb.Pool, 'end' | 'activeConnections' | 'idleConnections' | 'taskQueueSize'> {
  getConnection(): Promise<HostConnection>
}

/**
 * What a connection to a node of a Galera cluster is set to: before it reads or writes anything it has what any node
 * has committed, so that whoever did something through one node finds it through another (sessions, balances, kept
 * answers, pushes). Within a transaction that is asked for once.
 */
const CAUSAL_SQL = 'SET SESSION wsrep_sync_wait = 7'

/** Longer than any statement of ours takes, and shorter than a client waits. */
const STATEMENT_MS = 25_000

/**
 * Asks something on a connection of a pool. One that says nothing is closed in the end, so that nobody waits for ever:
 * the server may be gone without a word.
 */
export async function onConnection<T>(
  pool: Pick<FollowingPool, 'getConnection'>,
  ask: (connection: mariadb.PoolConnection) => Promise<T>
): Promise<T> {
  const connection = await pool.getConnection()
  const timer = setTimeout(() => connection.destroy(), STATEMENT_MS)
  try {
    return await ask(connection)
  } finally {
    await connection.release().catch(() => connection.destroy())
    clearTimeout(timer)
  }
}

interface HostPool {
  readonly host: Host
  readonly pool: mariadb.Pool
  readonly isClustered: boolean
}

/**
 * A pool that is always that of the host which is written. When it moves, what runs on the old one ends there, who
 * waited there waits at the new one, and nobody has to know.
 * @param open makes the pool of a host; `sessionSql` is for each of its connections
 */
export function followWriter(
  hosts: Hosts,
  open: (host: Host, sessionSql: readonly string[]) => mariadb.Pool
): FollowingPool {
  let current: HostPool | undefined
  let opening: { readonly host: Host; readonly done: Promise<HostPool> } | undefined

  function poolOf(host: Host): HostPool | Promise<HostPool> {
    if (current?.host === host) return current
    if (opening?.host === host) return opening.done
    const done = start(host).finally(() => {
      if (opening?.done === done) opening = undefined
    })
    opening = { host, done }
    return done
  }

  async function start(host: Host): Promise<HostPool> {
    await hosts.ready
    const isClustered = await hosts.isClustered(host)
    const pool = open(host, isClustered ? [CAUSAL_SQL] : [])
    if (hosts.written !== host) {
      void pool.end()
      throw new Error('the database host was given up while its pool was opened')
    }
    current = { host, pool, isClustered }
    return current
  }

  hosts.onMove(() => {
    const old = current
    current = undefined
    old?.pool.end().catch(() => {})
  })

  return {
    async getConnection() {
      for (;;) {
        const host = hosts.written
        try {
          const { pool, isClustered } = await poolOf(host)
          return Object.assign(await pool.getConnection(), { isClustered })
        } catch (err) {
          if (hosts.written === host) throw err
        }
      }
    },
    async end() {
      await opening?.done.catch(() => {})
      await current?.pool.end()
    },
    activeConnections: () => current?.pool.activeConnections() ?? 0,
    idleConnections: () => current?.pool.idleConnections() ?? 0,
    taskQueueSize: () => current?.pool.taskQueueSize() ?? 0
  }
}
