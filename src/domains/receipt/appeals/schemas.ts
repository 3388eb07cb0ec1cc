import { type Static, Type } from '@sinclair/typebox'
import { DateTime, Id, Nullable, Page, PageQuery, Points, StringEnum } from '../../../shared/schemas.js'
import { Evidenced } from '../evidence/schemas.js'
import { ReviewedUpload } from '../merchant-schemas.js'
import { ReasonCode } from '../reasons.js'
import { AppealStatus, OwnAppeal, ReviewStatus, UploadId } from '../schemas.js'

/** What says something, over several lines if it must. */
const Words = Type.String({ minLength: 1, maxLength: 500, pattern: '^(?=[^]*\\S)[^\\0\\p{Cs}]*$' })
const Yuan = Type.Number({ minimum: 0.01, maximum: 10_000, description: 'yuan, at most two decimals' })

export const AppealBody = Type.Object(
  { message: Words, amount: Type.Optional(Yuan) },
  { examples: [{ message: '小票上是 85.8 元，请再看一下', amount: 85.8 }] }
)
export type AppealBody = Static<typeof AppealBody>

/** An appeal to the one who made it; it is known by its receipt. */
export const MadeAppeal = Type.Composite([Type.Object({ appeal_id: UploadId, upload_id: UploadId }), OwnAppeal])
export type MadeAppeal = Static<typeof MadeAppeal>

export const UpholdBody = Type.Object({ reason: Words }, { examples: [{ reason: '金额与小票一致，维持原结果' }] })
export const OverturnBody = Type.Object(
  { actual_amount: Yuan, reason: Words },
  { examples: [{ actual_amount: 85.8, reason: '已核对，补发积分' }] }
)

/** An appeal to those who decide it, with all that they need to see. */
export const Appeal = Type.Composite([
  MadeAppeal,
  Type.Object({
    decider_id: Nullable(Id),
    first_decision: Type.Object({
      status: ReviewStatus,
      actual_amount: Nullable(Type.Number()),
      points_awarded: Points,
      reason: Nullable(Type.String()),
      reason_code: Nullable(ReasonCode),
      reviewer_id: Nullable(Id),
      decided_at: Nullable(DateTime)
    }),
    upload: ReviewedUpload
  }),
  Evidenced
])
export type Appeal = Static<typeof Appeal>

export const AppealsQuery = Type.Composite([
  PageQuery,
  Type.Object({ status: StringEnum(['all', ...AppealStatus.enum], { default: 'open' }) })
])
export type AppealsQuery = Static<typeof AppealsQuery>

export const Appeals = Page({ appeals: Type.Array(Appeal) })

export const DecidedAppeal = Type.Object({
  appeal_id: UploadId,
  upload_id: UploadId,
  appeal_status: AppealStatus,
  status: ReviewStatus,
  actual_amount: Nullable(Type.Number()),
  points_awarded: Points,
  points_paid: Type.Integer({ minimum: 0, description: 'the difference, now' }),
  user_new_balance: Points,
  decided_at: DateTime
})
export type DecidedAppeal = Static<typeof DecidedAppeal>
