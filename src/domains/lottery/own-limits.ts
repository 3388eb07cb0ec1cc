import { sqlTime } from '../../engine/sql.js'
import type { RawTx } from '../../engine/tx.js'
import type { UnitOfWork } from '../../engine/unit-of-work.js'
import { refuse } from '../../shared/refusal.js'
import { DAY_MS } from '../../shared/time.js'
import { changed, toOwnLimits } from './brake.js'
import type { OwnLimits, OwnLimitsBody } from './schemas.js'
import { lockDiners } from './store.js'

/** The longest pause: what was a slip of the finger ends some day. */
const LONGEST_PAUSE_MS = 366 * DAY_MS

/**
 * Sets a diner's own brake; a field that is left out is no limit.
 * @throws Refusal VALIDATION_FAILED for a pause of more than a year; ACCOUNT_DISABLED
 */
export async function setOwnLimits(uow: UnitOfWork<RawTx>, userId: number, body: OwnLimitsBody): Promise<OwnLimits> {
  const { row } = (await lockDiners(uow, [{ userId }])).acting(userId)
  const { now } = uow
  const pause = body.pause_until === undefined ? null : new Date(body.pause_until)
  if (pause !== null && pause.getTime() > now.getTime() + LONGEST_PAUSE_MS) {
    throw refuse('VALIDATION_FAILED', [{ field: 'pause_until', message: 'must be at most 366 days from now' }])
  }
  const wanted = { dailyDraws: body.daily_draws ?? null, pauseUntil: pause !== null && pause > now ? pause : null }
  const after = changed(row, wanted, now)
  const at = (instant: Date | null) => (instant === null ? null : sqlTime(instant))
  await uow.tx.$executeRaw`
    UPDATE lottery_pity SET own_daily = ${after.own_daily}, own_pause_until = ${at(after.own_pause_until)},
      next_daily = ${after.next_daily}, next_pause_until = ${at(after.next_pause_until)},
      next_from = ${at(after.next_from)}
    WHERE user_id = ${userId}`
  return toOwnLimits(after, now)
}
