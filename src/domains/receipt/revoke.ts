import { SystemNotice } from '../../engine/push.js'
import type { PrivilegedWork } from '../../engine/unit-of-work.js'
import { businessDay } from '../../shared/time.js'
import { recordAct } from '../audit/audit.js'
import { openAccount } from '../points/accounts.js'
import { post } from '../points/ledger.js'
import { pushBalance } from '../points/pushes.js'
import type { Revoked } from './admin-schemas.js'
import { countDay } from './days.js'
import { assertAllows, lockReceipt } from './states.js'
import { uploadTotals } from './totals.js'

/**
 * Takes an approved receipt back, and its points as far as the balance goes; what is no longer there the diner owes,
 * and later credits pay it first (points/account.ts). Once, whoever races: the receipt leaves `approved` once. An
 * appeal that is open is void with it. After the commit the diner is told.
 * @throws Refusal REVIEW_NOT_FOUND, REVIEW_ALREADY_DONE, or USER_NOT_FOUND where the account is deleted
 */
export async function revokeReceipt(
  uow: PrivilegedWork,
  { uploadId, reason }: { uploadId: string; reason: string },
  timeZone: string
): Promise<Revoked> {
  const { tx, outbox } = uow
  const row = await lockReceipt(tx, uploadId)
  assertAllows(row, 'revoke')
  const account = await openAccount(uow, row.userId)
  const { now } = uow
  const points = row.pointsAwarded
  const taken = account.takeBack(points, { relatedId: uploadId })
  await post(uow, [account])
  await tx.receipt.update({ where: { uploadId }, data: { reviewStatus: 'revoked', reviewReason: reason } })
  await tx.appeal.updateMany({
    where: { uploadId, status: 'open' },
    data: { status: 'void', reason, deciderId: uow.actor.userId, decidedAt: now }
  })
  uow.tallies.add(uploadTotals, row.userId, row.reviewStatus, { total: -1, earned: -points })
  uow.tallies.add(uploadTotals, row.userId, 'revoked', { total: 1, earned: points })
  await recordAct(uow, {
    action: 'review.revoked',
    targetType: 'review',
    targetId: uploadId,
    before: { status: row.reviewStatus, points_awarded: points, points_debt: account.opening.debt },
    after: { status: 'revoked', points_taken: taken, points_debt: account.debt },
    reason
  })
  await countDay(tx, businessDay(row.reviewTime ?? now, timeZone), { approved: -1, revoked: 1, points: -points })
  pushBalance(uow, account, 'clawback')
  outbox.push({ userId: row.userId }, SystemNotice, {
    title: '小票积分已收回',
    content: noticeOf({ reason, taken, debt: account.debt }),
    type: 'receipt_revoked'
  })
  return {
    upload_id: uploadId,
    status: 'revoked',
    points_revoked: points,
    points_taken: taken,
    points_debt: account.debt,
    user_new_balance: account.balance,
    revoked_at: now
  }
}

function noticeOf({ reason, taken, debt }: { reason: string; taken: number; debt: number }): string {
  const owed = debt === 0 ? '' : `，尚欠${debt}积分，将从之后获得的积分中扣除`
  return `您的一张小票的审核结果已被撤销（${reason}），收回${taken}积分${owed}`
}
