import { pageFrom, type Sort } from '../../../engine/keyset.js'
import type { Db } from '../../../engine/tx.js'
import type { Prisma } from '../../../generated/prisma/client.js'
import { readEvidence } from '../evidence/matches.js'
import type { Evidenced } from '../evidence/schemas.js'
import { REVIEWED, toReviewedUpload } from '../merchant-queries.js'
import { toAppeal, type UrlOf } from '../queries.js'
import { yuanOrNull } from '../states.js'
import type { Appeal, AppealsQuery } from './schemas.js'

const WITH_RECEIPT = { receipt: { include: REVIEWED } } as const
type Row = Prisma.AppealGetPayload<{ include: typeof WITH_RECEIPT }>

const OLDEST = {
  direction: 'asc',
  columns: { createdAt: 'time', uploadId: 'text' }
} as const satisfies Sort

/** Appeals, oldest first; those that are open, unless others are asked for. */
export async function listAppeals(db: Db, query: AppealsQuery, urlOf: UrlOf, now: Date) {
  const where: Prisma.AppealWhereInput = query.status === 'all' ? {} : { status: query.status }
  const { rows, ...rest } = await pageFrom(query, OLDEST, where, {
    read: (part) => db.appeal.findMany({ ...part, include: WITH_RECEIPT }),
    count: (all) => db.appeal.count({ where: all })
  })
  const receipts = rows.map((row) => row.receipt)
  const evidenceOf = await readEvidence(db, receipts, urlOf)
  return { appeals: rows.map((row) => toListed(row, evidenceOf(row.uploadId), urlOf, now)), ...rest }
}

function toListed(row: Row, evidence: Evidenced, urlOf: UrlOf, now: Date): Appeal {
  return {
    appeal_id: row.uploadId,
    upload_id: row.uploadId,
    ...toAppeal(row),
    decider_id: row.deciderId,
    first_decision: {
      status: row.firstStatus,
      actual_amount: yuanOrNull(row.firstAmount),
      points_awarded: row.firstPoints,
      reason: row.firstReason,
      reason_code: row.firstReasonCode,
      reviewer_id: row.receipt.reviewerId,
      decided_at: row.receipt.reviewTime
    },
    upload: toReviewedUpload(row.receipt, urlOf, now),
    ...evidence
  }
}
