import { Value } from '@sinclair/typebox/value'
import type { PrivilegedWork } from '../../engine/unit-of-work.js'
import { given } from '../../shared/given.js'
import { refuse } from '../../shared/refusal.js'
import { businessDay } from '../../shared/time.js'
import { recordAct } from '../audit/audit.js'
import { openAccount } from '../points/accounts.js'
import { post } from '../points/ledger.js'
import { pushBalance } from '../points/pushes.js'
import { countDay } from './days.js'
import { ReviewBody, type Reviewed } from './merchant-schemas.js'
import { ReviewResult, tellReviewers } from './pushes.js'
import { termsOf } from './queries.js'
import type { ReasonCode } from './reasons.js'
import { centsOfNumber, pointsFor, RECEIPT_STEPS, reviewMessage } from './rules.js'
import { assertAllows, lockReceipt } from './states.js'
import { uploadTotals } from './totals.js'

/** A merchant's decision on a receipt. */
type Decision =
  | {
      readonly action: 'approved'
      readonly uploadId: string
      readonly cents: number
      readonly reason?: string | undefined
    }
  | {
      readonly action: 'rejected'
      readonly uploadId: string
      readonly reason?: string | undefined
      /** Not there where the client knows none: it is then other. */
      readonly code?: ReasonCode
    }

/**
 * A decision as a request states it, checked.
 * @throws Refusal REVIEW_PARAMS or ACTUAL_AMOUNT_REQUIRED
 */
export function decisionOf(body: unknown): Decision {
  const cleaned = Value.Clean(ReviewBody, Value.Clone(body))
  const faults = [...Value.Errors(ReviewBody, cleaned)]
  if (faults.length > 0) {
    const details = faults.map(({ path, message }) => ({ field: path.slice(1), message }))
    throw refuse('REVIEW_PARAMS', details)
  }
  const { upload_id: uploadId, action, actual_amount: yuan, reason, reason_code: code } = cleaned as ReviewBody
  if (action === 'rejected') {
    if (code === 'other' && (reason ?? '').trim() === '') {
      throw refuse('REVIEW_PARAMS', [{ field: 'reason', message: 'is needed where the reason is another' }])
    }
    return { action, uploadId, reason, ...given({ code }) }
  }
  if (yuan === undefined) throw refuse('ACTUAL_AMOUNT_REQUIRED')
  const cents = centsOfNumber(yuan)
  if (cents === undefined) {
    throw refuse('REVIEW_PARAMS', [
      { field: 'actual_amount', message: 'must be from 0.01 to 10000 with at most two decimals' }
    ])
  }
  return { action, uploadId, cents, reason }
}

const STEP_OF = { approved: 'approve', rejected: 'reject' } as const

/**
 * Decides a receipt: every route that reviews comes through here. The row leaves `pending` once, however many
 * reviewers race; points are those of the terms promised at upload, from the amount the merchant confirms. Locks the
 * receipt, then its diner. After the commit the result is pushed to the diner.
 * @throws Refusal REVIEW_NOT_FOUND, REVIEW_OWN_UPLOAD or REVIEW_ALREADY_DONE
 */
export async function reviewReceipt(uow: PrivilegedWork, decision: Decision, timeZone: string): Promise<Reviewed> {
  const { tx, actor, outbox } = uow
  const { action, uploadId, reason } = decision
  const row = await lockReceipt(tx, uploadId)
  if (row.userId === actor.userId) throw refuse('REVIEW_OWN_UPLOAD')
  assertAllows(row, STEP_OF[action])

  const account = await openAccount(uow, row.userId)
  const { now } = uow
  const points = decision.action === 'approved' ? pointsFor(decision.cents, termsOf(row)) : 0
  const code = decision.action === 'rejected' ? (decision.code ?? 'other') : null
  const actualAmount = decision.action === 'approved' ? decision.cents / 100 : null
  if (points > 0) account.credit(points, { source: 'photo_review', relatedId: uploadId })
  await post(uow, [account])
  await tx.receipt.update({
    where: { uploadId },
    data: {
      reviewStatus: RECEIPT_STEPS[STEP_OF[action]].to,
      reviewReason: reason ?? null,
      reasonCode: code,
      reviewerId: actor.userId,
      reviewTime: now,
      actualAmount,
      pointsAwarded: points
    }
  })
  uow.tallies.add(uploadTotals, row.userId, row.reviewStatus, { total: -1, earned: -row.pointsAwarded })
  uow.tallies.add(uploadTotals, row.userId, action, { total: 1, earned: points })
  await recordAct(uow, {
    action: `review.${action}`,
    targetType: 'review',
    targetId: uploadId,
    before: { status: 'pending', amount: row.amount.toNumber() },
    after: { status: action, actual_amount: actualAmount, points_awarded: points, ...(code && { reason_code: code }) },
    reason
  })
  await countDay(tx, businessDay(now, timeZone), {
    ...(action === 'approved' ? { approved: 1, points } : { rejected: 1, reason: { code: code ?? 'other', total: 1 } }),
    waitSeconds: Math.max(0, Math.round((now.getTime() - row.createdAt.getTime()) / 1000))
  })
  const told = { upload_id: uploadId, status: action, points_awarded: points, actual_amount: actualAmount }
  outbox.push({ userId: row.userId }, ReviewResult, {
    ...told,
    review_reason: reason ?? null,
    review_time: now,
    message: reviewMessage(action, points)
  })
  if (points > 0) pushBalance(uow, account, 'photo_review')
  await tellReviewers(uow, { ...told, appeal: null })
  return {
    ...told,
    action,
    user_new_balance: account.balance,
    reviewed_at: now
  }
}
