import { openPage, ownRows, pageSql, type Sort, whereCommon } from '../../engine/keyset.js'
import { filtersOf, type Reads, readOf } from '../../engine/reads.js'
import type { Total } from '../../engine/tallies.js'
import { sumOf, totalsRead } from '../../engine/totals.js'
import type { Prisma } from '../../generated/prisma/client.js'
import { refuse } from '../../shared/refusal.js'
import { rate } from '../../shared/time.js'
import type { QueuePlaces } from './queue-places.js'
import { reasonOf } from './reasons.js'
import { type PointsTerms, pointsFor, reviewMessage } from './rules.js'
import type {
  AppealStatus,
  HistoryQuery,
  OwnAppeal,
  PhotoStatistics,
  ReviewStatus,
  Upload,
  UploadDetails,
  WaitingUpload
} from './schemas.js'
import { appealUntil, type ReceiptRow, type Yuan, yuan, yuanOrNull } from './states.js'
import { uploadTotals } from './totals.js'
import type { Waits } from './waiting.js'

/** How a stored key becomes an address for this client. */
export type UrlOf = (key: string) => string

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
> & {
  readonly amount: Yuan
  readonly actualAmount: Yuan | null
  readonly appeal: AppealRow | null
}

/** The columns that {@link toAppeal} wants. */
interface AppealRow {
  readonly status: AppealStatus
  readonly message: string
  readonly amount: Yuan | null
  readonly reason: string | null
  readonly createdAt: Date
  readonly decidedAt: Date | null
}

export function toUpload(row: UploadRow, urlOf: UrlOf): Upload {
  return {
    upload_id: row.uploadId,
    image_url: urlOf(row.imageKey),
    thumbnail_url: urlOf(row.thumbnailKey),
    amount: yuan(row.amount),
    actual_amount: yuanOrNull(row.actualAmount),
    points_awarded: row.pointsAwarded,
    status: row.reviewStatus,
    review_status: row.reviewStatus,
    review_reason: row.reviewReason,
    ...reasonOf(row),
    review_time: row.reviewTime,
    appeal: row.appeal === null ? null : toAppeal(row.appeal),
    appeal_until: appealUntil(row),
    created_at: row.createdAt
  }
}

