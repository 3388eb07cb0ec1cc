import { pageFrom, type Sort } from '../../engine/keyset.js'
import type { Db, Tx } from '../../engine/tx.js'
import type { Prisma } from '../../generated/prisma/client.js'
import { refuse } from '../../shared/refusal.js'
import { businessDay, DAY_MS } from '../../shared/time.js'
import { Account, post } from '../points/ledger.js'
import {
  type PointsRecord,
  type PointsRecordsQuery,
  type ProfileBody,
  toUserInfo,
  type UserDetails,
  type UserInfo,
  type UserStatistics
} from './schemas.js'

/**
 * Makes a diner: nickname `用户` and the last four digits, a first balance with its ledger row, and a pity row
 * (contract section 3).
 * @throws Prisma's P2002 when the mobile, or the openid, has an account already
 */
export async function createUser(
  tx: Tx,
  input: { mobile: string; points: number; now: Date; isMerchant?: boolean; openid?: string }
): Promise<number> {
  const { mobile, points, now, isMerchant = false, openid: wxOpenid = null } = input
  const { userId } = await tx.user.create({
    data: { mobile, nickname: `用户${mobile.slice(-4)}`, isMerchant, wxOpenid, createdAt: now },
    select: { userId: true }
  })
  await tx.lotteryPity.create({ data: { userId } })
  if (points > 0) {
    const account = new Account(userId, 0)
    account.credit(points, { source: 'register' })
    await post(tx, [account], now)
  }
  return userId
}

async function pointsTotals(db: Db, userId: number): Promise<{ earned: number; spent: number }> {
  const groups = await db.pointsRecord.groupBy({ by: ['type'], where: { userId }, _sum: { points: true } })
  const sum = (type: 'earn' | 'spend') => Math.abs(groups.find((group) => group.type === type)?._sum.points ?? 0)
  return { earned: sum('earn'), spent: sum('spend') }
}

/** @throws Refusal TOKEN_INVALID when the user is gone */
export async function readUser(db: Db, userId: number): Promise<UserDetails> {
  const [user, totals, draws, orders, uploads] = await Promise.all([
    db.user.findUnique({ where: { userId } }),
    pointsTotals(db, userId),
    db.lotteryDraw.aggregate({ where: { userId }, _sum: { drawCount: true } }),
    db.exchangeOrder.count({ where: { userId } }),
    db.photoReview.count({ where: { userId } })
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

/** Changes what of the profile is given. @throws Refusal TOKEN_INVALID when the user is gone */
export async function updateProfile(tx: Tx, userId: number, { nickname, avatar }: ProfileBody): Promise<UserInfo> {
  const data = {
    ...(nickname === undefined ? {} : { nickname: nickname.trim() }),
    ...(avatar === undefined ? {} : { avatar })
  }
  await tx.user.updateMany({ where: { userId, deletedAt: null }, data })
  const user = await tx.user.findFirst({ where: { userId, deletedAt: null } })
  if (user === null) throw refuse('TOKEN_INVALID')
  return toUserInfo(user)
}

/** The diner in figures, grouped and flat: mini-programs read either. */
export async function readUserStatistics(db: Db, userId: number, now: Date, timeZone: string): Promise<UserStatistics> {
  const [user, approved] = await Promise.all([
    readUser(db, userId),
    db.photoReview.count({ where: { userId, reviewStatus: 'approved' } })
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

export function toPointsRecord(row: Prisma.PointsRecordGetPayload<object>): PointsRecord {
  return {
    id: Number(row.id),
    type: row.type,
    points: row.points,
    balance_after: row.balanceAfter,
    source: row.source,
    description: row.description,
    related_id: row.relatedId,
    created_at: row.createdAt
  }
}

/** How ledgers are listed. */
export const NEWEST_POINTS = { direction: 'desc', columns: { id: 'bigint' } } as const satisfies Sort

/** A diner's ledger, newest first, with the sums over all of it. */
export async function listPoints(db: Db, userId: number, query: PointsRecordsQuery) {
  const where: Prisma.PointsRecordWhereInput = {
    userId,
    ...(query.type === 'all' ? {} : { type: query.type === 'consume' ? 'spend' : query.type }),
    ...(query.source === undefined ? {} : { source: query.source })
  }
  const [{ rows, ...rest }, totals, user] = await Promise.all([
    pageFrom(query, NEWEST_POINTS, where, {
      read: (part) => db.pointsRecord.findMany(part),
      count: (all) => db.pointsRecord.count({ where: all })
    }),
    pointsTotals(db, userId),
    db.user.findUnique({ where: { userId }, select: { totalPoints: true } })
  ])
  const records = rows.map(toPointsRecord)
  const summary = {
    total_earned: totals.earned,
    total_spent: totals.spent,
    current_balance: user?.totalPoints ?? 0
  }
  return { records, summary, ...rest }
}
