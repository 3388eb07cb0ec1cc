import type { FastifyInstance } from 'fastify'
import { describe, expect, test } from 'vitest'
import type { Config } from '../src/config.js'
import { CODES_A_DAY, judgeSend } from '../src/domains/auth/rules.js'
import { createLogger } from '../src/observe/logger.js'
import { createApp, newMobile, type TestAppOptions, testConfig } from './helpers/app.js'
import { APP_ID, type FakeGateway, fakeAliyun, fakeTencent, KEYS, SIGN_NAME, TEMPLATE } from './helpers/sms-gateways.js'
import { logLines } from './helpers/stand-in.js'

const ask = (app: FastifyInstance, mobile: string) =>
  app.inject({ method: 'POST', url: '/api/auth/send-code', payload: { mobile } })
const enter = (app: FastifyInstance, mobile: string, code: string | undefined) =>
  app.inject({ method: 'POST', url: '/api/auth/login', payload: { mobile, code } })

const GATEWAYS = [
  {
    provider: 'aliyun',
    start: fakeAliyun,
    limits: [
      ['isv.BUSINESS_LIMIT_CONTROL', '触发分钟级流控Permits:1', '60'],
      ['isv.BUSINESS_LIMIT_CONTROL', '触发小时级流控Permits:5', '3600'],
      ['isv.BUSINESS_LIMIT_CONTROL', '触发天级流控Permits:10', '86400']
    ],
    fault: 'isv.AMOUNT_NOT_ENOUGH'
  },
  {
    provider: 'tencent',
    start: fakeTencent,
    limits: [
      ['LimitExceeded.PhoneNumberThirtySecondLimit', 'the number of SMS messages exceeds the limit', '30'],
      ['LimitExceeded.PhoneNumberOneHourLimit', 'the number of SMS messages exceeds the limit', '3600'],
      ['LimitExceeded.PhoneNumberDailyLimit', 'the number of SMS messages exceeds the limit', '86400'],
      ['LimitExceeded.DeliveryFrequencyLimit', 'frequency', '60']
    ],
    fault: 'FailedOperation.InsufficientBalanceInSmsPackage'
  }
] as const

/** A service that sends by the gateway, as production does: no code is echoed, the limits hold. */
async function withGateway(
  { provider, start }: (typeof GATEWAYS)[number],
  { config, ...options }: TestAppOptions = {}
): Promise<[FastifyInstance, FakeGateway]> {
  const gateway = await start()
  const settings: Partial<Config> = {
    ...KEYS,
    NODE_ENV: 'production',
    SMS_PROVIDER: provider,
    SMS_SIGN_NAME: SIGN_NAME,
    SMS_TEMPLATE: TEMPLATE,
    SMS_APP_ID: APP_ID,
    SMS_ENDPOINT: gateway.endpoint,
    RATE_LIMIT: true,
    RATE_LIMIT_WINDOW_MAX: 10_000,
    RATE_LIMIT_SEND_CODE: 1000,
    RATE_LIMIT_LOGIN: 1000
  }
  return [await createApp({ ...options, config: { ...settings, ...config } }), gateway]
}

