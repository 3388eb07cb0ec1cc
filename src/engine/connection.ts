import * as mariadb from 'mariadb'

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

/** How long a server may take to let somebody in; the driver by itself gives a busy one a second. */
const CONNECT_MS = 10_000

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
export function connectionOptions(url: string): mariadb.ConnectionConfig {
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
    timezone: 'Z',
    connectTimeout: CONNECT_MS
  }
}

/** No server is at the address, or it lets nobody of that name in; the message says which, and not the password. */
export class NoDatabase extends Error {
  override readonly name = 'NoDatabase'
}

/**
 * Opens a connection of its own: what is done before the service runs, or beside it.
 * @throws NoDatabase when there is none to be had, with the driver's error as its cause
 */
export async function openConnection(url: string, further: mariadb.ConnectionConfig = {}): Promise<mariadb.Connection> {
  const options = { ...connectionOptions(url), ...further }
  try {
    return await mariadb.createConnection(options)
  } catch (cause) {
    const { message, sqlMessage = message } = cause as mariadb.SqlError
    const place = options.socketPath ?? `${options.host}:${options.port}`
    throw new NoDatabase(`No way to the database ${options.database ?? ''} on ${place}: ${sqlMessage}`, { cause })
  }
}
