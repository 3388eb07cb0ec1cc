import { TOUCH_SQL } from '../../src/engine/connection.js'

/** What a pool asks of each connection that it opens, which it does whenever it likes. */
const OPENING = /^\w+: (?:SET|SELECT (?:@@|VERSION))/i

/**
 * Sees the statements of an app, given its `onQuery`, but for those that belong to no request: what opens a connection,
 * and what the alerts look after the database with.
 */
export function watchStatements(): { readonly seen: string[]; onQuery(text: string): void } {
  const seen: string[] = []
  const isNobodys = (text: string) => OPENING.test(text) || text.includes(TOUCH_SQL)
  return { seen, onQuery: (text) => void (isNobodys(text) || seen.push(text)) }
}
