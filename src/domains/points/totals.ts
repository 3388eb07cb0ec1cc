import type { TotalKind } from '../../engine/tallies.js'
import { Prisma } from '../../generated/prisma/client.js'
import type { PointsSource } from './sources.js'

/** A diner's ledger rows, and what they earned and spent, by type and source. */
export const ledgerTotals: TotalKind<`${'earn' | 'spend'}:${PointsSource}`> = {
  topic: 'ledger',
  counted: (from, to) => Prisma.sql`
    SELECT user_id, CONCAT(type, ':', source) AS label, COUNT(*) AS total,
      SUM(IF(points > 0, points, 0)) AS earned, SUM(IF(points < 0, -points, 0)) AS spent
    FROM points_records WHERE user_id BETWEEN ${from} AND ${to} GROUP BY user_id, type, source`
}
