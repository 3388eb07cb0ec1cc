/** Life of a verification code in seconds (contract section 3). */
export const CODE_TTL_SECONDS = 300
/** Tries at a code from the address that asked for it: the fifth wrong one kills it there (contract section 3). */
export const CODE_TRIES = 5
/** And from all other addresses together: a stranger spends these, and not the owner's. */
export const CODE_TRIES_ELSEWHERE = 3
/** One code a mobile in this time. */
const CODE_EVERY_SECONDS = 60
/** Codes that an address may ask for to a mobile on a business day. */
export const CODES_A_DAY = 10
const LOCK_AFTER = 3
const LOCK_WINDOW_MS = 30 * 60 * 1000
const LOCK_MS = 30 * 60 * 1000

/** A fresh code of six digits. */
export function newVerificationCode(randomInt: (below: number) => number): string {
  return String(randomInt(1_000_000)).padStart(6, '0')
}

/**
 * What was sent before: when last to the mobile, and how many the address had asked for on `day`. `sentAt` is 0 when
 * nothing has to be waited for.
 */
interface Sent {
  readonly sentAt: number
  readonly day: string | null
  readonly count: number
}

/**
 * Whether a mobile may have another code: one a minute, and for each address ten a business day (contract section 2).
 * @param day the business day of `now`, and when it ends
 * @returns for how many seconds to wait, 0 for none, and the day's count with this code
 */
export function judgeSend(
  sent: Sent,
  now: number,
  day: { name: string; endsAt: number }
): { waitSeconds: number; count: number } {
  const before = sent.day === day.name ? sent.count : 0
  const untilMinute = sent.sentAt + CODE_EVERY_SECONDS * 1000 - now
  const untilDay = before < CODES_A_DAY ? 0 : day.endsAt - now
  return { waitSeconds: Math.ceil(Math.max(0, untilMinute, untilDay) / 1000), count: before + 1 }
}

/**
 * How the wrong passwords of an admin stand: when each of the last 30 minutes was, and until when the name is locked.
 */
export interface Lockout {
  readonly failures: readonly number[]
  readonly lockedUntil: number | null
}

export function isLocked({ lockedUntil }: Lockout, now: number): boolean {
  return lockedUntil !== null && lockedUntil > now
}

/** The state after one more wrong password: the third within 30 minutes locks for 30 minutes (contract section 1). */
export function afterFailure(lockout: Lockout, now: number): Lockout {
  const failures = [...lockout.failures.filter((at) => now - at < LOCK_WINDOW_MS), now]
  return failures.length < LOCK_AFTER ? { failures, lockedUntil: null } : { failures: [], lockedUntil: now + LOCK_MS }
}

export const UNLOCKED: Lockout = { failures: [], lockedUntil: null }
