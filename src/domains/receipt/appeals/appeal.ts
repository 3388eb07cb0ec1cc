import type { UnitOfWork } from '../../../engine/unit-of-work.js'
import { refuse } from '../../../shared/refusal.js'
import { centsOfNumber } from '../rules.js'
import { appealUntil, lockReceipt } from '../states.js'
import { NewAppeal } from './pushes.js'
import type { AppealBody, MadeAppeal } from './schemas.js'

/**
 * A diner's word against a decision on their receipt: once a receipt, within seven days, where it was rejected or
 * approved for less than claimed (contract section 15). Holds the receipt's row, as every step of it does. After the
 * commit merchants are told.
 * @throws Refusal VALIDATION_FAILED, REVIEW_NOT_FOUND or APPEAL_NOT_OPEN
 */
export async function makeAppeal(
  uow: UnitOfWork,
  { userId, uploadId, body }: { userId: number; uploadId: string; body: AppealBody }
): Promise<MadeAppeal> {
  const { tx, outbox } = uow
  const { message, amount = null } = body
  if (amount !== null && centsOfNumber(amount) === undefined) {
    throw refuse('VALIDATION_FAILED', [{ field: 'amount', message: 'must have at most two decimals' }])
  }
  const row = await lockReceipt(tx, uploadId)
  if (row.userId !== userId) throw refuse('REVIEW_NOT_FOUND')
  const { now } = uow
  const appeal = await tx.appeal.findUnique({ where: { uploadId }, select: { status: true } })
  const until = appealUntil({ ...row, appeal })
  if (until === null || until <= now) {
    throw refuse('APPEAL_NOT_OPEN', { status: row.reviewStatus, appeal: appeal?.status ?? null, until })
  }
  await tx.appeal.create({
    data: {
      uploadId,
      userId,
      message,
      amount,
      firstStatus: row.reviewStatus,
      firstAmount: row.actualAmount,
      firstPoints: row.pointsAwarded,
      firstReason: row.reviewReason,
      firstReasonCode: row.reasonCode,
      createdAt: now
    }
  })
  const made = { appeal_id: uploadId, upload_id: uploadId, message, amount, created_at: now }
  outbox.push('merchants', NewAppeal, { ...made, user_id: userId })
  return { ...made, status: 'open', reason: null, decided_at: null }
}
