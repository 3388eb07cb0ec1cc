import { HASH_VERSION, hashOf } from '../../../adapters/images/likeness.js'
import type { ObjectStorage } from '../../../adapters/storage/storage.js'
import { readOf } from '../../../engine/reads.js'
import type { RawTx } from '../../../engine/tx.js'
import { type Compared, findMatches, writeBands } from './compare.js'

/** A receipt that is not compared yet. */
export interface Uncompared extends Compared {
  readonly thumbnail_key: string
  readonly phash: string
  readonly phash_version: number
}

/** What a comparison needs besides its receipt. */
export interface ComparisonTools {
  readonly storage: Pick<ObjectStorage, 'get'>
  /** Runs work in a transaction of its own. */
  readonly transact: <T>(work: (tx: RawTx) => Promise<T>) => Promise<T>
  readonly now: () => Date
}

const COLUMNS = 'upload_id, user_id, amount, sha256, created_at, thumbnail_key, phash, phash_version'
export const UNCOMPARED = {
  one: readOf<Uncompared, [uploadId: string]>(
    `SELECT ${COLUMNS} FROM photo_reviews WHERE upload_id = ? AND compared_at IS NULL`
  ),
  /** By the index on `compared_at`, where those that are not compared lie together. */
  since: readOf<Uncompared, [since: string, before: string, limit: number]>(`
    SELECT ${COLUMNS} FROM photo_reviews
    WHERE compared_at IS NULL AND created_at >= ? AND created_at < ?
    ORDER BY created_at LIMIT ?`),
  pending: readOf<Uncompared, [before: string, limit: number]>(`
    SELECT ${COLUMNS} FROM photo_reviews
    WHERE review_status = 'pending' AND compared_at IS NULL AND created_at < ?
    ORDER BY created_at LIMIT ?`)
}

/**
 * Compares one receipt; see compare.ts. What it looks like is computed anew from its thumbnail where the row has a hash
 * of old; where that is gone, the rest is compared.
 * @throws Error of the storage or the database; it is then still to be compared
 */
export async function compareReceipt(tools: ComparisonTools, receipt: Uncompared): Promise<void> {
  const { transact, now } = tools
  const hash = receipt.phash_version === HASH_VERSION ? receipt.phash : await hashAgain(tools, receipt)
  if (hash !== undefined && !(await transact((tx) => writeBands(tx, receipt, hash)))) return
  await transact((tx) => findMatches(tx, receipt, hash, now()))
}

/** @returns undefined where the picture is gone, or none */
async function hashAgain({ storage, transact }: ComparisonTools, receipt: Uncompared): Promise<string | undefined> {
  const picture = await storage.get(receipt.thumbnail_key)
  const hash = picture === undefined ? undefined : await hashOf(picture).catch(() => undefined)
  if (hash === undefined) return undefined
  await transact(
    (tx) => tx.$executeRaw`
      UPDATE photo_reviews SET phash = ${hash}, phash_version = ${HASH_VERSION} WHERE upload_id = ${receipt.upload_id}`
  )
  return hash
}
