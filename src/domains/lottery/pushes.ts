import { Type } from '@sinclair/typebox'
import { pushKind } from '../../engine/push.js'
import type { RawTx } from '../../engine/tx.js'
import type { UnitOfWork } from '../../engine/unit-of-work.js'
import { DateTime, Id, Points } from '../../shared/schemas.js'
import { Rolled } from './fairness/schemas.js'
import { type Draw, DrawResult } from './schemas.js'

/** A result as it is told: what it was decided by is for whoever checks, and stays in the answer. */
const ToldResult = Type.Omit(DrawResult, Object.keys(Rolled.properties) as (keyof typeof Rolled.properties)[])

/** What a draw came to; a draw of many is named by its first result. */
export const LotteryResult = pushKind(
  'lottery_result',
  Type.Object({
    user_id: Id,
    draw_id: Type.String(),
    prize_name: Type.String(),
    prize_value: Type.Number(),
    results: Type.Array(ToldResult),
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
    results: results.map(({ nonce: _nonce, roll: _roll, pity_before: _before, ...told }) => told),
    remaining_points,
    timestamp: uow.now
  })
}
