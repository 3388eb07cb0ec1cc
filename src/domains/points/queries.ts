import { NEWEST_BY_ID, openPage, pageFrom, pageSql, type Sort } from '../../engine/keyset.js'
import { filtersOf, type Reads, readOf } from '../../engine/reads.js'
import { sumOf, totalsRead } from '../../engine/totals.js'
import type { Db } from '../../engine/tx.js'
import type { Prisma } from '../../generated/prisma/client.js'
import { CSV_PAGE, pagesOf } from '../../shared/csv.js'
import { given } from '../../shared/given.js'
import type { LedgerQuery, LedgerRecord, PointsRecord, PointsRecordsQuery } from './schemas.js'
import { ledgerTotals } from './totals.js'

/** The columns that {@link toPointsRecord} wants. */
type LedgerRow = Omit<Prisma.PointsRecordGetPayload<object>, 'id' | 'userId' | 'hash'> & {
  readonly id: bigint | number
}

function toPointsRecord(row: LedgerRow): PointsRecord {
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

/** A diner's ledger in its own order, see chain.ts. */
const NEWEST = { direction: 'desc', columns: { seq: 'int' } } as const satisfies Sort

const LEDGER_COLUMNS = `id, seq, type, points, balance_after AS balanceAfter, source, description,
  related_id AS relatedId, created_at AS createdAt`
const BALANCE = readOf<{ total: number }, [userId: number]>('SELECT total_points AS total FROM users WHERE user_id = ?')
const TOTALS = totalsRead(ledgerTotals)

/**
 * A diner's ledger, newest first, with the sums over all of it. Its rows are numbered without a gap, so that any page
 * of the whole is found by its numbers, however far down. With a filter by type it is read from its newest row on: who
 * spends has earned, so that neither is ever far from the other.
 */
export async function listPoints(reads: Reads, userId: number, query: PointsRecordsQuery) {
  const type = query.type === 'consume' ? 'spend' : query.type === 'all' ? undefined : query.type
  const filters = filtersOf({ 'type = ?': type, 'source = ?': query.source })
  const page = openPage(query, NEWEST)
  const numbered = page.place === undefined && filters.values.length === 0
  const start = numbered
    ? { sql: ' AND seq <= (SELECT ledger_seq FROM users WHERE user_id = ?) - ?', values: [userId, page.skip] }
    : { sql: '', values: [] }
  const part = pageSql(numbered ? { ...page, skip: 0 } : page, NEWEST, { seq: 'seq' })
  const [found, totals, [balance]] = await reads(
    readOf<LedgerRow>(
      `SELECT ${LEDGER_COLUMNS} FROM points_records WHERE user_id = ?${filters.sql}${start.sql}${part.sql}`
    )(userId, ...filters.values, ...start.values, ...part.values),
    TOTALS(userId),
    BALANCE(userId)
  )
  const total = sumOf(totals, 'total', (label) => {
    const [ofType, source] = label.split(':')
    return (type ?? ofType) === ofType && (query.source ?? source) === source
  })
  const { rows, ...rest } = page.close(found, total)
  const summary = {
    total_earned: sumOf(totals, 'earned'),
    total_spent: sumOf(totals, 'spent'),
    current_balance: balance?.total ?? 0
  }
  return { records: rows.map(toPointsRecord), summary, ...rest }
}

function toLedgerRecord(row: Prisma.PointsRecordGetPayload<object>): LedgerRecord {
  return { ...toPointsRecord(row), user_id: row.userId }
}

/** The ledger of one user in its order, newest first; or of all, in the order in which their rows were numbered. */
export async function listLedger(db: Db, query: LedgerQuery) {
  const { user_id: userId } = query
  const where: Prisma.PointsRecordWhereInput = given({ userId })
  const table = {
    read: (part: Prisma.PointsRecordFindManyArgs) => db.pointsRecord.findMany(part),
    count: (all: Prisma.PointsRecordWhereInput) => db.pointsRecord.count({ where: all })
  }
  const { rows, ...rest } =
    userId === undefined
      ? await pageFrom(query, NEWEST_BY_ID, where, table)
      : await pageFrom(query, NEWEST, where, table)
  return { records: rows.map(toLedgerRecord), ...rest }
}

/** The same, all of it, page by page. */
export function ledgerPages(db: Db, { user_id: userId }: Pick<LedgerQuery, 'user_id'>) {
  let seq: number | undefined
  return pagesOf<LedgerRecord>(async (last) => {
    const part: Prisma.PointsRecordFindManyArgs =
      userId === undefined
        ? { where: last === undefined ? {} : { id: { lt: last.id } }, orderBy: { id: 'desc' } }
        : { where: { userId, ...(seq === undefined ? {} : { seq: { lt: seq } }) }, orderBy: { seq: 'desc' } }
    const rows = await db.pointsRecord.findMany({ ...part, take: CSV_PAGE })
    seq = rows.at(-1)?.seq
    return rows.map(toLedgerRecord)
  })
}
