import type { Tx } from '../../engine/tx.js'
import type { ReasonCode } from './reasons.js'

/** What a transaction adds to the summary of a business day. */
interface DayChange {
  readonly uploads?: number
  readonly approved?: number
  readonly rejected?: number
  readonly revoked?: number
  /** Of the rejections that it adds or, below zero, takes back. */
  readonly reason?: { readonly code: ReasonCode; readonly total: number }
  readonly points?: number
  readonly waitSeconds?: number
}

/**
 * Keeps up the summary of a business day, `2026-11-22` say. Everybody's uploads and reviews of a day meet in its one
 * row, so a transaction does this last: the row is locked only until its commit.
 */
export async function countDay(tx: Tx, day: string, change: DayChange): Promise<void> {
  if (change.reason !== undefined) await countReason(tx, day, change.reason)
  const { uploads = 0, approved = 0, rejected = 0, revoked = 0, points = 0, waitSeconds = 0 } = change
  // A row that is there only needs the update; a negative change can only be of one that is.
  const updated = await tx.$executeRaw`
    UPDATE review_days SET uploads = uploads + ${uploads}, approved = approved + ${approved},
      rejected = rejected + ${rejected}, revoked = revoked + ${revoked}, points_awarded = points_awarded + ${points},
      wait_seconds = wait_seconds + ${waitSeconds}
    WHERE day = ${day}`
  if (updated > 0) return
  await tx.$executeRaw`
    INSERT INTO review_days (day, uploads, approved, rejected, revoked, points_awarded, wait_seconds)
    VALUES (${day}, ${uploads}, ${approved}, ${rejected}, ${revoked}, ${points}, ${waitSeconds})
    ON DUPLICATE KEY UPDATE uploads = uploads + VALUES(uploads), approved = approved + VALUES(approved),
      rejected = rejected + VALUES(rejected), revoked = revoked + VALUES(revoked),
      points_awarded = points_awarded + VALUES(points_awarded),
      wait_seconds = wait_seconds + VALUES(wait_seconds)`
}

/** Counts a rejection by its reason: a row a day and reason, which everybody's meet in too. */
async function countReason(tx: Tx, day: string, { code, total }: Required<DayChange>['reason']): Promise<void> {
  await tx.$executeRaw`
    INSERT INTO review_reasons (day, reason_code, total) VALUES (${day}, ${code}, ${total})
    ON DUPLICATE KEY UPDATE total = total + VALUES(total)`
}
