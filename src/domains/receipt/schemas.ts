import { type Static, Type } from '@sinclair/typebox'
import { Count, DateTime, Nullable, Page, PageQuery, Points, Rate, StringEnum } from '../../shared/schemas.js'
import { ReasonCode } from './reasons.js'

export const ReviewStatus = StringEnum(['pending', 'approved', 'rejected', 'revoked'])
export type ReviewStatus = Static<typeof ReviewStatus>

export const UploadId = Type.String({ minLength: 1, maxLength: 50 })
export const UploadParams = Type.Object({ id: UploadId })

/** The multipart form, for the documentation: it is read as a stream, see form.ts. */
export const UploadForm = Type.Object(
  {
    photo: Type.String({ format: 'binary', description: 'one file of at most 5 MB: JPEG, PNG, GIF, WebP, HEIC' }),
    amount: Type.String({ description: 'yuan, 0.01 to 10000, at most two decimals' }),
    description: Type.Optional(Type.String({ maxLength: 500 }))
  },
  { examples: [{ photo: '(the bytes of the file)', amount: '58.50', description: '四人晚餐' }] }
)

export const Uploaded = Type.Object({
  upload_id: UploadId,
  status: ReviewStatus,
  amount: Type.Number(),
  image_url: Type.String(),
  thumbnail_url: Type.String(),
  file_size: Count,
  expected_points: Points,
  points_awarded: Points,
  message: Type.String(),
  estimated_review_time: Type.String(),
  created_at: DateTime
})
export type Uploaded = Static<typeof Uploaded>

export const AppealStatus = StringEnum(['open', 'upheld', 'overturned', 'void'], {
  description: 'void: the receipt was revoked before anybody decided'
})
export type AppealStatus = Static<typeof AppealStatus>

/** A diner's appeal, as they see it. */
export const OwnAppeal = Type.Object({
  status: AppealStatus,
  message: Type.String(),
  amount: Nullable(Type.Number()),
  reason: Nullable(Type.String({ description: 'of the one who decided it' })),
  created_at: DateTime,
  decided_at: Nullable(DateTime)
})
export type OwnAppeal = Static<typeof OwnAppeal>

export const Upload = Type.Object({
  upload_id: UploadId,
  image_url: Type.String(),
  thumbnail_url: Type.String(),
  amount: Type.Number(),
  actual_amount: Nullable(Type.Number()),
  points_awarded: Points,
  status: ReviewStatus,
  review_status: ReviewStatus,
  review_reason: Nullable(Type.String()),
  reason_code: Nullable(ReasonCode),
  reason_text: Nullable(Type.String({ description: 'the code in Chinese' })),
  reason_advice: Nullable(Type.String({ description: 'what the diner can do' })),
  review_time: Nullable(DateTime),
  appeal: Nullable(OwnAppeal),
  appeal_until: Nullable(DateTime),
  created_at: DateTime
})
export type Upload = Static<typeof Upload>

/** How long a pending receipt has to wait; both are null of one that is decided. */
export const Waiting = Type.Object({
  queue_position: Nullable(Type.Integer({ minimum: 1, description: '1: the next' })),
  estimated_wait: Nullable(
    Type.Object(
      { minutes_low: Count, minutes_high: Count },
      { description: 'from now, for eight of ten; null where too little is known' }
    )
  )
})
export type Waiting = Static<typeof Waiting>

/** A receipt as its diner sees it. */
export const WaitingUpload = Type.Composite([Upload, Waiting])
export type WaitingUpload = Static<typeof WaitingUpload>

export const UploadDetails = Type.Composite([
  WaitingUpload,
  Type.Object({ expected_points: Points, description: Type.String(), message: Type.String() })
])
export type UploadDetails = Static<typeof UploadDetails>

export const HistoryQuery = Type.Composite([
  PageQuery,
  Type.Object({ status: StringEnum(['all', ...ReviewStatus.enum], { default: 'all' }) })
])
export type HistoryQuery = Static<typeof HistoryQuery>

export const PhotoStatistics = Type.Object({
  total_uploads: Count,
  approved_uploads: Count,
  pending_uploads: Count,
  rejected_uploads: Count,
  revoked_uploads: Count,
  total_points_earned: Points,
  approval_rate: Rate
})
export type PhotoStatistics = Static<typeof PhotoStatistics>

export const History = Page({ history: Type.Array(WaitingUpload) }, { summary: PhotoStatistics })
