import type { TotalKind } from '../../engine/tallies.js'
import { Prisma } from '../../generated/prisma/client.js'
import type { ReviewStatus } from './schemas.js'

/** A diner's receipts and what they earned, by state. */
export const uploadTotals: TotalKind<ReviewStatus> = {
  topic: 'upload',
  counted: (from, to) => Prisma.sql`
    SELECT user_id, review_status AS label, COUNT(*) AS total, SUM(points_awarded) AS earned, 0 AS spent
    FROM photo_reviews WHERE user_id BETWEEN ${from} AND ${to} GROUP BY user_id, review_status`
}
