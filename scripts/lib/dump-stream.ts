import { Transform, type TransformCallback } from 'node:stream'

const byteOf = (character: string) => character.charCodeAt(0)
const QUOTE = byteOf("'")
const BACKSLASH = byteOf('\\')
const BACKTICK = byteOf('`')
const OPEN = byteOf('(')
const CLOSE = byteOf(')')
const SEMICOLON = byteOf(';')
const NEWLINE = byteOf('\n')
const DASH = byteOf('-')
const INSERT = 'INSERT INTO `'
/** The last line of a dump that came to its end. */
const LAST_LINE = /^-- Dump completed/
/** MariaDB's programs begin with it; MySQL's stumble over it. */
const SANDBOX_LINE = /^\/\*M?!999999\\- /

/**
 * Passes a dump on and counts the rows in it, table by table: what was counted by a query would be of another moment.
 * Reads byte by byte, since a text may hold anything; all it has to know is where texts begin and end.
 */
export class DumpReader extends Transform {
  readonly rows: Record<string, number> = {}
  /** Whether the last line says that the dump is whole. */
  complete = false
  #state: 'line start' | 'line' | 'values' = 'line start'
  #head: number[] = []
  #table = ''
  #inText = false
  #escaped = false
  #depth = 0
  #isFirst = true

  override _transform(chunk: Buffer, _encoding: BufferEncoding, done: TransformCallback): void {
    // The first line may be one to drop, and it comes whole in the first chunk: the programs write by the kilobyte.
    const bytes = this.#isFirst ? withoutSandbox(chunk) : chunk
    this.#isFirst = false
    for (let at = 0; at < bytes.length; at += 1) {
      const byte = bytes[at] ?? 0
      if (this.#state === 'values') this.#readValues(byte)
      else this.#readLine(byte)
    }
    done(null, bytes)
  }

  override _flush(done: TransformCallback): void {
    if (this.#state !== 'values') this.#endLine()
    done()
  }

  /** Of a line no more than its beginning matters, which ends where VALUES or anything else follows the table. */
  #readLine(byte: number): void {
    if (byte === NEWLINE) {
      this.#endLine()
      return
    }
    if (this.#state === 'line') return
    this.#head.push(byte)
    const length = this.#head.length
    if (length <= INSERT.length) {
      const isComment = this.#head[0] === DASH
      if (!isComment && byte !== INSERT.charCodeAt(length - 1)) this.#state = 'line'
      return
    }
    if (this.#head[0] === DASH) {
      if (length > 100) this.#state = 'line'
      return
    }
    if (byte === BACKTICK) {
      this.#table = Buffer.from(this.#head.slice(INSERT.length, -1)).toString('utf8')
      this.rows[this.#table] ??= 0
      this.#state = 'values'
      this.#depth = 0
    }
  }

  #endLine(): void {
    const head = Buffer.from(this.#head).toString('utf8')
    if (head !== '' && head !== '--') this.complete = LAST_LINE.test(head)
    this.#head = []
    this.#state = 'line start'
  }

  #readValues(byte: number): void {
    if (this.#inText) {
      if (this.#escaped) this.#escaped = false
      else if (byte === BACKSLASH) this.#escaped = true
      else if (byte === QUOTE) this.#inText = false
      return
    }
    if (byte === QUOTE) this.#inText = true
    else if (byte === OPEN) {
      if (this.#depth === 0) this.rows[this.#table] = (this.rows[this.#table] ?? 0) + 1
      this.#depth += 1
    } else if (byte === CLOSE) this.#depth -= 1
    else if (byte === SEMICOLON) {
      this.#head = []
      this.#state = 'line'
    }
  }
}

function withoutSandbox(chunk: Buffer): Buffer {
  const end = chunk.indexOf(NEWLINE)
  return end >= 0 && SANDBOX_LINE.test(chunk.subarray(0, end).toString('latin1')) ? chunk.subarray(end + 1) : chunk
}
