import type { Static } from '@sinclair/typebox'
import { examples as user } from '../user/examples.js'
import type { Application, Applications, AuditLogs, Ledger, LoginLogs, PointsChange, Users } from './schemas.js'

const at = new Date('2026-11-22T12:00:00.000Z')
const pagination = { total: 1, page: 1, limit: 20, total_pages: 1 }

const pending: Application = {
  application_id: 1,
  status: 'pending',
  user: { user_id: 1, nickname: '用户5678', mobile: '138****5678' },
  business_name: '阿明小馆',
  contact_person: '陈明',
  contact_phone: '138****5678',
  business_license: '91440300MA5EXAMPLE',
  business_address: '深圳市南山区科技路1号',
  reason: '希望自己审核小票',
  applied_at: at,
  decided_at: null,
  reject_reason: null
}
const approved: Application = { ...pending, status: 'approved', decided_at: at }
const rejected: Application = { ...pending, status: 'rejected', decided_at: at, reject_reason: '营业执照看不清' }
const applications: Static<typeof Applications> = { applications: [pending], pagination, next_cursor: null }

const banned = { ...user.info, status: 'banned' as const }
const users: Static<typeof Users> = { users: [user.info], pagination, next_cursor: null }
const points: PointsChange = { user_id: 1, change: 200, total_points: 1100 }

const auditLogs: Static<typeof AuditLogs> = {
  logs: [
    {
      id: 1,
      actor_id: 2,
      action: 'user.ban',
      target_type: 'user',
      target_id: '1',
      before: { status: 'active' },
      after: { status: 'banned' },
      reason: '恶意刷单',
      ip: '203.0.113.7',
      request_id: '019ab1c2-7d00-7000-8000-000000000001',
      created_at: at
    }
  ],
  pagination,
  next_cursor: null
}

const loginLogs: Static<typeof LoginLogs> = {
  logs: [
    {
      id: 1,
      method: 'sms',
      account: '138****5678',
      user_id: null,
      success: false,
      error: 'CODE_INVALID',
      ip: '203.0.113.7',
      user_agent: 'MicroMessenger/8.0',
      created_at: at
    }
  ],
  pagination,
  next_cursor: null
}

const ledger: Static<typeof Ledger> = {
  records: [
    {
      user_id: 1,
      id: 3,
      type: 'earn',
      points: 200,
      balance_after: 1100,
      source: 'admin',
      description: '活动补偿',
      related_id: null,
      created_at: at
    }
  ],
  pagination,
  next_cursor: null
}

/** What the documentation shows of each answer. */
export const examples = {
  applications,
  approved,
  rejected,
  users,
  user: user.info,
  banned,
  points,
  auditLogs,
  loginLogs,
  ledger
}
