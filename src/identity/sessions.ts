import { SWEEP_ROWS, type Sweep } from '../engine/sweep.js'
import type { UnitOfWork } from '../engine/unit-of-work.js'
import type { Prisma } from '../generated/prisma/client.js'
import { MAY_ACT, mayAct } from '../shared/account-status.js'
import { risingId } from '../shared/ids.js'
import { refuse } from '../shared/refusal.js'
import type { Role } from './principal.js'
import type { TokenSubject } from './tokens.js'

/** A user's row, whole. */
type UserRow = Prisma.UserGetPayload<object>

/** A refresh token just replaced gets the same successor for this long: two tabs, or a lost answer. */
const REFRESH_GRACE_MS = 10_000

/** Tokens count in seconds: the same instant must give the same token again. */
const wholeSecond = (instant: Date) => new Date(Math.floor(instant.getTime() / 1000) * 1000)

const endOf = (issuedAt: Date, refreshSeconds: number) => new Date(issuedAt.getTime() + refreshSeconds * 1000)

/**
 * Opens a session for a user who has shown who they are.
 * @throws Refusal ACCOUNT_DISABLED
 */
export async function openSession(
  { tx, now }: UnitOfWork,
  { userId, role, refreshSeconds }: { userId: number; role: Role; refreshSeconds: number }
): Promise<{ user: UserRow; subject: TokenSubject }> {
  const { count } = await tx.user.updateMany({ where: { userId, ...MAY_ACT }, data: { lastLogin: now } })
  if (count !== 1) throw refuse('ACCOUNT_DISABLED')
  const user = await tx.user.findUniqueOrThrow({ where: { userId } })
  const issuedAt = wholeSecond(now)
  const { mobile, isMerchant } = user
  const subject: TokenSubject = { userId, mobile, isMerchant, role, sid: risingId(), jti: risingId(), issuedAt }
  await tx.session.create({
    data: {
      sid: subject.sid,
      userId,
      role,
      refreshJti: subject.jti,
      refreshIssuedAt: issuedAt,
      expiresAt: endOf(issuedAt, refreshSeconds),
      createdAt: now
    }
  })
  return { user, subject }
}

/** What to do with a refresh token, by which of its session's it is (contract section 2). */
function judgeRefresh(
  session: { refreshJti: string; previousJti: string | null; refreshIssuedAt: Date; revokedAt: Date | null },
  jti: string,
  now: Date
): 'rotate' | 'repeat' | 'revoke' | 'refuse' {
  if (session.revokedAt !== null) return 'refuse'
  if (jti === session.refreshJti) return 'rotate'
  // When it was issued is known to the second: it is compared by those, so that nobody has less than was promised.
  const justReplaced = wholeSecond(now).getTime() - session.refreshIssuedAt.getTime() <= REFRESH_GRACE_MS
  return jti === session.previousJti && justReplaced ? 'repeat' : 'revoke'
}

/** What became of a refresh token. */
type Refreshed = { readonly subject: TokenSubject } | 'refused' | 'revoked' | 'disabled'

/**
 * Rotates a session's refresh token. A token that was replaced earlier was stolen, or its thief was faster: the
 * whole session ends. The caller commits that, and refuses after.
 */
export async function refreshSession(
  uow: UnitOfWork,
  token: { sid: string; jti: string },
  refreshSeconds: number
): Promise<Refreshed> {
  const { tx } = uow
  await tx.$queryRaw`SELECT sid FROM sessions WHERE sid = ${token.sid} FOR UPDATE`
  const session = await tx.session.findUnique({ where: { sid: token.sid }, include: { user: true } })
  if (session === null) return 'refused'
  const verdict = judgeRefresh(session, token.jti, uow.now)
  if (verdict === 'refuse') return 'refused'
  if (verdict === 'revoke') {
    await revokeSession(uow, session.sid)
    return 'revoked'
  }
  const { user, role, sid } = session
  if (!mayAct(user.status, user.deletedAt)) return 'disabled'
  const isNew = verdict === 'rotate'
  const issuedAt = isNew ? wholeSecond(uow.now) : session.refreshIssuedAt
  const jti = isNew ? risingId() : session.refreshJti
  if (isNew) {
    await tx.session.update({
      where: { sid },
      data: {
        previousJti: session.refreshJti,
        refreshJti: jti,
        refreshIssuedAt: issuedAt,
        expiresAt: endOf(issuedAt, refreshSeconds)
      }
    })
  }
  const { userId, mobile, isMerchant } = user
  return { subject: { userId, mobile, isMerchant, role, sid, jti, issuedAt } }
}

/** Ends a session: its tokens are void, and its sockets close after the commit. */
export async function revokeSession({ tx, outbox, now }: UnitOfWork, sid: string): Promise<void> {
  await tx.session.updateMany({ where: { sid, revokedAt: null }, data: { revokedAt: now } })
  outbox.notify({ kind: 'session_revoked', sid })
}

/** Removes sessions whose refresh token has expired. */
export const sessionSweep: Sweep = {
  name: 'sessions',
  step: ({ db, now }) => db.$executeRaw`DELETE FROM sessions WHERE expires_at < ${now} LIMIT ${SWEEP_ROWS}`
}
