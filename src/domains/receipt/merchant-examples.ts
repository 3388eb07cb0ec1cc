import type { Static } from '@sinclair/typebox'
import type { Evidence } from './evidence/schemas.js'
import { examples as photo } from './examples.js'
import type {
  Batch,
  EvidencedUpload,
  MerchantStatistics,
  PendingReviews,
  Reviewed,
  ReviewedUpload,
  Reviews
} from './merchant-schemas.js'

const at = new Date('2026-11-22T12:00:00.000Z')

const decided: ReviewedUpload = {
  ...photo.upload,
  description: '',
  expected_points: 585,
  points_terms: { rate: 10, min: 50, max: 2000 },
  waiting_minutes: 12,
  reviewer_id: 7,
  user: { user_id: 1, nickname: '用户5678', mobile: '138****5678' }
}
const waiting: ReviewedUpload = {
  ...decided,
  status: 'pending',
  review_status: 'pending',
  actual_amount: null,
  points_awarded: 0,
  review_time: null,
  reviewer_id: null
}
const evidence: Evidence = {
  kind: 'similar_picture',
  upload_id: '019ab1c2-7d00-7000-8000-000000000001',
  distance: 4,
  image_url: photo.upload.image_url,
  thumbnail_url: photo.upload.thumbnail_url,
  amount: 58.5,
  status: 'approved',
  same_user: false,
  user: { user_id: 2, nickname: '用户4321', mobile: '139****4321' },
  created_at: at
}
const evidenced: EvidencedUpload = { ...waiting, evidence: [evidence], risk: 'look' }
const one = { total: 1, page: 1, limit: 20, total_pages: 1 }

const pending: Static<typeof PendingReviews> = {
  list: [evidenced],
  reviews: [evidenced],
  total: 1,
  statistics: { pending_reviews: 1, oldest_pending_minutes: 12 },
  pagination: one,
  next_cursor: null
}
const reviews: Static<typeof Reviews> = { reviews: [decided], pagination: one, next_cursor: null }

const reviewed: Static<typeof Reviewed> = {
  upload_id: photo.upload.upload_id,
  action: 'approved',
  status: 'approved',
  actual_amount: 58.5,
  points_awarded: 585,
  user_new_balance: 1585,
  reviewed_at: at
}

const batch: Batch = {
  total: 2,
  success_count: 1,
  fail_count: 1,
  results: [
    { upload_id: photo.upload.upload_id, success: true, action: 'approved', points_awarded: 585 },
    {
      upload_id: 'unknown',
      success: false,
      action: 'rejected',
      code: 4003,
      error: 'REVIEW_NOT_FOUND',
      msg: '审核记录不存在'
    }
  ]
}

const figures = {
  total_reviews: 3,
  pending_reviews: 1,
  approved_reviews: 1,
  rejected_reviews: 1,
  revoked_reviews: 0,
  approval_rate: 0.5
}
const statistics: MerchantStatistics = {
  overall: figures,
  today: figures,
  monthly: figures,
  points: { total_awarded: 585, average_per_approval: 585 },
  efficiency: { average_minutes: 12.5, oldest_pending_minutes: 12 },
  reasons: {
    unreadable: 1,
    not_a_receipt: 0,
    other_store: 0,
    too_old: 0,
    already_used: 0,
    amount_mismatch: 0,
    other: 0
  },
  daily: [{ date: '2026-11-22', total: 3, approved: 1, rejected: 1, points_awarded: 585 }]
}

/** What the documentation shows of each answer. */
export const examples = { decided, evidence, evidenced, pending, reviews, reviewed, batch, statistics }
