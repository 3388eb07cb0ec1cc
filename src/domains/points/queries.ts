import { NEWEST_BY_ID, openPage, pageFrom, pageSql } from '../../engine/keyset.js'
import { filtersOf, type Reads, readOf } from '../../engine/reads.js'
import type { Db } from '../../engine/tx.js'
import type { Prisma } from '../../generated/prisma/client.js'
import { CSV_PAGE, pagesOf } from '../../shared/csv.js'
import { given } from '../../shared/given.js'
import type { LedgerQuery, LedgerRecord, PointsRecord, PointsRecordsQuery } from './schemas.js'

/** The sums over a diner's ledger, by type. */
export const LEDGER_SUMS = readOf<{ type: 'earn' | 'spend'; points: number }, [userId: number]>(
  'SELECT type, SUM(points) AS points FROM points_records WHERE user_id = ? GROUP BY type'
)

/** What a diner has earned and spent, ever. */
export function totalsOf(sums: readonly { type: 'earn' | 'spend'; points: number }[]): {
  earned: number
  spent: number
} {
  const sum = (type: 'earn' | 'spend') => Math.abs(sums.find((group) => group.type === type)?.points ?? 0)
  return { earned: sum('earn'), spent: sum('spend') }
}

/** The columns that {@link toPointsRecord} wants. */
type LedgerRow = Omit<Prisma.PointsRecordGetPayload<object>, 'id' | 'userId'> & { readonly id: bigint | number }

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

const LEDGER_COLUMNS = `id, type, points, balance_after AS balanceAfter, source, description, related_id AS relatedId,
  created_at AS createdAt`
const BALANCE = readOf<{ total: number }, [userId: number]>('SELECT total_points AS total FROM users WHERE user_id = ?')

/** A diner's ledger, newest first, with the sums over all of it. */
export async function listPoints(reads: Reads, userId: number, query: PointsRecordsQuery) {
  const type = query.type === 'consume' ? 'spend' : query.type === 'all' ? undefined : query.type
  const filters = filtersOf({ 'type = ?': type, 'source = ?': query.source })
  const from = `FROM points_records WHERE user_id = ?${filters.sql}`
  const page = openPage(query, NEWEST_BY_ID)
  const part = pageSql(page, NEWEST_BY_ID, { id: 'id' })
  const [found, [count], sums, [balance]] = await reads(
    readOf<LedgerRow>(`SELECT ${LEDGER_COLUMNS} ${from}${part.sql}`)(userId, ...filters.values, ...part.values),
    readOf<{ total: number }>(`SELECT COUNT(*) AS total ${from}`)(userId, ...filters.values),
    LEDGER_SUMS(userId),
    BALANCE(userId)
  )
  const { earned, spent } = totalsOf(sums)
  const { rows, ...rest } = page.close(found, count?.total ?? 0)
  const summary = { total_earned: earned, total_spent: spent, current_balance: balance?.total ?? 0 }
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
