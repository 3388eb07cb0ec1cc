import assert from 'node:assert/strict'
import { setTimeout as pause } from 'node:timers/promises'
import { PrismaMariaDb } from '@prisma/adapter-mariadb'
import fp from 'fastify-plugin'
import * as mariadb from 'mariadb'
import { PrismaClient } from '../generated/prisma/client.js'
import { Refusal, refuse } from '../shared/refusal.js'
import { Outbox } from './bus.js'
import { connectionOptions, SESSION_SQL } from './connection.js'
import { isTransient, isUnavailable } from './database-errors.js'
import { OutcomeUnknown, rawTx, rollBack } from './driver-tx.js'
import { ACQUIRE_MS, createFastPool, createPool, queueLimit } from './pool.js'
import { logPushes } from './push-log.js'
import { holdsLock, movementsOf, type RawTx, type Tx } from './tx.js'

/**
 * The work of one transaction. What it puts in the outbox is published after the commit, or never; what of it is for
 * single users is written to their log by one more statement of the transaction.
 */
export type Work<T> = (tx: Tx, outbox: Outbox) => Promise<T>

/** The same, for work that is raw statements alone. */
export type RawWork<T> = (tx: RawTx, outbox: Outbox) => Promise<T>

declare module 'fastify' {
  interface FastifyInstance {
    /** For reads. Writes go through {@link FastifyInstance.tx}. */
    readonly db: PrismaClient
    /**
     * Runs `work` in a transaction (READ COMMITTED) and publishes its outbox after the commit. A deadlock, a lock
     * wait or a write conflict rolls it back and runs it again from the start, so `work` must have no other effects.
     * @throws Refusal DATABASE_UNAVAILABLE when there is no connection, or what `work` throws
     */
    readonly tx: <T>(work: Work<T>) => Promise<T>
    /**
     * The same promise for raw statements, straight on a connection of the driver, where statements that do not
     * depend on one another share a journey. It is tried once: whoever batches (shared/batcher.ts) decides what a
     * failure means for each request. Lock waits end after a second.
     * @throws Refusal DATABASE_UNAVAILABLE when there is no connection or the time is up, OutcomeUnknown when the
     *   answer to COMMIT was lost, or what failed; but for OutcomeUnknown nothing was done
     */
    readonly fastTx: <T>(work: RawWork<T>) => Promise<T>
    /**
     * A small question on a connection of its own, for what must be known while the pool is exhausted: health, the
     * length of a queue. One at a time; it fails within two seconds when the database is away.
     */
    readonly ask: <T>(sql: string) => Promise<T[]>
  }
}

export interface DatabaseOptions {
  readonly url: string
  readonly poolSize: number
  /** Whether statements carry the id of their request. */
  readonly comments: boolean
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

/** What a user is told has an order only among transactions that hold the user's lock. */
function assertOrdered(tx: RawTx, outbox: Outbox): void {
  for (const userId of outbox.toldUsers)
    assert(holdsLock(tx, userId), `the row of user ${userId}, who is told, is locked`)
}

export default fp<DatabaseOptions>(
  async (app, options) => {
    const { url, poolSize, comments, onQuery } = options
    const fast = fastShare(poolSize)
    const hooks = { watch: app.meters, ...(onQuery === undefined ? {} : { onQuery }) }
    const pool = createPool({
      ...hooks,
      url,
      size: Math.max(1, poolSize - fast),
      maxWaiting: queueLimit(poolSize),
      comments,
      sessionSql: [`SET SESSION innodb_lock_wait_timeout = ${LOCK_WAIT_SECONDS}`]
    })
    // Without autocommit the first statement begins a transaction. And a deadlock ends one at once: statements that were
    // sent behind it would each commit by themselves, but so they fall to the ROLLBACK that follows.
    const fastPool = createFastPool({
      ...hooks,
      url,
      size: fast,
      sessionSql: [`SET SESSION innodb_lock_wait_timeout = ${FAST_LOCK_WAIT_SECONDS}`, 'SET SESSION autocommit = 0']
    })
    const side = mariadb.createPool({
      ...connectionOptions(url),
      connectionLimit: 1,
      minimumIdle: 0,
      acquireTimeout: ASK_MS,
      connectTimeout: ASK_MS,
      initSql: [...SESSION_SQL]
    })
    app.meters.watchPool([pool, fastPool])
    const prisma = new PrismaClient({ adapter: new PrismaMariaDb(pool), errorFormat: 'minimal' })

    async function tx<T>(work: Work<T>): Promise<T> {
      for (let attempt = 1; ; attempt += 1) {
        const outbox = new Outbox()
        try {
          let movements: ReturnType<typeof movementsOf> = []
          const result = await prisma.$transaction(
            async (client) => {
              const done = await work(client, outbox)
              await logPushes(client, app.vault, outbox.takeUnlogged(), app.clock())
              assertOrdered(client, outbox)
              movements = movementsOf(client)
              return done
            },
            { maxWait: WAIT_MS, timeout: RUN_MS }
          )
          app.meters.committed(outbox.pushes, movements)
          outbox.publishTo(app.bus)
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

    async function fastTx<T>(work: RawWork<T>): Promise<T> {
      const outbox = new Outbox()
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
      let result: T
      let movements: ReturnType<typeof movementsOf> = []
      try {
        const tx = rawTx(connection, app.meters)
        result = await work(tx, outbox)
        await logPushes(tx, app.vault, outbox.takeUnlogged(), app.clock())
        assertOrdered(tx, outbox)
        movements = movementsOf(tx)
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
      app.meters.committed(outbox.pushes, movements)
      outbox.publishTo(app.bus)
      return result
    }

    app.decorate('db', prisma)
    app.decorate('tx', tx)
    app.decorate('fastTx', fastTx)
    app.decorate('ask', <T>(sql: string) => side.query<T[]>(sql))
    app.addHook('onClose', async () => {
      await prisma.$disconnect()
      await Promise.all([pool.end(), fastPool.end(), side.end()])
    })
  },
  { name: 'database', dependencies: ['bus', 'context', 'metrics'] }
)
