import { lockUser } from '../domains/points/ledger.js'
import { Prisma } from '../generated/prisma/client.js'
import type { Vault } from '../shared/cipher.js'
import { refuse } from '../shared/refusal.js'
import { KEEP_MS, type KeyedRequest } from './idempotency-key.js'
import { inList, insertInto, padded, sqlTime } from './sql.js'
import { type RawTx, type Tx, type Write, writeAll } from './tx.js'

/** What `idempotency_keys` holds for a key; all null where it holds nothing. */
export interface StoredAnswer {
  readonly request_hash: string | null
  readonly response: string | null
  readonly expires_at: Date | null
}

/**
 * The first answer to a repeated request.
 * @returns undefined when the key is new, or its answer is past its time
 * @throws Refusal IDEMPOTENCY_CONFLICT when the key was used for another request
 */
export function answerTo<T>(vault: Vault, request: KeyedRequest, stored: StoredAnswer, now: Date): T | undefined {
  const { request_hash: hash, response, expires_at: expiresAt } = stored
  if (hash === null || response === null || expiresAt === null || expiresAt <= now) return undefined
  if (hash !== request.hash) throw refuse('IDEMPOTENCY_CONFLICT')
  return JSON.parse(vault.decrypt(response)) as T
}

/**
 * For a statement that locks users as `u`: columns and a join that find for each what is kept under the key of their
 * request. Where none has a key, nothing is looked for.
 * @param ordered the requests, in the order of `ids`
 * @param ids the users' ids as a list, padded as {@link padded} does
 */
export function storedAnswers(
  ordered: readonly { readonly keyed?: KeyedRequest | undefined }[],
  ids: Prisma.Sql
): { readonly columns: Prisma.Sql; readonly join: Prisma.Sql } {
  if (ordered.every((request) => request.keyed === undefined)) {
    return { columns: Prisma.sql`NULL AS request_hash, NULL AS response, NULL AS expires_at`, join: Prisma.empty }
  }
  const keys = inList(padded(ordered.map((request) => request.keyed?.key ?? null)))
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
  tx: Tx,
  vault: Vault,
  { userId, request, now }: { userId: number; request: KeyedRequest | undefined; now: Date },
  act: () => Promise<T>
): Promise<{ answer: T; replayed: boolean }> {
  if (request === undefined) return { answer: await act(), replayed: false }
  await lockUser(tx, userId)
  const row = await tx.idempotencyKey.findUnique({ where: { userId_idemKey: { userId, idemKey: request.key } } })
  const { requestHash = null, response = null, expiresAt = null } = row ?? {}
  const stored = { request_hash: requestHash, response, expires_at: expiresAt }
  const earlier = answerTo<T>(vault, request, stored, now)
  if (earlier !== undefined) return { answer: earlier, replayed: true }
  const answer = await act()
  await keepAnswers(tx, vault, [{ userId, request, answer }], now)
  return { answer, replayed: false }
}

/** Keeps answers for repetitions, in the transaction that had their effects. They are encrypted at rest. */
export async function keepAnswers(tx: RawTx, vault: Vault, answers: readonly NewAnswer[], now: Date): Promise<void> {
  await writeAll(tx, keepingAnswers(vault, answers, now))
}

/** An answer to be kept. */
export interface NewAnswer {
  readonly userId: number
  readonly request: KeyedRequest
  readonly answer: unknown
}

/** A key past its time is still there until the sweep: it is taken over. */
const writeAnswers = insertInto(
  'idempotency_keys',
  [
    'user_id INT',
    'idem_key VARCHAR(64)',
    'request_hash CHAR(64)',
    'response MEDIUMTEXT',
    'created_at DATETIME(3)',
    'expires_at DATETIME(3)'
  ],
  `ON DUPLICATE KEY UPDATE request_hash = VALUES(request_hash), response = VALUES(response),
    created_at = VALUES(created_at), expires_at = VALUES(expires_at)`
)

/** The write of {@link keepAnswers}, for a transaction that sends it with others; none where there are no answers. */
export function keepingAnswers(vault: Vault, answers: readonly NewAnswer[], now: Date): Write[] {
  const [createdAt, expiresAt] = [sqlTime(now), sqlTime(new Date(now.getTime() + KEEP_MS))]
  return writeAnswers(
    answers.map(({ userId, request, answer }) => [
      userId,
      request.key,
      request.hash,
      vault.encrypt(JSON.stringify(answer)),
      createdAt,
      expiresAt
    ])
  )
}
