import type { FastifyInstance } from 'fastify'
import { FreshCache } from '../../../shared/fresh-cache.js'

/** How long what was found is believed: a scrape must cost the database next to nothing. */
const BELIEVE_MS = 10_000
/** Of how many draws that wait the oldest is looked for: where more do, any of them is old enough. */
const LOOKED_AT = 1000

/** Shows in the metrics how long the public log is, and how far behind. */
export function watchLog({ ask, meters }: Pick<FastifyInstance, 'ask' | 'meters'>): void {
  const known = new FreshCache<{ readonly entries: number; readonly seconds: number }>(BELIEVE_MS, 1)
  const log = () =>
    known.get('log', async () => {
      const [row] = await ask<{ entries: number | bigint | null; seconds: number | bigint | null }>(
        `SELECT (SELECT MAX(size) FROM fairness_checkpoints) AS entries,
          (SELECT TIMESTAMPDIFF(SECOND, MIN(created_at), UTC_TIMESTAMP()) FROM (
            SELECT created_at FROM lottery_draws WHERE log_index IS NULL LIMIT ${LOOKED_AT}
          ) AS waiting) AS seconds`
      )
      return { entries: Number(row?.entries ?? 0), seconds: Math.max(0, Number(row?.seconds ?? 0)) }
    })
  meters.gauge('public_log_entries', 'Entries of the public log', async () => (await log()).entries)
  meters.gauge(
    'public_log_waiting_seconds',
    'How long the oldest draw has waited to be in the public log; 0 when none waits',
    async () => (await log()).seconds
  )
}
