import { timingSafeEqual } from 'node:crypto'
import { SWEEP_ROWS, type Sweep } from '../../engine/sweep.js'
import type { Db } from '../../engine/tx.js'
import type { UnitOfWork } from '../../engine/unit-of-work.js'
import type { Cipher } from '../../shared/cipher.js'
import { refuse } from '../../shared/refusal.js'
import { businessDay, DAY_MS, dateColumn, dayRange } from '../../shared/time.js'
import { CODE_TRIES, CODE_TTL_SECONDS, judgeSend } from './rules.js'

const HMAC_PURPOSE = 'verification-code'
/** What a code may be kept as: under either key, while the key changes. */
const codeHmacs = (cipher: Cipher, mobile: string, code: string) => [...cipher.hmacs(HMAC_PURPOSE, `${mobile}:${code}`)]

const NEVER = new Date(0)

/**
 * Makes a code the one live code of its mobile, and counts it: the row's lock makes that hold for however many ask at
 * once, on whichever instance.
 * @param limited whether a mobile has to wait, and has no more than so many a day
 * @throws Refusal RATE_LIMITED
 */
export async function keepCode(
  { tx, cipher, now }: UnitOfWork,
  { mobile, code, timeZone, limited }: { mobile: string; code: string; timeZone: string; limited: boolean }
): Promise<void> {
  // Make the row first, then there is one to lock. An insert that finds one locks it at once, and never deadlocks.
  await tx.$executeRaw`
    INSERT INTO verification_codes (mobile, code_hmac, sent_at, expires_at) VALUES (${mobile}, '', ${NEVER}, ${now})
    ON DUPLICATE KEY UPDATE mobile = VALUES(mobile)`
  const row = await tx.verificationCode.findUniqueOrThrow({ where: { mobile } })
  const name = businessDay(now, timeZone)
  const { lt: end = now } = dayRange(undefined, name, timeZone)
  const sent = { sentAt: row.sentAt.getTime(), day: dateColumn(row.sentDay), count: row.dayCount }
  const { waitSeconds, count } = judgeSend(sent, now.getTime(), { name, endsAt: end.getTime() })
  if (waitSeconds > 0 && limited) throw refuse('RATE_LIMITED', undefined, waitSeconds)
  await tx.verificationCode.update({
    where: { mobile },
    data: {
      codeHmac: cipher.hmac(HMAC_PURPOSE, `${mobile}:${code}`),
      attempts: 0,
      sentAt: now,
      expiresAt: new Date(now.getTime() + CODE_TTL_SECONDS * 1000),
      consumedAt: null,
      sentDay: new Date(name),
      dayCount: count
    }
  })
}

/** Ends a code that did not reach its mobile. It does not count, and the next need not wait. */
export async function dropCode(db: Db, cipher: Cipher, mobile: string, code: string, now: Date): Promise<void> {
  await db.verificationCode.updateMany({
    where: { mobile, codeHmac: { in: codeHmacs(cipher, mobile, code) }, consumedAt: null },
    data: { consumedAt: now, sentAt: NEVER, dayCount: { decrement: 1 } }
  })
}

/**
 * Counts a try at a mobile's code, before anything is compared, so that no number of tries at once gets past the
 * limit. It commits by itself: a wrong try must count though the login is refused.
 * @throws Refusal CODE_INVALID when there is no live code, or the try was wrong
 */
export async function tryCode(db: Db, cipher: Cipher, mobile: string, code: string, now: Date): Promise<void> {
  const { count } = await db.verificationCode.updateMany({
    where: { mobile, consumedAt: null, expiresAt: { gt: now }, attempts: { lt: CODE_TRIES } },
    data: { attempts: { increment: 1 } }
  })
  const row = count === 1 ? await db.verificationCode.findUnique({ where: { mobile } }) : null
  if (row === null || !codeHmacs(cipher, mobile, code).some((hmac) => sameText(row.codeHmac, hmac))) {
    throw refuse('CODE_INVALID')
  }
}

function sameText(a: string, b: string): boolean {
  return a.length === b.length && timingSafeEqual(Buffer.from(a), Buffer.from(b))
}

/** Uses a code up. @throws Refusal CODE_INVALID when another login was faster */
export async function consumeCode({ tx, cipher, now }: UnitOfWork, mobile: string, code: string): Promise<void> {
  const { count } = await tx.verificationCode.updateMany({
    where: { mobile, codeHmac: { in: codeHmacs(cipher, mobile, code) }, consumedAt: null },
    data: { consumedAt: now }
  })
  if (count !== 1) throw refuse('CODE_INVALID')
}

/** Removes codes a day after their end: until then the row has the count of its day. */
export const codeSweep: Sweep = {
  name: 'verification_codes',
  step: ({ db, now }) => db.$executeRaw`
    DELETE FROM verification_codes WHERE expires_at < ${new Date(now.getTime() - DAY_MS)} LIMIT ${SWEEP_ROWS}`
}
