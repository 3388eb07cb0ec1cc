import type { FastifyInstance } from 'fastify'
import { Refusal, refuse } from '../shared/refusal.js'
import type { UserRequest } from './batched-decisions.js'
import { Batcher, type Verdict } from './batcher.js'
import { isLockWait, isOvertaken, isTransient, isUnavailable } from './database-errors.js'
import { OutcomeUnknown } from './driver-tx.js'
import type { RawTx } from './tx.js'
import type { UnitOfWork } from './unit-of-work.js'

/** Does the requests of many users at once. */
export interface BatchedTx<Request, Answer> {
  /**
   * Does a request in one transaction with whatever else waits now. A user's own requests are done one after another,
   * in the order they came.
   * @throws Refusal OVERLOADED, DATABASE_UNAVAILABLE
   */
  submit(request: Request): Promise<Answer>
  /** Ends when every request that was taken has its answer. */
  close(): Promise<void>
}

/** Transactions of one instance at a time: while one commits, the next locks and decides. */
const IN_FLIGHT = 2

/** @param run does requests of different users together: all, or by throwing none; one answer each, in their order */
export function batchedTx<Request extends UserRequest, Answer>(
  fastTx: FastifyInstance['fastTx'],
  run: (uow: UnitOfWork<RawTx>, batch: readonly Request[]) => Promise<readonly Answer[]>
): BatchedTx<Request, Answer> {
  const batcher = new Batcher<Request, Answer>({
    maxInFlight: IN_FLIGHT,
    keyOf: (request) => request.userId,
    run: (batch) => fastTx((uow) => run(uow, batch)),
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

function verdictOf(err: unknown, request: UserRequest): Verdict {
  if (err instanceof Refusal) return 'lost'
  // A keyed request may be sent again whatever became of it: it is answered from what was kept.
  if (err instanceof OutcomeUnknown) return request.keyed === undefined ? 'lost' : 'retry'
  if (isLockWait(err)) return 'blocked'
  return isTemporary(err) ? 'retry' : 'fault'
}

function isTemporary(err: unknown): boolean {
  return err instanceof OutcomeUnknown || isTransient(err) || isUnavailable(err) || isOvertaken(err)
}
