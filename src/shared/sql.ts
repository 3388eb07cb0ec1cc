import assert from 'node:assert/strict'
import { Prisma } from '../generated/prisma/client.js'

/**
 * Lengths to which lists in a statement are padded. Few lengths mean few statement texts, so that the server's
 * prepared statements are found again whatever the batch.
 */
const LIST_LENGTHS = [1, 4, 16, 64, 256] as const

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

/** An instant as MySQL writes it, in UTC to the millisecond: for JSON rows, where the driver converts nothing. */
export function sqlTime(instant: Date): string {
  return instant.toISOString().slice(0, 23).replace('T', ' ')
}

/** A text as `LIKE` finds it literally; Prisma's `contains` hands % and _ on as they are. */
export function likeLiteral(text: string): string {
  return text.replace(/[\\%_]/g, '\\$&')
}
