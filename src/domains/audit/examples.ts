import type { Static } from '@sinclair/typebox'
import type { AuditLogs } from './schemas.js'

const logs: Static<typeof AuditLogs> = {
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
      created_at: new Date('2026-11-22T12:00:00.000Z')
    }
  ],
  pagination: { total: 1, page: 1, limit: 20, total_pages: 1 },
  next_cursor: null
}

/** What the documentation shows of each answer. */
export const examples = { logs }
