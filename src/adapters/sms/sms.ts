import type { FastifyBaseLogger } from 'fastify'
import type { Config } from '../../config.js'
import { maskMobile } from '../../shared/mask.js'
import { refuse } from '../../shared/refusal.js'

/** Who sends verification codes. */
export interface SmsProvider {
  /**
   * @throws Refusal RATE_LIMITED when the gateway has had enough of that mobile; SmsFault or another Error when the
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
export class SmsFault extends Error {
  override readonly name = 'SmsFault'
}

/** How long a gateway may take, in milliseconds. A mini-program gives up after ten seconds. */
export const GATEWAY_MS = 5000

/** For development: the code goes to the log, and nowhere else. */
export function consoleSms(log: FastifyBaseLogger): SmsProvider {
  return {
    async sendCode(mobile, code) {
      log.info(`verification code for ${maskMobile(mobile)}: ${code}`)
    }
  }
}

/** The provider that the settings name. The gateways' SDKs take tens of megabytes: only the one in use is loaded. */
export async function openSms(config: Config, log: FastifyBaseLogger): Promise<SmsProvider> {
  if (config.SMS_PROVIDER === 'console') return consoleSms(log)
  const settings: SmsSettings = {
    accessKey: config.SMS_ACCESS_KEY ?? '',
    secretKey: config.SMS_SECRET_KEY ?? '',
    signName: config.SMS_SIGN_NAME ?? '',
    template: config.SMS_TEMPLATE ?? '',
    appId: config.SMS_APP_ID ?? '',
    endpoint: config.SMS_ENDPOINT === undefined ? undefined : new URL(config.SMS_ENDPOINT)
  }
  return inTime(
    config.SMS_PROVIDER === 'aliyun'
      ? (await import('./aliyun.js')).aliyunSms(settings)
      : (await import('./tencent.js')).tencentSms(settings)
  )
}

/** Gives up on a gateway after {@link GATEWAY_MS}: the SDKs' own limits start anew with each byte. */
function inTime(gateway: SmsProvider): SmsProvider {
  return {
    async sendCode(mobile, code) {
      let timer: NodeJS.Timeout | undefined
      const limit = new Promise<never>((_, reject) => {
        timer = setTimeout(() => reject(new SmsFault(`no answer within ${GATEWAY_MS} ms`)), GATEWAY_MS)
      })
      try {
        await Promise.race([gateway.sendCode(mobile, code), limit])
      } finally {
        clearTimeout(timer)
      }
    }
  }
}

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
export function faultOf(gateway: string, err: unknown): SmsFault {
  const { code, name } = (err ?? {}) as { code?: unknown; name?: unknown }
  const what = [code, name].find((text) => typeof text === 'string' && /^[\w.-]{1,64}$/.test(text))
  return new SmsFault(`${gateway}: ${what ?? 'no answer'}`)
}
