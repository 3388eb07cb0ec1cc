import { readFile } from 'node:fs/promises'
import { expect, test } from 'vitest'
import { ConfigError, ConfigSchema, loadConfig, trustProxy, windowMax } from '../src/config.js'

const SECRETS = { JWT_SECRET: 'a secret of more than thirty-two characters', ENCRYPTION_KEY: 'ab'.repeat(32) }

function faultsOf(env: NodeJS.ProcessEnv): readonly string[] {
  try {
    loadConfig(env)
    return []
  } catch (err) {
    expect(err).toBeInstanceOf(ConfigError)
    return (err as ConfigError).faults
  }
}

test('development needs no environment but its secrets, and has the defaults of the contract', () => {
  const config = loadConfig({}, SECRETS)
  expect(config).toMatchObject({
    NODE_ENV: 'development',
    HOST: '127.0.0.1',
    PORT: 3000,
    DATA_DIR: '.data',
    DB_POOL: 20
  })
  expect(config).toMatchObject({
    NEW_USER_POINTS: 1000,
    VOUCHER_DAYS: 30,
    WS_MAX_CONNECTIONS: 1000,
    WS_MAX_PER_USER: 3
  })
  expect(windowMax(config)).toBe(1000)
  expect(config.DATABASE_URL).toBeUndefined()
})

test('every fault is named at once', () => {
  const faults = faultsOf({
    ...SECRETS,
    PORT: 'eighty',
    DB_POOL: '0',
    JWT_EXPIRES_IN: 'soon',
    BUSINESS_TZ: 'Mars/Olympus',
    DATABASE_URL: 'postgres://u:secret@h/d',
    REDIS_URL: 'http://u:secret@h:6379',
    RATE_LIMIT: 'maybe',
    METRICS_TOKEN: 'too short',
    MEMORY_LIMIT_MB: '64',
    ALERT_WEBHOOK_URL: 'ftp://robot?key=the-key',
    ENCRYPTION_KEY: 'short'
  })
  for (const name of [
    'PORT',
    'DB_POOL',
    'JWT_EXPIRES_IN',
    'BUSINESS_TZ',
    'DATABASE_URL',
    'REDIS_URL',
    'RATE_LIMIT',
    'METRICS_TOKEN',
    'MEMORY_LIMIT_MB',
    'ALERT_WEBHOOK_URL',
    'ENCRYPTION_KEY'
  ]) {
    expect(faults.filter((fault) => fault.startsWith(`${name} `))).toHaveLength(1)
  }
  for (const secret of ['secret@', 'too short', 'the-key']) expect(faults.join()).not.toContain(secret)
})

test('production refuses to start without its settings, with placeholders, without limits, or with codes in the log', () => {
  const missing = faultsOf({ NODE_ENV: 'production' })
  const needed = ['JWT_SECRET', 'ENCRYPTION_KEY', 'DATABASE_URL', 'STORAGE', 'SMS_PROVIDER']
  const s3 = ['S3_ENDPOINT', 'S3_BUCKET', 'S3_ACCESS_KEY', 'S3_SECRET_KEY']
  const sms = ['SMS_ACCESS_KEY', 'SMS_SECRET_KEY', 'SMS_SIGN_NAME', 'SMS_TEMPLATE']
  // All of it at once: whoever sets what is named needs no second try.
  for (const name of [...needed, ...s3, ...sms]) {
    expect([
      name,
      missing.filter((fault) => fault.startsWith(`${name} `) || fault.startsWith(`${name}=`)).length
    ]).toEqual([name, 1])
  }
  const placeholders = faultsOf({
    NODE_ENV: 'production',
    DATABASE_URL: 'mysql://u:p@h/d',
    JWT_SECRET: 'your_jwt_secret_key_change_in_production',
    ENCRYPTION_KEY: 'your_32_bytes_hex_encryption_key_change_in_production',
    ALERT_WEBHOOK_URL: 'https://qyapi.weixin.qq.com/cgi-bin/webhook/send?key=',
    RATE_LIMIT: 'off'
  })
  expect(placeholders.some((fault) => fault.startsWith('ALERT_WEBHOOK_URL is still the placeholder'))).toBe(true)
  expect(placeholders).toContain('JWT_SECRET is still the placeholder of .env.example')
  expect(placeholders).toContain('ENCRYPTION_KEY is still the placeholder of .env.example')
  expect(placeholders.some((fault) => fault.startsWith('RATE_LIMIT=off'))).toBe(true)
})

