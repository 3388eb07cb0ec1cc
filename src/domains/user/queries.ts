import { pageFrom, type Sort, whereCommon } from '../../engine/keyset.js'
import { type Reads, readOf } from '../../engine/reads.js'
import { likeLiteral } from '../../engine/sql.js'
import type { Db } from '../../engine/tx.js'
import type { Prisma } from '../../generated/prisma/client.js'
import { given } from '../../shared/given.js'
import { refuse } from '../../shared/refusal.js'
import { businessDay, DAY_MS } from '../../shared/time.js'
import { toUserInfo, type UserDetails, type UserRow, type UserStatistics, type UsersQuery } from './schemas.js'

/** What a diner has done; `approved` are receipts. */
interface Figures {
  readonly pointsDebt: number
  readonly draws: number
  readonly orders: number
  readonly uploads: number
  readonly approved: number
  readonly earned: number
  readonly spent: number
}

/** A diner's row, and of the kept figures (the domains' `totals.ts`) those that a profile shows. */
const USER = readOf<
  Omit<UserRow, 'isMerchant'> & { readonly isMerchant: number } & Figures,
  [userId: number, sameId: number]
>(`
  SELECT u.user_id AS userId, u.mobile, u.nickname, u.total_points AS totalPoints, u.points_debt AS pointsDebt,
    u.is_merchant AS isMerchant, u.status, u.avatar, u.last_login AS lastLogin, u.created_at AS createdAt, f.*
  FROM users AS u JOIN (
    SELECT COALESCE(SUM(IF(topic = 'result', total, 0)), 0) AS draws,
      COALESCE(SUM(IF(topic = 'order', total, 0)), 0) AS orders,
      COALESCE(SUM(IF(topic = 'upload', total, 0)), 0) AS uploads,
      COALESCE(SUM(IF(topic = 'upload' AND label = 'approved', total, 0)), 0) AS approved,
      COALESCE(SUM(IF(topic = 'ledger', earned, 0)), 0) AS earned,
      COALESCE(SUM(IF(topic = 'ledger', spent, 0)), 0) AS spent
    FROM user_totals WHERE user_id = ? AND topic IN ('result', 'order', 'upload', 'ledger')
  ) AS f
  WHERE u.user_id = ?`)

async function readFigures(reads: Reads, userId: number) {
  const [[row]] = await reads(USER(userId, userId))
  if (row === undefined) throw refuse('TOKEN_INVALID')
  return { ...row, isMerchant: row.isMerchant === 1 } satisfies UserRow & Figures
}

/** @throws Refusal TOKEN_INVALID when the user is gone */
export async function readUser(reads: Reads, userId: number): Promise<UserDetails> {
  const user = await readFigures(reads, userId)
  return {
    ...toUserInfo(user),
    points_debt: user.pointsDebt,
    statistics: {
      total_lottery_count: user.draws,
      total_exchange_count: user.orders,
      total_upload_count: user.uploads,
      total_points_earned: user.earned,
      total_points_spent: user.spent
    }
  }
}

/**
 * The diner in figures, grouped and flat: mini-programs read either.
 * @throws Refusal TOKEN_INVALID when the user is gone
 */
export async function readUserStatistics(
  reads: Reads,
  userId: number,
  now: Date,
  timeZone: string
): Promise<UserStatistics> {
  const user = await readFigures(reads, userId)
  const day = (instant: Date) => Date.parse(businessDay(instant, timeZone))
  return {
    points_statistics: {
      total_earned: user.earned,
      total_spent: user.spent,
      current_balance: user.totalPoints
    },
    activity_statistics: {
      total_lottery_count: user.draws,
      total_exchange_count: user.orders,
      total_upload_count: user.uploads,
      approved_upload_count: user.approved
    },
    totalUploads: user.uploads,
    approvedUploads: user.approved,
    totalLotteries: user.draws,
    totalExchanges: user.orders,
    joinDays: Math.max(1, Math.round((day(now) - day(user.createdAt)) / DAY_MS) + 1)
  }
}

const NEWEST = { direction: 'desc', columns: { userId: 'int' } } as const satisfies Sort

/** Where the column of user ids ends. */
const MAX_USER_ID = 2_147_483_647

/** What a search means: part of a nickname, and what it may be besides. */
function searchFor(text: string): Prisma.UserWhereInput[] {
  const ways: Prisma.UserWhereInput[] = [{ nickname: { contains: likeLiteral(text) } }]
  if (/^\d{11}$/.test(text)) ways.push({ mobile: text })
  if (/^[1-9]\d{0,9}$/.test(text) && Number(text) <= MAX_USER_ID) ways.push({ userId: Number(text) })
  return ways
}

/** The users there are, newest first. */
export async function listUsers(db: Db, query: UsersQuery) {
  const where: Prisma.UserWhereInput = {
    deletedAt: null,
    ...given({ status: query.status }),
    // Most users are no merchants.
    ...(query.is_merchant === undefined ? {} : { isMerchant: whereCommon.flag(query.is_merchant) }),
    ...(query.search === undefined ? {} : { OR: searchFor(query.search) })
  }
  const { rows, ...rest } = await pageFrom(query, NEWEST, where, {
    read: (part) => db.user.findMany(part),
    count: (all) => db.user.count({ where: all })
  })
  return { users: rows.map(toUserInfo), ...rest }
}
