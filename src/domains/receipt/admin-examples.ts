import type { Static } from '@sinclair/typebox'
import type { Reviewers, Revoked } from './admin-schemas.js'
import { examples as photo } from './examples.js'

const reviewers: Static<typeof Reviewers> = {
  days: 30,
  reviewers: [
    {
      reviewer: { user_id: 7, nickname: '前台小王', mobile: '139****0000' },
      decisions: 40,
      approved: 36,
      rejected: 4,
      approval_rate: 0.9,
      median_amount_ratio: 1,
      median_minutes: 12.5,
      overturned: 1,
      overturned_rate: 0.025,
      revoked: 0
    }
  ]
}

const revoked: Revoked = {
  upload_id: photo.upload.upload_id,
  status: 'revoked',
  points_revoked: 585,
  points_taken: 500,
  points_debt: 85,
  user_new_balance: 0,
  revoked_at: new Date('2026-11-22T12:00:00.000Z')
}

/** What the documentation shows of each answer. */
export const examples = { reviewers, revoked }
