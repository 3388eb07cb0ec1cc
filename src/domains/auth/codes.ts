import { timingSafeEqual } from 'node:crypto'
import { normalizeIP } from '@fastify/rate-limit'
import { SWEEP_ROWS, type Sweep } from '../../engine/sweep.js'
import type { Db } from '../../engine/tx.js'
import type { UnitOfWork } from '../../engine/unit-of-work.js'
import type { Cipher } from '../../shared/cipher.js'
import { refuse } from '../../shared/refusal.js'
import { businessDay, DAY_MS, dateColumn, dayRange } from '../../shared/time.js'
import { CODE_TRIES, CODE_TRIES_ELSEWHERE, CODE_TTL_SECONDS, judgeSend } from './rules.js'

const HMAC_PURPOSE = 'verification-code'
/** What a code may be kept as: under either key, while the key changes. */
const codeHmacs = (cipher: Cipher, mobile: string, code: string) => [...cipher.hmacs(HMAC_PURPOSE, `${mobile}:${code}`)]

const NEVER = new Date(0)

/**
 * Makes a code the one live code of its mobile, and counts it: the row's lock makes that hold for however many ask at
 * once, on whichever instance.
 * @param address who asks, as {@link addressOf} has it
 * @param limited whether a mobile has to wait, and an address has no more than so many a day
 * @throws Refusal RATE_LIMITED
 */
export async function keepCode(
  { tx, cipher, now }: UnitOfWork,
  input: { mobile: string; code: string; address: string; timeZone: string; limited: boolean }
): Promise<void> {
  const { mobile, code, address, timeZone, limited } = input
  // Make the row first, then there is one to lock. An insert that finds one locks it at once, and never deadlocks.
  await tx.$executeRaw`
    INSERT INTO verification_codes (mobile, code_hmac, sent_at, expires_at) VALUES (${mobile}, '', ${NEVER}, ${now})
    ON DUPLICATE KEY UPDATE mobile = VALUES(mobile)`
  const row = await tx.verificationCode.findUniqueOrThrow({ where: { mobile } })
  const asked = await tx.codeRequest.findUnique({ where: { mobile_address: { mobile, address } } })
  const name = businessDay(now, timeZone)
  const { lt: end = now } = dayRange(undefined, name, timeZone)
  const sent = { sentAt: row.sentAt.getTime(), day: dateColumn(asked?.day ?? null), count: asked?.dayCount ?? 0 }
  const { waitSeconds, count } = judgeSend(sent, now.getTime(), { name, endsAt: end.getTime() })
  if (waitSeconds > 0 && limited) throw refuse('RATE_LIMITED', undefined, waitSeconds)
  await tx.verificationCode.update({
    where: { mobile },
    data: {
      codeHmac: cipher.hmac(HMAC_PURPOSE, `${mobile}:${code}`),
      askedFrom: address,
      attempts: 0,
      otherAttempts: 0,
      sentAt: now,
      expiresAt: new Date(now.getTime() + CODE_TTL_SECONDS * 1000),
      consumedAt: null
    }
  })
  const today = { day: new Date(name), dayCount: count }
  await tx.codeRequest.upsert({
    where: { mobile_address: { mobile, address } },
    create: { mobile, address, ...today },
    update: today
  })
}

/** Ends a code that did not reach its mobile. It does not count, and the next need not wait. */
export async function dropCode({ tx, cipher, now }: UnitOfWork, mobile: string, code: string): Promise<void> {
  const which = { mobile, codeHmac: { in: codeHmacs(cipher, mobile, code) }, consumedAt: null }
  const row = await tx.verificationCode.findFirst({ where: which })
  const { count } = await tx.verificationCode.updateMany({ where: which, data: { consumedAt: now, sentAt: NEVER } })
  if (row === null || count === 0) return
  await tx.codeRequest.updateMany({
    where: { mobile, address: row.askedFrom, dayCount: { gt: 0 } },
    data: { dayCount: { decrement: 1 } }
  })
}

/** The address of a request as codes are counted by it: an IPv6 client is its /64, of which it has all. */
export const addressOf = ({ ip }: { readonly ip: string }): string => normalizeIP(ip)

/**
 * Counts a try at a mobile's code, before anything is compared, so that no number of tries at once gets past the
 * limit. It commits by itself: a wrong try must count though the login is refused. The address that asked for the code
 * has tries of its own; all others share theirs.
 * @throws Refusal CODE_INVALID when there is no live code, or the try was wrong
 */
export async function tryCode(
  db: Db,
  cipher: Cipher,
  attempt: { mobile: string; code: string; address: string; now: Date }
): Promise<void> {
  const { mobile, code, address, now } = attempt
  const live = { mobile, consumedAt: null, expiresAt: { gt: now } }
  const own = await db.verificationCode.updateMany({
    where: { ...live, askedFrom: address, attempts: { lt: CODE_TRIES } },
    data: { attempts: { increment: 1 } }
  })
  const other = async () =>
    db.verificationCode.updateMany({
      where: { ...live, askedFrom: { not: address }, otherAttempts: { lt: CODE_TRIES_ELSEWHERE } },
      data: { otherAttempts: { increment: 1 } }
    })
  const counted = own.count === 1 || (await other()).count === 1
  const row = counted ? await db.verificationCode.findUnique({ where: { mobile } }) : null
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

/** Removes codes past their end. */
export const codeSweep: Sweep = {
  name: 'verification_codes',
  step: ({ db, now }) => db.$executeRaw`DELETE FROM verification_codes WHERE expires_at < ${now} LIMIT ${SWEEP_ROWS}`
}

/** Removes the counts of days that are over, wherever the restaurant is. */
export const codeRequestSweep: Sweep = {
  name: 'code_requests',
  step: ({ db, now }) => db.$executeRaw`
    DELETE FROM code_requests WHERE day < DATE(${new Date(now.getTime() - 2 * DAY_MS)}) LIMIT ${SWEEP_ROWS}`
}
