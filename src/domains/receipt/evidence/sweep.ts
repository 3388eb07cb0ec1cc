import { sqlTime } from '../../../engine/sql.js'
import { SWEEP_ROWS, type Sweep } from '../../../engine/sweep.js'
import { DAY_MS } from '../../../shared/time.js'
import { COMPARED_DAYS } from './compare.js'

/** Forgets what receipts look like that nothing is compared with any more. What was found of them stays. */
export const bandSweep: Sweep = {
  name: 'picture_bands',
  step: ({ db, now }) => {
    const before = sqlTime(new Date(now.getTime() - COMPARED_DAYS * DAY_MS))
    return db.$executeRaw`DELETE FROM picture_bands WHERE created_at < ${before} LIMIT ${SWEEP_ROWS}`
  }
}
