import { Type } from '@sinclair/typebox'
import { type PageQuery, type Pagination, pageOf, pagination } from '../shared/schemas.js'
import { decodeCursor, encodeCursor } from './cursor.js'

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

/**
 * A page of a list. By `page`, as clients are used to, or by `cursor`: then from where the last page ended, whatever
 * was added before it meanwhile, and without reading what lies before it.
 * @param where what belongs to the list
 * @param table how to read a part of the list, and how to count all of it
 * @throws Refusal VALIDATION_FAILED for a cursor of another list or sort
 */
export async function pageFrom<Column extends string, Row extends Readonly<Record<Column, unknown>>, Where>(
  query: PageQuery,
  sort: Sort<Column>,
  where: Where,
  table: {
    readonly read: (part: Part<Where>) => PromiseLike<Row[]>
    readonly count: (where: Where) => PromiseLike<number>
  }
): Promise<{ rows: Row[]; pagination: Pagination; next_cursor: string | null }> {
  const page = pageOf(query)
  const after = query.cursor === undefined ? undefined : behind<string>(sort, placeOf(sort, query.cursor))
  const [found, total] = await Promise.all([
    table.read({
      where: after === undefined ? where : { AND: [where, after] },
      orderBy: Object.keys(sort.columns).map((name) => ({ [name]: sort.direction })),
      skip: after === undefined ? page.skip : 0,
      // One more, to know whether it is the last page.
      take: page.limit + 1
    }),
    table.count(where)
  ])
  const rows = found.slice(0, page.limit)
  const last = rows.at(-1)
  const more = found.length > page.limit && last !== undefined
  return { rows, pagination: pagination(page, total), next_cursor: more ? cursorAt(sort, last) : null }
}
