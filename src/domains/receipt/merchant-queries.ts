import { behind, pageFrom, type Sort } from '../../engine/keyset.js'
import type { Db } from '../../engine/tx.js'
import type { Prisma } from '../../generated/prisma/client.js'
import { given } from '../../shared/given.js'
import { refuse } from '../../shared/refusal.js'
import type { PageQuery } from '../../shared/schemas.js'
import { dayRange } from '../../shared/time.js'
import { PERSON_COLUMNS, toPerson } from '../user/schemas.js'
import { readEvidence } from './evidence/matches.js'
import type { EvidencedUpload, ReviewedUpload, ReviewsQuery } from './merchant-schemas.js'
import { expectedPoints, NEWEST_UPLOADS, statusFilter, termsOf, toUpload, type UrlOf } from './queries.js'

/** What a receipt is read with for merchants. */
export const REVIEWED = { user: { select: PERSON_COLUMNS }, appeal: true } as const
type Row = Prisma.ReceiptGetPayload<{ include: typeof REVIEWED }>

const minutesBetween = (from: Date, to: Date) => Math.max(0, Math.floor((to.getTime() - from.getTime()) / 60_000))

export function toReviewedUpload(row: Row, urlOf: UrlOf, now: Date): ReviewedUpload {
  return {
    ...toUpload(row, urlOf),
    description: row.description,
    expected_points: expectedPoints(row),
    points_terms: termsOf(row),
    waiting_minutes: minutesBetween(row.createdAt, row.reviewTime ?? now),
    reviewer_id: row.reviewerId,
    user: toPerson(row.user)
  }
}

const OLDEST = { ...NEWEST_UPLOADS, direction: 'asc' } as const satisfies Sort

/** One receipt and its evidence. @throws Refusal REVIEW_NOT_FOUND */
export async function readReview(db: Db, uploadId: string, urlOf: UrlOf, now: Date): Promise<EvidencedUpload> {
  const row = await db.receipt.findUnique({ where: { uploadId }, include: REVIEWED })
  if (row === null) throw refuse('REVIEW_NOT_FOUND')
  const evidenceOf = await readEvidence(db, [row], urlOf)
  return { ...toReviewedUpload(row, urlOf, now), ...evidenceOf(uploadId) }
}

/** What waits for a decision, oldest first, with its evidence. */
export async function listPending(db: Db, query: PageQuery, urlOf: UrlOf, now: Date) {
  const where = { reviewStatus: 'pending' } as const
  const [{ rows, ...rest }, oldest] = await Promise.all([
    pageFrom(query, OLDEST, where, {
      read: (part) => db.receipt.findMany({ ...part, include: REVIEWED }),
      count: (all) => db.receipt.count({ where: all })
    }),
    oldestPendingMinutes(db, now)
  ])
  const { total } = rest.pagination
  const evidenceOf = await readEvidence(db, rows, urlOf)
  const reviews = rows.map((row) => ({ ...toReviewedUpload(row, urlOf, now), ...evidenceOf(row.uploadId) }))
  return {
    list: reviews,
    reviews,
    total,
    statistics: { pending_reviews: total, oldest_pending_minutes: oldest },
    ...rest
  }
}

export async function oldestPendingMinutes(db: Db, now: Date): Promise<number> {
  const oldest = await db.receipt.findFirst({
    where: { reviewStatus: 'pending' },
    orderBy: { createdAt: 'asc' },
    select: { createdAt: true }
  })
  return oldest === null ? 0 : minutesBetween(oldest.createdAt, now)
}

function filterOf(query: ReviewsQuery, timeZone: string): Prisma.ReceiptWhereInput {
  return {
    ...statusFilter(query.status),
    ...given({ reviewerId: query.reviewer_id }),
    createdAt: dayRange(query.from, query.to, timeZone)
  }
}

/** All receipts, newest first. */
export async function listReviews(db: Db, query: ReviewsQuery, urlOf: UrlOf, now: Date, timeZone: string) {
  const where = filterOf(query, timeZone)
  const { rows, ...rest } = await pageFrom(query, NEWEST_UPLOADS, where, {
    read: (part) => db.receipt.findMany({ ...part, include: REVIEWED }),
    count: (all) => db.receipt.count({ where: all })
  })
  return { reviews: rows.map((row) => toReviewedUpload(row, urlOf, now)), ...rest }
}

/** A page of {@link listReviews} for an export: the next rows after `last`, by key, however deep. */
export async function nextReviews(
  db: Db,
  query: ReviewsQuery,
  timeZone: string,
  last: { createdAt: Date; uploadId: string } | undefined,
  take: number
): Promise<Row[]> {
  const after = last === undefined ? {} : behind(NEWEST_UPLOADS, last)
  return db.receipt.findMany({
    where: { AND: [filterOf(query, timeZone), after] },
    include: REVIEWED,
    orderBy: [{ createdAt: 'desc' }, { uploadId: 'desc' }],
    take
  })
}
