import { type Static, Type } from '@sinclair/typebox'
import { maskMobile } from '../../shared/mask.js'
import { Count, DateTime, Id, Nullable, Page, PageQuery, Points, StringEnum } from '../../shared/schemas.js'
import { PLAIN_TEXT } from '../../shared/text.js'
import { AuditReason } from '../audit/schemas.js'

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

/** A user as merchants and admins see them in a list. */
export const Person = Type.Object({
  user_id: Id,
  nickname: Type.String(),
  mobile: Type.String({ description: 'masked' })
})

/** The columns that {@link toPerson} wants. */
export const PERSON_COLUMNS = { userId: true, nickname: true, mobile: true } as const

export function toPerson({
  userId,
  nickname,
  mobile
}: Pick<UserRow, 'userId' | 'nickname' | 'mobile'>): Static<typeof Person> {
  return { user_id: userId, nickname, mobile: maskMobile(mobile) }
}

export const UserDetails = Type.Composite([
  UserInfo,
  Type.Object({
    points_debt: Type.Integer({
      minimum: 0,
      description: 'owed after a receipt was taken back; later points pay it first'
    }),
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

/** One to twenty characters of whatever script. */
const Nickname = Type.String({
  minLength: 1,
  maxLength: 20,
  pattern: PLAIN_TEXT,
  description: '1 to 20 characters'
})

export const ProfileBody = Type.Object(
  {
    nickname: Type.Optional(Nickname),
    avatar: Type.Optional(Type.String({ pattern: '^https?://[^\\s<>"]+$', maxLength: 255, description: 'URL' }))
  },
  { examples: [{ nickname: '阿明' }] }
)
export type ProfileBody = Static<typeof ProfileBody>

/** The multipart form, for the documentation: it is read as a stream. */
export const AvatarForm = Type.Object(
  { avatar: Type.String({ format: 'binary', description: 'one file of at most 5 MB: JPEG, PNG, GIF, WebP, HEIC' }) },
  { examples: [{ avatar: '(the bytes of the file)' }] }
)
export const Avatar = Type.Object({ avatar_url: Type.String() })

export const UserStatistics = Type.Object({
  points_statistics: Type.Object({ total_earned: Points, total_spent: Points, current_balance: Points }),
  activity_statistics: Type.Object({
    total_lottery_count: Count,
    total_exchange_count: Count,
    total_upload_count: Count,
    approved_upload_count: Count
  }),
  totalUploads: Count,
  approvedUploads: Count,
  totalLotteries: Count,
  totalExchanges: Count,
  joinDays: Type.Integer({ minimum: 1, description: 'business days since the account was made, that day included' })
})
export type UserStatistics = Static<typeof UserStatistics>

export const UsersQuery = Type.Composite([
  PageQuery,
  Type.Object({
    search: Type.Optional(
      Type.String({ maxLength: 50, description: 'part of a nickname, a whole mobile, or a user id' })
    ),
    status: Type.Optional(UserInfo.properties.status),
    is_merchant: Type.Optional(Type.Boolean())
  })
])
export type UsersQuery = Static<typeof UsersQuery>

export const Users = Page({ users: Type.Array(UserInfo) })

export const UserParams = Type.Object({ id: Id })
export const BanBody = Type.Object({ reason: AuditReason }, { examples: [{ reason: '恶意刷单' }] })
