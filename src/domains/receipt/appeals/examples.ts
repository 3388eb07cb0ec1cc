import type { Static } from '@sinclair/typebox'
import { examples as photo } from '../examples.js'
import { examples as merchant } from '../merchant-examples.js'
import type { Appeal, Appeals, DecidedAppeal, MadeAppeal } from './schemas.js'

const at = new Date('2026-11-22T12:30:00.000Z')
const id = photo.upload.upload_id

const made: MadeAppeal = {
  appeal_id: id,
  upload_id: id,
  status: 'open',
  message: '小票上是 85.8 元，请再看一下',
  amount: 85.8,
  reason: null,
  created_at: at,
  decided_at: null
}

const appeal: Appeal = {
  ...made,
  decider_id: null,
  first_decision: {
    status: 'approved',
    actual_amount: 58.5,
    points_awarded: 585,
    reason: null,
    reason_code: null,
    reviewer_id: 7,
    decided_at: at
  },
  upload: merchant.decided,
  evidence: [merchant.evidence],
  risk: 'look'
}

const appeals: Static<typeof Appeals> = {
  appeals: [appeal],
  pagination: { total: 1, page: 1, limit: 20, total_pages: 1 },
  next_cursor: null
}

const upheld: DecidedAppeal = {
  appeal_id: id,
  upload_id: id,
  appeal_status: 'upheld',
  status: 'approved',
  actual_amount: 58.5,
  points_awarded: 585,
  points_paid: 0,
  user_new_balance: 1585,
  decided_at: at
}

const overturned: DecidedAppeal = {
  ...upheld,
  appeal_status: 'overturned',
  actual_amount: 85.8,
  points_awarded: 858,
  points_paid: 273,
  user_new_balance: 1858
}

/** What the documentation shows of each answer. */
export const examples = { made, appeals, upheld, overturned }
