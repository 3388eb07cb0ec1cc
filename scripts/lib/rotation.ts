import { setTimeout as pause } from 'node:timers/promises'
import type * as mariadb from 'mariadb'
import { isTransient } from '../../src/engine/database-errors.js'
import type { Cipher } from '../../src/shared/cipher.js'
import type { EncryptedColumn } from '../../src/shared/encrypted-columns.js'

/** Few enough that nobody waits long for a row of a batch that is under way. */
const ROWS_AT_A_TIME = 200
const TRIES = 5

type Row = Record<string, unknown>

/** What became of a batch. */
export interface Batch {
  /** Rows that are now under the new key. */
  readonly done: number
  /** Rows that the service changed, or removed, in the meantime; they are the next run's, if there is anything left. */
  readonly overtaken: number
  /** Rows that neither key decrypts, each by its table and primary key. */
  readonly unreadable: readonly string[]
}

const quoted = (name: string) => `\`${name}\``
/** What a key encrypted begins with its id, which is hexadecimal: nothing in it means anything to LIKE. */
const ofOtherKeys = (column: string) => `${quoted(column)} NOT LIKE ?`
const prefix = (cipher: Cipher) => `${cipher.keyId}.%`

/** How many rows of a column are not yet under the cipher's key. */
export async function countLeft(
  connection: mariadb.Connection,
  cipher: Cipher,
  { table, column }: EncryptedColumn
): Promise<number> {
  const [row] = await connection.query<[{ n: number | bigint }]>(
    `SELECT COUNT(*) AS n FROM ${quoted(table)} WHERE ${ofOtherKeys(column)}`,
    [prefix(cipher)]
  )
  return Number(row.n)
}

/**
 * Encrypts the rows of a column anew that are not under the cipher's key, in the order of the primary key, a batch a
 * transaction. It remembers nothing: what is left to do is what the rows say, so it may be stopped and started at any
 * time, run beside the service, and run by several at once.
 */
export async function* rotateColumn(
  connection: mariadb.Connection,
  cipher: Cipher,
  target: EncryptedColumn
): AsyncGenerator<Batch> {
  let last: Row | undefined
  for (;;) {
    const rows = await nextRows(connection, cipher, target, last)
    last = rows.at(-1)
    if (last === undefined) return
    yield await rotateRows(connection, cipher, target, rows)
  }
}

/** The next rows after `last`, by the primary key. */
async function nextRows(
  connection: mariadb.Connection,
  cipher: Cipher,
  { table, key, column }: EncryptedColumn,
  last: Row | undefined
): Promise<Row[]> {
  // Spelled out: `(a, b) > (?, ?)` is read from the start of the index each time.
  const after = key.map((name, index) => {
    const equal = key.slice(0, index).map((earlier) => `${quoted(earlier)} = ?`)
    return `(${[...equal, `${quoted(name)} > ?`].join(' AND ')})`
  })
  const position = key.flatMap((_, index) => key.slice(0, index + 1).map((name) => last?.[name]))
  return connection.query<Row[]>(
    `SELECT ${[...key, column].map(quoted).join(', ')} FROM ${quoted(table)}
     WHERE ${ofOtherKeys(column)}${last === undefined ? '' : ` AND (${after.join(' OR ')})`}
     ORDER BY ${key.map(quoted).join(', ')} LIMIT ${ROWS_AT_A_TIME}`,
    last === undefined ? [prefix(cipher)] : [prefix(cipher), ...position]
  )
}

async function rotateRows(
  connection: mariadb.Connection,
  cipher: Cipher,
  target: EncryptedColumn,
  rows: readonly Row[]
): Promise<Batch> {
  const { table, key, column, hmac } = target
  const unreadable: string[] = []
  const changes = rows.flatMap((row) => {
    const sealed = String(row[column])
    const place = key.map((name) => row[name])
    try {
      const plain = cipher.decrypt(sealed)
      const hash = hmac === undefined ? [] : [cipher.hmac(hmac.purpose, plain)]
      return [[cipher.encrypt(plain), ...hash, ...place, sealed]]
    } catch {
      unreadable.push(`${table}.${column} of ${key.map((name, index) => `${name} ${place[index]}`).join(', ')}`)
      return []
    }
  })
  const set = [column, ...(hmac === undefined ? [] : [hmac.column])].map((name) => `${quoted(name)} = ?`)
  // Only what is still as it was read: what the service wrote in the meantime is newer.
  const where = [...key, column].map((name) => `${quoted(name)} = ?`)
  const statement = `UPDATE ${quoted(table)} SET ${set.join(', ')} WHERE ${where.join(' AND ')}`
  const done = await inTransaction(connection, async () => {
    const results = await Promise.all(
      changes.map((values) => connection.query<mariadb.UpsertResult>(statement, values))
    )
    return results.reduce((sum, { affectedRows }) => sum + affectedRows, 0)
  })
  return { done, overtaken: changes.length - done, unreadable }
}

/** Tries a transaction again that a deadlock or a lock wait ended. */
async function inTransaction<T>(connection: mariadb.Connection, work: () => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt += 1) {
    await connection.beginTransaction()
    try {
      const result = await work()
      await connection.commit()
      return result
    } catch (err) {
      await connection.rollback()
      if (!isTransient(err) || attempt === TRIES) throw err
      await pause(Math.random() * 50 * attempt)
    }
  }
}
