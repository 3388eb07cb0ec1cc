import type { Static } from '@sinclair/typebox'
import { chainHash, GENESIS } from './chain.js'
import type { Adjustment, Ledger, PointsRecords, PointsStatement } from './schemas.js'

const at = new Date('2026-11-22T12:00:00.000Z')

const records: Static<typeof PointsRecords> = {
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

const adjustment: Adjustment = { user_id: 1, change: 200, total_points: 1100 }

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
  pagination: { total: 1, page: 1, limit: 20, total_pages: 1 },
  next_cursor: null
}

const statement: PointsStatement = {
  user_id: 1,
  from: '2026-11-01',
  to: '2026-11-30',
  opening_balance: 0,
  opening_hash: GENESIS,
  rows: [
    {
      seq: 1,
      points: 1000,
      balance_after: 1000,
      source: 'register',
      description: '新用户注册奖励',
      related_id: null,
      created_at: at,
      hash: chainHash(GENESIS, {
        userId: 1,
        seq: 1,
        points: 1000,
        balanceAfter: 1000,
        source: 'register',
        relatedId: null,
        createdAt: at,
        description: '新用户注册奖励'
      })
    }
  ],
  closing_balance: 1000,
  closing_hash: ''
}
statement.closing_hash = statement.rows[0]?.hash ?? GENESIS

/** What the documentation shows of each answer. */
export const examples = { records, adjustment, ledger, statement }
