import { type Static, Type } from '@sinclair/typebox'
import { Count, DateTime, Nullable, Points, Rate } from '../../shared/schemas.js'
import { AuditReason } from '../audit/schemas.js'
import { Person } from '../user/schemas.js'
import { UploadId } from './schemas.js'

export const RevokeBody = Type.Object({ reason: AuditReason }, { examples: [{ reason: '小票系伪造' }] })

export const Revoked = Type.Object({
  upload_id: UploadId,
  status: Type.Literal('revoked'),
  points_revoked: Type.Integer({ minimum: 0, description: 'what had been awarded' }),
  points_taken: Type.Integer({ minimum: 0, description: 'what of it was still there' }),
  points_debt: Type.Integer({ minimum: 0, description: 'all that the diner owes now' }),
  user_new_balance: Points,
  revoked_at: DateTime
})
export type Revoked = Static<typeof Revoked>

export const ReviewersQuery = Type.Object({
  days: Type.Integer({ minimum: 1, maximum: 90, default: 30, description: 'up to now' })
})

export const Reviewer = Type.Object({
  reviewer: Person,
  decisions: Count,
  approved: Count,
  rejected: Count,
  approval_rate: Rate,
  median_amount_ratio: Nullable(
    Type.Number({ minimum: 0, description: 'median of confirmed ÷ claimed; null where nothing was approved' })
  ),
  median_minutes: Type.Number({ minimum: 0, description: 'from upload to decision' }),
  overturned: Count,
  overturned_rate: Type.Number({ minimum: 0, maximum: 1, description: 'of all decisions' }),
  revoked: Count
})
export type Reviewer = Static<typeof Reviewer>

export const Reviewers = Type.Object({ days: Type.Integer(), reviewers: Type.Array(Reviewer) })