describe.each(GATEWAYS)('by $provider', (kind) => {
  test('a code is sent, signed as documented, and logs in', async () => {
    const [app, gateway] = await withGateway(kind)
    const mobile = newMobile()
    const reply = await ask(app, mobile)
    expect([reply.statusCode, reply.json().data]).toEqual([200, { expires_in: 300 }])
    expect(gateway.sent).toEqual([{ mobile, code: expect.stringMatching(/^\d{6}$/) }])
    expect((await enter(app, mobile, gateway.sent[0]?.code)).statusCode).toBe(200)
  })

  test('a wrong secret is refused by the gateway, and 5007 for the diner', async () => {
    const [app, gateway] = await withGateway(kind, { config: { SMS_SECRET_KEY: 'another' } })
    const reply = await ask(app, newMobile())
    expect([reply.statusCode, reply.json()]).toMatchObject([502, { code: 5007, error: 'SMS_UNAVAILABLE' }])
    expect(gateway.sent).toEqual([])
  })

  test('the gateway’s own limits are 5001 with a time to wait', async () => {
    const [app, gateway] = await withGateway(kind)
    for (const [code, message, seconds] of kind.limits) {
      gateway.refuseNext(code, message)
      const reply = await ask(app, newMobile())
      expect([code, reply.statusCode, reply.json().error, reply.headers['retry-after']]).toEqual([
        code,
        429,
        'RATE_LIMITED',
        seconds
      ])
    }
  })

  test('a failure ends the code before it too, does not count, and need not be waited out', async () => {
    let now = Date.now()
    const [app, gateway] = await withGateway(kind, { clock: () => new Date(now) })
    const mobile = newMobile()
    expect((await ask(app, mobile)).statusCode).toBe(200)
    now += 61_000
    for (const answer of [{ body: 'no JSON' }, { status: 503, body: {} }, { body: {} }, { body: null }]) {
      gateway.answerNext(answer)
      expect((await ask(app, mobile)).json()).toMatchObject({ code: 5007, error: 'SMS_UNAVAILABLE' })
    }
    expect((await enter(app, mobile, gateway.sent[0]?.code)).json().error).toBe('CODE_INVALID')
    expect(await app.db.codeRequest.findMany({ where: { mobile } })).toMatchObject([{ dayCount: 1 }])
    expect((await ask(app, mobile)).statusCode).toBe(200)
    expect((await enter(app, mobile, gateway.sent[1]?.code)).statusCode).toBe(200)
  })

  test('a gateway that says nothing is given up in time, and so is one that is not there', async () => {
    const [app, gateway] = await withGateway(kind)
    gateway.answerNext('hang')
    const start = Date.now()
    expect((await ask(app, newMobile())).json().error).toBe('SMS_UNAVAILABLE')
    expect(Date.now() - start).toBeLessThan(9000)
    const [cut] = await withGateway(kind, { config: { SMS_ENDPOINT: 'http://127.0.0.1:1' } })
    expect((await ask(cut, newMobile())).json().error).toBe('SMS_UNAVAILABLE')
  })

  test('no key, code or mobile is in any log line, and what the gateway said is', async () => {
    const log = logLines()
    const logger = createLogger(testConfig({ LOG_LEVEL: 'trace', NODE_ENV: 'production' }), log.destination)
    const [app, gateway] = await withGateway(kind, { logger })
    const mobiles = Array.from({ length: 4 }, newMobile)
    await ask(app, mobiles[0] ?? '')
    gateway.refuseNext(kind.fault, `no balance for ${mobiles[1]}`)
    await ask(app, mobiles[1] ?? '')
    gateway.answerNext('hang')
    await ask(app, mobiles[2] ?? '')
    const [cut] = await withGateway(kind, { logger, config: { SMS_ENDPOINT: 'http://127.0.0.1:1' } })
    await ask(cut, mobiles[3] ?? '')
    expect(log.text()).toContain(kind.fault)
    expect(log.text().match(/"msg":"the SMS gateway failed"/g)).toHaveLength(3)
    const secrets = [...Object.values(KEYS), ...mobiles, ...gateway.sent.map(({ code }) => `"${code}"`)]
    for (const secret of secrets) expect(log.text()).not.toContain(secret)
    expect(log.text()).not.toMatch(/TemplateParam|PhoneNumber(s|Set)/)
  })
})

