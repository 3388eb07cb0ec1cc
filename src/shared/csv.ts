import { Readable } from 'node:stream'

/** How many rows {@link pagesOf} wants of each read. */
export const CSV_PAGE = 500

/** Without it Excel takes UTF-8 for the machine's old code page, and Chinese for noise. */
const BOM = '\uFEFF'
/** What spreadsheets read as the start of a formula; in their full-width forms too. */
const FORMULA = /^[=+\-@\t\r\n＝＋－＠]/
const PLAIN_NUMBER = /^-?\d+(\.\d+)?$/

/** A value as the text of a cell: nothing for null, ISO 8601 for a Date, JSON for an object. */
function textOf(value: unknown): string {
  if (value === null || value === undefined) return ''
  if (value instanceof Date) return value.toISOString()
  return typeof value === 'object' ? JSON.stringify(value) : String(value)
}

/**
 * One cell, quoted as RFC 4180 has it. Whatever a spreadsheet would run as a formula gets an apostrophe in front, since
 * names and reasons are written by strangers; plain numbers such as -100 stay numbers.
 */
export function csvCell(value: unknown): string {
  const text = textOf(value)
  const safe = FORMULA.test(text) && !PLAIN_NUMBER.test(text) ? `'${text}` : text
  return /[",;\t\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe
}

/** One line, with its CRLF. */
export function csvLine(values: readonly unknown[]): string {
  return `${values.map(csvCell).join(',')}\r\n`
}

/**
 * A table page by page, each read starting behind the last row of the one before, so that the thousandth page costs
 * what the first does, and rows that are added meanwhile shift nothing.
 * @param read gives {@link CSV_PAGE} rows behind `last`, or from the start where there is none; fewer end the table
 */
export async function* pagesOf<Row>(
  read: (last: Row | undefined) => Promise<readonly Row[]>
): AsyncGenerator<readonly Row[]> {
  let last: Row | undefined
  for (;;) {
    const rows = await read(last)
    if (rows.length > 0) yield rows
    if (rows.length < CSV_PAGE) return
    last = rows.at(-1)
  }
}

async function* chunksOf<Row extends object>(
  columns: readonly (keyof Row & string)[],
  pages: AsyncIterable<readonly Row[]>
): AsyncGenerator<string> {
  let head = BOM + csvLine(columns)
  for await (const rows of pages) {
    yield head + rows.map((row) => csvLine(columns.map((column) => row[column]))).join('')
    head = ''
  }
  if (head !== '') yield head
}

/**
 * A CSV file that is made while it is read: no more than two pages are in memory, however slow the reader. The first
 * page is read before this resolves, so that a database that is down still gets a proper answer; a failure later cuts
 * the file off, and the reader sees that it did not end.
 * @param columns the fields of a row, in their order; their names are the heading
 */
export async function csvStream<Row extends object>(
  columns: readonly (keyof Row & string)[],
  pages: AsyncIterable<readonly Row[]>
): Promise<Readable> {
  const chunks = chunksOf(columns, pages)
  const first = await chunks.next()
  async function* all() {
    if (!first.done) yield first.value
    yield* chunks
  }
  return Readable.from(all())
}

/** The headers of a download, `NAME-2026-11-22.csv`. */
export function csvHeaders(name: string, day: string): Record<string, string> {
  return {
    'content-type': 'text/csv; charset=utf-8',
    'content-disposition': `attachment; filename="${name}-${day}.csv"`
  }
}
