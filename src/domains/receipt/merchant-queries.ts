import { behind, pageFrom, type Sort } from '../../engine/keyset.js'
import type { Db } from '../../engine/tx.js'
import type { Prisma } from '../../generated/prisma/client.js'
import { given } from '../../shared/given.js'
import type { PageQuery } from '../../shared/schemas.js'
import { dayRange } from '../../shared/time.js'
import { PERSON_COLUMNS, toPerson } from '../user/schemas.js'
import type { ReviewedUpload, ReviewsQuery } from './merchant-schemas.js'
import { expectedPoints, NEWEST_UPLOADS, statusFilter, toUpload, type UrlOf } from './queries.js'

const USER = { select: PERSON_COLUMNS } as const
type Row = Prisma.ReceiptGetPayload<{ include: { user: typeof USER } }>

const minutesBetween = (from: Date, to: Date) => Math.max(0, Math.floor((to.getTime() - from.getTime()) / 60_000))

export function toReviewedUpload(row: Row, urlOf: UrlOf, now: Date): ReviewedUpload {
  return {
    ...toUpload(row, urlOf),
    description: row.description,
    expected_points: expectedPoints(row),
    waiting_minutes: minutesBetween(row.createdAt, row.reviewTime ?? now),
    reviewer_id: row.reviewerId,
    user: toPerson(row.user)
  }
}

const OLDEST = { ...NEWEST_UPLOADS, direction: 'asc' } as const satisfies Sort

/** What waits for a decision, oldest first. */
export async function listPending(db: Db, query: PageQuery, urlOf: UrlOf, now: Date) {
  const where = { reviewStatus: 'pending' } as const
  const [{ rows, ...rest }, oldest] = await Promise.all([
    pageFrom(query, OLDEST, where, {
      read: (part) => db.receipt.findMany({ ...part, include: { user: USER } }),
      count: (all) => db.receipt.count({ where: all })
    }),
    oldestPendingMinutes(db, now)
  ])
  const { total } = rest.pagination
  const reviews = rows.map((row) => toReviewedUpload(row, urlOf, now))
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
    read: (part) => db.receipt.findMany({ ...part, include: { user: USER } }),
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
    include: { user: USER },
    orderBy: [{ createdAt: 'desc' }, { uploadId: 'desc' }],
    take
  })
}
