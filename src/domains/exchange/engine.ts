import type { FastifyInstance } from 'fastify'
import { OutcomeUnknown } from '../../plugins/raw-tx.js'
import { Batcher, type Verdict } from '../../shared/batcher.js'
import { isLockWait, isTransient, isUnavailable } from '../../shared/database-errors.js'
import { Refusal, refuse } from '../../shared/refusal.js'
import { StockMoved } from './store.js'
import { type OrderAnswer, type OrderRequest, type OrderTools, submitAll } from './submit.js'

/** Places orders for many diners at once: in a flash sale one write takes the stock of all who wait. */
export interface OrderEngine {
  /**
   * An order as {@link submitAll} places it, in one transaction with whoever else orders now. A diner's own requests
   * are done one after another, in the order they came.
   * @throws Refusal OVERLOADED, DATABASE_UNAVAILABLE
   */
  submit(request: OrderRequest): Promise<OrderAnswer>
  /** Ends when every order that was taken has its answer. */
  close(): Promise<void>
}

/** Two at a time want the same rows in a flash sale; while one commits, the next locks its diners and decides. */
const IN_FLIGHT = 2

export function createOrderEngine(fastTx: FastifyInstance['fastTx'], tools: OrderTools): OrderEngine {
  const batcher = new Batcher<OrderRequest, OrderAnswer>({
    maxInFlight: IN_FLIGHT,
    keyOf: (request) => request.userId,
    run: (batch) => fastTx((tx, outbox) => submitAll(tx, outbox, tools, batch)),
    verdictOf
  })
  return {
    submit: (request) =>
      batcher.submit(request).catch((err: unknown) => {
        throw isTemporary(err) ? refuse('DATABASE_UNAVAILABLE') : err
      }),
    close: () => batcher.close()
  }
}

function verdictOf(err: unknown, request: OrderRequest): Verdict {
  if (err instanceof Refusal) return 'lost'
  // A keyed request may be sent again whatever became of it: it is answered from what was kept.
  if (err instanceof OutcomeUnknown) return request.keyed === undefined ? 'lost' : 'retry'
  if (isLockWait(err)) return 'blocked'
  return isTemporary(err) ? 'retry' : 'fault'
}

function isTemporary(err: unknown): boolean {
  return err instanceof StockMoved || err instanceof OutcomeUnknown || isTransient(err) || isUnavailable(err)
}
