import { Type } from '@sinclair/typebox'
import { pushKind } from '../../engine/push.js'
import type { RawTx } from '../../engine/tx.js'
import type { UnitOfWork } from '../../engine/unit-of-work.js'
import { DateTime, Id, Points } from '../../shared/schemas.js'
import type { Account } from './account.js'
import { PointsSource, SOURCE_TEXT } from './sources.js'

/** A diner's new balance; both spellings of each field are in the field. */
export const PointsUpdate = pushKind(
  'points_update',
  Type.Object({
    user_id: Id,
    total_points: Points,
    change_amount: Type.Integer(),
    change_points: Type.Integer(),
    change_reason: Type.String(),
    reason: PointsSource,
    reason_text: Type.String(),
    timestamp: DateTime
  })
)

/** Pushes to its owner what has become of an account in this transaction: the new balance, and the net change. */
export function pushBalance<T extends RawTx>(uow: UnitOfWork<T>, account: Account, source: PointsSource): void {
  const { userId, balance, opening } = account
  uow.outbox.push({ userId }, PointsUpdate, {
    user_id: userId,
    total_points: balance,
    change_amount: balance - opening.balance,
    change_points: balance - opening.balance,
    change_reason: SOURCE_TEXT[source],
    reason: source,
    reason_text: SOURCE_TEXT[source],
    timestamp: uow.now
  })
}
