import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import type { Static } from '@sinclair/typebox'
import bcrypt from 'bcrypt'
import type { FastifyRequest } from 'fastify'
import { durationSeconds } from '../../config.js'
import type { Tx } from '../../engine/tx.js'
import type { UnitOfWork } from '../../engine/unit-of-work.js'
import { openSession } from '../../identity/sessions.js'
import { refuse } from '../../shared/refusal.js'
import { failures, ok, success } from '../../shared/schemas.js'
import { createUser } from '../user/accounts.js'
import { toUserInfo } from '../user/schemas.js'
import { examples } from './examples.js'
import { loggedAttempt } from './login-log.js'
import { afterFailure, isLocked, type Lockout, UNLOCKED } from './rules.js'
import { AdminLogin, AdminLoginBody } from './schemas.js'

/** Cost of admins' password hashes (contract section 3). */
export const BCRYPT_COST = 12

interface AdminAttempt {
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
async function bookAdminAttempt({ tx, now }: UnitOfWork, username: string): Promise<AdminAttempt | undefined> {
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

async function passwordMatches(attempt: AdminAttempt | undefined, password: string): Promise<boolean> {
  nobody ??= bcrypt.hash('nobody has this password', BCRYPT_COST)
  const matches = await bcrypt.compare(password, attempt?.passwordHash ?? (await nobody))
  return attempt !== undefined && matches
}

/** Opens an admin's session after the right password, and forgets earlier failures. */
async function loginAdmin(uow: UnitOfWork, { adminId, userId }: AdminAttempt, refreshSeconds: number) {
  await keepLockout(uow.tx, adminId, UNLOCKED)
  return openSession(uow, { userId, role: 'admin', refreshSeconds })
}

/** Makes an admin, tied to the account of that mobile, which becomes a merchant's. For `npm run admin:create`. */
export async function createAdmin(
  uow: UnitOfWork,
  input: { username: string; passwordHash: string; mobile: string; newUserPoints: number }
): Promise<{ adminId: number; userId: number }> {
  const { tx, now } = uow
  const { username, passwordHash, mobile } = input
  const known = await tx.user.findUnique({ where: { mobile }, select: { userId: true } })
  const userId = known?.userId ?? (await createUser(uow, { mobile, points: input.newUserPoints, isMerchant: true }))
  if (known !== null) await tx.user.update({ where: { userId }, data: { isMerchant: true } })
  const { adminId } = await tx.adminUser.create({ data: { username, passwordHash, userId, createdAt: now } })
  return { adminId, userId }
}

/**
 * An admin who shows their password; the attempt is written down whichever way it ends.
 * @throws Refusal ADMIN_LOGIN_FAILED, ADMIN_LOCKED or ACCOUNT_DISABLED
 */
export function enterAsAdmin(request: FastifyRequest, { username, password }: Static<typeof AdminLoginBody>) {
  const { config, tx } = request.server
  const refreshSeconds = durationSeconds(config.JWT_REFRESH_EXPIRES_IN)
  return loggedAttempt(request, 'admin', username, async () => {
    const attempt = await tx((uow) => bookAdminAttempt(uow, username))
    if (!(await passwordMatches(attempt, password)) || attempt === undefined) throw refuse('ADMIN_LOGIN_FAILED')
    const entered = await tx((uow) => loginAdmin(uow, attempt, refreshSeconds))
    return { ...entered, admin: { admin_id: attempt.adminId, username: attempt.username, role: attempt.role } }
  })
}

/** Log in as an admin, by name and password. */
export const adminLogin: FastifyPluginAsyncTypebox = async (app) => {
  app.post(
    '/admin-login',
    {
      config: { access: 'public', limit: 'login' },
      schema: {
        tags: ['auth'],
        summary: 'Log in as an admin',
        body: AdminLoginBody,
        response: {
          200: ok(AdminLogin, examples.adminLogin),
          ...failures('VALIDATION_FAILED', 'ADMIN_LOGIN_FAILED', 'ADMIN_LOCKED', 'ACCOUNT_DISABLED')
        }
      }
    },
    async (request) => {
      const { user, subject, admin } = await enterAsAdmin(request, request.body)
      return success({
        ...app.tokens.mint(subject),
        is_new_user: false,
        user_info: toUserInfo(user),
        admin_info: admin
      })
    }
  )
}
