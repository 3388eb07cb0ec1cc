import { type Static, Type } from '@sinclair/typebox'
import { maskMobile } from '../../shared/mask.js'
import { Count, DateTime, Id, Nullable, PageQuery, Pagination, Points, StringEnum } from '../../shared/schemas.js'
import { PointsSource } from '../realtime/events.js'

export const UserInfo = Type.Object({
  user_id: Id,
  mobile: Type.String({ description: 'masked' }),
  nickname: Type.String(),
  total_points: Points,
  is_merchant: Type.Boolean(),
  status: StringEnum(['active', 'inactive', 'banned']),
  avatar: Type.String(),
  last_login: Nullable(DateTime),
  created_at: DateTime
})
export type UserInfo = Static<typeof UserInfo>

/** The columns that {@link toUserInfo} wants. */
export interface UserRow {
  userId: number
  mobile: string
  nickname: string
  totalPoints: number
  isMerchant: boolean
  status: UserInfo['status']
  avatar: string
  lastLogin: Date | null
  createdAt: Date
}

export function toUserInfo(row: UserRow): UserInfo {
  return {
    user_id: row.userId,
    mobile: maskMobile(row.mobile),
    nickname: row.nickname,
    total_points: row.totalPoints,
    is_merchant: row.isMerchant,
    status: row.status,
    avatar: row.avatar,
    last_login: row.lastLogin,
    created_at: row.createdAt
  }
}

export const UserDetails = Type.Composite([
  UserInfo,
  Type.Object({
    statistics: Type.Object({
      total_lottery_count: Count,
      total_exchange_count: Count,
      total_upload_count: Count,
      total_points_earned: Points,
      total_points_spent: Points
    })
  })
])
export type UserDetails = Static<typeof UserDetails>

export const PointsRecordsQuery = Type.Composite([
  PageQuery,
  Type.Object({
    type: StringEnum(['all', 'earn', 'spend', 'consume'], { default: 'all', description: 'consume means spend' }),
    source: Type.Optional(PointsSource)
  })
])
export type PointsRecordsQuery = Static<typeof PointsRecordsQuery>

export const PointsRecord = Type.Object({
  id: Type.Integer({ minimum: 1 }),
  type: StringEnum(['earn', 'spend']),
  points: Type.Integer({ description: 'signed' }),
  balance_after: Points,
  source: PointsSource,
  description: Type.String(),
  related_id: Nullable(Type.String()),
  created_at: DateTime
})
export type PointsRecord = Static<typeof PointsRecord>

export const PointsRecords = Type.Object({
  records: Type.Array(PointsRecord),
  summary: Type.Object({ total_earned: Points, total_spent: Points, current_balance: Points }),
  pagination: Pagination
})
