import { onUnmounted, reactive } from 'vue'
import { useNews, useReturn } from './news.js'
import { client } from './session.js'

/** How long the line is given to open, before the counts are read without it. */
const OPENING_MS = 1000
/** News are counted as they come; that this is right is seen to so long after, since requests are limited. */
const CHECK_MS = 30_000

type Place = 'reviews' | 'appeals'

/** How many receipts and appeals wait for a decision, whichever page is shown. */
export function useWaitingCounts(): Readonly<Record<Place, number>> {
  const counts = reactive<Record<Place, number>>({ reviews: 0, appeals: 0 })
  let timer: ReturnType<typeof setTimeout> | undefined

  async function read(): Promise<void> {
    clearTimeout(timer)
    timer = undefined
    try {
      const [receipts, appeals] = await Promise.all([
        client.merchant.reviewsPending({ limit: 1 }),
        client.merchant.appeals({ limit: 1 })
      ])
      Object.assign(counts, { reviews: receipts.total, appeals: appeals.pagination.total })
    } catch {
      // The page says what is wrong with the service; these are read again after the next news.
    }
  }
  function readIn(ms: number): void {
    timer ??= setTimeout(() => void read(), ms)
  }
  function change(place: Place, by: 1 | -1): void {
    counts[place] = Math.max(0, counts[place] + by)
    readIn(CHECK_MS)
  }
  useNews('new_review', () => change('reviews', 1))
  useNews('new_appeal', () => change('appeals', 1))
  useNews('review_decided', ({ appeal }) => change(appeal === null ? 'reviews' : 'appeals', -1))
  useReturn(() => void read())
  readIn(OPENING_MS)
  onUnmounted(() => clearTimeout(timer))
  return counts
}
