/** MySQL: lock wait time-out, deadlock; MariaDB: record has changed since last read. */
const TRANSIENT = new Set([1205, 1213, 1020])
/** MySQL: too many connections; server shutting down, gone or lost. */
const UNAVAILABLE = new Set([1040, 1053, 1203, 1927, 2006, 2013])
/** Prisma: cannot reach the server, pool time-out, server closed the connection, transaction not started in time. */
const PRISMA_UNAVAILABLE = new Set(['P1001', 'P1002', 'P1008', 'P1017', 'P2024', 'P2028', 'P2037'])
/** Node and the driver: nobody listens, connection reset, no connection from the pool in time, socket closed. */
const DRIVER_UNAVAILABLE =
  /ECONNREFUSED|ECONNRESET|EPIPE|ETIMEDOUT|ENOTFOUND|ER_GET_CONNECTION_TIMEOUT|ER_SOCKET|ER_CONNECTION|ER_CMD_|ER_POOL/

/** Whether the whole transaction, rolled back, is worth another try. */
export function isTransient(err: unknown): boolean {
  return some(err, (facet) => facet.code === 'P2034' || TRANSIENT.has(errno(facet)))
}

/** Whether the database could not be reached, or gave no connection in time. */
export function isUnavailable(err: unknown): boolean {
  return some(err, (facet) => {
    const code = typeof facet.code === 'string' ? facet.code : ''
    return PRISMA_UNAVAILABLE.has(code) || DRIVER_UNAVAILABLE.test(code) || UNAVAILABLE.has(errno(facet))
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
