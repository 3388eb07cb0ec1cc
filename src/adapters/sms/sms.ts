import type { FastifyBaseLogger } from 'fastify'
import type { Config } from '../../config.js'
import { withDeadline } from '../../shared/deadline.js'
import { maskMobile } from '../../shared/mask.js'
import { GATEWAY_MS, type SmsProvider, type SmsSettings } from './gateway.js'

/** For development: the code goes to the log, and nowhere else. */
function consoleSms(log: FastifyBaseLogger): SmsProvider {
  return {
    async sendCode(mobile, code) {
      log.info(`verification code for ${maskMobile(mobile)}: ${code}`)
    }
  }
}

/** Each provider there is. The gateways' SDKs take tens of megabytes: only that of the one in use is loaded. */
const PROVIDERS: Readonly<
  Record<Exclude<Config['SMS_PROVIDER'], 'console'>, (settings: SmsSettings) => Promise<SmsProvider>>
> = {
  aliyun: async (settings) => (await import('./aliyun.js')).aliyunSms(settings),
  tencent: async (settings) => (await import('./tencent.js')).tencentSms(settings)
}

/** The provider that the settings name. */
export async function openSms(config: Config, log: FastifyBaseLogger): Promise<SmsProvider> {
  if (config.SMS_PROVIDER === 'console') return consoleSms(log)
  const gateway = await PROVIDERS[config.SMS_PROVIDER]({
    accessKey: config.SMS_ACCESS_KEY ?? '',
    secretKey: config.SMS_SECRET_KEY ?? '',
    signName: config.SMS_SIGN_NAME ?? '',
    template: config.SMS_TEMPLATE ?? '',
    appId: config.SMS_APP_ID ?? '',
    endpoint: config.SMS_ENDPOINT === undefined ? undefined : new URL(config.SMS_ENDPOINT)
  })
  // The SDKs' own limits start anew with each byte.
  return { sendCode: (mobile, code) => withDeadline(GATEWAY_MS, gateway.sendCode(mobile, code)) }
}
