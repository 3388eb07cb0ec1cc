import { randomBytes } from 'node:crypto'
import { type Answer, type Seen, standIn } from './stand-in.js'

export const APPID = 'wx0123456789abcdef'
export const SECRET = 'the-app-secret-of-the-tests'

/** WeChat's server API as its documentation has it: codes hold once, tokens expire, everything is HTTP 200. */
export interface FakeWechat {
  readonly base: string
  /** A code of `wx.login` of that person. */
  login(openid: string): string
  /** A code of `getPhoneNumber`. */
  phone(mobile: string, countryCode?: string | number): string
  /** Answers of the next calls of a path, in place of what it would say. */
  next(path: string, ...answers: Answer[]): void
  calls(path: string): number
  /** From now on no token that was given out is good. */
  voidTokens(): void
  /** Whatever must never be in a log or an answer. */
  readonly secrets: string[]
}

export const SESSION = '/sns/jscode2session'
export const TOKEN = '/cgi-bin/stable_token'
export const PHONE = '/wxa/business/getuserphonenumber'

const fault = (errcode: number, errmsg: string): Answer => ({ body: { errcode, errmsg } })

export async function fakeWechat(): Promise<FakeWechat> {
  const logins = new Map<string, string>()
  const phones = new Map<string, { purePhoneNumber: string; countryCode: string | number }>()
  const used = new Set<string>()
  const tokens = new Set<string>()
  const queued = new Map<string, Answer[]>()
  const counts = new Map<string, number>()
  const secrets = [SECRET]
  const make = (kind: string) => {
    const code = `${kind}-${randomBytes(12).toString('hex')}`
    secrets.push(code)
    return code
  }

  function session({ method, url }: Seen): Answer {
    const { searchParams: query } = url
    if (method !== 'GET' || query.get('grant_type') !== 'authorization_code') return fault(40002, 'invalid grant_type')
    if (query.get('appid') !== APPID) return fault(40013, 'invalid appid')
    if (query.get('secret') !== SECRET) return fault(40125, 'invalid appsecret')
    const code = query.get('js_code') ?? ''
    if (used.has(code)) return fault(40163, 'code been used')
    const openid = logins.get(code)
    if (openid === undefined) return fault(40029, 'invalid code')
    used.add(code)
    return { body: { openid, session_key: make('session-key'), unionid: `union-${openid}` } }
  }

  function token({ method, body }: Seen): Answer {
    const asked = JSON.parse(body) as Record<string, unknown>
    if (method !== 'POST' || asked.grant_type !== 'client_credential') return fault(40002, 'invalid grant_type')
    if (asked.appid !== APPID) return fault(40013, 'invalid appid')
    if (asked.secret !== SECRET) return fault(40125, 'invalid appsecret')
    const value = make('access-token')
    tokens.add(value)
    return { body: { access_token: value, expires_in: 7200 } }
  }

  function phone({ method, url, body }: Seen): Answer {
    if (method !== 'POST' || !tokens.has(url.searchParams.get('access_token') ?? '')) {
      return fault(40001, 'invalid credential, access_token is invalid or not latest')
    }
    const { code } = JSON.parse(body) as { code: string }
    const info = phones.get(code)
    if (info === undefined || used.has(code)) return fault(40029, 'invalid code')
    used.add(code)
    const watermark = { timestamp: 1_637_744_274, appid: APPID }
    return { body: { errcode: 0, errmsg: 'ok', phone_info: { phoneNumber: info.purePhoneNumber, ...info, watermark } } }
  }

  const routes: Record<string, (seen: Seen) => Answer> = { [SESSION]: session, [TOKEN]: token, [PHONE]: phone }
  const base = await standIn((seen) => {
    const { pathname } = seen.url
    counts.set(pathname, (counts.get(pathname) ?? 0) + 1)
    return queued.get(pathname)?.shift() ?? routes[pathname]?.(seen) ?? { status: 404, body: 'not found' }
  })
  return {
    base,
    login: (openid) => {
      const code = make('login')
      logins.set(code, openid)
      return code
    },
    phone: (mobile, countryCode = '86') => {
      const code = make('phone')
      phones.set(code, { purePhoneNumber: mobile, countryCode })
      return code
    },
    next: (path, ...answers) => void queued.set(path, [...(queued.get(path) ?? []), ...answers]),
    calls: (path) => counts.get(path) ?? 0,
    voidTokens: () => tokens.clear(),
    secrets
  }
}