describe('how many codes', () => {
  const limited = { RATE_LIMIT: true, RATE_LIMIT_WINDOW_MAX: 10_000, RATE_LIMIT_SEND_CODE: 1000 }
  const MINUTE = 60_000

  test('ten a business day; the next day starts at midnight where the restaurant is', async () => {
    let now = Date.parse('2026-11-22T15:00:00Z')
    const app = await createApp({ config: limited, clock: () => new Date(now) })
    const mobile = newMobile()
    for (let sent = 0; sent < CODES_A_DAY; sent += 1) {
      expect((await ask(app, mobile)).statusCode).toBe(200)
      now += MINUTE
    }
    const refused = await ask(app, mobile)
    // Ten past eleven at night in Shanghai.
    expect([refused.json().error, refused.headers['retry-after']]).toEqual(['RATE_LIMITED', String(50 * 60)])
    expect((await ask(app, newMobile())).statusCode).toBe(200)
    now = Date.parse('2026-11-22T16:00:00Z')
    expect((await ask(app, mobile)).statusCode).toBe(200)
    expect(await app.db.codeRequest.findMany({ where: { mobile } })).toMatchObject([{ dayCount: 1 }])
  })

  test('of twenty asked for at once, of two instances, one is sent; of a day’s last too', async () => {
    let now = Date.parse('2026-11-22T08:00:00Z')
    const sent: string[] = []
    const options = {
      config: limited,
      clock: () => new Date(now),
      sms: { sendCode: async (to: string) => void sent.push(to) }
    }
    const apps = [await createApp(options), await createApp(options)] as const
    const mobile = newMobile()
    const twenty = async () => {
      const replies = await Promise.all(Array.from({ length: 20 }, (_, turn) => ask(apps[turn % 2] ?? apps[0], mobile)))
      return replies.map((reply) => reply.statusCode).sort()
    }
    for (let round = 1; round <= CODES_A_DAY; round += 1) {
      expect(await twenty()).toEqual([200, ...Array(19).fill(429)])
      expect(sent).toHaveLength(round)
      now += MINUTE
    }
    expect(await twenty()).toEqual(Array(20).fill(429))
    expect(sent).toHaveLength(CODES_A_DAY)
  })

  test('each address has its own ten: a stranger uses up nobody’s day', async () => {
    let now = Date.parse('2026-11-22T02:00:00Z')
    const app = await createApp({ config: limited, clock: () => new Date(now) })
    const mobile = newMobile()
    const from = async (remoteAddress: string) => {
      now += MINUTE
      const url = '/api/auth/send-code'
      return (await app.inject({ method: 'POST', url, payload: { mobile }, remoteAddress })).statusCode
    }
    for (let sent = 0; sent < CODES_A_DAY; sent += 1) expect(await from('10.1.1.1')).toBe(200)
    expect(await from('10.1.1.1')).toBe(429)
    for (let sent = 0; sent < CODES_A_DAY; sent += 1) expect(await from('10.1.1.2')).toBe(200)
    expect(await from('10.1.1.2')).toBe(429)
    // A /64 is one client. And the count outlives a sweep, which takes the code.
    for (let sent = 0; sent < CODES_A_DAY; sent += 1) expect(await from(`2001:db8::${sent}`)).toBe(200)
    now += 10 * MINUTE
    await app.sweepNow()
    expect(await app.db.verificationCode.count({ where: { mobile } })).toBe(0)
    expect(await from('2001:db8::ffff')).toBe(429)
    expect(await from('2001:db8:0:1::1')).toBe(200)
  })

  test('an address gets three a minute, whatever mobiles it names', async () => {
    const app = await createApp({ config: { ...limited, RATE_LIMIT_SEND_CODE: 3 } })
    const from = (remoteAddress: string) =>
      app.inject({ method: 'POST', url: '/api/auth/send-code', payload: { mobile: newMobile() }, remoteAddress })
    const statuses: number[] = []
    for (let time = 0; time < 4; time += 1) statuses.push((await from('10.1.1.1')).statusCode)
    expect(statuses).toEqual([200, 200, 200, 429])
    expect((await from('10.1.1.2')).statusCode).toBe(200)
  })

  test('the rule itself: the later of minute and midnight, and a new day counts anew', () => {
    const day = { name: '2026-11-22', endsAt: 100 * MINUTE }
    const at = 50 * MINUTE
    const judge = (sentAt: number, count: number, name: string | null = day.name) =>
      judgeSend({ sentAt, day: name, count }, at, day)
    expect(judge(0, 0, null)).toEqual({ waitSeconds: 0, count: 1 })
    expect(judge(at - MINUTE, 9)).toEqual({ waitSeconds: 0, count: 10 })
    expect(judge(at - MINUTE + 1, 1)).toEqual({ waitSeconds: 1, count: 2 })
    expect(judge(at - 1000, 10)).toMatchObject({ waitSeconds: 50 * 60 })
    expect(judge(0, 10, '2026-11-21')).toEqual({ waitSeconds: 0, count: 1 })
  })
})
