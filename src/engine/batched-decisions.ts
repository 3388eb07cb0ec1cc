import { Refusal } from '../shared/refusal.js'
import { type Answered, keptAnswer, type StoredAnswer } from './idempotency.js'
import type { KeyedRequest } from './idempotency-key.js'
import type { RawTx } from './tx.js'
import type { UnitOfWork } from './unit-of-work.js'

/** A request in a batch, which may be one that can be repeated without acting twice. */
export interface UserRequest {
  readonly userId: number
  readonly keyed?: KeyedRequest | undefined
}

/** What became of a request of a batch. A refused one has changed nothing. */
export type BatchAnswer<T> = Answered<T> | { readonly refusal: Refusal }

/** The same before it is written: what is decided has no answer yet. */
type Decision<Decided, T> = BatchAnswer<T> | { readonly decided: Decided }

/**
 * Decides each request of a batch by itself: by what was kept for its key, by a refusal, or anew. Nothing is written.
 * @param storedFor what is kept under the request's key, as the locking read found it
 * @param decide throws a Refusal where the request cannot be done
 */
export function decideEach<Request extends UserRequest, Decided, T>(
  uow: UnitOfWork<RawTx>,
  requests: readonly Request[],
  storedFor: (request: Request) => StoredAnswer,
  decide: (request: Request) => Decided
): Decision<Decided, T>[] {
  return requests.map((request) => {
    try {
      const stored = storedFor(request)
      const earlier = request.keyed && keptAnswer<T>(uow.cipher, request.keyed, stored, uow.now)
      return earlier === undefined ? { decided: decide(request) } : { answer: earlier, replayed: true }
    } catch (err) {
      return { refusal: asRefusal(err) }
    }
  })
}

/** What was decided anew, in the order of the requests. */
export function decidedOf<Decided, T>(decisions: readonly Decision<Decided, T>[]): Decided[] {
  return decisions.flatMap((decision) => ('decided' in decision ? [decision.decided] : []))
}

/** The answers, once what was decided is written. */
export function answersOf<Decided, T>(
  decisions: readonly Decision<Decided, T>[],
  answerOf: (decided: Decided) => T
): BatchAnswer<T>[] {
  return decisions.map((decision) =>
    'decided' in decision ? { answer: answerOf(decision.decided), replayed: false } : decision
  )
}

/** A refusal that was thrown. @throws whatever is none */
export function asRefusal(err: unknown): Refusal {
  if (err instanceof Refusal) return err
  throw err
}
