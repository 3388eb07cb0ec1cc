import type { PrivilegedWork } from '../../../engine/unit-of-work.js'
import { refuse } from '../../../shared/refusal.js'
import { businessDay } from '../../../shared/time.js'
import { recordAct } from '../../audit/audit.js'
import { openAccount } from '../../points/accounts.js'
import { post } from '../../points/ledger.js'
import { pushBalance } from '../../points/pushes.js'
import { countDay } from '../days.js'
import { ReviewResult, tellReviewers } from '../pushes.js'
import { termsOf } from '../queries.js'
import { centsOfNumber, pointsFor, receiptAllows } from '../rules.js'
import { lockReceipt, type ReceiptRow, yuan } from '../states.js'
import { uploadTotals } from '../totals.js'
import type { DecidedAppeal } from './schemas.js'

/** What is decided of an appeal, and by whom. */
interface AppealDecision {
  readonly uploadId: string
  readonly reason: string
  /** An admin may decide on an appeal against their own decision, nobody else may. */
  readonly isAdmin: boolean
}

/**
 * Leaves a decision as it is.
 * @throws Refusal APPEAL_NOT_FOUND, APPEAL_NOT_OPEN, APPEAL_OWN_DECISION or REVIEW_OWN_UPLOAD
 */
export async function upholdAppeal(uow: PrivilegedWork, decision: AppealDecision): Promise<DecidedAppeal> {
  const row = await lockOpenAppeal(uow, decision)
  const account = await openAccount(uow, row.userId)
  await closeAppeal(uow, decision, 'upheld')
  await recordAct(uow, {
    action: 'appeal.upheld',
    targetType: 'review',
    targetId: row.uploadId,
    after: { status: row.reviewStatus, points_awarded: row.pointsAwarded },
    reason: decision.reason.slice(0, AUDITED)
  })
  return tellDecision(uow, decision, row, {
    outcome: 'upheld',
    paid: 0,
    balance: account.balance,
    message: '您的申诉已处理，维持原审核结果'
  })
}

/**
 * Sets a decision right: the receipt is approved for what it says, and the difference in points is paid by the terms
 * that were promised at upload; once, whoever races, as the appeal leaves `open` once. The receipt keeps its first
 * reviewer and the time of the first decision, for the figures on reviewers.
 * @throws Refusal APPEAL_NOT_FOUND, APPEAL_NOT_OPEN, APPEAL_OWN_DECISION, REVIEW_OWN_UPLOAD, or REVIEW_PARAMS for an
 *   amount that is none, or no more than what was confirmed
 */
export async function overturnAppeal(
  uow: PrivilegedWork,
  decision: AppealDecision & { readonly amount: number },
  timeZone: string
): Promise<DecidedAppeal> {
  const { uploadId, amount, reason } = decision
  const cents = centsOfNumber(amount)
  if (cents === undefined) throw refuseAmount('must have at most two decimals')
  const row = await lockOpenAppeal(uow, decision)
  const confirmed = row.actualAmount === null ? 0 : yuan(row.actualAmount)
  if (row.reviewStatus === 'approved' && amount <= confirmed) throw refuseAmount(`must be over ${confirmed}`)
  const account = await openAccount(uow, row.userId)
  const points = pointsFor(cents, termsOf(row))
  const paid = points - row.pointsAwarded
  if (paid > 0) account.credit(paid, { source: 'photo_review', relatedId: uploadId })
  await post(uow, [account])
  const after = { reviewStatus: 'approved', actualAmount: amount, pointsAwarded: points, reviewReason: reason } as const
  await uow.tx.receipt.update({ where: { uploadId }, data: { ...after, reasonCode: null } })
  uow.tallies.add(uploadTotals, row.userId, row.reviewStatus, { total: -1, earned: -row.pointsAwarded })
  uow.tallies.add(uploadTotals, row.userId, 'approved', { total: 1, earned: points })
  await closeAppeal(uow, decision, 'overturned')
  await recordAct(uow, {
    action: 'appeal.overturned',
    targetType: 'review',
    targetId: uploadId,
    before: { status: row.reviewStatus, actual_amount: row.actualAmount, points_awarded: row.pointsAwarded },
    after: { status: 'approved', actual_amount: amount, points_awarded: points },
    reason: reason.slice(0, AUDITED)
  })
  await countDay(uow.tx, businessDay(row.reviewTime ?? uow.now, timeZone), {
    points: paid,
    ...(row.reviewStatus === 'rejected' && {
      approved: 1,
      rejected: -1,
      reason: { code: row.reasonCode ?? 'other', total: -1 }
    })
  })
  const message = `您的申诉已通过，补发${paid}积分`
  const answer = await tellDecision(
    uow,
    decision,
    { ...row, ...after },
    {
      outcome: 'overturned',
      paid,
      balance: account.balance,
      message
    }
  )
  if (paid > 0) pushBalance(uow, account, 'photo_review')
  return answer
}

