import type { TotalKind } from '../../engine/tallies.js'
import { Prisma } from '../../generated/prisma/client.js'
import type { OrderStatus } from './schemas.js'

/** A diner's orders and what they cost, by state. */
export const orderTotals: TotalKind<OrderStatus> = {
  topic: 'order',
  counted: (from, to) => Prisma.sql`
    SELECT user_id, status AS label, COUNT(*) AS total, 0 AS earned, SUM(total_points) AS spent
    FROM exchange_orders WHERE user_id BETWEEN ${from} AND ${to} GROUP BY user_id, status`
}

/** How many pieces of each category a diner has ordered and not cancelled. */
export const categoryTotals: TotalKind = {
  topic: 'category',
  counted: (from, to) => Prisma.sql`
    SELECT user_id, MIN(category) AS label, SUM(quantity) AS total, 0 AS earned, 0 AS spent
    FROM exchange_orders WHERE user_id BETWEEN ${from} AND ${to} AND status <> 'cancelled' GROUP BY user_id, category`
}
