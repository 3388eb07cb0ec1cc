import { createHash } from 'node:crypto'
import { refuse } from '../shared/refusal.js'

/** How long an answer is kept (contract section 2). */
export const KEEP_MS = 24 * 60 * 60 * 1000
export const KEY_HEADER = 'idempotency-key'
export const REPLAYED_HEADER = 'idempotent-replayed'
const KEY_PATTERN = /^[\x20-\x7e]{1,64}$/

/** A request that may be repeated without acting twice. */
export interface KeyedRequest {
  readonly key: string
  /** Of the route and the canonical body: tells the same request from another under the same key. */
  readonly hash: string
}

/**
 * Reads the `Idempotency-Key` header.
 * @param body as the domain understands it: aliases resolved, unknown fields dropped
 * @returns undefined when there is no such header
 * @throws Refusal VALIDATION_FAILED when the key is not 1 to 64 printable ASCII characters
 */
export function keyedRequest(
  header: string | string[] | undefined,
  route: string,
  body: unknown
): KeyedRequest | undefined {
  if (header === undefined) return undefined
  if (typeof header !== 'string' || !KEY_PATTERN.test(header)) {
    throw refuse('VALIDATION_FAILED', [{ field: 'Idempotency-Key', message: 'must be 1 to 64 printable characters' }])
  }
  return {
    key: header,
    hash: createHash('sha256')
      .update(`${route}\n${canonical(body)}`)
      .digest('hex')
  }
}

/** JSON whose text does not depend on the order of fields. */
export function canonical(value: unknown): string {
  return JSON.stringify(value, (_key, inner: unknown) =>
    typeof inner === 'object' && inner !== null && !Array.isArray(inner)
      ? Object.fromEntries(Object.entries(inner).sort(([a], [b]) => (a < b ? -1 : 1)))
      : inner
  )
}
