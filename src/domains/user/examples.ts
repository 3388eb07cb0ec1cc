import type { Static } from '@sinclair/typebox'
import type { Vouchers } from '../voucher/schemas.js'
import type { PointsRecords, UserDetails, UserInfo, UserStatistics } from './schemas.js'

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
  statistics: {
    total_lottery_count: 1,
    total_exchange_count: 0,
    total_upload_count: 0,
    total_points_earned: 1000,
    total_points_spent: 100
  }
}

const points: Static<typeof PointsRecords> = {
  records: [
    {
      id: 2,
      type: 'spend',
      points: -100,
      balance_after: 900,
      source: 'lottery',
      description: '抽奖1次',
      related_id: '019ab1c2-7d00-7000-8000-000000000001',
      created_at: at
    }
  ],
  summary: { total_earned: 1000, total_spent: 100, current_balance: 900 },
  pagination: { total: 2, page: 1, limit: 20, total_pages: 1 },
  next_cursor: null
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

const vouchers: Static<typeof Vouchers> = {
  vouchers: [
    {
      code: 'K7QXM4PTRW9A',
      title: '甜品1份',
      kind: 'physical',
      source: 'lottery',
      status: 'unused',
      issued_at: at,
      expires_at: new Date('2026-12-22T12:00:00.000Z'),
      used_at: null
    }
  ],
  pagination: { total: 1, page: 1, limit: 20, total_pages: 1 },
  next_cursor: null
}

/** What the documentation shows of each answer. */
export const examples = { info, details, points, statistics, vouchers }
