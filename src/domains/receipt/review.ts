import type { Outbox } from '../../engine/bus.js'
import type { Tx } from '../../engine/tx.js'
import { refuse } from '../../shared/refusal.js'
import { businessDay } from '../../shared/time.js'
import { type Actor, recordAct } from '../audit/audit.js'
import { openAccount, post } from '../points/ledger.js'
import { pointsUpdate } from '../realtime/events.js'
import { countDay } from './days.js'
import { lockUpload, termsOf } from './queries.js'
import { pointsFor, reviewMessage } from './rules.js'

/** A merchant's decision on a receipt. */
export type Decision =
  | {
      readonly action: 'approved'
      readonly uploadId: string
      readonly cents: number
      readonly reason?: string | undefined
    }
  | { readonly action: 'rejected'; readonly uploadId: string; readonly reason?: string | undefined }

export interface Reviewed {
  upload_id: string
  action: 'approved' | 'rejected'
  status: 'approved' | 'rejected'
  actual_amount: number | null
  points_awarded: number
  user_new_balance: number
  reviewed_at: Date
}

/**
 * Decides a receipt: every route that reviews comes through here (spec 11.3.2). The row leaves `pending` once,
 * however many reviewers race; points are those of the terms promised at upload, from the amount the merchant
 * confirms. Locks the receipt, then its diner. After the commit the diner hears of it.
 * @throws Refusal REVIEW_NOT_FOUND, REVIEW_OWN_UPLOAD or REVIEW_ALREADY_DONE
 */
export async function reviewUpload(
  tx: Tx,
  outbox: Outbox,
  actor: Actor,
  decision: Decision,
  { now, timeZone }: { now: Date; timeZone: string }
): Promise<Reviewed> {
  const { action, uploadId, reason } = decision
  const row = await lockUpload(tx, uploadId)
  if (row === null) throw refuse('REVIEW_NOT_FOUND')
  if (row.userId === actor.userId) throw refuse('REVIEW_OWN_UPLOAD')
  if (row.reviewStatus !== 'pending') throw refuse('REVIEW_ALREADY_DONE', { status: row.reviewStatus })

  const account = await openAccount(tx, row.userId)
  const points = decision.action === 'approved' ? pointsFor(decision.cents, termsOf(row)) : 0
  const actualAmount = decision.action === 'approved' ? decision.cents / 100 : null
  if (points > 0) account.credit(points, { source: 'photo_review', relatedId: uploadId })
  await post(tx, [account], now)
  await tx.photoReview.update({
    where: { uploadId },
    data: {
      reviewStatus: action,
      reviewReason: reason ?? null,
      reviewerId: actor.userId,
      reviewTime: now,
      actualAmount,
      pointsAwarded: points
    }
  })
  await recordAct(
    tx,
    actor,
    {
      action: `review.${action}`,
      targetType: 'review',
      targetId: uploadId,
      before: { status: 'pending', amount: row.amount.toNumber() },
      after: { status: action, actual_amount: actualAmount, points_awarded: points },
      reason
    },
    now
  )
  await countDay(tx, businessDay(now, timeZone), {
    ...(action === 'approved' ? { approved: 1, points } : { rejected: 1 }),
    waitSeconds: Math.max(0, Math.round((now.getTime() - row.createdAt.getTime()) / 1000))
  })

  const user = { userId: row.userId }
  outbox.push(user, 'review_result', {
    upload_id: uploadId,
    status: action,
    points_awarded: points,
    actual_amount: actualAmount,
    review_reason: reason ?? null,
    review_time: now,
    message: reviewMessage(action, points)
  })
  if (points > 0) {
    outbox.push(user, 'points_update', pointsUpdate(row.userId, account.balance, points, 'photo_review', now))
  }
  return {
    upload_id: uploadId,
    action,
    status: action,
    actual_amount: actualAmount,
    points_awarded: points,
    user_new_balance: account.balance,
    reviewed_at: now
  }
}
