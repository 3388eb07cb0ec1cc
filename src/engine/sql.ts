import assert from 'node:assert/strict'
import { Prisma } from '../generated/prisma/client.js'
import type { Write } from './tx.js'

/**
 * Lengths to which lists in a statement are padded. Few lengths mean few statement texts, so that the server's
 * prepared statements are found again whatever the batch.
 */
const LIST_LENGTHS = [1, 4, 16, 64, 256] as const
/** The longest list that {@link padded} takes. */
export const MAX_LIST = 256

/**
 * Pads a list with its last element to the next of a few fixed lengths, for `IN (…)` and `FIELD(…)`.
 * A repeated element changes neither.
 */
export function padded<T>(list: readonly T[]): T[] {
  const length = LIST_LENGTHS.find((candidate) => candidate >= list.length)
  assert(list.length > 0 && length !== undefined, `a list of ${list.length} elements is outside 1…256`)
  const last = list[list.length - 1] as T
  return [...list, ...Array<T>(length - list.length).fill(last)]
}

/** A value list for `IN (…)`. */
export function inList(list: readonly (number | string | null)[]): Prisma.Sql {
  return Prisma.join(list as unknown[])
}

/**
 * Rows for `JSON_TABLE(…)`: one parameter, so the statement's text does not depend on how many there are. A row is an
 * array and its columns go by place: MariaDB reads a row from its start for every column, so names would cost.
 * They come out in the order of the array; to sort them by `FOR ORDINALITY` as well took a quarter of an INSERT.
 */
export function jsonRows(rows: readonly (readonly unknown[])[]): string {
  return JSON.stringify(rows)
}

/** The `COLUMNS` for {@link jsonRows}: the name and type of each place, in their order. */
export function jsonColumns(...columns: readonly string[]): Prisma.Sql {
  return Prisma.raw(columns.map((column, place) => `${column} PATH '$[${place}]'`).join(', '))
}

/** What a column of rows to be inserted may be given. A `DECIMAL` is given as text: rows of one list must be alike. */
export type Value = string | number | null

/** A row to be inserted, by the names of its columns. */
export type NewRow<Column extends string> = Readonly<Record<Column, Value>>

/** Makes the write that inserts rows; none where there are none. */
type Inserter<Column extends string> = (rows: readonly NewRow<Column>[]) => Write[]

/**
 * How rows get into a table: in one statement. It has two forms. Where the connection can (MariaDB, straight on the
 * driver), the rows go in binary beside a statement that inserts one, whose text is always the same. Elsewhere they
 * stand in the statement, which the engine reads faster than rows in JSON (`npm run bench -- --only batches`).
 * @param names the columns, as they are in the rows
 * @param onDuplicate what to do with a row whose key is there; `VALUES(…)` is the new one
 */
export function insertInto<const Column extends string>(
  table: string,
  names: readonly Column[],
  onDuplicate = ''
): Inserter<Column> {
  const into = `INSERT INTO ${table} (${names.join(', ')})`
  const one = `${into} VALUES (${names.map(() => '?').join(', ')}) ${onDuplicate}`
  const [before, after] = [Prisma.raw(`${into} VALUES `), Prisma.raw(` ${onDuplicate}`)]
  return (rows) => {
    if (rows.length === 0) return []
    const values = rows.map((row) => names.map((name) => row[name]))
    return [
      {
        get statement() {
          const all = values.map((row) => Prisma.sql`(${Prisma.join(row)})`)
          return Prisma.sql`${before}${Prisma.join(all)}${after}`
        },
        bulk: { one, rows: values }
      }
    ]
  }
}

/** An instant as MySQL writes it, in UTC to the millisecond: for the values of rows, where no `Date` is converted. */
export function sqlTime(instant: Date): string {
  return instant.toISOString().slice(0, 23).replace('T', ' ')
}

/** A text as `LIKE` finds it literally; Prisma's `contains` hands % and _ on as they are. */
export function likeLiteral(text: string): string {
  return text.replace(/[\\%_]/g, '\\$&')
}