test('a gateway needs its keys, all named at once, and with them production starts', () => {
  const production = {
    NODE_ENV: 'production',
    ...SECRETS,
    DATABASE_URL: 'mysql://u:p@h/d',
    STORAGE: 's3',
    S3_ENDPOINT: 'https://s3.example.com',
    S3_BUCKET: 'b',
    S3_ACCESS_KEY: 'a',
    S3_SECRET_KEY: 's'
  }
  const keys = { SMS_ACCESS_KEY: 'a', SMS_SECRET_KEY: 's', SMS_SIGN_NAME: 'n', SMS_TEMPLATE: 't' }
  expect(faultsOf(production)).toEqual([
    'SMS_PROVIDER=console prints codes to the log: set a gateway',
    ...Object.keys(keys).map((name) => `${name} is missing: production sends codes by a gateway`)
  ])
  for (const [provider, needed] of [
    ['aliyun', keys],
    ['tencent', { ...keys, SMS_APP_ID: '1' }]
  ] as const) {
    const env = { ...production, SMS_PROVIDER: provider }
    const missing = Object.keys(needed).map((name) => `${name} is missing: SMS_PROVIDER=${provider} needs it`)
    expect(faultsOf(env)).toEqual(missing)
    expect(faultsOf({ ...env, ...needed })).toEqual([])
  }
})

test('WeChat has both of its keys or none, and secrets go over https, or stay on this machine', () => {
  const faults = (env: NodeJS.ProcessEnv) => faultsOf({ ...SECRETS, ...env })
  expect(faults({ WECHAT_APPID: 'wx' })).toEqual(['WECHAT_SECRET is missing: WECHAT_APPID needs it'])
  expect(faults({ WECHAT_SECRET: 'x' })).toEqual(['WECHAT_APPID is missing: WECHAT_SECRET belongs to it'])
  expect(faults({ WECHAT_APPID: 'wx', WECHAT_SECRET: 'x' })).toEqual([])
  const clear = { WECHAT_API_BASE: 'http://wechat.example.com', SMS_ENDPOINT: 'http://10.0.0.1' }
  expect(faults(clear)).toEqual([
    'SMS_ENDPOINT must be https: secrets go there',
    'WECHAT_API_BASE must be https: secrets go there'
  ])
  expect(faults({ WECHAT_API_BASE: 'http://127.0.0.1:8080', SMS_ENDPOINT: 'http://[::1]:1' })).toEqual([])
  expect(faults({ WECHAT_API_BASE: 'nowhere' })).toHaveLength(1)
})

test('a second key is another key, as long as the first, and no placeholder', () => {
  const both = { JWT_SECRET_PREVIOUS: `${SECRETS.JWT_SECRET}, the other`, ENCRYPTION_KEY_PREVIOUS: 'cd'.repeat(32) }
  expect(faultsOf({ ...SECRETS, ...both })).toEqual([])
  const same = { JWT_SECRET_PREVIOUS: SECRETS.JWT_SECRET, ENCRYPTION_KEY_PREVIOUS: 'AB'.repeat(32) }
  const short = { JWT_SECRET_PREVIOUS: 'short', ENCRYPTION_KEY_PREVIOUS: 'ab' }
  for (const changes of [same, short]) {
    const names = faultsOf({ ...SECRETS, ...changes }).map((fault) => fault.split(' ')[0])
    expect(names).toEqual(['JWT_SECRET_PREVIOUS', 'ENCRYPTION_KEY_PREVIOUS'])
  }
  const placeholder = {
    ...SECRETS,
    NODE_ENV: 'production',
    JWT_SECRET_PREVIOUS: 'your_jwt_secret_key_change_in_production'
  }
  expect(faultsOf(placeholder)).toContain('JWT_SECRET_PREVIOUS is still the placeholder of .env.example')
})

test('a copied .env.example does not stop a developer', async () => {
  const env = Object.fromEntries(exampleLines(await readFile('.env.example', 'utf8')))
  expect(loadConfig(env, SECRETS)).toMatchObject(SECRETS)
})

test('.env.example and the settings page list every setting, in the order of the schema', async () => {
  const names = Object.keys(ConfigSchema.properties)
  expect(exampleLines(await readFile('.env.example', 'utf8')).map(([name]) => name)).toEqual(names)
  const readme = await readFile('docs/OPERATIONS.md', 'utf8')
  const listed = [...readme.matchAll(/^\| `([A-Z][A-Z0-9_]+)` \|/gm)].map((match) => match[1])
  expect(listed).toEqual(names)
})

/** Settings and their values, those that are commented out too. */
function exampleLines(text: string): [string, string][] {
  return [...text.matchAll(/^(?:# )?([A-Z][A-Z0-9_]+)=(.*)$/gm)].map((match) => [match[1] ?? '', match[2] ?? ''])
}

test('TRUST_PROXY is a flag, a number of hops, or addresses', () => {
  const read = (text: string) => trustProxy(loadConfig({ TRUST_PROXY: text }, SECRETS))
  expect(read('false')).toBe(false)
  expect(read('true')).toBe(true)
  expect(read('10.0.0.0/8,127.0.0.1')).toBe('10.0.0.0/8,127.0.0.1')
  const hops = read('1') as (address: string, hop: number) => boolean
  expect([hops('x', 0), hops('x', 1)]).toEqual([true, false])
})
