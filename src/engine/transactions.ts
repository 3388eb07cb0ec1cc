import { setTimeout as pause } from 'node:timers/promises'
import type { FastifyBaseLogger } from 'fastify'
import type { PrismaClient } from '../generated/prisma/client.js'
import type { Cipher } from '../shared/cipher.js'
import { Refusal, refuse } from '../shared/refusal.js'
import type { EventBus } from './bus.js'
import { isTransient, isUnavailable } from './database-errors.js'
import { driverTx, OutcomeUnknown, rollBack } from './driver-tx.js'
import { finishWork } from './finish.js'
import type { FollowingPool } from './following-pool.js'
import type { Push } from './outbox.js'
import { ACQUIRE_MS } from './pool.js'
import type { RawTx } from './tx.js'
import { type Actor, type CounterIncrement, UnitOfWork } from './unit-of-work.js'

/** What every transaction of the service is opened with, and whom it tells. */
export interface TxContext {
  readonly log: FastifyBaseLogger
  readonly observer: {
    statement(verb: string, seconds: number): void
    committed(pushes: readonly Push[], counts: readonly CounterIncrement[]): void
  }
  readonly bus: EventBus
  readonly cipher: Cipher
  readonly clock: () => Date
}

const ATTEMPTS = 5
const RETRY_BASE_MS = 15
/** How long after its start a transaction whose connection broke is begun again: whoever asked still waits then. */
const AGAIN_WITHIN_MS = 4000
/** Prisma waits for a connection a little longer than the pool does. */
const WAIT_MS = ACQUIRE_MS + 1000
/** How long a transaction may run. */
const RUN_MS = 15_000
/** The same of a fast one, whose requests have waited before. */
const FAST_RUN_MS = 8000

/** Runs work in Prisma's transactions, again from the start where that helps; see `FastifyInstance.tx`. */
export function interactiveTx(prisma: PrismaClient, context: TxContext) {
  return async <T>(by: { actor?: Actor }, work: (uow: UnitOfWork) => Promise<T>): Promise<T> => {
    const start = performance.now()
    for (let attempt = 1; ; attempt += 1) {
      let committing = false
      try {
        const { result, uow } = await prisma.$transaction(
          async (client) => {
            const uow = new UnitOfWork(client, { ...context, ...by })
            const result = await work(uow)
            await finishWork(uow)
            committing = true
            return { result, uow }
          },
          { maxWait: WAIT_MS, timeout: RUN_MS }
        )
        publish(uow, context)
        return result
      } catch (err) {
        if (err instanceof Refusal) throw err
        // Nothing was committed: where the database moves to another machine, the next try finds it there.
        const isInterrupted = isUnavailable(err) && !committing && performance.now() - start < AGAIN_WITHIN_MS
        if ((isTransient(err) || isInterrupted) && attempt < ATTEMPTS) {
          await pause(Math.random() * RETRY_BASE_MS * 2 ** attempt)
          continue
        }
        if (isUnavailable(err) || isTransient(err)) {
          context.log.error({ err, attempt }, 'database unavailable')
          throw refuse('DATABASE_UNAVAILABLE')
        }
        throw err
      }
    }
  }
}

/** Runs work straight on a connection, once; see `FastifyInstance.fastTx`. */
export function fastTx(pool: FollowingPool, context: TxContext) {
  return async <T>(work: (uow: UnitOfWork<RawTx>) => Promise<T>): Promise<T> => {
    const connection = await pool.getConnection().catch((err: unknown) => {
      context.log.error({ err }, 'no connection to the database')
      throw refuse('DATABASE_UNAVAILABLE')
    })
    let late = false
    const timer = setTimeout(() => {
      late = true
      connection.destroy()
    }, FAST_RUN_MS)
    let committing = false
    const uow = new UnitOfWork(driverTx(connection, context.observer), context)
    let result: T
    try {
      result = await work(uow)
      await finishWork(uow)
      committing = true
      await connection.query('COMMIT')
    } catch (err) {
      if (committing && isUnavailable(err)) {
        clearTimeout(timer)
        connection.destroy()
        throw new OutcomeUnknown(err)
      }
      await rollBack(connection)
      clearTimeout(timer)
      throw late ? refuse('DATABASE_UNAVAILABLE') : err
    }
    publish(uow, context)
    // It asks the server once more, and nobody has to wait for that; nor for ever does it.
    void connection
      .release()
      .catch(() => connection.destroy())
      .finally(() => clearTimeout(timer))
    return result
  }
}

function publish<T extends RawTx>({ outbox, counts }: UnitOfWork<T>, { observer, bus }: TxContext): void {
  observer.committed(outbox.pushes, counts)
  outbox.publishTo(bus)
}
