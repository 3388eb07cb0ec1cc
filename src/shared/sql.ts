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

/** Rows for `JSON_TABLE(…)`: one parameter, so the statement's text does not depend on how many there are. */
export function jsonRows(rows: readonly Readonly<Record<string, unknown>>[]): string {
  return JSON.stringify(rows)
}

/** An instant as MySQL writes it, in UTC to the millisecond: for JSON rows, where the driver converts nothing. */
export function sqlTime(instant: Date): string {
  return instant.toISOString().slice(0, 23).replace('T', ' ')
}

/** A text as `LIKE` finds it literally; Prisma's `contains` hands % and _ on as they are. */
export function likeLiteral(text: string): string {
  return text.replace(/[\\%_]/g, '\\$&')
}
