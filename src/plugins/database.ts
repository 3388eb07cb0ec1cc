import { setTimeout as pause } from 'node:timers/promises'
import { PrismaMariaDb } from '@prisma/adapter-mariadb'
import fp from 'fastify-plugin'
import * as mariadb from 'mariadb'
import { Outbox } from '../domains/realtime/bus.js'
import { PrismaClient } from '../generated/prisma/client.js'
import { connectionOptions, SESSION_SQL } from '../shared/connection.js'
import { isTransient, isUnavailable } from '../shared/database-errors.js'
import { refuse } from '../shared/refusal.js'
import type { Tx } from '../shared/tx.js'

/** The work of one transaction. What it puts in the outbox is published after the commit, or never. */
export type Work<T> = (tx: Tx, outbox: Outbox) => Promise<T>

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
  }
}

export interface DatabaseOptions {
  readonly url: string
  readonly poolSize: number
  /** Sees every statement that is sent; for tests and measurements. */
  readonly onQuery?: (sql: string) => void
}

const ATTEMPTS = 5
const RETRY_BASE_MS = 15
/** How long to wait for a connection: a mini-program gives up after ten seconds. Prisma waits a little longer. */
const ACQUIRE_MS = 8000
const WAIT_MS = ACQUIRE_MS + 1000
/** How long a transaction may run. */
const RUN_MS = 15_000

function createPool({ url, poolSize, onQuery }: DatabaseOptions): mariadb.Pool {
  return mariadb.createPool({
    ...connectionOptions(url),
    connectionLimit: poolSize,
    minimumIdle: Math.min(2, poolSize),
    idleTimeout: 300,
    acquireTimeout: ACQUIRE_MS,
    connectTimeout: 5000,
    initSql: [...SESSION_SQL, 'SET SESSION innodb_lock_wait_timeout = 8'],
    ...(onQuery === undefined ? {} : { logger: { query: onQuery } })
  })
}

export default fp<DatabaseOptions>(
  async (app, options) => {
    const pool = createPool(options)
    const prisma = new PrismaClient({ adapter: new PrismaMariaDb(pool), errorFormat: 'minimal' })

    async function tx<T>(work: Work<T>): Promise<T> {
      for (let attempt = 1; ; attempt += 1) {
        const outbox = new Outbox()
        try {
          const result = await prisma.$transaction((client) => work(client, outbox), {
            maxWait: WAIT_MS,
            timeout: RUN_MS
          })
          outbox.publishTo(app.bus)
          return result
        } catch (err) {
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

    app.decorate('db', prisma)
    app.decorate('tx', tx)
    app.addHook('onClose', async () => {
      await prisma.$disconnect()
      await pool.end()
    })
  },
  { name: 'database', dependencies: ['bus'] }
)
