import type { Static } from '@sinclair/typebox'
import type { Vouchers } from './schemas.js'

const vouchers: Static<typeof Vouchers> = {
  vouchers: [
    {
      code: 'K7QXM4PTRW9A',
      title: '甜品1份',
      kind: 'physical',
      source: 'lottery',
      status: 'unused',
      issued_at: new Date('2026-11-22T12:00:00.000Z'),
      expires_at: new Date('2026-12-22T12:00:00.000Z'),
      used_at: null
    }
  ],
  pagination: { total: 1, page: 1, limit: 20, total_pages: 1 },
  next_cursor: null
}

/** What the documentation shows of each answer. */
export const examples = { vouchers }
