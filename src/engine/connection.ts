import type { ConnectionConfig } from 'mariadb'

/**
 * What every connection starts with. MySQL's default, REPEATABLE READ, freezes what a transaction sees at its first
 * read: a check made after waiting for a lock would be stale. Set once a connection, it costs no statement in each
 * transaction. And a list is read in the order of one index, from the cursor on: never by all that is in two, sorted.
 */
export const SESSION_SQL = [
  'SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED',
  "SET SESSION time_zone = '+00:00'",
  "SET SESSION optimizer_switch = 'index_merge_intersection=off'"
] as const

/**
 * Whether the database works: it touches a table, since a node that is cut off from its cluster answers what touches
 * none.
 */
export const TOUCH_SQL = 'SELECT version FROM lottery_config LIMIT 1'

/** `mysql://user:password@` and the hosts and the rest of an address. */
const ADDRESS = /^([a-z]+:\/\/(?:[^@/?]*@)?)([^/?]+)(.*)$/i

/**
 * An address with several hosts (`mysql://user:password@one:3306,two:3306/database`) as one for each, in their order:
 * the first that is there is written, see hosts.ts.
 */
export function hostUrls(url: string): string[] {
  const [, before = '', hosts, after = ''] = ADDRESS.exec(url) ?? []
  return hosts === undefined ? [url] : hosts.split(',').map((host) => `${before}${host.trim()}${after}`)
}

/**
 * What the driver needs of a `mysql://user:password@host:port/database` address (`mariadb://` serves too).
 * `?ssl=true` asks for TLS with a verified certificate, `?socketPath=…` for a UNIX socket.
 * Of several hosts it is the first.
 * @throws Error when it is no such address; the message does not repeat it, since it holds a password
 */
export function connectionOptions(url: string): ConnectionConfig {
  const [own = url] = hostUrls(url)
  const parsed = URL.canParse(own) ? new URL(own) : undefined
  if (parsed === undefined || !['mysql:', 'mariadb:'].includes(parsed.protocol)) {
    throw new Error('not an address like mysql://user:password@host:3306/database')
  }
  const { hostname, port, username, password, pathname, searchParams } = parsed
  const socketPath = searchParams.get('socketPath')
  return {
    host: hostname.replace(/^\[|\]$/g, ''),
    port: port === '' ? 3306 : Number(port),
    user: decodeURIComponent(username),
    password: decodeURIComponent(password),
    ...(pathname.length > 1 ? { database: decodeURIComponent(pathname.slice(1)) } : {}),
    ...(socketPath === null ? {} : { socketPath }),
    // MySQL's default authentication over a connection without TLS asks the server for its public key.
    ...(searchParams.get('ssl') === 'true' ? { ssl: true } : { allowPublicKeyRetrieval: true }),
    timezone: 'Z'
  }
}
