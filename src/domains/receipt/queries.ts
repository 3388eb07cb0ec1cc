import { pageFrom, type Sort, whereCommon } from '../../engine/keyset.js'
import type { Db } from '../../engine/tx.js'
import type { Prisma } from '../../generated/prisma/client.js'
import { refuse } from '../../shared/refusal.js'
import { rate } from '../../shared/time.js'
import { type PointsTerms, pointsFor, reviewMessage } from './rules.js'
import type { HistoryQuery, PhotoStatistics, ReviewStatus, Upload, UploadDetails } from './schemas.js'

/** How a stored key becomes an address for this client. */
export type UrlOf = (key: string) => string

/** A row of `photo_reviews` as Prisma gives it. */
export type ReceiptRow = Prisma.ReceiptGetPayload<object>

export function toUpload(row: ReceiptRow, urlOf: UrlOf): Upload {
  return {
    upload_id: row.uploadId,
    image_url: urlOf(row.imageKey),
    thumbnail_url: urlOf(row.thumbnailKey),
    amount: row.amount.toNumber(),
    actual_amount: row.actualAmount?.toNumber() ?? null,
    points_awarded: row.pointsAwarded,
    status: row.reviewStatus,
    review_status: row.reviewStatus,
    review_reason: row.reviewReason,
    review_time: row.reviewTime,
    created_at: row.createdAt
  }
}

export const termsOf = (row: ReceiptRow): PointsTerms => ({
  rate: row.pointsRate,
  min: row.pointsMin,
  max: row.pointsMax
})

/** What a receipt gives if the merchant confirms its amount. */
export const expectedPoints = (row: ReceiptRow) => pointsFor(Math.round(row.amount.toNumber() * 100), termsOf(row))

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

/** A diner's receipts, newest first. */
export async function listUploads(db: Db, userId: number, query: HistoryQuery, urlOf: UrlOf) {
  const where: Prisma.ReceiptWhereInput = { userId, ...statusFilter(query.status) }
  const [{ rows, ...rest }, summary] = await Promise.all([
    pageFrom(query, NEWEST_UPLOADS, where, {
      read: (part) => db.receipt.findMany(part),
      count: (all) => db.receipt.count({ where: all })
    }),
    photoStatistics(db, userId)
  ])
  return { history: rows.map((row) => toUpload(row, urlOf)), summary, ...rest }
}

/** @throws Refusal REVIEW_NOT_FOUND when there is none, or it is somebody else's */
export async function readUpload(db: Db, userId: number, uploadId: string, urlOf: UrlOf): Promise<UploadDetails> {
  const row = await db.receipt.findFirst({ where: { uploadId, userId } })
  if (row === null) throw refuse('REVIEW_NOT_FOUND')
  return {
    ...toUpload(row, urlOf),
    description: row.description,
    expected_points: expectedPoints(row),
    message: reviewMessage(row.reviewStatus, row.pointsAwarded)
  }
}

/** A diner's receipts in figures. `approval_rate` is of those that were decided. */
export async function photoStatistics(db: Db, userId: number): Promise<PhotoStatistics> {
  const groups = await db.receipt.groupBy({
    by: ['reviewStatus'],
    where: { userId },
    _count: true,
    _sum: { pointsAwarded: true }
  })
  const of = (status: string) => groups.find((group) => group.reviewStatus === status)
  const count = (status: string) => of(status)?._count ?? 0
  const [approved, pending, rejected] = [count('approved'), count('pending'), count('rejected')]
  return {
    total_uploads: approved + pending + rejected,
    approved_uploads: approved,
    pending_uploads: pending,
    rejected_uploads: rejected,
    total_points_earned: of('approved')?._sum.pointsAwarded ?? 0,
    approval_rate: rate(approved, approved + rejected)
  }
}
