import type { Outbox } from '../../engine/bus.js'
import { pageFrom, type Sort } from '../../engine/keyset.js'
import type { Db, Tx } from '../../engine/tx.js'
import type { Prisma } from '../../generated/prisma/client.js'
import { refuse } from '../../shared/refusal.js'
import { businessDay, rate } from '../../shared/time.js'
import { countDay } from './days.js'
import { centsOfText, MAX_CENTS, type PointsTerms, pointsFor, reviewMessage } from './rules.js'
import type { HistoryQuery, PhotoStatistics, Upload, UploadDetails, Uploaded } from './schemas.js'

/** How a stored key becomes an address for this client. */
export type UrlOf = (key: string) => string

/**
 * The amount of a form, in cents.
 * @throws Refusal AMOUNT_INVALID or AMOUNT_TOO_LARGE
 */
export function readAmount(text: string | undefined): number {
  const cents = centsOfText(text ?? '')
  if (cents === undefined) throw refuse('AMOUNT_INVALID')
  if (cents > MAX_CENTS) throw refuse('AMOUNT_TOO_LARGE')
  return cents
}

/** A receipt whose image lies in the storage, to be written down. */
export interface NewUpload {
  readonly uploadId: string
  readonly userId: number
  readonly cents: number
  readonly description: string
  readonly filename: string
  readonly imageKey: string
  readonly thumbnailKey: string
  readonly fileSize: number
  readonly sha256: string
  readonly phash: string
}

/** Writes the row of a receipt, with the terms that hold now, and tells the merchants of it after the commit. */
export async function recordUpload(
  tx: Tx,
  outbox: Outbox,
  upload: NewUpload,
  { terms, urlOf, now, timeZone }: { terms: PointsTerms; urlOf: UrlOf; now: Date; timeZone: string }
): Promise<Uploaded> {
  const { uploadId, userId, cents, imageKey, thumbnailKey, fileSize } = upload
  const [imageUrl, thumbnailUrl] = [urlOf(imageKey), urlOf(thumbnailKey)]
  await tx.photoReview.create({
    data: {
      uploadId,
      userId,
      imageUrl,
      thumbnailUrl,
      imageKey,
      thumbnailKey,
      amount: cents / 100,
      description: upload.description,
      pointsRate: terms.rate,
      pointsMin: terms.min,
      pointsMax: terms.max,
      originalFilename: upload.filename,
      fileSize,
      sha256: upload.sha256,
      phash: upload.phash,
      createdAt: now
    }
  })
  await countDay(tx, businessDay(now, timeZone), { uploads: 1 })
  outbox.push('merchants', 'new_review', {
    upload_id: uploadId,
    user_id: userId,
    amount: cents / 100,
    image_url: imageUrl,
    uploaded_at: now
  })
  return {
    upload_id: uploadId,
    status: 'pending',
    amount: cents / 100,
    image_url: imageUrl,
    thumbnail_url: thumbnailUrl,
    file_size: fileSize,
    expected_points: pointsFor(cents, terms),
    points_awarded: 0,
    message: '您的消费凭证已提交，商家将在24小时内完成审核',
    estimated_review_time: '24小时内',
    created_at: now
  }
}

/** A row of `photo_reviews` as Prisma gives it. */
export type UploadRow = Prisma.PhotoReviewGetPayload<object>

export function toUpload(row: UploadRow, urlOf: UrlOf): Upload {
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

export const termsOf = (row: UploadRow): PointsTerms => ({
  rate: row.pointsRate,
  min: row.pointsMin,
  max: row.pointsMax
})

/** What a receipt gives if the merchant confirms its amount. */
export const expectedPoints = (row: UploadRow) => pointsFor(Math.round(row.amount.toNumber() * 100), termsOf(row))

/** How receipts are listed, but for those that wait. */
export const NEWEST_UPLOADS = {
  direction: 'desc',
  columns: { createdAt: 'time', uploadId: 'text' }
} as const satisfies Sort

/**
 * The receipts in a state. Most are approved: looked up by that, MariaDB walks its index from the newest row on, past
 * all that lies before a cursor; by what they are not, it reads in order of time from the cursor on.
 */
export function statusFilter(status: HistoryQuery['status']): Prisma.PhotoReviewWhereInput {
  if (status === 'all') return {}
  return { reviewStatus: status === 'approved' ? { notIn: ['pending', 'rejected'] } : status }
}

/** A diner's receipts, newest first. */
export async function listUploads(db: Db, userId: number, query: HistoryQuery, urlOf: UrlOf) {
  const where: Prisma.PhotoReviewWhereInput = { userId, ...statusFilter(query.status) }
  const [{ rows, ...rest }, summary] = await Promise.all([
    pageFrom(query, NEWEST_UPLOADS, where, {
      read: (part) => db.photoReview.findMany(part),
      count: (all) => db.photoReview.count({ where: all })
    }),
    photoStatistics(db, userId)
  ])
  return { history: rows.map((row) => toUpload(row, urlOf)), summary, ...rest }
}

/** @throws Refusal REVIEW_NOT_FOUND when there is none, or it is somebody else's */
export async function readUpload(db: Db, userId: number, uploadId: string, urlOf: UrlOf): Promise<UploadDetails> {
  const row = await db.photoReview.findFirst({ where: { uploadId, userId } })
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
  const groups = await db.photoReview.groupBy({
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

/**
 * Takes back a pending receipt of one's own.
 * @returns the keys of its objects, to be removed after the commit
 * @throws Refusal REVIEW_NOT_FOUND or REVIEW_ALREADY_DONE
 */
export async function withdrawUpload(tx: Tx, userId: number, uploadId: string, timeZone: string): Promise<string[]> {
  const row = await lockUpload(tx, uploadId)
  if (row === null || row.userId !== userId) throw refuse('REVIEW_NOT_FOUND')
  if (row.reviewStatus !== 'pending') throw refuse('REVIEW_ALREADY_DONE', { status: row.reviewStatus })
  await tx.photoReview.delete({ where: { uploadId } })
  await countDay(tx, businessDay(row.createdAt, timeZone), { uploads: -1 })
  return [row.imageKey, row.thumbnailKey]
}

/** Locks a receipt and reads it as it is once the lock is held. */
export async function lockUpload(tx: Tx, uploadId: string): Promise<UploadRow | null> {
  await tx.$queryRaw`SELECT upload_id FROM photo_reviews WHERE upload_id = ${uploadId} FOR UPDATE`
  return tx.photoReview.findUnique({ where: { uploadId } })
}
