import { createRequire } from 'node:module'
import { gatewayLimit, SmsError, type SmsProvider, type SmsSettings, smsError } from './gateway.js'

// Modules of the older kind with a default of their own: what an import makes of that differs from loader to loader.
const require = createRequire(import.meta.url)
const { default: Client, SendSmsRequest }: Sdk = require('@alicloud/dysmsapi20170525')
const { $OpenApiUtil }: Core = require('@alicloud/openapi-core')
type Sdk = typeof import('@alicloud/dysmsapi20170525', { with: { 'resolution-mode': 'require' }})
type Core = typeof import('@alicloud/openapi-core', { with: { 'resolution-mode': 'require' }})

const PUBLIC_ENDPOINT = 'dysmsapi.aliyuncs.com'
const CONNECT_MS = 2000
const READ_MS = 3000

/** Codes of a gateway that has sent that mobile enough for now. */
const LIMITS = /^isv\.(BUSINESS_LIMIT_CONTROL|DAY_LIMIT_CONTROL|MONTH_LIMIT_CONTROL)$/

/** Sends codes by Alibaba Cloud's SendSms (2017-05-25); the template's variable is `code`. */
export function aliyunSms({ accessKey, secretKey, signName, template, endpoint }: SmsSettings): SmsProvider {
  const client = new Client(
    new $OpenApiUtil.Config({
      accessKeyId: accessKey,
      accessKeySecret: secretKey,
      endpoint: endpoint?.host ?? PUBLIC_ENDPOINT,
      protocol: endpoint?.protocol.replace(':', '') ?? 'https',
      connectTimeout: CONNECT_MS,
      readTimeout: READ_MS
    })
  )

  return {
    async sendCode(mobile, code) {
      const message = new SendSmsRequest({
        phoneNumbers: mobile,
        signName,
        templateCode: template,
        templateParam: JSON.stringify({ code })
      })
      const { body } = await client.sendSms(message).catch((err: unknown) => {
        throw smsError('aliyun', err)
      })
      // A message that was not taken is an answer like any other.
      if (body?.code === 'OK') return
      if (LIMITS.test(body?.code ?? '')) throw gatewayLimit(`${body?.code} ${body?.message}`)
      throw body === undefined ? new SmsError('aliyun: no answer') : smsError('aliyun', { code: body.code })
    }
  }
}
