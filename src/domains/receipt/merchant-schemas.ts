import { type Static, Type } from '@sinclair/typebox'
import {
  Count,
  DateTime,
  Day,
  ExportFormat,
  Id,
  Nullable,
  Page,
  PageQuery,
  Points,
  Rate,
  StringEnum
} from '../../shared/schemas.js'
import { Person } from '../user/schemas.js'
import { Evidenced } from './evidence/schemas.js'
import { REASON_CODES, ReasonCode } from './reasons.js'
import { ReviewStatus, Upload, UploadId } from './schemas.js'

export const ReviewedUpload = Type.Composite([
  Upload,
  Type.Object({
    description: Type.String(),
    expected_points: Points,
    /** What was promised at upload: whole points of yuan × rate, at least `min`, at most `max`. */
    points_terms: Type.Object({ rate: Type.Number(), min: Points, max: Points }),
    waiting_minutes: Count,
    reviewer_id: Nullable(Id),
    user: Person
  })
])
export type ReviewedUpload = Static<typeof ReviewedUpload>

/** A receipt with what a reviewer should see beside it. */
export const EvidencedUpload = Type.Composite([ReviewedUpload, Evidenced])
export type EvidencedUpload = Static<typeof EvidencedUpload>

export const PendingReviews = Page(
  { list: Type.Array(EvidencedUpload), reviews: Type.Array(EvidencedUpload) },
  { total: Count, statistics: Type.Object({ pending_reviews: Count, oldest_pending_minutes: Count }) }
)

export const ReviewsQuery = Type.Composite([
  PageQuery,
  Type.Object({
    status: StringEnum(['all', ...ReviewStatus.enum], { default: 'all' }),
    reviewer_id: Type.Optional(Id),
    from: Type.Optional(Day),
    to: Type.Optional(Day),
    format: ExportFormat
  })
])
export type ReviewsQuery = Static<typeof ReviewsQuery>

export const Reviews = Page({ reviews: Type.Array(ReviewedUpload) })

const Action = StringEnum(['approved', 'rejected'])
const Reason = Type.Optional(Type.String({ maxLength: 500 }))
const Code = Type.Optional(ReasonCode)
const ActualAmount = Type.Number({ description: 'yuan, 0.01 to 10000, at most two decimals; needed to approve' })

export const ReviewBody = Type.Object(
  {
    upload_id: UploadId,
    action: Action,
    actual_amount: Type.Optional(ActualAmount),
    reason: Reason,
    reason_code: Code
  },
  { examples: [{ upload_id: '019ab1c2-7d00-7000-8000-000000000003', action: 'approved', actual_amount: 58.5 }] }
)
export type ReviewBody = Static<typeof ReviewBody>

export const ApproveBody = Type.Object(
  { actual_amount: Type.Optional(ActualAmount), reason: Reason },
  { examples: [{ actual_amount: 58.5 }] }
)
export const RejectBody = Type.Object(
  { reason_code: Code, reason: Reason },
  { examples: [{ reason_code: 'unreadable', reason: '日期看不清' }] }
)

export const Reviewed = Type.Object({
  upload_id: UploadId,
  action: Action,
  status: Action,
  actual_amount: Nullable(Type.Number()),
  points_awarded: Points,
  user_new_balance: Points,
  reviewed_at: DateTime
})
export type Reviewed = Static<typeof Reviewed>

/** The most receipts that one batch decides. */
export const MAX_BATCH = 50

export const BatchBody = Type.Object(
  {
    // Each item is judged by itself, its fields too: one that does not fit fails alone.
    reviews: Type.Array(Type.Unknown(), { minItems: 1, maxItems: MAX_BATCH })
  },
  {
    examples: [{ reviews: [{ upload_id: '019ab1c2-7d00-7000-8000-000000000003', action: 'rejected', reason: '重复' }] }]
  }
)

export const BatchResult = Type.Object({
  upload_id: Nullable(Type.String()),
  success: Type.Boolean(),
  action: Nullable(Type.String()),
  points_awarded: Type.Optional(Points),
  code: Type.Optional(Type.Integer()),
  error: Type.Optional(Type.String()),
  msg: Type.Optional(Type.String())
})
export type BatchResult = Static<typeof BatchResult>

export const Batch = Type.Object({
  total: Count,
  success_count: Count,
  fail_count: Count,
  results: Type.Array(BatchResult)
})
export type Batch = Static<typeof Batch>

const Figures = Type.Object({
  total_reviews: Count,
  pending_reviews: Count,
  approved_reviews: Count,
  rejected_reviews: Count,
  revoked_reviews: Count,
  approval_rate: Rate
})

export const MerchantStatistics = Type.Object({
  overall: Figures,
  today: Figures,
  monthly: Figures,
  points: Type.Object({ total_awarded: Points, average_per_approval: Type.Number() }),
  efficiency: Type.Object({ average_minutes: Type.Number(), oldest_pending_minutes: Count }),
  reasons: Type.Object(
    Object.fromEntries(REASON_CODES.map((code) => [code, Count])) as Record<ReasonCode, typeof Count>,
    { description: 'rejections of the last 30 days' }
  ),
  daily: Type.Array(
    Type.Object({ date: Type.String(), total: Count, approved: Count, rejected: Count, points_awarded: Points })
  )
})
export type MerchantStatistics = Static<typeof MerchantStatistics>
