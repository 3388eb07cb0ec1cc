import type { FastifyInstance } from 'fastify'
import { recountTotals } from '../../src/engine/totals.js'
import { TOTALS } from '../../src/registry.js'
import { sql } from './app.js'

/** The numbers of ledger rows that are inserted by hand: behind those that a user has. For a `SELECT` of users. */
export const NEXT_SEQ = `ROW_NUMBER() OVER (PARTITION BY user_id) +
  (SELECT COALESCE(MAX(had.seq), 0) FROM points_records AS had WHERE had.user_id = users.user_id)`

/** Brings what is kept of these users up to the rows that were written by hand; their chains stay broken. */
export async function settle(app: FastifyInstance, userIds: readonly number[]): Promise<void> {
  for (const userId of userIds) {
    await sql(
      `UPDATE users SET ledger_seq = (SELECT COALESCE(MAX(seq), 0) FROM points_records AS r WHERE r.user_id = ?)
       WHERE user_id = ?`,
      [userId, userId]
    )
    await app.tx((uow) => recountTotals(uow.tx, TOTALS, userId))
  }
}
