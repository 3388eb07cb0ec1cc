import { PrismaMariaDb } from '@prisma/adapter-mariadb'
import fp from 'fastify-plugin'
import * as mariadb from 'mariadb'
import { PrismaClient } from '../generated/prisma/client.js'
import type { Cipher } from '../shared/cipher.js'
import type { EventBus } from './bus.js'
import { connectionOptions, SESSION_SQL } from './connection.js'
import { type FollowingPool, followWriter, onConnection } from './following-pool.js'
import { type Hosts, HostWatch } from './hosts.js'
import type { Push } from './outbox.js'
import { createFastPool, createPool, type PoolOptions, queueLimit } from './pool.js'
import { createReads, type Reads } from './reads.js'
import { fastTx, interactiveTx, type TxContext } from './transactions.js'
import type { RawTx } from './tx.js'
import type { Actor, CounterIncrement, PrivilegedWork, UnitOfWork } from './unit-of-work.js'

declare module 'fastify' {
  interface FastifyInstance {
    /** For reads. Writes go through {@link FastifyInstance.tx}. */
    readonly db: PrismaClient
    /** For reads that every mini-program makes each time it opens. @throws Refusal OVERLOADED */
    readonly reads: Reads
    /**
     * Runs `work` in a transaction (READ COMMITTED) and publishes its outbox after the commit, or never; pushes to
     * single users are written to their log by one more statement of the transaction. A deadlock, a lock wait or a
     * write conflict rolls it back and runs it again from the start, so `work` must have no other effects.
     * @throws Refusal DATABASE_UNAVAILABLE when there is no connection, or what `work` throws
     */
    readonly tx: <T>(work: (uow: UnitOfWork) => Promise<T>) => Promise<T>
    /** The same for what is done by right of office: `actor` answers for it. */
    readonly txAs: <T>(actor: Actor, work: (uow: PrivilegedWork) => Promise<T>) => Promise<T>
    /**
     * The same promise for raw statements, straight on a connection of the driver, where statements that do not
     * depend on one another share a round trip. It is tried once: whoever batches (batcher.ts) decides what a
     * failure means for each request. Lock waits end after a second.
     * @throws Refusal DATABASE_UNAVAILABLE when there is no connection or the time is up, OutcomeUnknown when the
     *   answer to COMMIT was lost, or what failed; but for OutcomeUnknown nothing was done
     */
    readonly fastTx: <T>(work: (uow: UnitOfWork<RawTx>) => Promise<T>) => Promise<T>
    /**
     * A small question on a connection of its own, for what must be known while the pool is exhausted: health, the
     * length of a queue. One at a time; it fails within two seconds when the database is away.
     */
    readonly ask: <T>(sql: string) => Promise<T[]>
    /** Which database server is written, of those that `DATABASE_URL` names. */
    readonly databaseHosts: Pick<Hosts, 'all' | 'written'>
  }
}

/** Told what the database is asked, how long it takes, and what its transactions did. */
export interface DatabaseObserver {
  waited: PoolOptions['watch']['waited']
  shed: PoolOptions['watch']['shed']
  statement: PoolOptions['watch']['statement']
  /** What a transaction did, once it has committed. */
  committed(pushes: readonly Push[], counts: readonly CounterIncrement[]): void
  watchPool(pools: readonly Pick<mariadb.Pool, 'activeConnections' | 'idleConnections' | 'taskQueueSize'>[]): void
  watchHosts(hosts: Pick<Hosts, 'all' | 'written'>): void
}

interface DatabaseOptions {
  readonly url: string
  readonly poolSize: number
  /** Whether statements carry the route of their request. */
  readonly comments: boolean
  readonly observer: DatabaseObserver
  readonly bus: EventBus
  readonly cipher: Cipher
  readonly clock: () => Date
  /** Sees every statement that is sent; for tests and measurements. */
  readonly onQuery?: (sql: string) => void
}

const LOCK_WAIT_SECONDS = 8
const FAST_LOCK_WAIT_SECONDS = 1
/** Fast transactions have a third of the connections for themselves; batches need few. */
const MAX_FAST = 8
const fastShare = (poolSize: number) => Math.max(1, Math.min(MAX_FAST, Math.round(poolSize / 3)))

const ASK_MS = 1000

/** One connection for small questions, see `ask`. What it reads may be a moment old. */
const sidePool = (hosts: Hosts): FollowingPool =>
  followWriter(hosts, (host) =>
    mariadb.createPool({
      ...connectionOptions(host.url),
      connectionLimit: 1,
      minimumIdle: 0,
      acquireTimeout: ASK_MS,
      connectTimeout: ASK_MS,
      initSql: [...SESSION_SQL]
    })
  )

export default fp<DatabaseOptions>(
  async (app, options) => {
    const { url, poolSize, comments, observer, bus, cipher, clock, onQuery } = options
    const fast = fastShare(poolSize)
    const hosts = new HostWatch({ url, log: app.log })
    const hooks = { hosts, watch: observer, ...(onQuery === undefined ? {} : { onQuery }) }
    const pool = createPool({
      ...hooks,
      size: Math.max(1, poolSize - fast),
      maxWaiting: queueLimit(poolSize),
      comments,
      sessionSql: [`SET SESSION innodb_lock_wait_timeout = ${LOCK_WAIT_SECONDS}`]
    })
    // Without autocommit the first statement begins a transaction. And a deadlock ends one at once: statements that
    // were sent behind it would each commit by themselves, but so they fall to the ROLLBACK that follows.
    const fastPool = createFastPool({
      ...hooks,
      size: fast,
      sessionSql: [`SET SESSION innodb_lock_wait_timeout = ${FAST_LOCK_WAIT_SECONDS}`, 'SET SESSION autocommit = 0']
    })
    const side = sidePool(hosts)
    observer.watchPool([pool, fastPool])
    observer.watchHosts(hosts)
    const prisma = new PrismaClient({
      adapter: new PrismaMariaDb(pool as unknown as mariadb.Pool),
      errorFormat: 'minimal'
    })

    const context: TxContext = { log: app.log, observer, bus, cipher, clock }
    const run = interactiveTx(prisma, context)
    app.decorate('db', prisma)
    app.decorate('reads', createReads(pool, observer, comments))
    app.decorate('tx', (work) => run({}, work))
    app.decorate('txAs', (actor, work) => run({ actor }, (uow) => work(uow as PrivilegedWork)))
    app.decorate('fastTx', fastTx(fastPool, context))
    app.decorate('ask', <T>(sql: string) => onConnection(side, (connection) => connection.query<T[]>(sql)))
    app.decorate('databaseHosts', hosts)
    app.addHook('onClose', async () => {
      hosts.close()
      await prisma.$disconnect()
      await Promise.all([pool.end(), fastPool.end(), side.end()])
    })
  },
  { name: 'database', dependencies: ['request-usage'] }
)