/** How much of a reason the audit keeps. */
const AUDITED = 200

const refuseAmount = (message: string) => refuse('REVIEW_PARAMS', [{ field: 'actual_amount', message }])

/**
 * Locks the receipt of an appeal that this actor may decide now.
 * @throws Refusal APPEAL_NOT_FOUND, APPEAL_NOT_OPEN, APPEAL_OWN_DECISION or REVIEW_OWN_UPLOAD
 */
async function lockOpenAppeal(
  { tx, actor }: PrivilegedWork,
  { uploadId, isAdmin }: AppealDecision
): Promise<ReceiptRow> {
  const exists = await tx.appeal.count({ where: { uploadId } })
  if (exists === 0) throw refuse('APPEAL_NOT_FOUND')
  const row = await lockReceipt(tx, uploadId)
  if (row.userId === actor.userId) throw refuse('REVIEW_OWN_UPLOAD')
  if (row.reviewerId === actor.userId && !isAdmin) throw refuse('APPEAL_OWN_DECISION')
  // Whoever held the receipt before may have decided it.
  const { status } = await tx.appeal.findUniqueOrThrow({ where: { uploadId } })
  if (status !== 'open' || !receiptAllows(row.reviewStatus, 'overturn')) {
    throw refuse('APPEAL_NOT_OPEN', { status: row.reviewStatus, appeal: status, until: null })
  }
  return row
}

async function closeAppeal(
  { tx, actor, now }: PrivilegedWork,
  { uploadId, reason }: AppealDecision,
  status: 'upheld' | 'overturned'
): Promise<void> {
  await tx.appeal.update({
    where: { uploadId },
    data: { status, reason, deciderId: actor.userId, decidedAt: now }
  })
}

interface Outcome {
  readonly outcome: 'upheld' | 'overturned'
  /** Points, now. */
  readonly paid: number
  readonly balance: number
  /** For the diner. */
  readonly message: string
}

/** Pushes the result to the diner, whose row is locked, and to all reviewers, and says it to the one who decided. */
async function tellDecision(
  uow: PrivilegedWork,
  { uploadId, reason }: AppealDecision,
  row: Pick<ReceiptRow, 'userId' | 'pointsAwarded'> & {
    readonly reviewStatus: ReceiptRow['reviewStatus']
    readonly actualAmount: Parameters<typeof yuan>[0] | null
  },
  { outcome, paid, balance, message }: Outcome
): Promise<DecidedAppeal> {
  const { outbox, now } = uow
  const status = row.reviewStatus === 'approved' ? 'approved' : 'rejected'
  const told = {
    upload_id: uploadId,
    status,
    points_awarded: row.pointsAwarded,
    actual_amount: row.actualAmount === null ? null : yuan(row.actualAmount)
  } as const
  outbox.push({ userId: row.userId }, ReviewResult, { ...told, review_reason: reason, review_time: now, message })
  await tellReviewers(uow, { ...told, appeal: outcome })
  return {
    ...told,
    appeal_id: uploadId,
    appeal_status: outcome,
    points_paid: paid,
    user_new_balance: balance,
    decided_at: now
  }
}
