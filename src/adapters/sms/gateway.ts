import { refuse } from '../../shared/refusal.js'

/** Who sends verification codes. */
export interface SmsProvider {
  /**
   * @throws Refusal RATE_LIMITED when the gateway has had enough of that mobile; SmsError or another Error when the
   * message was not taken
   */
  sendCode(mobile: string, code: string): Promise<void>
}

export interface SmsSettings {
  readonly accessKey: string
  readonly secretKey: string
  readonly signName: string
  readonly template: string
  /** Tencent's SdkAppId. */
  readonly appId: string
  /** In place of the gateway's public address. */
  readonly endpoint: URL | undefined
}

/**
 * A gateway's refusal by its code, such as `isv.AMOUNT_NOT_ENOUGH`. What the SDKs throw is not passed on: it holds the
 * request, and so the mobile and the code.
 */
export class SmsError extends Error {
  override readonly name = 'SmsError'
}

/** How long a gateway may take, in milliseconds. A mini-program gives up after ten seconds. */
export const GATEWAY_MS = 5000

/** What to throw for a gateway's own limit on a mobile, by the span that its code or message names. */
export function gatewayLimit(text: string): Error {
  const spans: readonly (readonly [RegExp, number])[] = [
    [/天级|Daily|DAY/, 24 * 3600],
    [/小时|OneHour|HOUR/, 3600],
    [/ThirtySecond/, 30]
  ]
  const seconds = spans.find(([pattern]) => pattern.test(text))?.[1] ?? 60
  return refuse('RATE_LIMITED', undefined, seconds)
}

/** A fault that names a code at the most: messages may quote the request. */
export function smsError(gateway: string, err: unknown): SmsError {
  const { code, name } = (err ?? {}) as { code?: unknown; name?: unknown }
  const what = [code, name].find((text) => typeof text === 'string' && /^[\w.-]{1,64}$/.test(text))
  return new SmsError(`${gateway}: ${what ?? 'no answer'}`)
}
