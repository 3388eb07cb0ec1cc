import { Type } from '@sinclair/typebox'
import { pushKind } from '../../engine/push.js'
import { DateTime, Id, Nullable, Points, StringEnum } from '../../shared/schemas.js'

/** What became of a receipt, to its diner. */
export const ReviewResult = pushKind(
  'review_result',
  Type.Object({
    upload_id: Type.String(),
    status: StringEnum(['approved', 'rejected']),
    points_awarded: Points,
    actual_amount: Nullable(Type.Number()),
    review_reason: Nullable(Type.String()),
    review_time: DateTime,
    message: Type.String()
  })
)

/** A receipt that waits for a decision, to merchants. */
export const NewReview = pushKind(
  'new_review',
  Type.Object({
    upload_id: Type.String(),
    user_id: Id,
    amount: Type.Number(),
    image_url: Type.String(),
    uploaded_at: DateTime
  })
)
