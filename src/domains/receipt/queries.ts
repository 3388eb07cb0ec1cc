import { openPage, ownRows, pageSql, type Sort, whereCommon } from '../../engine/keyset.js'
import { filtersOf, type Reads, readOf } from '../../engine/reads.js'
import type { Total } from '../../engine/tallies.js'
import { sumOf, totalsRead } from '../../engine/totals.js'
import type { Prisma } from '../../generated/prisma/client.js'
import { refuse } from '../../shared/refusal.js'
import { rate } from '../../shared/time.js'
import { reasonOf } from './reasons.js'
import { type PointsTerms, pointsFor, reviewMessage } from './rules.js'
import type { HistoryQuery, PhotoStatistics, ReviewStatus, Upload, UploadDetails } from './schemas.js'
import { uploadTotals } from './totals.js'

/** How a stored key becomes an address for this client. */
export type UrlOf = (key: string) => string

/** A row of `photo_reviews` as Prisma gives it. */
export type ReceiptRow = Prisma.ReceiptGetPayload<object>

/** The columns that {@link toUpload} wants. */
type UploadRow = Pick<
  ReceiptRow,
  | 'uploadId'
  | 'imageKey'
  | 'thumbnailKey'
  | 'pointsAwarded'
  | 'reviewStatus'
  | 'reviewReason'
  | 'reasonCode'
  | 'reviewTime'
  | 'createdAt'
> & { readonly amount: Yuan; readonly actualAmount: Yuan | null }

/** A number, or one of Prisma's. */
type Yuan = number | { toNumber(): number }

const yuan = (amount: Yuan): number => (typeof amount === 'number' ? amount : amount.toNumber())

export function toUpload(row: UploadRow, urlOf: UrlOf): Upload {
  return {
    upload_id: row.uploadId,
    image_url: urlOf(row.imageKey),
    thumbnail_url: urlOf(row.thumbnailKey),
    amount: yuan(row.amount),
    actual_amount: row.actualAmount === null ? null : yuan(row.actualAmount),
    points_awarded: row.pointsAwarded,
    status: row.reviewStatus,
    review_status: row.reviewStatus,
    review_reason: row.reviewReason,
    ...reasonOf(row),
    review_time: row.reviewTime,
    created_at: row.createdAt
  }
}

export const termsOf = (row: Pick<ReceiptRow, 'pointsRate' | 'pointsMin' | 'pointsMax'>): PointsTerms => ({
  rate: row.pointsRate,
  min: row.pointsMin,
  max: row.pointsMax
})

/** What a receipt gives if the merchant confirms its amount. */
export const expectedPoints = (row: Parameters<typeof termsOf>[0] & { readonly amount: Yuan }) =>
  pointsFor(Math.round(yuan(row.amount) * 100), termsOf(row))

/** How receipts are listed, but for those that wait. */
export const NEWEST_UPLOADS = {
  direction: 'desc',
  columns: { createdAt: 'time', uploadId: 'text' }
} as const satisfies Sort

/** The receipts in a state; most are approved. */
export function statusFilter(status: HistoryQuery['status']): Prisma.ReceiptWhereInput {
  if (status === 'all') return {}
  return { reviewStatus: status === 'approved' ? whereCommon.oneOf<ReviewStatus>(['pending', 'rejected']) : status }
}

const UPLOAD_COLUMNS = `upload_id AS uploadId, image_key AS imageKey, thumbnail_key AS thumbnailKey, amount,
  actual_amount AS actualAmount, points_awarded AS pointsAwarded, review_status AS reviewStatus,
  review_reason AS reviewReason, reason_code AS reasonCode, review_time AS reviewTime, created_at AS createdAt`

/** The same as {@link statusFilter}, and for the same reason. */
function statusSql(status: HistoryQuery['status']): ReturnType<typeof filtersOf> {
  if (status === 'approved') return { sql: " AND review_status NOT IN ('pending', 'rejected')", values: [] }
  return filtersOf({ 'review_status = ?': status === 'all' ? undefined : status })
}

/** A diner's receipts, newest first. */
export async function listUploads(reads: Reads, userId: number, query: HistoryQuery, urlOf: UrlOf) {
  const filters = statusSql(query.status)
  const from = `FROM photo_reviews ${OWN_ROWS} WHERE user_id = ?${filters.sql}`
  const page = openPage(query, NEWEST_UPLOADS)
  const part = pageSql(page, NEWEST_UPLOADS, { createdAt: 'created_at', uploadId: 'upload_id' })
  const [found, totals] = await reads(
    readOf<UploadRow>(`SELECT ${UPLOAD_COLUMNS} ${from}${part.sql}`)(userId, ...filters.values, ...part.values),
    TOTALS(userId)
  )
  const total = sumOf(totals, 'total', (status) => query.status === 'all' || status === query.status)
  const { rows, ...rest } = page.close(found, total)
  return { history: rows.map((row) => toUpload(row, urlOf)), summary: toStatistics(totals), ...rest }
}

type OwnUpload = UploadRow & Pick<ReceiptRow, 'description' | 'pointsRate' | 'pointsMin' | 'pointsMax'>

const OWN_UPLOAD = readOf<OwnUpload, [uploadId: string, userId: number]>(`
  SELECT ${UPLOAD_COLUMNS}, description, points_rate AS pointsRate, points_min AS pointsMin, points_max AS pointsMax
  FROM photo_reviews WHERE upload_id = ? AND user_id = ?`)

/** @throws Refusal REVIEW_NOT_FOUND when there is none, or it is somebody else's */
export async function readUpload(reads: Reads, userId: number, uploadId: string, urlOf: UrlOf): Promise<UploadDetails> {
  const [[row]] = await reads(OWN_UPLOAD(uploadId, userId))
  if (row === undefined) throw refuse('REVIEW_NOT_FOUND')
  return {
    ...toUpload(row, urlOf),
    description: row.description,
    expected_points: expectedPoints(row),
    message: reviewMessage(row.reviewStatus, row.pointsAwarded)
  }
}

const TOTALS = totalsRead(uploadTotals)
const OWN_ROWS = ownRows('photo_reviews_created_at_idx', 'photo_reviews_review_status_created_at_idx')

/** A diner's receipts in figures. `approval_rate` is of those that were decided. */
export async function photoStatistics(reads: Reads, userId: number): Promise<PhotoStatistics> {
  const [totals] = await reads(TOTALS(userId))
  return toStatistics(totals)
}

function toStatistics(totals: readonly Total<ReviewStatus>[]): PhotoStatistics {
  const count = (status: ReviewStatus) => sumOf(totals, 'total', (label) => label === status)
  const [approved, pending, rejected] = [count('approved'), count('pending'), count('rejected')]
  return {
    total_uploads: approved + pending + rejected,
    approved_uploads: approved,
    pending_uploads: pending,
    rejected_uploads: rejected,
    total_points_earned: sumOf(totals, 'earned', (label) => label === 'approved'),
    approval_rate: rate(approved, approved + rejected)
  }
}
