import { Type } from '@sinclair/typebox'
import { pushKind } from '../../engine/push.js'
import type { RawTx } from '../../engine/tx.js'
import type { UnitOfWork } from '../../engine/unit-of-work.js'
import { DateTime, Id, Points } from '../../shared/schemas.js'
import { type Draw, DrawResult } from './schemas.js'

/** What a draw came to; a draw of many is named by its first result. */
export const LotteryResult = pushKind(
  'lottery_result',
  Type.Object({
    user_id: Id,
    draw_id: Type.String(),
    prize_name: Type.String(),
    prize_value: Type.Number(),
    results: Type.Array(DrawResult),
    remaining_points: Points,
    timestamp: DateTime
  })
)

/** Pushes to a diner what their draw came to. */
export function pushResult(
  uow: UnitOfWork<RawTx>,
  userId: number,
  { draw_id, results, remaining_points }: Pick<Draw, 'draw_id' | 'results' | 'remaining_points'>
): void {
  const [first] = results
  uow.outbox.push({ userId }, LotteryResult, {
    user_id: userId,
    draw_id,
    prize_name: first?.prize_name ?? '',
    prize_value: first?.prize_value ?? 0,
    results,
    remaining_points,
    timestamp: uow.now
  })
}
