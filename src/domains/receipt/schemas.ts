import { type Static, Type } from '@sinclair/typebox'
import { Count, DateTime, Nullable, Page, PageQuery, Points, Rate, StringEnum } from '../../shared/schemas.js'
import { ReasonCode } from './reasons.js'

export const ReviewStatus = StringEnum(['pending', 'approved', 'rejected'])
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
  created_at: DateTime
})
export type Upload = Static<typeof Upload>

export const UploadDetails = Type.Composite([
  Upload,
  Type.Object({ expected_points: Points, description: Type.String(), message: Type.String() })
])
export type UploadDetails = Static<typeof UploadDetails>

export const HistoryQuery = Type.Composite([
  PageQuery,
  Type.Object({ status: StringEnum(['all', 'pending', 'approved', 'rejected'], { default: 'all' }) })
])
export type HistoryQuery = Static<typeof HistoryQuery>

export const PhotoStatistics = Type.Object({
  total_uploads: Count,
  approved_uploads: Count,
  pending_uploads: Count,
  rejected_uploads: Count,
  total_points_earned: Points,
  approval_rate: Rate
})
export type PhotoStatistics = Static<typeof PhotoStatistics>

export const History = Page({ history: Type.Array(Upload) }, { summary: PhotoStatistics })
