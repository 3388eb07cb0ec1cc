import type { Db, Tx } from '../../../engine/tx.js'
import { Prisma } from '../../../generated/prisma/client.js'
import { toPerson } from '../../user/schemas.js'
import type { UrlOf } from '../queries.js'
import { type Yuan, yuan } from '../states.js'
import type { Evidence, Evidenced, MatchKind, Risk } from './schemas.js'

const MAX_SHOWN = 10

/** A match of a receipt, with the other one. */
interface MatchRow {
  readonly of: string
  readonly kind: MatchKind
  readonly distance: number | null
  readonly upload_id: string
  readonly user_id: number
  readonly image_key: string
  readonly thumbnail_key: string
  readonly amount: Yuan
  readonly review_status: Evidence['status']
  readonly created_at: Date
  readonly same_user: number | bigint
  readonly nickname: string
  readonly mobile: string
}

/** What to tell of receipts: of each its matches, and null of one that is being compared. */
export async function readEvidence(
  db: Db,
  receipts: readonly { readonly uploadId: string; readonly comparedAt: Date | null }[],
  urlOf: UrlOf
): Promise<(uploadId: string) => Evidenced> {
  const compared = receipts.filter(({ comparedAt }) => comparedAt !== null).map(({ uploadId }) => uploadId)
  const found = compared.length === 0 ? [] : await matchesOf(db, compared)
  return (uploadId) => {
    if (!compared.includes(uploadId)) return { evidence: null, risk: null }
    const rows = found.filter((row) => row.of === uploadId)
    return { evidence: rows.map((row) => toEvidence(row, urlOf)), risk: riskOf(rows) }
  }
}

/** The strongest matches of each of these receipts: by kind, by distance, those first that count, then the newest. */
function matchesOf(db: Db, uploadIds: readonly string[]): Promise<MatchRow[]> {
  const ids = Prisma.join(uploadIds)
  return db.$queryRaw<MatchRow[]>`
    SELECT * FROM (
      SELECT m.*, o.user_id, o.image_key, o.thumbnail_key, o.amount, o.review_status, o.created_at,
        o.user_id = own.user_id AS same_user, u.nickname, u.mobile,
        ROW_NUMBER() OVER (PARTITION BY m.of ORDER BY
          FIELD(m.kind, 'same_file', 'similar_picture', 'same_amount'), m.distance,
          o.review_status IN ('pending', 'approved') DESC, o.created_at DESC) AS place
      FROM (
        SELECT upload_id AS \`of\`, other_id AS upload_id, kind, distance
        FROM photo_matches WHERE upload_id IN (${ids})
        UNION ALL
        SELECT other_id, upload_id, kind, distance FROM photo_matches WHERE other_id IN (${ids})
      ) AS m
      JOIN photo_reviews AS o ON o.upload_id = m.upload_id
      JOIN photo_reviews AS own ON own.upload_id = m.of
      JOIN users AS u ON u.user_id = o.user_id
    ) AS placed
    WHERE place <= ${MAX_SHOWN}
    ORDER BY place`
}

function toEvidence(row: MatchRow, urlOf: UrlOf): Evidence {
  return {
    kind: row.kind,
    upload_id: row.upload_id,
    distance: row.distance,
    image_url: urlOf(row.image_key),
    thumbnail_url: urlOf(row.thumbnail_key),
    amount: yuan(row.amount),
    status: row.review_status,
    same_user: Number(row.same_user) === 1,
    user: toPerson({ userId: row.user_id, nickname: row.nickname, mobile: row.mobile }),
    created_at: row.created_at
  }
}

/** How closely to look (contract section 15). */
function riskOf(rows: readonly Pick<MatchRow, 'kind' | 'review_status'>[]): Risk {
  const isHigh = rows.some(
    ({ kind, review_status: status }) => kind === 'same_file' && (status === 'pending' || status === 'approved')
  )
  return isHigh ? 'high' : rows.length > 0 ? 'look' : 'none'
}

/** Forgets what was found of a receipt that is to be removed. */
export async function forgetPicture(tx: Tx, uploadId: string): Promise<void> {
  await tx.pictureBand.deleteMany({ where: { uploadId } })
  await tx.photoMatch.deleteMany({ where: { uploadId } })
  await tx.photoMatch.deleteMany({ where: { otherId: uploadId } })
}
