import { Type } from '@sinclair/typebox'
import { type PageQuery, type Pagination, pageOf, pagination } from '../shared/schemas.js'
import { decodeCursor, encodeCursor } from './cursor.js'
import { sqlTime } from './sql.js'

/** What a cursor may hold of a column: nothing that the database would refuse. */
const KINDS = {
  int: Type.Integer({ minimum: -2_147_483_648, maximum: 2_147_483_647 }),
  bigint: Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER }),
  text: Type.String({ pattern: '^[!-~]{1,64}$' }),
  /** Milliseconds, which is as fine as its columns are. */
  time: Type.Integer({ minimum: 0, maximum: Date.UTC(9999, 11, 31) })
} as const

/** What a list is sorted by: its columns, all in one direction, that together tell any two rows apart. */
export interface Sort<Column extends string = string> {
  readonly direction: 'asc' | 'desc'
  readonly columns: Readonly<Record<Column, keyof typeof KINDS>>
}

/** Newest first, of a table whose `id` rises with time. */
export const NEWEST_BY_ID = { direction: 'desc', columns: { id: 'bigint' } } as const satisfies Sort

/**
 * Filters by a value that most rows may have. Looked up by `=`, MariaDB walks that value's index from the newest row
 * on, past all that lies before a cursor; put like this it reads in the list's own order, from the cursor on. No one
 * form serves every type: measured by the rows that each read (test/deep-pages.test.ts).
 */
export const whereCommon = {
  /** @param none a value that no row has */
  value: <T>(value: T, none: T) => ({ in: [value, none] }),
  flag: (value: boolean) => ({ not: !value }),
  /** @param others all other values there are */
  oneOf: <T>(others: T[]) => ({ notIn: others })
} as const

/** A condition on some table's columns, in Prisma's words. */
type Condition = Record<string, unknown>

/** What to read of a table, for its `findMany`. */
interface Part<Where> {
  readonly where: Where | { AND: (Where | Condition)[] }
  readonly orderBy: Record<string, 'asc' | 'desc'>[]
  readonly skip: number
  readonly take: number
}

const columnsOf = ({ columns }: Sort) => Object.entries(columns)

/** The rows that come after a row: those with a later first column, or the same and a later second one, and so on. */
export function behind<Column extends string>(sort: Sort<Column>, row: Readonly<Record<Column, unknown>>): Condition {
  const place: Condition = row
  const names = Object.keys(sort.columns)
  const past = (name: string) => ({ [name]: sort.direction === 'asc' ? { gt: place[name] } : { lt: place[name] } })
  const ways = names.map((name, index) => ({
    ...Object.fromEntries(names.slice(0, index).map((same) => [same, place[same]])),
    ...past(name)
  }))
  return ways.length === 1 ? { ...ways[0] } : { OR: ways }
}

function cursorAt(sort: Sort, row: Condition): string {
  const values = columnsOf(sort).map(([name]) => {
    const value = row[name]
    return [name, value instanceof Date ? value.getTime() : typeof value === 'bigint' ? Number(value) : value]
  })
  return encodeCursor({ [sort.direction]: Object.fromEntries(values) })
}

function placeOf(sort: Sort, cursor: string): Condition {
  const fields = columnsOf(sort).map(([name, kind]) => [name, KINDS[kind]] as const)
  const exact = { additionalProperties: false }
  // Columns and direction are part of it, so that a cursor of another sort is none of this one.
  const schema = Type.Object({ [sort.direction]: Type.Object(Object.fromEntries(fields), exact) }, exact)
  const place = decodeCursor(schema, cursor)[sort.direction] as Condition
  const values = columnsOf(sort).map(([name, kind]) => [
    name,
    kind === 'time' ? new Date(place[name] as number) : place[name]
  ])
  return Object.fromEntries(values)
}

