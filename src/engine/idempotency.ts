import { Prisma } from '../generated/prisma/client.js'
import type { Cipher } from '../shared/cipher.js'
import { refuse } from '../shared/refusal.js'
import { KEEP_MS, type KeyedRequest } from './idempotency-key.js'
import { lockUser } from './locks.js'
import { inList, insertInto, padded, sqlTime } from './sql.js'
import { SWEEP_ROWS, type Sweep } from './sweep.js'
import { type RawTx, type Write, writeAll } from './tx.js'
import type { UnitOfWork } from './unit-of-work.js'

/** What `idempotency_keys` holds for a key; all null where it holds nothing. */
export interface StoredAnswer {
  readonly request_hash: string | null
  readonly response: string | null
  readonly expires_at: Date | null
}

/** An answer, and whether it is that of an earlier request under the same key. */
export interface Answered<T> {
  readonly answer: T
  readonly replayed: boolean
}

/**
 * The first answer to a repeated request.
 * @returns undefined when the key is new, or its answer is past its time
 * @throws Refusal IDEMPOTENCY_CONFLICT when the key was used for another request
 */
export function keptAnswer<T>(cipher: Cipher, request: KeyedRequest, stored: StoredAnswer, now: Date): T | undefined {
  const { request_hash: hash, response, expires_at: expiresAt } = stored
  if (hash === null || response === null || expiresAt === null || expiresAt <= now) return undefined
  if (hash !== request.hash) throw refuse('IDEMPOTENCY_CONFLICT')
  return JSON.parse(cipher.decrypt(response)) as T
}

/**
 * For a statement that locks users as `u`: columns and a join that find for each what is kept under the key of their
 * request. Where none has a key, nothing is searched. The key of a user is picked from a list by the user's place in
 * the other: so each is looked up by the whole primary key, and the statement's text does not depend on how many.
 * @param requests in the order of `ids`
 * @param ids the users' ids as a list, padded as {@link padded} does
 */
export function storedAnswers(
  requests: readonly { readonly keyed?: KeyedRequest | undefined }[],
  ids: Prisma.Sql
): { readonly columns: Prisma.Sql; readonly join: Prisma.Sql } {
  if (requests.every((request) => request.keyed === undefined)) {
    return { columns: Prisma.sql`NULL AS request_hash, NULL AS response, NULL AS expires_at`, join: Prisma.empty }
  }
  const keys = inList(padded(requests.map((request) => request.keyed?.key ?? null)))
  return {
    columns: Prisma.sql`k.request_hash, k.response, k.expires_at`,
    join: Prisma.sql`LEFT JOIN idempotency_keys AS k ON k.user_id = u.user_id
      AND k.idem_key = CONVERT(ELT(FIELD(u.user_id, ${ids}), ${keys}) USING ascii)`
  }
}

/**
 * Does `act` once for a key, in the transaction of its effects; a repetition gets the first answer. Of two at once
 * the second waits for the first: the user's row is locked, so `act` may not expect to lock it first.
 * @param request undefined for a request without a key, which is simply done
 * @throws Refusal IDEMPOTENCY_CONFLICT, or what `act` throws
 */
export async function once<T>(
  uow: UnitOfWork,
  { userId, request }: { userId: number; request: KeyedRequest | undefined },
  act: () => Promise<T>
): Promise<Answered<T>> {
  if (request === undefined) return { answer: await act(), replayed: false }
  await lockUser(uow, userId)
  const where = { userId_idemKey: { userId, idemKey: request.key } }
  const row = await uow.tx.idempotencyKey.findUnique({ where })
  const { requestHash = null, response = null, expiresAt = null } = row ?? {}
  const stored = { request_hash: requestHash, response, expires_at: expiresAt }
  const earlier = keptAnswer<T>(uow.cipher, request, stored, uow.now)
  if (earlier !== undefined) return { answer: earlier, replayed: true }
  const answer = await act()
  await writeAll(uow.tx, answerWrites(uow, [{ userId, request, answer }]))
  return { answer, replayed: false }
}

/** An answer to be kept. */
interface NewAnswer {
  readonly userId: number
  readonly request: KeyedRequest
  readonly answer: unknown
}

/** A key past its time is still there until the sweep: it is taken over. */
const insertAnswers = insertInto(
  'idempotency_keys',
  ['user_id', 'idem_key', 'request_hash', 'response', 'created_at', 'expires_at'],
  `ON DUPLICATE KEY UPDATE request_hash = VALUES(request_hash), response = VALUES(response),
    created_at = VALUES(created_at), expires_at = VALUES(expires_at)`
)

/**
 * The write that keeps answers for repetitions, for the transaction that has their effects; none where there are no
 * answers. They are encrypted at rest, since they hold voucher codes.
 */
export function answerWrites({ cipher, now }: UnitOfWork<RawTx>, answers: readonly NewAnswer[]): Write[] {
  const [createdAt, expiresAt] = [sqlTime(now), sqlTime(new Date(now.getTime() + KEEP_MS))]
  return insertAnswers(
    answers.map(({ userId, request, answer }) => ({
      user_id: userId,
      idem_key: request.key,
      request_hash: request.hash,
      response: cipher.encrypt(JSON.stringify(answer)),
      created_at: createdAt,
      expires_at: expiresAt
    }))
  )
}

/** Removes answers past their time. */
export const answerSweep: Sweep = {
  name: 'idempotency_keys',
  step: ({ db, now }) => db.$executeRaw`DELETE FROM idempotency_keys WHERE expires_at < ${now} LIMIT ${SWEEP_ROWS}`
}
