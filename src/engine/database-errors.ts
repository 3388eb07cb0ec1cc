/** MySQL: lock wait time-out, deadlock, table was altered meanwhile; MariaDB: record has changed since last read. */
const LOCK_WAIT = 1205
const TRANSIENT = new Set([LOCK_WAIT, 1213, 1412, 1020])
/** MySQL: max_prepared_stmt_count is reached. */
const TOO_MANY_PREPARED = 1461
/** MySQL: too many connections; server shutting down, gone or lost. */
const SERVER_GONE = [1040, 1053, 1203, 1927, 2006, 2013]
/**
 * A server that takes no writes: a node cut off from its cluster (1047, and 1180 for who was committing), one that was
 * made read-only (1290, 1792, 1836), a statement that had to make way for it (1317).
 */
const NOT_WRITABLE = [1047, 1180, 1290, 1317, 1792, 1836]
/** The driver: connection closed, socket failed, time-out, or no connection from the pool in time. */
const LINE_GONE = [45001, 45004, 45009, 45012, 45013, 45019, 45026, 45027, 45028, 45030, 45035, 45037, 45042, 45061]
const UNAVAILABLE = new Set([...SERVER_GONE, ...NOT_WRITABLE, ...LINE_GONE])
/** Prisma: cannot reach the server, server closed the connection, pool time-out, transaction not started in time. */
const PRISMA_UNAVAILABLE = new Set(['P1001', 'P1002', 'P1008', 'P1017', 'P2024', 'P2028', 'P2037'])
const NODE_UNAVAILABLE = new Set(['ECONNREFUSED', 'ECONNRESET', 'EPIPE', 'ETIMEDOUT', 'ENOTFOUND', 'EHOSTUNREACH'])

/** What a decision was made on is no longer so: another transaction was faster. */
export class StaleRead extends Error {
  override readonly name = 'StaleRead'
}

/** Whether the whole transaction, rolled back, is worth another try. */
export function isTransient(err: unknown): boolean {
  return err instanceof StaleRead || some(err, (facet) => facet.code === 'P2034' || TRANSIENT.has(errno(facet)))
}

/** Whether a lock was not to be had in time: its holder is still there, so trying again at once helps little. */
export function isLockWait(err: unknown): boolean {
  return some(err, (facet) => errno(facet) === LOCK_WAIT)
}

/** Whether the server holds as many prepared statements as it may, all clients together. */
export function isOutOfPrepared(err: unknown): boolean {
  return some(err, (facet) => errno(facet) === TOO_MANY_PREPARED)
}

/** Whether a unique key has that value already: another transaction was faster. */
export function isDuplicate(err: unknown): boolean {
  return some(err, (facet) => facet.code === 'P2002' || errno(facet) === 1062)
}

/**
 * Whether rows of a transaction's own contradict those there are: a key that was to be new is taken (1062), or what a
 * row refers to is gone (1452). On a cluster that is how a transaction may end which made way for one of another node:
 * the rest of what was sent behind each other runs by itself then, and finds nothing of what went before.
 */
export function isOvertaken(err: unknown): boolean {
  return some(err, (facet) => errno(facet) === 1062 || errno(facet) === 1452)
}

/** Whether the database could not be reached, or gave no connection in time. */
export function isUnavailable(err: unknown): boolean {
  return some(err, (facet) => {
    const code = typeof facet.code === 'string' ? facet.code : ''
    return PRISMA_UNAVAILABLE.has(code) || NODE_UNAVAILABLE.has(code) || UNAVAILABLE.has(errno(facet))
  })
}

interface Facet {
  code?: unknown
  errno?: unknown
  originalCode?: unknown
}

const errno = (facet: Facet) => Number(facet.originalCode ?? facet.errno ?? facet.code)

/** Prisma wraps what the driver says, at a depth that differs from one kind of call to the next. */
function some(err: unknown, test: (facet: Facet) => boolean, depth = 0): boolean {
  if (typeof err !== 'object' || err === null || depth > 6) return false
  if (test(err)) return true
  const { cause, meta, driverAdapterError } = err as { cause?: unknown; meta?: unknown; driverAdapterError?: unknown }
  return [cause, meta, driverAdapterError].some((inner) => some(inner, test, depth + 1))
}
