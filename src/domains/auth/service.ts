import bcrypt from 'bcrypt'
import type { Db, Tx } from '../../engine/tx.js'
import type { TokenSubject } from '../../identity/plugin.js'
import type { Vault } from '../../shared/cipher.js'
import { risingId } from '../../shared/ids.js'
import { maskMobile } from '../../shared/mask.js'
import { refuse } from '../../shared/refusal.js'
import type { UserRow } from '../user/schemas.js'
import { createUser } from '../user/service.js'
import { consumeCode } from './codes.js'
import { afterFailure, isLocked, judgeRefresh, type Lockout, UNLOCKED } from './rules.js'

/** Cost of admins' password hashes (contract section 3). */
export const BCRYPT_COST = 12

export interface Entered {
  readonly user: UserRow
  readonly subject: TokenSubject
  readonly isNew: boolean
}

/**
 * Uses up a code that {@link tryCode} found right, makes the user on a first login, and opens a session.
 * @throws Refusal CODE_INVALID or ACCOUNT_DISABLED
 */
export async function login(
  tx: Tx,
  vault: Vault,
  input: { mobile: string; code: string; now: Date; newUserPoints: number; refreshSeconds: number }
): Promise<Entered> {
  const { mobile, code, now } = input
  await consumeCode(tx, vault, mobile, code, now)
  const known = await tx.user.findUnique({ where: { mobile }, select: { userId: true } })
  const userId = known?.userId ?? (await createUser(tx, { mobile, points: input.newUserPoints, now }))
  return { ...(await enter(tx, userId, 'user', now, input.refreshSeconds)), isNew: known === null }
}

/** Opens a session for a user who has shown who they are. */
export async function enter(
  tx: Tx,
  userId: number,
  role: 'user' | 'admin',
  now: Date,
  refreshSeconds: number
): Promise<Omit<Entered, 'isNew'>> {
  const { count } = await tx.user.updateMany({
    where: { userId, status: 'active', deletedAt: null },
    data: { lastLogin: now }
  })
  if (count !== 1) throw refuse('ACCOUNT_DISABLED')
  const user = await tx.user.findUniqueOrThrow({ where: { userId } })
  const issuedAt = wholeSecond(now)
  const subject: TokenSubject = {
    userId,
    mobile: user.mobile,
    isMerchant: user.isMerchant,
    role,
    sid: risingId(),
    jti: risingId(),
    issuedAt
  }
  await tx.session.create({
    data: {
      sid: subject.sid,
      userId,
      role,
      refreshJti: subject.jti,
      refreshIssuedAt: issuedAt,
      expiresAt: new Date(issuedAt.getTime() + refreshSeconds * 1000),
      createdAt: now
    }
  })
  return { user, subject }
}

/** Tokens count in seconds: the same instant must give the same token again. */
const wholeSecond = (instant: Date) => new Date(Math.floor(instant.getTime() / 1000) * 1000)

export type Refreshed = { subject: TokenSubject; user: UserRow } | { revoked: string } | 'refused' | 'disabled'

/**
 * Rotates a session's refresh token. A token that was replaced earlier was stolen, or its thief was faster: the
 * whole session ends. The caller commits that, and refuses after.
 */
export async function refresh(
  tx: Tx,
  token: { sid: string; jti: string },
  now: Date,
  refreshSeconds: number
): Promise<Refreshed> {
  await tx.$queryRaw`SELECT sid FROM sessions WHERE sid = ${token.sid} FOR UPDATE`
  const session = await tx.session.findUnique({ where: { sid: token.sid }, include: { user: true } })
  if (session === null) return 'refused'
  const verdict = judgeRefresh(session, token.jti, now)
  if (verdict === 'refuse') return 'refused'
  if (verdict === 'revoke') {
    await revokeSession(tx, session.sid, now)
    return { revoked: session.sid }
  }
  if (session.user.status !== 'active' || session.user.deletedAt !== null) return 'disabled'
  const issuedAt = verdict === 'rotate' ? wholeSecond(now) : session.refreshIssuedAt
  const jti = verdict === 'rotate' ? risingId() : session.refreshJti
  if (verdict === 'rotate') {
    await tx.session.update({
      where: { sid: session.sid },
      data: {
        previousJti: session.refreshJti,
        refreshJti: jti,
        refreshIssuedAt: issuedAt,
        expiresAt: new Date(issuedAt.getTime() + refreshSeconds * 1000)
      }
    })
  }
  const { user, role, sid } = session
  const { userId, mobile, isMerchant } = user
  return { user, subject: { userId, mobile, isMerchant, role, sid, jti, issuedAt } }
}

