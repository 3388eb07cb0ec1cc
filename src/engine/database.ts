import { setTimeout as pause } from 'node:timers/promises'
import { PrismaMariaDb } from '@prisma/adapter-mariadb'
import fp from 'fastify-plugin'
import * as mariadb from 'mariadb'
import { PrismaClient } from '../generated/prisma/client.js'
import type { Cipher } from '../shared/cipher.js'
import { Refusal, refuse } from '../shared/refusal.js'
import type { EventBus } from './bus.js'
import { connectionOptions, SESSION_SQL } from './connection.js'
import { isTransient, isUnavailable } from './database-errors.js'
import { driverTx, OutcomeUnknown, rollBack } from './driver-tx.js'
import { finishWork } from './finish.js'
import type { Push } from './outbox.js'
import { ACQUIRE_MS, createFastPool, createPool, type PoolOptions, queueLimit } from './pool.js'
import { createReads, type Reads } from './reads.js'
import type { RawTx } from './tx.js'
import { type Actor, type CounterIncrement, type PrivilegedWork, UnitOfWork } from './unit-of-work.js'

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

const ATTEMPTS = 5
const RETRY_BASE_MS = 15
/** Prisma waits for a connection a little longer than the pool does. */
const WAIT_MS = ACQUIRE_MS + 1000
/** How long a transaction may run. */
const RUN_MS = 15_000
/** The same of a fast one, whose requests have waited before. */
const FAST_RUN_MS = 8000
const LOCK_WAIT_SECONDS = 8
const FAST_LOCK_WAIT_SECONDS = 1
/** Fast transactions have a third of the connections for themselves; batches need few. */
const MAX_FAST = 8
const fastShare = (poolSize: number) => Math.max(1, Math.min(MAX_FAST, Math.round(poolSize / 3)))

const ASK_MS = 1000

/** One connection for small questions, see `ask`. */
const sidePool = (url: string): mariadb.Pool =>
  mariadb.createPool({
    ...connectionOptions(url),
    connectionLimit: 1,
    minimumIdle: 0,
    acquireTimeout: ASK_MS,
    connectTimeout: ASK_MS,
    initSql: [...SESSION_SQL]
  })

export default fp<DatabaseOptions>(
  async (app, options) => {
    const { url, poolSize, comments, observer, bus, cipher, clock, onQuery } = options
    const fast = fastShare(poolSize)
    const hooks = { watch: observer, ...(onQuery === undefined ? {} : { onQuery }) }
    const pool = createPool({
      ...hooks,
      url,
      size: Math.max(1, poolSize - fast),
      maxWaiting: queueLimit(poolSize),
      comments,
      sessionSql: [`SET SESSION innodb_lock_wait_timeout = ${LOCK_WAIT_SECONDS}`]
    })
    // Without autocommit the first statement begins a transaction. And a deadlock ends one at once: statements that
    // were sent behind it would each commit by themselves, but so they fall to the ROLLBACK that follows.
    const fastPool = createFastPool({
      ...hooks,
      url,
      size: fast,
      sessionSql: [`SET SESSION innodb_lock_wait_timeout = ${FAST_LOCK_WAIT_SECONDS}`, 'SET SESSION autocommit = 0']
    })
    const side = sidePool(url)
    observer.watchPool([pool, fastPool])
    const prisma = new PrismaClient({ adapter: new PrismaMariaDb(pool), errorFormat: 'minimal' })

    function publish<T extends RawTx>({ outbox, counts }: UnitOfWork<T>): void {
      observer.committed(outbox.pushes, counts)
      outbox.publishTo(bus)
    }

    async function run<T>(context: { actor?: Actor }, work: (uow: UnitOfWork) => Promise<T>): Promise<T> {
      for (let attempt = 1; ; attempt += 1) {
        try {
          const { result, uow } = await prisma.$transaction(
            async (client) => {
              const uow = new UnitOfWork(client, { cipher, clock, ...context })
              const result = await work(uow)
              await finishWork(uow)
              return { result, uow }
            },
            { maxWait: WAIT_MS, timeout: RUN_MS }
          )
          publish(uow)
          return result
        } catch (err) {
          if (err instanceof Refusal) throw err
          if (isTransient(err) && attempt < ATTEMPTS) {
            await pause(Math.random() * RETRY_BASE_MS * 2 ** attempt)
            continue
          }
          if (isUnavailable(err) || isTransient(err)) {
            app.log.error({ err, attempt }, 'database unavailable')
            throw refuse('DATABASE_UNAVAILABLE')
          }
          throw err
        }
      }
    }

    async function fastTx<T>(work: (uow: UnitOfWork<RawTx>) => Promise<T>): Promise<T> {
      const connection = await fastPool.getConnection().catch((err: unknown) => {
        app.log.error({ err }, 'no connection to the database')
        throw refuse('DATABASE_UNAVAILABLE')
      })
      let late = false
      const timer = setTimeout(() => {
        late = true
        connection.destroy()
      }, FAST_RUN_MS)
      let committing = false
      const uow = new UnitOfWork(driverTx(connection, observer), { cipher, clock })
      let result: T
      try {
        result = await work(uow)
        await finishWork(uow)
        committing = true
        await connection.query('COMMIT')
      } catch (err) {
        if (committing && isUnavailable(err)) {
          connection.destroy()
          throw new OutcomeUnknown(err)
        }
        await rollBack(connection)
        throw late ? refuse('DATABASE_UNAVAILABLE') : err
      } finally {
        clearTimeout(timer)
      }
      await connection.release().catch(() => connection.destroy())
      publish(uow)
      return result
    }

    app.decorate('db', prisma)
    app.decorate('reads', createReads(pool, observer, comments))
    app.decorate('tx', (work) => run({}, work))
    app.decorate('txAs', (actor, work) => run({ actor }, (uow) => work(uow as PrivilegedWork)))
    app.decorate('fastTx', fastTx)
    app.decorate('ask', <T>(sql: string) => side.query<T[]>(sql))
    app.addHook('onClose', async () => {
      await prisma.$disconnect()
      await Promise.all([pool.end(), fastPool.end(), side.end()])
    })
  },
  { name: 'database', dependencies: ['request-usage'] }
)