export function toAppeal(row: AppealRow): OwnAppeal {
  return {
    status: row.status,
    message: row.message,
    amount: yuanOrNull(row.amount),
    reason: row.reason,
    created_at: row.createdAt,
    decided_at: row.decidedAt
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
  return {
    reviewStatus: status === 'approved' ? whereCommon.oneOf<ReviewStatus>(['pending', 'rejected', 'revoked']) : status
  }
}

/** Of a receipt `r` and its appeal `a`. */
const UPLOAD_COLUMNS = `r.upload_id AS uploadId, r.image_key AS imageKey, r.thumbnail_key AS thumbnailKey, r.amount,
  r.actual_amount AS actualAmount, r.points_awarded AS pointsAwarded, r.review_status AS reviewStatus,
  r.review_reason AS reviewReason, r.reason_code AS reasonCode, r.review_time AS reviewTime, r.created_at AS createdAt,
  a.status AS appealStatus, a.message AS appealMessage, a.amount AS appealAmount, a.reason AS appealReason,
  a.created_at AS appealedAt, a.decided_at AS appealDecidedAt`
const APPEAL = 'LEFT JOIN photo_appeals AS a ON a.upload_id = r.upload_id'

/** A receipt as {@link UPLOAD_COLUMNS} names its columns. */
interface FlatRow extends Omit<UploadRow, 'appeal'> {
  readonly appealStatus: AppealStatus | null
  readonly appealMessage: string
  readonly appealAmount: number | null
  readonly appealReason: string | null
  readonly appealedAt: Date
  readonly appealDecidedAt: Date | null
}

/** The rows as their diner sees them, with what is known of waiting. */
async function toWaitingUploads(
  rows: readonly FlatRow[],
  { waits, places, urlOf }: UploadReads
): Promise<WaitingUpload[]> {
  const pending = rows.filter((row) => row.reviewStatus === 'pending').map(({ uploadId }) => uploadId)
  if (pending.length === 0) return rows.map((row) => toWaitingUpload(row, urlOf))
  const [known, queue] = await Promise.all([waits(), places(pending)])
  return rows.map((row) => toWaitingUpload(row, urlOf, known, queue))
}

function toWaitingUpload(
  row: FlatRow,
  urlOf: UrlOf,
  waits?: Waits,
  queue?: ReadonlyMap<string, number>
): WaitingUpload {
  const isPending = row.reviewStatus === 'pending'
  const appeal =
    row.appealStatus === null
      ? null
      : {
          status: row.appealStatus,
          message: row.appealMessage,
          amount: row.appealAmount,
          reason: row.appealReason,
          createdAt: row.appealedAt,
          decidedAt: row.appealDecidedAt
        }
  return {
    ...toUpload({ ...row, appeal }, urlOf),
    queue_position: (isPending && queue?.get(row.uploadId)) || null,
    estimated_wait: (isPending && waits?.estimate(row.createdAt)) || null
  }
}

/** The same as {@link statusFilter}, and for the same reason. */
function statusSql(status: HistoryQuery['status']): ReturnType<typeof filtersOf> {
  if (status === 'approved')
    return { sql: " AND r.review_status NOT IN ('pending', 'rejected', 'revoked')", values: [] }
  return filtersOf({ 'r.review_status = ?': status === 'all' ? undefined : status })
}

/** What receipts are read with for their diners. */
interface UploadReads {
  readonly reads: Reads
  readonly waits: () => Promise<Waits>
  readonly places: QueuePlaces
  readonly urlOf: UrlOf
}

/** A diner's receipts, newest first. */
export async function listUploads(uploadReads: UploadReads, userId: number, query: HistoryQuery) {
  const filters = statusSql(query.status)
  const from = `FROM photo_reviews AS r ${OWN_ROWS} ${APPEAL} WHERE r.user_id = ?${filters.sql}`
  const page = openPage(query, NEWEST_UPLOADS)
  const part = pageSql(page, NEWEST_UPLOADS, { createdAt: 'r.created_at', uploadId: 'r.upload_id' })
  const [found, totals] = await uploadReads.reads(
    readOf<FlatRow>(`SELECT ${UPLOAD_COLUMNS} ${from}${part.sql}`)(userId, ...filters.values, ...part.values),
    TOTALS(userId)
  )
  const total = sumOf(totals, 'total', (status) => query.status === 'all' || status === query.status)
  const { rows, ...rest } = page.close(found, total)
  return { history: await toWaitingUploads(rows, uploadReads), summary: toStatistics(totals), ...rest }
}

type OwnUpload = FlatRow & Pick<ReceiptRow, 'description' | 'pointsRate' | 'pointsMin' | 'pointsMax'>

const OWN_UPLOAD = readOf<OwnUpload, [uploadId: string, userId: number]>(`
  SELECT ${UPLOAD_COLUMNS}, r.description, r.points_rate AS pointsRate, r.points_min AS pointsMin,
    r.points_max AS pointsMax
  FROM photo_reviews AS r ${APPEAL} WHERE r.upload_id = ? AND r.user_id = ?`)

/** @throws Refusal REVIEW_NOT_FOUND when there is none, or it is somebody else's */
export async function readUpload(uploadReads: UploadReads, userId: number, uploadId: string): Promise<UploadDetails> {
  const [[row]] = await uploadReads.reads(OWN_UPLOAD(uploadId, userId))
  if (row === undefined) throw refuse('REVIEW_NOT_FOUND')
  const [upload] = await toWaitingUploads([row], uploadReads)
  return {
    ...(upload as WaitingUpload),
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
  const [approved, pending, rejected, revoked] = [
    count('approved'),
    count('pending'),
    count('rejected'),
    count('revoked')
  ]
  return {
    total_uploads: approved + pending + rejected + revoked,
    approved_uploads: approved,
    pending_uploads: pending,
    rejected_uploads: rejected,
    revoked_uploads: revoked,
    total_points_earned: sumOf(totals, 'earned', (label) => label === 'approved'),
    approval_rate: rate(approved, approved + rejected)
  }
}
