import { pageFrom, type Sort, whereCommon } from '../../engine/keyset.js'
import { likeLiteral } from '../../engine/sql.js'
import type { Db } from '../../engine/tx.js'
import type { Prisma } from '../../generated/prisma/client.js'
import { given } from '../../shared/given.js'
import { refuse } from '../../shared/refusal.js'
import { businessDay, DAY_MS } from '../../shared/time.js'
import { pointsTotals } from '../points/queries.js'
import { toUserInfo, type UserDetails, type UserStatistics, type UsersQuery } from './schemas.js'

/** @throws Refusal TOKEN_INVALID when the user is gone */
export async function readUser(db: Db, userId: number): Promise<UserDetails> {
  const [user, totals, draws, orders, uploads] = await Promise.all([
    db.user.findUnique({ where: { userId } }),
    pointsTotals(db, userId),
    db.lotteryDraw.aggregate({ where: { userId }, _sum: { drawCount: true } }),
    db.exchangeOrder.count({ where: { userId } }),
    db.receipt.count({ where: { userId } })
  ])
  if (user === null) throw refuse('TOKEN_INVALID')
  return {
    ...toUserInfo(user),
    statistics: {
      total_lottery_count: draws._sum.drawCount ?? 0,
      total_exchange_count: orders,
      total_upload_count: uploads,
      total_points_earned: totals.earned,
      total_points_spent: totals.spent
    }
  }
}

/** The diner in figures, grouped and flat: mini-programs read either. */
export async function readUserStatistics(db: Db, userId: number, now: Date, timeZone: string): Promise<UserStatistics> {
  const [user, approved] = await Promise.all([
    readUser(db, userId),
    db.receipt.count({ where: { userId, reviewStatus: 'approved' } })
  ])
  const { statistics: figures } = user
  const day = (instant: Date) => Date.parse(businessDay(instant, timeZone))
  return {
    points_statistics: {
      total_earned: figures.total_points_earned,
      total_spent: figures.total_points_spent,
      current_balance: user.total_points
    },
    activity_statistics: {
      total_lottery_count: figures.total_lottery_count,
      total_exchange_count: figures.total_exchange_count,
      total_upload_count: figures.total_upload_count,
      approved_upload_count: approved
    },
    totalUploads: figures.total_upload_count,
    approvedUploads: approved,
    totalLotteries: figures.total_lottery_count,
    totalExchanges: figures.total_exchange_count,
    joinDays: Math.max(1, Math.round((day(now) - day(user.created_at)) / DAY_MS) + 1)
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
