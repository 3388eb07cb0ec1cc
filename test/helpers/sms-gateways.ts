import { createHash, createHmac } from 'node:crypto'
import { type Answer, type Seen, standIn } from './stand-in.js'

export const KEYS = { SMS_ACCESS_KEY: 'the-access-key', SMS_SECRET_KEY: 'the-secret-of-the-gateway' }
export const SIGN_NAME = '测试餐厅'
export const TEMPLATE = 'SMS_154950909'
export const APP_ID = '1400006666'
const TENCENT_HOST = 'sms.tencentcloudapi.com'
const FRESH_MS = 5 * 60 * 1000

const sha256 = (text: string) => createHash('sha256').update(text).digest('hex')
const hmac = (key: string | Buffer, text: string) => createHmac('sha256', key).update(text).digest()

/** A gateway that checks who asks, takes messages, and can be told to refuse them. */
export interface FakeGateway {
  readonly endpoint: string
  /** What was taken, newest last. */
  readonly sent: { readonly mobile: string; readonly code: string }[]
  /** The gateway's own code for the next message that is signed well, such as `isv.AMOUNT_NOT_ENOUGH`. */
  refuseNext(code: string, message?: string): void
  answerNext(answer: Answer): void
}

interface Gateway {
  /** What is wrong with the request: the gateway's code. */
  fault(seen: Seen): string | undefined
  message(seen: Seen): { mobile: string; code: string } | undefined
  taken: Answer
  refused(code: string, message: string): Answer
  /** For a request that is not let in. */
  shut(code: string): Answer
}

async function gateway(kind: Gateway): Promise<FakeGateway> {
  const sent: { mobile: string; code: string }[] = []
  const queued: Answer[] = []
  const endpoint = await standIn((seen) => {
    const fault = kind.fault(seen)
    if (fault !== undefined) return kind.shut(fault)
    const given = queued.shift()
    if (given !== undefined) return given
    const message = kind.message(seen)
    if (message === undefined) return kind.refused('isv.INVALID_PARAMETERS', 'parameters')
    sent.push(message)
    return kind.taken
  })
  return {
    endpoint,
    sent,
    refuseNext: (code, message = 'refused') => void queued.push(kind.refused(code, message)),
    answerNext: (answer) => void queued.push(answer)
  }
}

