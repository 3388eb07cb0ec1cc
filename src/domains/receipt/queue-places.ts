import { type Reads, readOf } from '../../engine/reads.js'
import { FreshCache } from '../../shared/fresh-cache.js'

/** How long the queue is believed to be as it was read: a decision elsewhere is seen that much later. */
const BELIEVE_MS = 10_000
/** A place behind so many is not told: it says no more than that it will take long. */
const MOST = 10_000

/** By the index on state and time alone, in its order. */
const QUEUE = readOf<{ uploadId: string }, [limit: number]>(`
  SELECT upload_id AS uploadId FROM photo_reviews WHERE review_status = 'pending'
  ORDER BY created_at, upload_id LIMIT ?`)

/** Tells pending receipts their places in the queue, 1 for the next; none for those too far behind. */
export type QueuePlaces = (uploadIds: readonly string[]) => Promise<ReadonlyMap<string, number>>

/** One read of the queue serves everybody for ten seconds; who is not in it yet has it read anew. */
export function watchPlaces(reads: Reads): QueuePlaces {
  const known = new FreshCache<ReadonlyMap<string, number>>(BELIEVE_MS, 1)
  const read = async () => {
    const [rows] = await reads(QUEUE(MOST))
    return new Map(rows.map(({ uploadId }, index) => [uploadId, index + 1]))
  }
  return async (uploadIds) => {
    if (uploadIds.length === 0) return new Map()
    const places = await known.get('queue', read)
    if (places.size >= MOST || uploadIds.every((id) => places.has(id))) return places
    known.clear()
    return known.get('queue', read)
  }
}
