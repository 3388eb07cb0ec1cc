import { lockUser } from '../../engine/locks.js'
import { writeAll } from '../../engine/tx.js'
import type { PrivilegedWork, UnitOfWork } from '../../engine/unit-of-work.js'
import { given } from '../../shared/given.js'
import { refuse } from '../../shared/refusal.js'
import { recordAct } from '../audit/audit.js'
import { firstEpochWrites } from '../lottery/fairness/epochs.js'
import { Account, NEW_ACCOUNT } from '../points/account.js'
import { post } from '../points/ledger.js'
import { type ProfileBody, toUserInfo, type UserInfo } from './schemas.js'

/**
 * Makes a diner: nickname `用户` and the last four digits, a first balance with its ledger row, a pity
 * row and a first epoch (contract section 3).
 * @throws Prisma's P2002 when the mobile, or the openid, has an account already
 */
export async function createUser(
  uow: UnitOfWork,
  input: { mobile: string; points: number; isMerchant?: boolean; openid?: string }
): Promise<number> {
  const { mobile, points, isMerchant = false, openid: wxOpenid = null } = input
  const { userId } = await uow.tx.user.create({
    data: { mobile, nickname: `用户${mobile.slice(-4)}`, isMerchant, wxOpenid, createdAt: uow.now },
    select: { userId: true }
  })
  await uow.tx.lotteryPity.create({ data: { userId } })
  // A seed is kept encrypted. Who was made by a script, without a key, gets an epoch at the first look.
  if (uow.hasKey) await writeAll(uow.tx, firstEpochWrites(uow, [userId]))
  if (points > 0) {
    const account = new Account(userId, NEW_ACCOUNT)
    account.credit(points, { source: 'register' })
    await post(uow, [account])
  }
  return userId
}

/** Changes what of the profile is given. @throws Refusal TOKEN_INVALID when the user is gone */
export async function updateProfile(
  { tx }: UnitOfWork,
  userId: number,
  { nickname, avatar }: ProfileBody
): Promise<UserInfo> {
  const data = given({ nickname: nickname?.trim(), avatar })
  await tx.user.updateMany({ where: { userId, deletedAt: null }, data })
  const user = await tx.user.findFirst({ where: { userId, deletedAt: null } })
  if (user === null) throw refuse('TOKEN_INVALID')
  return toUserInfo(user)
}

/**
 * Bans a user, or takes the ban back. A ban shuts their sockets (4003) and their tokens (2004) as soon as it is
 * committed. Sessions are not revoked: their tokens would say 2002, as if another login helped.
 * @throws Refusal FORBIDDEN to those who would ban themselves, USER_NOT_FOUND, or STATE_CONFLICT when there is nothing
 * to change
 */
export async function setBan(
  uow: PrivilegedWork,
  { userId, ban, reason }: { userId: number; ban: boolean; reason: string }
): Promise<UserInfo> {
  const { tx, actor, outbox } = uow
  if (ban && userId === actor.userId) throw refuse('FORBIDDEN')
  await lockUser(uow, userId)
  const user = await tx.user.findFirst({ where: { userId, deletedAt: null }, select: { status: true } })
  if (user === null) throw refuse('USER_NOT_FOUND')
  if ((user.status === 'banned') === ban) throw refuse('STATE_CONFLICT', { status: user.status })
  const status = ban ? 'banned' : 'active'
  const changed = await tx.user.update({ where: { userId }, data: { status } })
  await recordAct(uow, {
    action: ban ? 'user.ban' : 'user.unban',
    targetType: 'user',
    targetId: userId,
    before: { status: user.status },
    after: { status },
    reason
  })
  outbox.notify({ kind: 'user_changed', userId })
  return toUserInfo(changed)
}