const encode = (text: string) =>
  encodeURIComponent(text).replace(/[!'()*]/g, (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`)

/** The signature that Alibaba Cloud's documentation (V3, ACS3-HMAC-SHA256) gives such a request. */
function aliyunSignature({ method, url, headers }: Seen, signed: readonly string[]): string {
  const query = [...url.searchParams]
    .map(([name, value]) => `${encode(name)}=${encode(value)}`)
    .sort()
    .join('&')
  const lines = signed.map((name) => `${name}:${String(headers[name] ?? '').trim()}\n`).join('')
  const whole = [method, url.pathname, query, lines, signed.join(';'), headers['x-acs-content-sha256']].join('\n')
  return hmac(KEYS.SMS_SECRET_KEY, `ACS3-HMAC-SHA256\n${sha256(whole)}`).toString('hex')
}

const nonces = new Set<string>()

/** Alibaba Cloud's SendSms (2017-05-25). */
export const fakeAliyun = () =>
  gateway({
    fault(seen) {
      const { headers, body } = seen
      const parts = /^ACS3-HMAC-SHA256 Credential=([^,]+),SignedHeaders=([^,]+),Signature=(\w+)$/.exec(
        headers.authorization ?? ''
      )
      const [, key, names = '', signature] = parts ?? []
      if (key !== KEYS.SMS_ACCESS_KEY) return 'InvalidAccessKeyId.NotFound'
      const signed = names.split(';')
      const needed = ['host', 'x-acs-action', 'x-acs-version', 'x-acs-date', 'x-acs-signature-nonce']
      if (![...needed, 'x-acs-content-sha256'].every((name) => signed.includes(name))) return 'IncompleteSignature'
      if (headers['x-acs-content-sha256'] !== sha256(body)) return 'SignatureDoesNotMatch'
      if (signature !== aliyunSignature(seen, signed)) return 'SignatureDoesNotMatch'
      if (Math.abs(Date.parse(String(headers['x-acs-date'])) - Date.now()) > FRESH_MS) return 'InvalidTimeStamp.Expired'
      const nonce = String(headers['x-acs-signature-nonce'])
      if (nonces.has(nonce)) return 'SignatureNonceUsed'
      nonces.add(nonce)
      return headers['x-acs-action'] === 'SendSms' && headers['x-acs-version'] === '2017-05-25'
        ? undefined
        : 'InvalidAction.NotFound'
    },
    message({ url: { searchParams: query } }) {
      if (query.get('SignName') !== SIGN_NAME || query.get('TemplateCode') !== TEMPLATE) return undefined
      const { code } = JSON.parse(query.get('TemplateParam') ?? '{}') as { code?: string }
      const mobile = query.get('PhoneNumbers')
      return mobile === null || code === undefined ? undefined : { mobile, code }
    },
    taken: { body: { Code: 'OK', Message: 'OK', BizId: '9006197469364984', RequestId: 'F655A8D5' } },
    refused: (Code, Message) => ({ body: { Code, Message, RequestId: 'F655A8D5' } }),
    shut: (Code) => ({ status: 400, body: { Code, Message: Code, RequestId: 'F655A8D5', HostId: 'dysmsapi' } })
  })

/** The signature that Tencent Cloud's documentation (TC3-HMAC-SHA256) gives such a request. */
function tencentSignature({ method, url, headers, body }: Seen, signed: readonly string[], date: string): string {
  const lines = signed.map((name) => `${name}:${String(headers[name] ?? '').trim()}\n`).join('')
  const whole = [method, url.pathname, url.search.slice(1), lines, signed.join(';'), sha256(body)].join('\n')
  const scope = `${date}/sms/tc3_request`
  const text = ['TC3-HMAC-SHA256', headers['x-tc-timestamp'], scope, sha256(whole)].join('\n')
  const key = hmac(hmac(hmac(`TC3${KEYS.SMS_SECRET_KEY}`, date), 'sms'), 'tc3_request')
  return hmac(key, text).toString('hex')
}

interface TencentMessage {
  PhoneNumberSet?: string[]
  SmsSdkAppId?: string
  SignName?: string
  TemplateId?: string
  TemplateParamSet?: string[]
}

const tencentState = (Code: string, Message: string) => ({
  body: {
    Response: { SendStatusSet: [{ SerialNo: '', PhoneNumber: '', Fee: 0, Code, Message }], RequestId: 'a0aabda6' }
  }
})

/** Tencent Cloud's SendSms (2021-01-11). */
export const fakeTencent = () =>
  gateway({
    fault(seen) {
      const { headers } = seen
      const parts =
        /^TC3-HMAC-SHA256 Credential=([^/]+)\/([\d-]+)\/sms\/tc3_request, SignedHeaders=([^,]+), Signature=(\w+)$/.exec(
          headers.authorization ?? ''
        )
      const [, id, date = '', names = '', signature] = parts ?? []
      if (id !== KEYS.SMS_ACCESS_KEY) return 'AuthFailure.SecretIdNotFound'
      const signed = names.split(';')
      if (!['content-type', 'host'].every((name) => signed.includes(name))) return 'AuthFailure.InvalidAuthorization'
      if (headers.host !== TENCENT_HOST || signature !== tencentSignature(seen, signed, date)) {
        return 'AuthFailure.SignatureFailure'
      }
      const at = Number(headers['x-tc-timestamp']) * 1000
      if (Math.abs(at - Date.now()) > FRESH_MS || new Date(at).toISOString().slice(0, 10) !== date) {
        return 'AuthFailure.SignatureExpire'
      }
      return headers['x-tc-action'] === 'SendSms' && headers['x-tc-version'] === '2021-01-11'
        ? undefined
        : 'InvalidAction'
    },
    message({ body }) {
      const asked = JSON.parse(body) as TencentMessage
      if (asked.SignName !== SIGN_NAME || asked.TemplateId !== TEMPLATE || asked.SmsSdkAppId !== APP_ID)
        return undefined
      const [mobile, code] = [asked.PhoneNumberSet?.[0], asked.TemplateParamSet?.[0]]
      if (!mobile?.startsWith('+86') || code === undefined) return undefined
      return { mobile: mobile.slice(3), code }
    },
    taken: tencentState('Ok', 'send success'),
    refused: tencentState,
    shut: (Code) => ({ body: { Response: { Error: { Code, Message: Code }, RequestId: 'a0aabda6' } } })
  })
