import { SWEEP_ROWS, type Sweep } from '../engine/sweep.js'
import { Prisma } from '../generated/prisma/client.js'

const KEEP_ALL_MS = 7 * 86_400_000

/**
 * Thins out checkpoints: of more than a week ago the last of each hour is kept. Any of them can be made again from the
 * leaves; kept, they show at a glance what was signed when.
 */
export const checkpointSweep: Sweep = {
  name: 'fairness_checkpoints',
  async step({ db, now }) {
    const old = new Date(now.getTime() - KEEP_ALL_MS)
    const rows = await db.$queryRaw<{ size: bigint }[]>`
      SELECT a.size FROM fairness_checkpoints AS a
      WHERE a.created_at < ${old} AND DATE_FORMAT(a.created_at, '%Y%m%d%H') = (
        SELECT DATE_FORMAT(b.created_at, '%Y%m%d%H') FROM fairness_checkpoints AS b
        WHERE b.size > a.size ORDER BY b.size LIMIT 1
      )
      ORDER BY a.size LIMIT ${SWEEP_ROWS}`
    if (rows.length === 0) return 0
    const sizes = Prisma.join(rows.map(({ size }) => size))
    return db.$executeRaw`DELETE FROM fairness_checkpoints WHERE size IN (${sizes})`
  }
}
