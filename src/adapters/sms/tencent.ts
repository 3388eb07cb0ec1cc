import http from 'node:http'
import https from 'node:https'
import { connect } from 'node:net'
import { connect as connectSecurely } from 'node:tls'
import tencent from 'tencentcloud-sdk-nodejs-sms'
import { GATEWAY_MS, gatewayLimit, type SmsProvider, type SmsSettings, smsError } from './gateway.js'

const REGION = 'ap-guangzhou'
const LIMIT = /^LimitExceeded\./

/**
 * Leads every connection to another machine. The request itself stays one to Tencent's public name, which is part of
 * its signature: the gateway checks it under that name, whatever stands in between.
 */
function agentTo({ protocol, hostname, port }: URL): http.Agent {
  // An IPv6 address stands in brackets in a URL, and nowhere else.
  const host = hostname.replace(/^\[|\]$/g, '')
  if (protocol === 'http:') {
    return Object.assign(new http.Agent(), { createConnection: () => connect(Number(port || 80), host) })
  }
  const options = { host, port: Number(port || 443), servername: host }
  return Object.assign(new https.Agent(), { createConnection: () => connectSecurely(options) })
}

/** Sends codes by Tencent Cloud's SendSms (2021-01-11); the template's one variable, `{1}`, is the code. */
export function tencentSms(settings: SmsSettings): SmsProvider {
  const { accessKey, secretKey, signName, template, appId, endpoint } = settings
  const client = new tencent.sms.v20210111.Client({
    credential: { secretId: accessKey, secretKey },
    region: REGION,
    profile: {
      httpProfile: {
        reqTimeout: GATEWAY_MS / 1000,
        ...(endpoint === undefined ? {} : { protocol: `${endpoint.protocol}//`, agent: agentTo(endpoint) })
      }
    }
  })

  return {
    async sendCode(mobile, code) {
      const message = {
        PhoneNumberSet: [`+86${mobile}`],
        SmsSdkAppId: appId,
        SignName: signName,
        TemplateId: template,
        TemplateParamSet: [code]
      }
      const { SendStatusSet: states } = await client.SendSms(message).catch((err: unknown) => {
        throw refusalOf((err as { code?: unknown }).code) ?? smsError('tencent', err)
      })
      const state = states?.[0]?.Code
      if (state !== 'Ok') throw refusalOf(state) ?? smsError('tencent', { code: state })
    }
  }
}

/** The gateway's own limit comes as the answer's error, or as the state of the one message. */
function refusalOf(code: unknown): Error | undefined {
  return typeof code === 'string' && LIMIT.test(code) ? gatewayLimit(code) : undefined
}
