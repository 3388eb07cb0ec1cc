import type { PrivilegedWork } from '../../engine/unit-of-work.js'
import { refuse } from '../../shared/refusal.js'
import { recordAct } from '../audit/audit.js'
import { openAccount } from './accounts.js'
import { post } from './ledger.js'
import { pushBalance } from './pushes.js'
import type { Adjustment } from './schemas.js'

/** Where a balance's column ends. */
const MAX_BALANCE = 2_147_483_647

/**
 * Gives a user points, or takes them, through the ledger: audited, and pushed to them.
 * @throws Refusal USER_NOT_FOUND, POINTS_INSUFFICIENT, or VALIDATION_FAILED when the balance would be more than its
 * column holds
 */
export async function adjustPoints(
  uow: PrivilegedWork,
  { userId, change, reason }: { userId: number; change: number; reason: string }
): Promise<Adjustment> {
  const account = await openAccount(uow, userId)
  if (account.balance + change > MAX_BALANCE) {
    throw refuse('VALIDATION_FAILED', [{ field: 'change', message: `must not lift the balance over ${MAX_BALANCE}` }])
  }
  const why = { source: 'admin', description: reason } as const
  if (change > 0) account.credit(change, why)
  else account.debit(-change, why)
  await post(uow, [account])
  await recordAct(uow, {
    action: 'user.points',
    targetType: 'user',
    targetId: userId,
    before: { total_points: account.opening.balance },
    after: { total_points: account.balance },
    reason
  })
  pushBalance(uow, account, 'admin')
  return { user_id: userId, change, total_points: account.balance }
}
