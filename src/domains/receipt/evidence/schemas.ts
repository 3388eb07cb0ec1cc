import { type Static, Type } from '@sinclair/typebox'
import { DateTime, Nullable, StringEnum } from '../../../shared/schemas.js'
import { Person } from '../../user/schemas.js'
import { ReviewStatus, UploadId } from '../schemas.js'

/** What two receipts may have in common, the strongest first (contract section 15). */
export const MatchKind = StringEnum(['same_file', 'similar_picture', 'same_amount'])
export type MatchKind = Static<typeof MatchKind>

export const Evidence = Type.Object({
  kind: MatchKind,
  upload_id: UploadId,
  distance: Nullable(
    Type.Integer({ minimum: 0, maximum: 64, description: 'bits of 64 that differ; null where pictures do not count' })
  ),
  image_url: Type.String(),
  thumbnail_url: Type.String(),
  amount: Type.Number(),
  status: ReviewStatus,
  same_user: Type.Boolean(),
  user: Person,
  created_at: DateTime
})
export type Evidence = Static<typeof Evidence>

export const Risk = StringEnum(['none', 'look', 'high'], {
  description: 'high: the same file is pending or approved; look: there is other evidence'
})
export type Risk = Static<typeof Risk>

/** What a reviewer is shown beside a receipt. Both are null while it is being compared, a matter of moments. */
export const Evidenced = Type.Object({
  evidence: Nullable(Type.Array(Evidence, { description: 'strongest first, at most 10; null: being compared' })),
  risk: Nullable(Risk)
})
export type Evidenced = Static<typeof Evidenced>
