import { NEWEST_BY_ID, pageFrom } from '../../engine/keyset.js'
import type { Db } from '../../engine/tx.js'
import type { Prisma } from '../../generated/prisma/client.js'
import { CSV_PAGE, pagesOf } from '../../shared/csv.js'
import { given } from '../../shared/given.js'
import type { LedgerQuery, LedgerRecord, PointsRecord, PointsRecordsQuery } from './schemas.js'

/** What a diner has earned and spent, ever. */
export async function pointsTotals(db: Db, userId: number): Promise<{ earned: number; spent: number }> {
  const groups = await db.pointsRecord.groupBy({ by: ['type'], where: { userId }, _sum: { points: true } })
  const sum = (type: 'earn' | 'spend') => Math.abs(groups.find((group) => group.type === type)?._sum.points ?? 0)
  return { earned: sum('earn'), spent: sum('spend') }
}

function toPointsRecord(row: Prisma.PointsRecordGetPayload<object>): PointsRecord {
  return {
    id: Number(row.id),
    type: row.type,
    points: row.points,
    balance_after: row.balanceAfter,
    source: row.source,
    description: row.description,
    related_id: row.relatedId,
    created_at: row.createdAt
  }
}

/** A diner's ledger, newest first, with the sums over all of it. */
export async function listPoints(db: Db, userId: number, query: PointsRecordsQuery) {
  const type = query.type === 'consume' ? 'spend' : query.type === 'all' ? undefined : query.type
  const where: Prisma.PointsRecordWhereInput = { userId, ...given({ type, source: query.source }) }
  const [{ rows, ...rest }, totals, user] = await Promise.all([
    pageFrom(query, NEWEST_BY_ID, where, {
      read: (part) => db.pointsRecord.findMany(part),
      count: (all) => db.pointsRecord.count({ where: all })
    }),
    pointsTotals(db, userId),
    db.user.findUnique({ where: { userId }, select: { totalPoints: true } })
  ])
  const summary = {
    total_earned: totals.earned,
    total_spent: totals.spent,
    current_balance: user?.totalPoints ?? 0
  }
  return { records: rows.map(toPointsRecord), summary, ...rest }
}

function toLedgerRecord(row: Prisma.PointsRecordGetPayload<object>): LedgerRecord {
  return { ...toPointsRecord(row), user_id: row.userId }
}

/** The ledger of all users, or of one, newest first. */
export async function listLedger(db: Db, query: LedgerQuery) {
  const where: Prisma.PointsRecordWhereInput = given({ userId: query.user_id })
  const { rows, ...rest } = await pageFrom(query, NEWEST_BY_ID, where, {
    read: (part) => db.pointsRecord.findMany(part),
    count: (all) => db.pointsRecord.count({ where: all })
  })
  return { records: rows.map(toLedgerRecord), ...rest }
}

/** The same, all of it, page by page. */
export function ledgerPages(db: Db, { user_id: userId }: Pick<LedgerQuery, 'user_id'>) {
  return pagesOf<LedgerRecord>(async (last) => {
    const rows = await db.pointsRecord.findMany({
      where: { ...given({ userId }), ...(last === undefined ? {} : { id: { lt: last.id } }) },
      orderBy: { id: 'desc' },
      take: CSV_PAGE
    })
    return rows.map(toLedgerRecord)
  })
}
