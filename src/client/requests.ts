import type { ErrorName } from './generated/catalogue.js'
import type { RouteKind } from './generated/routes.js'
import { Refused, Unanswered } from './refused.js'
import type { Session } from './session.js'
import { type Received, type Sent, type Transport, Unsendable } from './transport.js'
import type { CallOptions, Picture } from './types.js'

/** How often something is sent that is safe to be sent again. */
const TRIES = 5
const FIRST_WAIT_MS = 250
const LONGEST_WAIT_MS = 20_000
const TIMEOUT_MS = 15_000
/** A picture takes its time. */
const UPLOAD_TIMEOUT_MS = 60_000
/** A file, of a whole ledger say, comes row by row. */
const FILE_TIMEOUT_MS = 600_000
/**
 * The refresh token that was just replaced gives the same successor again for ten seconds, and ends the session later:
 * a renewal without an answer is asked for again before that, and the last time with patience.
 */
const RENEWALS: ReadonlySet<string> = new Set(['/api/auth/refresh', '/api/auth/console-refresh'])
const RENEWAL_TIMEOUTS_MS = [3000, 3000, TIMEOUT_MS]
const KEY_BYTES = 16
/** What passes by itself, and says when; but of an upload a mini-program is told no headers. */
const PASSING: ReadonlySet<string> = new Set<ErrorName>(['OVERLOADED', 'DATABASE_UNAVAILABLE'])
const UNTOLD_SECONDS = 2

export interface RequestSettings {
  readonly baseUrl: string
  readonly transport: Transport
  readonly session: Session
  /** Waits; tests wait less than a phone does. */
  readonly pause: (ms: number) => Promise<void>
}

/** What a route is given; the names tell where each goes. */
export type Given = Readonly<Record<string, unknown>>

/**
 * Asks the service, as often as it takes and as is safe: what reads, and what has a key, is sent again where no answer
 * came, or where a 503 says when. A token that ended is renewed once, however many ask at that moment.
 * @throws Refused, or Unanswered
 */
export async function ask(
  settings: RequestSettings,
  route: RouteKind,
  given: Given,
  options: CallOptions = {}
): Promise<unknown> {
  const { transport, session, pause } = settings
  const key = route.isKeyed ? (options.key ?? (await transport.random(KEY_BYTES))) : undefined
  const sent = requestOf(settings.baseUrl, route, given, key)
  const timeouts = timeoutsOf(route, options.timeoutMs ?? sent.timeoutMs, key !== undefined)
  let hasRenewed = false
  for (let tries = 0, wait = FIRST_WAIT_MS; ; tries += 1, wait *= 2) {
    const timeoutMs = timeouts[Math.min(tries, timeouts.length - 1)] ?? sent.timeoutMs
    const token = route.isPublic ? undefined : await session.access()
    const received = await sendOnce(transport, { ...sent, timeoutMs }, token)
    const again = tries < timeouts.length - 1
    if (received instanceof Error) {
      if (!again) throw new Unanswered(`${route.method} ${route.path}: no answer`, { cause: received })
      await pause(wait * (0.5 + Math.random() / 2))
      continue
    }
    const body = bodyOf(route, received)
    if (!(body instanceof Refused)) return body
    if (isTokenFault(body) && token !== undefined && !hasRenewed && (await session.renew(token))) {
      hasRenewed = true
      continue
    }
    const seconds = body.retryAfterSeconds ?? (PASSING.has(body.error) ? UNTOLD_SECONDS : undefined)
    if (!again || received.status !== 503 || seconds === undefined) throw body
    await pause(Math.min(LONGEST_WAIT_MS, Math.max(seconds * 1000, wait)) * (0.75 + Math.random() / 4))
  }
}

/** How long each try waits for its answer; one try where a second one might do it twice. */
function timeoutsOf({ method, path }: RouteKind, timeoutMs: number, isKeyed: boolean): readonly number[] {
  if (RENEWALS.has(path)) return RENEWAL_TIMEOUTS_MS
  return Array(method === 'get' || isKeyed ? TRIES : 1).fill(timeoutMs)
}

const isTokenFault = ({ error }: Refused) => error === 'TOKEN_INVALID' || error === 'TOKEN_MISSING'

/** @returns what was answered, or why there was no answer */
async function sendOnce(transport: Transport, sent: Sent, token?: string): Promise<Received | Error> {
  const headers = token === undefined ? sent.headers : { ...sent.headers, authorization: `Bearer ${token}` }
  try {
    return await transport.send({ ...sent, headers })
  } catch (err) {
    if (err instanceof Unsendable) throw err
    return err instanceof Error ? err : new Error(String(err))
  }
}

/** What a route is given, put where it belongs: into its path, its query, its body or its form. */
function requestOf(baseUrl: string, route: RouteKind, given: Given, key: string | undefined): Sent {
  const rest = { ...given }
  const path = route.path.replace(/\{(\w+)\}/g, (_, name: string) => {
    const value = rest[name]
    if (value === undefined) throw new TypeError(`${route.path} wants ${name}`)
    delete rest[name]
    return encodeURIComponent(String(value))
  })
  const fields = Object.entries(rest).filter(([, value]) => value !== undefined && value !== null)
  const inQuery = fields.filter(([name]) => route.method === 'get' || route.query.includes(name))
  const query = inQuery.map(([name, value]) => `${name}=${encodeURIComponent(String(value))}`).join('&')
  const url = `${baseUrl.replace(/\/$/, '')}${path}${query === '' ? '' : `?${query}`}`
  const headers = key === undefined ? {} : { 'idempotency-key': key }
  const timeoutMs = given.format === 'csv' ? FILE_TIMEOUT_MS : TIMEOUT_MS
  const sent = { method: route.method.toUpperCase(), url, headers, timeoutMs }
  if (route.method === 'get' || route.method === 'delete') return sent
  if (route.file !== undefined) {
    const texts = fields.filter(([name]) => name !== route.file).map(([name, value]) => [name, String(value)])
    const form = { fields: Object.fromEntries(texts), name: route.file, file: rest[route.file] as Picture }
    return { ...sent, form, timeoutMs: UPLOAD_TIMEOUT_MS }
  }
  const body = Object.fromEntries(Object.entries(rest).filter(([name]) => !route.query.includes(name)))
  return { ...sent, headers: { ...headers, 'content-type': 'application/json' }, body: JSON.stringify(body) }
}

/** What an answer carries, or why there is none. */
function bodyOf({ isBare }: RouteKind, { status, text, header }: Received): unknown {
  const isJson = /\bjson\b/.test(header('content-type') ?? 'application/json')
  let body: unknown
  try {
    body = isJson ? JSON.parse(text) : text
  } catch {
    body = text
  }
  const failure = body as { code?: unknown; msg?: unknown } | null
  const isEnvelope = typeof failure === 'object' && failure !== null && typeof failure.code === 'number'
  const seconds = /^\d+$/.test(header('retry-after') ?? '') ? Number(header('retry-after')) : undefined
  if (isEnvelope && failure.code !== 0 && typeof failure.msg === 'string')
    return new Refused(status, failure as never, seconds)
  // Not of the service, but of what stands before it.
  if (status >= 400)
    return new Refused(
      status,
      { code: 5000, msg: `HTTP ${status}`, error: 'INTERNAL', details: text.slice(0, 300) },
      seconds
    )
  return isBare || !isEnvelope ? body : (body as { data: unknown }).data
}
