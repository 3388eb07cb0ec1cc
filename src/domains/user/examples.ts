import type { Static } from '@sinclair/typebox'
import type { UserDetails, UserInfo, UserStatistics, Users } from './schemas.js'

const at = new Date('2026-11-22T12:00:00.000Z')

const info: UserInfo = {
  user_id: 1,
  mobile: '138****5678',
  nickname: '用户5678',
  total_points: 900,
  is_merchant: false,
  status: 'active',
  avatar: '',
  last_login: at,
  created_at: at
}

const details: UserDetails = {
  ...info,
  points_debt: 0,
  statistics: {
    total_lottery_count: 1,
    total_exchange_count: 0,
    total_upload_count: 0,
    total_points_earned: 1000,
    total_points_spent: 100
  }
}

const statistics: UserStatistics = {
  points_statistics: { total_earned: 1000, total_spent: 100, current_balance: 900 },
  activity_statistics: {
    total_lottery_count: 1,
    total_exchange_count: 0,
    total_upload_count: 0,
    approved_upload_count: 0
  },
  totalUploads: 0,
  approvedUploads: 0,
  totalLotteries: 1,
  totalExchanges: 0,
  joinDays: 1
}

const banned = { ...info, status: 'banned' as const }
const users: Static<typeof Users> = {
  users: [info],
  pagination: { total: 1, page: 1, limit: 20, total_pages: 1 },
  next_cursor: null
}

/** What the documentation shows of each answer. */
export const examples = { info, details, statistics, banned, users }