/** Ends a session: its tokens are void. */
export async function revokeSession(tx: Tx, sid: string, now: Date): Promise<void> {
  await tx.session.updateMany({ where: { sid, revokedAt: null }, data: { revokedAt: now } })
}

export interface AdminAttempt {
  readonly adminId: number
  readonly username: string
  readonly role: string
  readonly userId: number
  readonly passwordHash: string
}

/**
 * Books a failure before the password is compared, and {@link loginAdmin} takes it back: so of a hundred guesses at
 * once no more than three are ever compared.
 * @returns undefined when there is no such admin
 * @throws Refusal ADMIN_LOCKED
 */
export async function bookAdminAttempt(tx: Tx, username: string, now: Date): Promise<AdminAttempt | undefined> {
  await tx.$queryRaw`SELECT admin_id FROM admin_users WHERE username = ${username} FOR UPDATE`
  const admin = await tx.adminUser.findUnique({ where: { username } })
  if (admin === null) return undefined
  const lockout: Lockout = {
    failures: JSON.parse(admin.recentFailures) as number[],
    lockedUntil: admin.lockedUntil?.getTime() ?? null
  }
  if (isLocked(lockout, now.getTime())) throw refuse('ADMIN_LOCKED', { locked_until: admin.lockedUntil })
  await keepLockout(tx, admin.adminId, afterFailure(lockout, now.getTime()))
  const { adminId, role, userId, passwordHash } = admin
  return { adminId, username: admin.username, role, userId, passwordHash }
}

async function keepLockout(tx: Tx, adminId: number, { failures, lockedUntil }: Lockout): Promise<void> {
  await tx.adminUser.update({
    where: { adminId },
    data: { recentFailures: JSON.stringify(failures), lockedUntil: lockedUntil === null ? null : new Date(lockedUntil) }
  })
}

/** Compared when there is no such admin, so that both answers take as long. Made on first use: it takes a while. */
let nobody: Promise<string> | undefined

export async function passwordMatches(attempt: AdminAttempt | undefined, password: string): Promise<boolean> {
  nobody ??= bcrypt.hash('nobody has this password', BCRYPT_COST)
  const matches = await bcrypt.compare(password, attempt?.passwordHash ?? (await nobody))
  return attempt !== undefined && matches
}

/** Opens an admin's session after the right password, and forgets earlier failures. */
export async function loginAdmin(
  tx: Tx,
  attempt: AdminAttempt,
  now: Date,
  refreshSeconds: number
): Promise<Omit<Entered, 'isNew'>> {
  await keepLockout(tx, attempt.adminId, UNLOCKED)
  return enter(tx, attempt.userId, 'admin', now, refreshSeconds)
}

/** Makes an admin, tied to the account of that mobile, which becomes a merchant's. For `npm run admin:create`. */
export async function createAdmin(
  tx: Tx,
  input: { username: string; passwordHash: string; mobile: string; newUserPoints: number; now: Date }
): Promise<{ adminId: number; userId: number }> {
  const { username, passwordHash, mobile, now } = input
  const known = await tx.user.findUnique({ where: { mobile }, select: { userId: true } })
  const userId = known?.userId ?? (await createUser(tx, { mobile, points: input.newUserPoints, now, isMerchant: true }))
  if (known !== null) await tx.user.update({ where: { userId }, data: { isMerchant: true } })
  const { adminId } = await tx.adminUser.create({ data: { username, passwordHash, userId, createdAt: now } })
  return { adminId, userId }
}

/** Where an attempt came from. */
export interface Origin {
  readonly ip: string
  readonly userAgent: string
}

/**
 * Writes down an attempt to log in; it outlives the refusal of the attempt.
 * @param attempt `account` is a mobile (for sms, masked here), a masked mobile or openid (wechat), or an admin's name
 */
export async function logAttempt(
  db: Db,
  origin: Origin,
  attempt: { method: 'sms' | 'wechat' | 'admin'; account: string; userId?: number; error?: string; now: Date }
): Promise<void> {
  const { method, account, userId, error, now } = attempt
  await db.loginLog.create({
    data: {
      method,
      account: method === 'sms' ? maskMobile(account) : account,
      userId: userId ?? null,
      success: error === undefined,
      error: error ?? null,
      ip: origin.ip.slice(0, 45),
      userAgent: origin.userAgent.slice(0, 255),
      createdAt: now
    }
  })
}
