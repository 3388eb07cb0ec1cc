import type { FastifyInstance } from 'fastify'
import { FreshCache } from '../../shared/fresh-cache.js'

/** How long the length of the queue is believed: a scrape must cost the database next to nothing. */
const BELIEVE_MS = 10_000

/** Shows in the metrics how many receipts wait for a decision, and for how long. */
export function watchQueue({ ask, meters }: FastifyInstance): void {
  const known = new FreshCache<{ readonly length: number; readonly oldestSeconds: number }>(BELIEVE_MS, 1)
  const queue = () =>
    known.get('queue', async () => {
      const [row] = await ask<{ waiting: number | bigint; seconds: number | bigint | null }>(
        `SELECT COUNT(*) AS waiting, TIMESTAMPDIFF(SECOND, MIN(created_at), UTC_TIMESTAMP()) AS seconds
         FROM photo_reviews WHERE review_status = 'pending'`
      )
      return { length: Number(row?.waiting ?? 0), oldestSeconds: Math.max(0, Number(row?.seconds ?? 0)) }
    })
  meters.gauge('review_queue_length', 'Receipts to be reviewed', async () => (await queue()).length)
  meters.gauge(
    'review_queue_oldest_seconds',
    'How long the oldest of them has waited; 0 when there is none',
    async () => (await queue()).oldestSeconds
  )
}
