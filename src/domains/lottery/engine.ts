import type { FastifyInstance } from 'fastify'
import { OutcomeUnknown } from '../../plugins/raw-tx.js'
import { Batcher } from '../../shared/batcher.js'
import { isLockWait, isTransient, isUnavailable } from '../../shared/database-errors.js'
import { Refusal, refuse } from '../../shared/refusal.js'
import { type DrawAnswer, type DrawRequest, type DrawTools, drawAll } from './draw.js'

/** Makes draws for many diners at once. */
export interface DrawEngine {
  /**
   * A draw as {@link drawAll} makes it, in one transaction with whoever else draws now. A diner's own requests are
   * done one after another, in the order they came.
   * @throws Refusal OVERLOADED, DATABASE_UNAVAILABLE
   */
  draw(request: DrawRequest): Promise<DrawAnswer>
  /** Ends when every draw that was taken has its answer. */
  close(): Promise<void>
}

/** Transactions of one instance that draw at a time: while one commits, the next decides. */
const IN_FLIGHT = 2

export function createDrawEngine(fastTx: FastifyInstance['fastTx'], tools: DrawTools): DrawEngine {
  const batcher = new Batcher<DrawRequest, DrawAnswer>({
    maxInFlight: IN_FLIGHT,
    keyOf: (request) => request.userId,
    run: (batch) => fastTx((tx, outbox) => drawAll(tx, outbox, tools, batch)),
    verdictOf: (err, request) => {
      if (err instanceof Refusal) return 'lost'
      // A keyed request may be sent again whatever became of it: it is answered from what was kept.
      if (err instanceof OutcomeUnknown) return request.keyed === undefined ? 'lost' : 'retry'
      if (isLockWait(err)) return 'blocked'
      return isTransient(err) || isUnavailable(err) ? 'retry' : 'fault'
    }
  })
  return {
    draw: (request) =>
      batcher.submit(request).catch((err: unknown) => {
        const temporary = err instanceof OutcomeUnknown || isTransient(err) || isUnavailable(err)
        throw temporary ? refuse('DATABASE_UNAVAILABLE') : err
      }),
    close: () => batcher.close()
  }
}
