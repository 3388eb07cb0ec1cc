import type { RouteKind } from './generated/routes.js'
import { Refused, Unanswered } from './refused.js'
import type { Session } from './session.js'
import type { Received, Sent, Transport } from './transport.js'
import type { CallOptions, Picture } from './types.js'

/** How often something is sent that is safe to be sent again. */
const TRIES = 5
const FIRST_WAIT_MS = 250
const LONGEST_WAIT_MS = 20_000
const TIMEOUT_MS = 15_000
/** A picture takes its time. */
const UPLOAD_TIMEOUT_MS = 60_000
const KEY_BYTES = 16

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
  const key = route.isKeyed ? (options.key ?? transport.random(KEY_BYTES)) : undefined
  const isSafe = route.method === 'get' || key !== undefined
  const sent = requestOf(settings.baseUrl, route, given, key)
  let hasRenewed = false
  for (let left = TRIES, wait = FIRST_WAIT_MS; ; left -= 1, wait *= 2) {
    const token = route.isPublic ? undefined : await session.access()
    const received = await sendOnce(transport, sent, token)
    const again = isSafe && left > 1
    if (received === undefined) {
      if (!again) throw new Unanswered(`${route.method} ${route.path}: no answer`)
      await pause(wait * (0.5 + Math.random() / 2))
      continue
    }
    const body = bodyOf(route, received)
    if (!(body instanceof Refused)) return body
    if (isTokenFault(body) && token !== undefined && !hasRenewed && (await session.renew(token))) {
      hasRenewed = true
      continue
    }
    const retryAfter = Number(received.header('retry-after') ?? Number.NaN)
    if (!again || received.status !== 503 || Number.isNaN(retryAfter)) throw body
    await pause(Math.min(LONGEST_WAIT_MS, Math.max(retryAfter * 1000, wait)) * (0.75 + Math.random() / 4))
  }
}

const isTokenFault = ({ error }: Refused) => error === 'TOKEN_INVALID' || error === 'TOKEN_MISSING'

async function sendOnce(transport: Transport, sent: Sent, token?: string): Promise<Received | undefined> {
  const headers = token === undefined ? sent.headers : { ...sent.headers, authorization: `Bearer ${token}` }
  try {
    return await transport.send({ ...sent, headers })
  } catch (err) {
    if (err instanceof TypeError && /picture/.test(err.message)) throw err
    return undefined
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
  const sent = { method: route.method.toUpperCase(), url, headers, timeoutMs: TIMEOUT_MS }
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
  if (isEnvelope && failure.code !== 0 && typeof failure.msg === 'string') return new Refused(status, failure as never)
  if (status >= 400) return new Refused(status, { code: 5000, msg: `HTTP ${status}`, error: 'INTERNAL' })
  return isBare || !isEnvelope ? body : (body as { data: unknown }).data
}
