import { Type } from '@sinclair/typebox'
import { type PushData, pushKind } from '../../engine/push.js'
import type { PrivilegedWork } from '../../engine/unit-of-work.js'
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

/**
 * A receipt that waits no longer, to merchants, so that nobody goes on with what somebody else decided: by whom, and
 * how; null where its diner took it back.
 */
export const ReviewDecided = pushKind(
  'review_decided',
  Type.Object({
    upload_id: Type.String(),
    status: StringEnum(['approved', 'rejected', 'withdrawn']),
    actual_amount: Nullable(Type.Number()),
    points_awarded: Points,
    /** What was decided on an appeal against an earlier decision; null for a decision on the receipt. */
    appeal: Nullable(StringEnum(['upheld', 'overturned'])),
    reviewer: Nullable(Type.Object({ user_id: Id, nickname: Type.String() })),
    decided_at: DateTime
  })
)

/** Pushes a decision to all reviewers, with the name of who made it. */
export async function tellReviewers(
  { tx, actor, outbox, now }: PrivilegedWork,
  told: Omit<PushData<typeof ReviewDecided>, 'reviewer' | 'decided_at'>
): Promise<void> {
  const { nickname } = await tx.user.findUniqueOrThrow({ where: { userId: actor.userId }, select: { nickname: true } })
  outbox.push('merchants', ReviewDecided, { ...told, reviewer: { user_id: actor.userId, nickname }, decided_at: now })
}