/** A page of a list that is asked for: what to read of it, and what to tell of the pages around it. */
interface AskedPage<Column extends string> {
  /** The row that the page before ended with; undefined where a page is asked for by its number. */
  readonly place: Readonly<Record<string, unknown>> | undefined
  readonly skip: number
  /** One more than are shown, to know whether it is the last page. */
  readonly take: number
  close<Row extends Readonly<Record<Column, unknown>>>(found: readonly Row[], total: number): PageOf<Row>
}

interface PageOf<Row> {
  readonly rows: Row[]
  readonly pagination: Pagination
  readonly next_cursor: string | null
}

/**
 * Opens a page of a list. By `page`, as clients are used to, or by `cursor`: then from where the last page ended,
 * whatever was added before it meanwhile, and without reading what lies before it.
 * @throws Refusal VALIDATION_FAILED for a cursor of another list or sort
 */
export function openPage<Column extends string>(query: PageQuery, sort: Sort<Column>): AskedPage<Column> {
  const page = pageOf(query)
  const place = query.cursor === undefined ? undefined : placeOf(sort, query.cursor)
  return {
    place,
    skip: place === undefined ? page.skip : 0,
    take: page.limit + 1,
    close(found, total) {
      const rows = found.slice(0, page.limit)
      const last = rows.at(-1)
      const more = found.length > page.limit && last !== undefined
      return { rows, pagination: pagination(page, total), next_cursor: more ? cursorAt(sort, last) : null }
    }
  }
}

/** A page of a list that Prisma reads. @param where what belongs to the list; see {@link openPage} */
export async function pageFrom<Column extends string, Row extends Readonly<Record<Column, unknown>>, Where>(
  query: PageQuery,
  sort: Sort<Column>,
  where: Where,
  table: {
    readonly read: (part: Part<Where>) => PromiseLike<Row[]>
    readonly count: (where: Where) => PromiseLike<number>
  }
): Promise<PageOf<Row>> {
  const page = openPage(query, sort)
  const { place, skip, take } = page
  const [found, total] = await Promise.all([
    table.read({
      where: place === undefined ? where : { AND: [where, behind<string>(sort, place)] },
      orderBy: Object.keys(sort.columns).map((name) => ({ [name]: sort.direction })),
      skip,
      take
    }),
    table.count(where)
  ])
  return page.close(found, total)
}

/**
 * For a table of which one user's rows are listed: put behind its name. Left alone, the server may walk all rows in the
 * order that is asked for, past everybody else's, rather than the user's own by their index.
 * @param all the indexes that have everybody's rows in that order
 */
export const ownRows = (...all: readonly string[]) => `IGNORE INDEX FOR ORDER BY (${all.join(', ')})`

/**
 * The same as SQL, for what stands behind the conditions of a list: the place, the order and the part.
 * @param columns what each column of the sort is called in the statement
 */
export function pageSql<Column extends string>(
  { place, skip, take }: AskedPage<Column>,
  sort: Sort<Column>,
  columns: Readonly<Record<Column, string>>
): { readonly sql: string; readonly values: unknown[] } {
  const names = Object.keys(sort.columns) as Column[]
  const [past, direction] = sort.direction === 'asc' ? ['>', 'ASC'] : ['<', 'DESC']
  const ways = names.map((name, index) =>
    [...names.slice(0, index).map((same) => `${columns[same]} = ?`), `${columns[name]} ${past} ?`].join(' AND ')
  )
  const placed = (name: Column) => (place?.[name] instanceof Date ? sqlTime(place[name]) : place?.[name])
  const placeValues = names.flatMap((_, index) => names.slice(0, index + 1).map(placed))
  const order = names.map((name) => `${columns[name]} ${direction}`).join(', ')
  return {
    sql: `${place === undefined ? '' : ` AND ((${ways.join(') OR (')}))`} ORDER BY ${order} LIMIT ? OFFSET ?`,
    values: [...(place === undefined ? [] : placeValues), take, skip]
  }
}
