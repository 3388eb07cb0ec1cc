import { sqlTime } from '../../engine/sql.js'
import type { Db } from '../../engine/tx.js'
import { DAY_MS, rate } from '../../shared/time.js'
import { toPerson } from '../user/schemas.js'
import type { Reviewer } from './admin-schemas.js'

interface ReviewerRow {
  readonly reviewer_id: number
  readonly nickname: string
  readonly mobile: string
  readonly decisions: number | bigint
  readonly approved: number | bigint
  readonly ratio: number | null
  readonly minutes: number
  readonly overturned: number | bigint
  readonly revoked: number | bigint
}

/**
 * How each reviewer decided in the last days, those with most decisions first. A decision counts as it was made: one
 * that was overturned by what it said before. Medians are of the two middle values where there are two.
 */
export async function reviewerFigures(db: Db, days: number, now: Date): Promise<Reviewer[]> {
  const since = sqlTime(new Date(now.getTime() - days * DAY_MS))
  const rows = await db.$queryRaw<ReviewerRow[]>`
    SELECT d.reviewer_id, u.nickname, u.mobile, COUNT(*) AS decisions, SUM(d.is_approved) AS approved,
      SUM(d.is_overturned) AS overturned, SUM(d.is_revoked) AS revoked,
      CAST(AVG(IF(d.minutes_place IN (FLOOR((d.decisions + 1) / 2), CEIL((d.decisions + 1) / 2)), d.minutes, NULL))
        AS DOUBLE) AS minutes,
      CAST(AVG(IF(d.ratio_place IN (FLOOR((d.approvals + 1) / 2), CEIL((d.approvals + 1) / 2)), d.ratio, NULL))
        AS DOUBLE) AS ratio
    FROM (
      SELECT f.*, COUNT(*) OVER own AS decisions, SUM(f.is_approved) OVER own AS approvals,
        ROW_NUMBER() OVER (PARTITION BY f.reviewer_id ORDER BY f.minutes) AS minutes_place,
        IF(f.is_approved,
          ROW_NUMBER() OVER (PARTITION BY f.reviewer_id, f.is_approved ORDER BY f.ratio), NULL) AS ratio_place
      FROM (
        SELECT r.reviewer_id, TIMESTAMPDIFF(SECOND, r.created_at, r.review_time) / 60 AS minutes,
          COALESCE(a.first_amount, IF(a.first_status = 'rejected', NULL, r.actual_amount)) / r.amount AS ratio,
          COALESCE(a.first_status, IF(r.review_status = 'revoked', 'approved', r.review_status)) = 'approved'
            AS is_approved,
          COALESCE(a.status = 'overturned', 0) AS is_overturned, r.review_status = 'revoked' AS is_revoked
        FROM photo_reviews AS r
        LEFT JOIN photo_appeals AS a ON a.upload_id = r.upload_id AND a.status = 'overturned'
        WHERE r.review_time >= ${since} AND r.reviewer_id IS NOT NULL
      ) AS f
      WINDOW own AS (PARTITION BY f.reviewer_id)
    ) AS d
    JOIN users AS u ON u.user_id = d.reviewer_id
    GROUP BY d.reviewer_id, u.nickname, u.mobile
    ORDER BY decisions DESC, d.reviewer_id`
  return rows.map((row) => {
    const [decisions, approved, overturned] = [Number(row.decisions), Number(row.approved), Number(row.overturned)]
    return {
      reviewer: toPerson({ userId: row.reviewer_id, nickname: row.nickname, mobile: row.mobile }),
      decisions,
      approved,
      rejected: decisions - approved,
      approval_rate: rate(approved, decisions),
      median_amount_ratio: row.ratio === null ? null : Math.round(row.ratio * 10_000) / 10_000,
      median_minutes: Math.round(row.minutes * 10) / 10,
      overturned,
      overturned_rate: rate(overturned, decisions),
      revoked: Number(row.revoked)
    }
  })
}
