import type { FastifyReply, FastifyRequest } from 'fastify'
import type { BatchAnswer } from '../engine/batched-decisions.js'
import { type Answered, once } from '../engine/idempotency.js'
import { KEY_HEADER, type KeyedRequest, keyedRequest, REPLAYED_HEADER } from '../engine/idempotency-key.js'
import type { PrivilegedWork } from '../engine/unit-of-work.js'
import { actorOf } from '../identity/principal.js'

/** The method and pattern of a request's route, such as `POST /api/lottery/draw`. */
const routeOf = ({ routeOptions: { method, url } }: FastifyRequest) => `${String(method)} ${url}`

/**
 * The key of a request, where it has one (contract section 2).
 * @param body as the domain understands it: aliases resolved, unknown fields dropped
 * @param route what the key is of; several routes that do the same may share one
 * @throws Refusal VALIDATION_FAILED for a malformed key
 */
export function keyOf(request: FastifyRequest, body: unknown, route = routeOf(request)): KeyedRequest | undefined {
  return keyedRequest(request.headers[KEY_HEADER], route, body)
}

interface KeyedAct {
  readonly keyed: KeyedRequest | undefined
  /** What the act locks that comes before the row of its user. */
  readonly lockFirst?: (uow: PrivilegedWork) => Promise<void>
}

/**
 * Does what a signed-in user asks, in a transaction, once for a key; a repetition gets the first answer, and a header
 * that says so. Of two at once the second waits for the first.
 * @throws Refusal IDEMPOTENCY_CONFLICT, or what `act` throws
 */
export async function actOnce<T>(
  request: FastifyRequest,
  reply: FastifyReply,
  { keyed, lockFirst }: KeyedAct,
  act: (uow: PrivilegedWork) => Promise<T>
): Promise<Answered<T>> {
  const { userId } = request.user
  const answered = await request.server.txAs(actorOf(request), async (uow) => {
    await lockFirst?.(uow)
    return once(uow, { userId, request: keyed }, () => act(uow))
  })
  markReplayed(reply, answered)
  return answered
}

/** The answer to a request that was done with others. @throws Refusal where it was refused */
export function answerFromBatch<T>(reply: FastifyReply, outcome: BatchAnswer<T>): T {
  if ('refusal' in outcome) throw outcome.refusal
  markReplayed(reply, outcome)
  return outcome.answer
}

function markReplayed(reply: FastifyReply, { replayed }: Answered<unknown>): void {
  if (replayed) reply.header(REPLAYED_HEADER, 'true')
}
