import type { Db } from '../../engine/tx.js'
import { CSV_PAGE, pagesOf } from '../../shared/csv.js'
import { refuse } from '../../shared/refusal.js'
import { dayRange } from '../../shared/time.js'
import { GENESIS } from './chain.js'
import type { PointsStatement, StatementQuery, StatementRow } from './schemas.js'

/** The most rows that come as JSON; a file has no such end. */
const MOST_ROWS = 2000

/** Rows of one diner's ledger that follow one another, and how it stood before them. */
interface Extract {
  readonly userId: number
  readonly first: number
  readonly last: number
  readonly opening: { readonly balance: number; readonly hash: string }
}

/**
 * Which rows of a diner's ledger belong to a range of business days: a stretch of its numbers, so that each row's hash
 * follows from the one before it, whatever the clocks of several instances said.
 */
async function extractOf(db: Db, userId: number, { from, to }: StatementQuery, timeZone: string): Promise<Extract> {
  const { gte, lt } = dayRange(from, to, timeZone)
  const seqOf = async (createdAt: { gte?: Date; lt?: Date }, order: 'asc' | 'desc') =>
    (
      await db.pointsRecord.findFirst({
        where: { userId, createdAt },
        orderBy: { seq: order },
        select: { seq: true }
      })
    )?.seq
  const last = (await seqOf(lt === undefined ? {} : { lt }, 'desc')) ?? 0
  const first = gte === undefined ? 1 : ((await seqOf({ gte }, 'asc')) ?? last + 1)
  const before = await db.pointsRecord.findUnique({ where: { userId_seq: { userId, seq: first - 1 } } })
  return {
    userId,
    first,
    last: Math.max(last, first - 1),
    opening: { balance: before?.balanceAfter ?? 0, hash: before?.hash ?? GENESIS }
  }
}

async function rowsOf(db: Db, { userId, last }: Extract, above: number, take: number): Promise<StatementRow[]> {
  const rows = await db.pointsRecord.findMany({
    where: { userId, seq: { gt: above, lte: last } },
    orderBy: { seq: 'asc' },
    take
  })
  return rows.map((row) => ({
    seq: row.seq,
    points: row.points,
    balance_after: row.balanceAfter,
    source: row.source,
    description: row.description,
    related_id: row.relatedId,
    created_at: row.createdAt,
    hash: row.hash
  }))
}

/**
 * A diner's ledger over some business days, oldest first, with what whoever checks it needs: each row's number and
 * hash (chain.ts), and the balance and hash before the first.
 * @throws Refusal VALIDATION_FAILED where that is too much for one answer
 */
export async function readStatement(
  db: Db,
  userId: number,
  query: StatementQuery,
  timeZone: string
): Promise<PointsStatement> {
  const extract = await extractOf(db, userId, query, timeZone)
  const { first, last, opening } = extract
  if (last - first >= MOST_ROWS) {
    const message = `these are ${last - first + 1} rows, and an answer has ${MOST_ROWS}: fewer days, or format=csv`
    throw refuse('VALIDATION_FAILED', [{ field: 'from', message }])
  }
  const rows = await rowsOf(db, extract, first - 1, MOST_ROWS)
  const end = rows.at(-1)
  return {
    user_id: userId,
    from: query.from ?? null,
    to: query.to ?? null,
    opening_balance: opening.balance,
    opening_hash: opening.hash,
    rows,
    closing_balance: end?.balance_after ?? opening.balance,
    closing_hash: end?.hash ?? opening.hash
  }
}

/** What a row of the file says; the first and the last tell of the balance alone. */
type FileRow = { readonly [Column in keyof StatementRow]: StatementRow[Column] | string | null }

/** The same as the pages of a file: opening balance, rows, closing balance. */
export async function* statementPages(
  db: Db,
  userId: number,
  query: StatementQuery,
  timeZone: string
): AsyncGenerator<readonly FileRow[]> {
  const extract = await extractOf(db, userId, query, timeZone)
  let [balance, hash] = [extract.opening.balance, extract.opening.hash]
  const edge = (description: string): FileRow => ({
    seq: '',
    points: '',
    balance_after: balance,
    source: '',
    description,
    related_id: null,
    created_at: '',
    hash
  })
  yield [edge('期初余额')]
  for await (const rows of pagesOf<StatementRow>((last) =>
    rowsOf(db, extract, last?.seq ?? extract.first - 1, CSV_PAGE)
  )) {
    const end = rows.at(-1)
    ;[balance, hash] = [end?.balance_after ?? balance, end?.hash ?? hash]
    yield rows
  }
  yield [edge('期末余额')]
}
