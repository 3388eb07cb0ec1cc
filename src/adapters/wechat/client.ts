import { type Static, type TSchema, Type } from '@sinclair/typebox'
import { Value } from '@sinclair/typebox/value'
import { Agent, request } from 'undici'
import { untilAborted } from '../../shared/deadline.js'
import { refuse } from '../../shared/refusal.js'
import type { Wechat } from './wechat.js'

export interface WechatSettings {
  readonly appid: string
  readonly secret: string
  /** `WECHAT_API_BASE` */
  readonly base: string
  readonly clock: () => Date
  /** Told of WeChat's own faults: a number, and never an address, since those hold secrets. */
  readonly onFault: (what: { api: string; errcode?: number; reason?: string }) => void
}

/** An access token is renewed this long before it expires; WeChat keeps the old one good for as long. */
const RENEW_BEFORE_MS = 5 * 60 * 1000
const CONNECT_MS = 2000
/** How long the shared call for a token may take, whoever waits for it. */
const TOKEN_MS = 3000
const MAX_ANSWER_BYTES = 64 * 1024
/** WeChat counts logins a minute. */
const RETRY_AFTER_SECONDS = 60

const BUSY = -1
const TOO_OFTEN = 45011
/** Invalid, used, or of somebody WeChat holds to be a risk. */
const CODE_REFUSED = new Set([40029, 40163, 40226])
/** The access token is not, or no longer, good. */
const TOKEN_REFUSED = new Set([40001, 40014, 42001])

const Fault = Type.Object({ errcode: Type.Integer() })
const Session = Type.Object({ openid: Type.String({ pattern: '^[\\w-]{1,50}$' }) })
const AccessToken = Type.Object({
  access_token: Type.String({ minLength: 1, maxLength: 1024 }),
  expires_in: Type.Integer({ minimum: 1 })
})
const Phone = Type.Object({
  phone_info: Type.Object({
    purePhoneNumber: Type.String(),
    // WeChat's own documents show both.
    countryCode: Type.Union([Type.String(), Type.Integer()])
  })
})

const MOBILE = /^1[3-9]\d{9}$/

/** Answers that are no failure of the line: what WeChat said in its `errcode`. */
class Errcode extends Error {
  constructor(readonly errcode: number) {
    super(`errcode ${errcode}`)
  }
}

/** A client of WeChat's server API, with one cached access token for all callers. Connects when first used. */
export function createWechat({ appid, secret, base, clock, onFault }: WechatSettings): Wechat {
  const agent = new Agent({ connect: { timeout: CONNECT_MS }, maxResponseSize: MAX_ANSWER_BYTES })
  let token: { readonly value: string; readonly expiresAt: number } | undefined
  let renewal: Promise<string> | undefined

  async function ask<T extends TSchema>(
    path: string,
    schema: T,
    signal: AbortSignal,
    body?: object
  ): Promise<Static<T>> {
    const { body: stream } = await request(`${base.replace(/\/+$/, '')}${path}`, {
      dispatcher: agent,
      signal,
      ...(body === undefined
        ? { method: 'GET' }
        : { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) })
    })
    const answer: unknown = await stream.json()
    if (Value.Check(Fault, answer) && answer.errcode !== 0) throw new Errcode(answer.errcode)
    if (!Value.Check(schema, answer)) throw new Error('an answer of another shape')
    return answer
  }

  /** Once more when WeChat says that it is busy. */
  async function retryWhenBusy<T>(call: () => Promise<T>): Promise<T> {
    try {
      return await call()
    } catch (err) {
      if (err instanceof Errcode && err.errcode === BUSY) return call()
      throw err
    }
  }

  async function renew(): Promise<string> {
    const asked = { grant_type: 'client_credential', appid, secret }
    const signal = AbortSignal.timeout(TOKEN_MS)
    const answer = await retryWhenBusy(() => ask('/cgi-bin/stable_token', AccessToken, signal, asked))
    token = { value: answer.access_token, expiresAt: clock().getTime() + answer.expires_in * 1000 }
    return token.value
  }

  /** The cached token while it is fresh; else all who ask wait for one renewal. */
  function accessToken(): Promise<string> {
    const now = clock().getTime()
    if (token !== undefined && now < token.expiresAt - RENEW_BEFORE_MS) return Promise.resolve(token.value)
    renewal ??= renew()
      .catch((err: unknown) => {
        if (token !== undefined && clock().getTime() < token.expiresAt) return token.value
        throw err
      })
      .finally(() => {
        renewal = undefined
      })
    return renewal
  }

  async function withToken<T>(signal: AbortSignal, call: (token: string) => Promise<T>): Promise<T> {
    const used = await untilAborted(signal, accessToken())
    try {
      return await call(used)
    } catch (err) {
      if (!(err instanceof Errcode && TOKEN_REFUSED.has(err.errcode))) throw err
      // Somebody may have renewed it since: only the one that was refused is dropped.
      if (token?.value === used) token = undefined
      return call(await untilAborted(signal, accessToken()))
    }
  }

  /** Turns whatever went wrong into a Refusal, and tells of what is not the client's doing. */
  async function refusing<T>(api: string, call: () => Promise<T>): Promise<T> {
    try {
      return await call()
    } catch (err) {
      if (!(err instanceof Errcode)) {
        onFault({ api, reason: reasonOf(err) })
        throw refuse('WECHAT_UNAVAILABLE')
      }
      const { errcode } = err
      if (CODE_REFUSED.has(errcode)) throw refuse('WECHAT_CODE_INVALID')
      if (errcode === TOO_OFTEN) throw refuse('RATE_LIMITED', undefined, RETRY_AFTER_SECONDS)
      onFault({ api, errcode })
      throw refuse('WECHAT_UNAVAILABLE')
    }
  }

  return {
    openid: (code, signal) =>
      refusing('code2Session', async () => {
        const query = new URLSearchParams({ appid, secret, js_code: code, grant_type: 'authorization_code' })
        const { openid } = await retryWhenBusy(() => ask(`/sns/jscode2session?${query}`, Session, signal))
        return openid
      }),
    async mobile(phoneCode, signal) {
      const { phone_info: phone } = await refusing('getPhoneNumber', () =>
        withToken(signal, (value) => {
          const query = new URLSearchParams({ access_token: value })
          const call = () => ask(`/wxa/business/getuserphonenumber?${query}`, Phone, signal, { code: phoneCode })
          return retryWhenBusy(call)
        })
      )
      if (String(phone.countryCode) !== '86' || !MOBILE.test(phone.purePhoneNumber)) throw refuse('MOBILE_INVALID')
      return phone.purePhoneNumber
    },
    close: () => agent.destroy()
  }
}

/** What a fault was, without its message: that may quote an address. */
function reasonOf(err: unknown): string {
  if (!(err instanceof Error)) return 'unknown'
  const { code } = err as NodeJS.ErrnoException
  return typeof code === 'string' ? code : err.name
}
