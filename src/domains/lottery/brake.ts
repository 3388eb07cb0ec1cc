import { refuse } from '../../shared/refusal.js'
import { DAY_MS } from '../../shared/time.js'
import type { OwnLimits } from './schemas.js'

/** How a diner holds themselves back: draws a day, and not at all until then; null where they do not. */
interface Brake {
  readonly dailyDraws: number | null
  readonly pauseUntil: Date | null
}

/** A brake as the pity row keeps it: what holds, and what holds from `next_from` on. */
export interface BrakeColumns {
  readonly own_daily: number | null
  readonly own_pause_until: Date | null
  readonly next_daily: number | null
  readonly next_pause_until: Date | null
  readonly next_from: Date | null
}

/** What is looser waits so long: a brake is for the moment in which one would rather have none. */
const COOLING_MS = DAY_MS

const isComing = ({ next_from: from }: BrakeColumns, now: Date) => from !== null && from > now

/** The brake that holds at an instant; a pause that is over is none. */
export function brakeAt(columns: BrakeColumns, now: Date): Brake {
  const isNext = columns.next_from !== null && !isComing(columns, now)
  const [daily, pause] = isNext
    ? [columns.next_daily, columns.next_pause_until]
    : [columns.own_daily, columns.own_pause_until]
  return { dailyDraws: daily, pauseUntil: pause !== null && pause > now ? pause : null }
}

/** @throws Refusal SELF_LIMIT when that many draws more are past a diner's own brake */
export function assertWithin(columns: BrakeColumns, used: number, draws: number, now: Date): void {
  const { dailyDraws, pauseUntil } = brakeAt(columns, now)
  if (pauseUntil === null && (dailyDraws === null || used + draws <= dailyDraws)) return
  throw refuse('SELF_LIMIT', { limit: dailyDraws, used, pause_until: pauseUntil })
}

const time = (instant: Date | null) => instant?.getTime() ?? 0
const isSame = (a: Brake, b: Brake) => a.dailyDraws === b.dailyDraws && time(a.pauseUntil) === time(b.pauseUntil)

/** The row after a diner has asked for a brake: what of it is stricter holds at once, what is looser a day later. */
export function changed(columns: BrakeColumns, wanted: Brake, now: Date): BrakeColumns {
  const held = brakeAt(columns, now)
  const strict: Brake = {
    dailyDraws: [held.dailyDraws, wanted.dailyDraws].reduce((a, b) =>
      a === null ? b : b === null ? a : Math.min(a, b)
    ),
    pauseUntil: time(held.pauseUntil) > time(wanted.pauseUntil) ? held.pauseUntil : wanted.pauseUntil
  }
  const own = { own_daily: strict.dailyDraws, own_pause_until: strict.pauseUntil }
  if (isSame(strict, wanted)) return { ...own, next_daily: null, next_pause_until: null, next_from: null }
  const coming = { dailyDraws: columns.next_daily, pauseUntil: columns.next_pause_until }
  // Asked for again, it is not put off.
  const from =
    isComing(columns, now) && isSame(coming, wanted) ? columns.next_from : new Date(now.getTime() + COOLING_MS)
  return { ...own, next_daily: wanted.dailyDraws, next_pause_until: wanted.pauseUntil, next_from: from }
}

/** What of it is shown. */
export function toOwnLimits(columns: BrakeColumns, now: Date): OwnLimits {
  const { dailyDraws, pauseUntil } = brakeAt(columns, now)
  const { next_daily, next_pause_until, next_from } = columns
  const pending =
    next_from !== null && isComing(columns, now)
      ? { daily_draws: next_daily, pause_until: next_pause_until, from: next_from }
      : null
  return { daily_draws: dailyDraws, pause_until: pauseUntil, pending }
}
