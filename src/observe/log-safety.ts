import { maskMobile } from '../shared/mask.js'

/** Parameters whose values say nothing of a person; the values of all others are left out of the log. */
const HARMLESS = new RegExp(
  '^(?:page|limit|page_?size|format|status|type|category|sort|order|source|draw_type|prize_type|from|to|date|' +
    'start_date|end_date)$',
  'i'
)

/**
 * An address as it may be logged. A path parameter that is a code (a voucher's, say) is shown by its name.
 * @param pattern that of its route, where it has one
 */
export function urlForLog(url: string, pattern?: string): string {
  const [path = '', query] = url.split(/\?(.*)/s, 2)
  const shown = pattern?.includes(':code') === true ? pattern : path
  if (query === undefined || query === '') return shown
  const parts = query.split('&').map((part) => {
    const name = part.split('=', 1)[0] ?? ''
    return HARMLESS.test(name) ? part : `${name.slice(0, 40)}=[redacted]`
  })
  return `${shown}?${parts.join('&')}`
}

const MOBILE = /(?<!\d)1[3-9]\d{9}(?!\d)/g
const JWT = /\beyJ[\w-]{8,}\.[\w-]*(?:\.[\w-]*)?/g
const BEARER = /\bBearer\s+[\w.~+/=-]+/gi

/** A line without what looks like a token or a mobile: the last net, under everything else. */
export function scrubbed(line: string): string {
  return line.replace(JWT, '[token]').replace(BEARER, 'Bearer [token]').replace(MOBILE, maskMobile)
}

interface LoggedError {
  type: string
  message: string
  stack?: string
  code?: string | number
  errno?: number
  cause?: LoggedError
}

const MAX_DEPTH = 4

/**
 * An error as it may be logged: what it is, where it came from, and why. Of a database's message the values are cut
 * out, since they are what somebody entered; and of all else that hangs on it (statements with their parameters,
 * requests, whole rows) nothing is kept.
 */
export function errorForLog(err: unknown, depth = 0): LoggedError {
  if (!(err instanceof Error)) return { type: typeof err, message: messageOf(plainMessage(err), true) }
  const { code, errno, cause, meta } = err as Error & {
    code?: unknown
    errno?: unknown
    meta?: { driverAdapterError?: unknown }
  }
  const type = err.constructor.name
  const message = messageOf(err.message, isDatabases(err))
  const frames = err.stack?.split('\n').filter((line) => /^\s+at /.test(line)) ?? []
  const inner = cause ?? meta?.driverAdapterError
  return {
    type,
    message,
    ...(frames.length === 0 ? {} : { stack: [`${type}: ${message}`, ...frames].join('\n') }),
    ...(typeof code === 'string' || typeof code === 'number' ? { code } : {}),
    ...(typeof errno === 'number' ? { errno } : {}),
    ...(inner === undefined || depth >= MAX_DEPTH ? {} : { cause: errorForLog(inner, depth + 1) })
  }
}

/** What a driver throws, and what Prisma wraps it in. */
function isDatabases(err: Error): boolean {
  return 'sqlState' in err || /^(?:Prisma|Driver|SqlError)/.test(`${err.constructor.name} ${err.name}`)
}

/** Prisma hands on a driver's facts as a plain object. */
function plainMessage(value: unknown): string {
  if (typeof value !== 'object' || value === null) return String(value)
  const { kind, originalCode, originalMessage } = value as Record<string, unknown>
  return [kind, originalCode, originalMessage].filter((part) => part !== undefined).join(' ')
}

function messageOf(message: string, fromDatabase: boolean): string {
  if (!fromDatabase) return message
  return message
    .replace(/\s+(?:-\s+)?(?:sql|parameters)\s*:[\s\S]*/i, '')
    .replace(/'(?:[^'\\]|\\.|'')*'?/g, "'…'")
    .replace(/"(?:[^"\\]|\\.)*"?/g, '"…"')
}
