import type { TotalKind } from '../../engine/tallies.js'
import { Prisma } from '../../generated/prisma/client.js'
import type { PrizeType } from './prize.js'
import type { DrawType } from './schemas.js'

export type ResultLabel = `${DrawType}:${PrizeType}`

/** A diner's results, what they won and what they cost, by type of draw and of prize. */
export const resultTotals: TotalKind<ResultLabel> = {
  topic: 'result',
  counted: (from, to) => Prisma.sql`
    SELECT user_id, CONCAT(draw_type, ':', prize_type) AS label, COUNT(*) AS total,
      SUM(points_awarded) AS earned, SUM(points_cost) AS spent
    FROM lottery_records WHERE user_id BETWEEN ${from} AND ${to} GROUP BY user_id, draw_type, prize_type`
}
