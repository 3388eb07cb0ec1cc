import { parse as parseDuration } from '@lukeed/ms'
import { FormatRegistry, type Static, type TObject, Type } from '@sinclair/typebox'
import { Value } from '@sinclair/typebox/value'
import { connectionOptions, hostUrls } from './engine/connection.js'

const Flag = (fallback: boolean, description: string) => Type.Boolean({ default: fallback, description })
const Count = (fallback: number, description: string) =>
  Type.Integer({ minimum: 1, maximum: 1_000_000_000, default: fallback, description })
const Duration = (fallback: string, description: string) => Type.String({ default: fallback, description })

/**
 * Every setting there is (contract section 12). `.env.example` lists the same names in the same order, and a test
 * holds the two together. An empty variable counts as unset.
 */
export const ConfigSchema = Type.Object({
  NODE_ENV: Type.Union([Type.Literal('development'), Type.Literal('test'), Type.Literal('production')], {
    default: 'development',
    description: 'development, test or production'
  }),
  HOST: Type.String({ default: '127.0.0.1', description: 'address to listen on' }),
  PORT: Type.Integer({
    minimum: 0,
    maximum: 65535,
    default: 3000,
    description: 'port to listen on; 0 picks a free one'
  }),
  DATA_DIR: Type.String({ default: '.data', description: 'folder of the embedded database and of kept secrets' }),
  DATABASE_URL: Type.Optional(
    Type.String({ description: 'mysql://user:password@host:3306/database, or host,host,host; unset: embedded MariaDB' })
  ),
  DB_POOL: Type.Integer({ minimum: 1, maximum: 500, default: 20, description: 'database connections of one process' }),
  REDIS_URL: Type.Optional(
    Type.String({ format: 'redis-url', description: 'redis://user:password@host:6379/0; unset: one instance alone' })
  ),
  JWT_SECRET: Type.String({ minLength: 32, description: 'signs the tokens; at least 32 characters' }),
  JWT_SECRET_PREVIOUS: Type.Optional(
    Type.String({ minLength: 32, description: 'while the secret changes: the other one, whose tokens hold too' })
  ),
  JWT_EXPIRES_IN: Duration('2h', 'life of an access token'),
  JWT_REFRESH_EXPIRES_IN: Duration('7d', 'life of a refresh token'),
  ENCRYPTION_KEY: Type.String({
    pattern: '^[0-9a-fA-F]{64}$',
    description: '32 bytes in hexadecimal; encrypts vouchers and personal data'
  }),
  ENCRYPTION_KEY_PREVIOUS: Type.Optional(
    Type.String({
      pattern: '^[0-9a-fA-F]{64}$',
      description: 'while the key changes: the other one, which decrypts too'
    })
  ),
  FAIRNESS_KEY: Type.Optional(
    Type.String({
      pattern: '^[0-9a-fA-F]{64}$',
      description: '32 bytes in hexadecimal; signs the public log of draws, for ever; unset: made from ENCRYPTION_KEY'
    })
  ),
  FAIRNESS_ORIGIN: Type.String({
    pattern: '^[^\\s+]{1,100}$',
    default: 'restaurant-points-lottery',
    description: 'name of the public log of draws, such as its host; never to be changed'
  }),
  CORS_ORIGINS: Type.String({
    default: 'https://servicewechat.com',
    description: 'origins that may call, separated by commas; development allows all'
  }),
  TRUST_PROXY: Type.String({
    default: 'false',
    description: 'whose X-Forwarded-For counts: false, true, a number of hops, or addresses separated by commas'
  }),
  BODY_LIMIT: Type.Integer({ minimum: 1024, default: 1024 * 1024, description: 'largest JSON body in bytes' }),
  BUSINESS_TZ: Type.String({ default: 'Asia/Shanghai', description: 'time zone whose midnight starts a business day' }),
  LOG_LEVEL: Type.Union(
    ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'].map((level) => Type.Literal(level)),
    { default: 'info', description: 'trace, debug, info, warn, error, fatal or silent' }
  ),
  LOG_DIR: Type.Optional(
    Type.String({ description: 'folder of daily log files, beside standard output; unset: none' })
  ),
  DOCS: Type.Optional(Type.Boolean({ description: '/api/docs on or off; unset: on, but off in production' })),
  METRICS_TOKEN: Type.Optional(
    Type.String({
      pattern: '^\\S{16,}$',
      description: 'Bearer token for /metrics, 16 characters or more; unset: loopback alone may read it'
    })
  ),
  MEMORY_LIMIT_MB: Type.Integer({
    minimum: 128,
    maximum: 1_000_000,
    default: 500,
    description: 'memory of one process in MiB: over it requests are shed, over 80 % an alert is sent'
  }),
  SQL_COMMENTS: Flag(true, 'routes in the statements, as comments'),
  STORAGE: Type.Union([Type.Literal('local'), Type.Literal('s3')], {
    default: 'local',
    description: 'where photographs lie: local, under DATA_DIR, or s3'
  }),
  S3_ENDPOINT: Type.Optional(Type.String({ format: 'url', description: 'address of the S3-compatible service' })),
  S3_REGION: Type.String({ default: 'us-east-1', description: 'its region' }),
  S3_BUCKET: Type.Optional(Type.String({ description: 'the bucket, which must exist' })),
  S3_ACCESS_KEY: Type.Optional(Type.String({ description: 'access key' })),
  S3_SECRET_KEY: Type.Optional(Type.String({ description: 'secret key' })),
  S3_PUBLIC_URL: Type.Optional(
    Type.String({ format: 'url', description: 'where clients fetch objects, a CDN say; unset: endpoint and bucket' })
  ),
  PUBLIC_URL: Type.Optional(
    Type.String({ format: 'url', description: 'where clients reach the service; unset: as the request came' })
  ),
  SMS_PROVIDER: Type.Union([Type.Literal('console'), Type.Literal('aliyun'), Type.Literal('tencent')], {
    default: 'console',
    description: 'who sends verification codes: aliyun, tencent, or console, the log, which production refuses'
  }),
  SMS_ACCESS_KEY: Type.Optional(Type.String({ description: 'AccessKey ID (aliyun) or SecretId (tencent)' })),
  SMS_SECRET_KEY: Type.Optional(Type.String({ description: 'AccessKey secret (aliyun) or SecretKey (tencent)' })),
  SMS_SIGN_NAME: Type.Optional(Type.String({ description: 'approved signature of the messages' })),
  SMS_TEMPLATE: Type.Optional(
    Type.String({ description: 'approved template; its one variable is the code, named code (aliyun) or 1 (tencent)' })
  ),
  SMS_APP_ID: Type.Optional(Type.String({ description: 'SdkAppId; tencent only' })),
  SMS_ENDPOINT: Type.Optional(
    Type.String({ format: 'url', description: 'where the gateway is reached; unset: its public address' })
  ),
  WECHAT_APPID: Type.Optional(Type.String({ description: 'AppID of the mini-program; unset: no WeChat login' })),
  WECHAT_SECRET: Type.Optional(Type.String({ description: 'its AppSecret' })),
  WECHAT_API_BASE: Type.String({
    format: 'url',
    default: 'https://api.weixin.qq.com',
    description: "where WeChat's server API is reached"
  }),
  ALERT_WEBHOOK_URL: Type.Optional(
    Type.String({ format: 'url', description: 'robot of a WeCom group, which is told of alerts; unset: the log alone' })
  ),
  NEW_USER_POINTS: Type.Integer({
    minimum: 0,
    maximum: 1_000_000,
    default: 1000,
    description: 'points of a first login'
  }),
  DAILY_DRAW_LIMIT: Type.Integer({
    minimum: 1,
    maximum: 100_000,
    default: 50,
    description: 'draws a day, for the first start only; later the merchant sets it'
  }),
  PHOTO_POINTS_RATE: Type.Integer({ minimum: 1, maximum: 1000, default: 10, description: 'points for one yuan' }),
  MIN_POINTS_AWARD: Type.Integer({
    minimum: 1,
    maximum: 1_000_000,
    default: 50,
    description: 'least points of a receipt'
  }),
  MAX_POINTS_AWARD: Type.Integer({
    minimum: 1,
    maximum: 1_000_000,
    default: 2000,
    description: 'most points of a receipt'
  }),
  VOUCHER_DAYS: Type.Integer({ minimum: 1, maximum: 3650, default: 30, description: 'days until a voucher expires' }),
  WS_MAX_CONNECTIONS: Count(1000, 'sockets of one process'),
  WS_MAX_PER_USER: Count(3, 'sockets of one user'),
  RATE_LIMIT: Flag(true, 'on or off; off is refused in production'),
  RATE_LIMIT_WINDOW_MAX: Type.Optional(
    Type.Integer({ minimum: 1, description: 'all requests in 15 minutes; unset: 1000, in production 100' })
  ),
  RATE_LIMIT_GENERAL: Count(100, 'requests a minute, where no other limit applies'),
  RATE_LIMIT_LOGIN: Count(5, 'logins a minute'),
  RATE_LIMIT_SEND_CODE: Count(3, 'verification codes a minute'),
  RATE_LIMIT_DRAW: Count(10, 'draws a minute'),
  RATE_LIMIT_SOCKET: Count(30, 'sockets opened a minute'),
  RATE_LIMIT_PUBLIC_LOG: Count(600, 'requests a minute for the public log of draws, which an audit reads whole')
})
export type Config = Static<typeof ConfigSchema>

/** The values of `.env.example`: fit to start with, unfit for production. */
const PLACEHOLDERS: ReadonlySet<string> = new Set([
  'https://qyapi.weixin.qq.com/cgi-bin/webhook/send?key=',
  'your_jwt_secret_key_change_in_production',
  'your_32_bytes_hex_encryption_key_change_in_production'
])

FormatRegistry.Set('redis-url', (text) => URL.canParse(text) && /^rediss?:$/.test(new URL(text).protocol))
FormatRegistry.Set('url', (text) => URL.canParse(text) && /^https?:$/.test(new URL(text).protocol))

/** Thrown by {@link loadConfig}; `faults` has a line for each setting that is missing or wrong. */
export class ConfigError extends Error {
  constructor(readonly faults: readonly string[]) {
    super(`The settings do not hold:\n${faults.map((fault) => `  - ${fault}`).join('\n')}`)
  }
}

/**
 * Reads the settings from the environment, fills in defaults, and checks them all.
 * @param secrets what development keeps in its data folder, for secrets the environment leaves out
 * @throws ConfigError that names every fault at once
 */
export function loadConfig(env: NodeJS.ProcessEnv, secrets: Partial<Config> = {}): Config {
  const production = env.NODE_ENV === 'production'
  const given: Record<string, unknown> = { ...secrets }
  for (const name of Object.keys(ConfigSchema.properties)) {
    const value = env[name]?.trim() ?? ''
    // A copied .env.example must not stop a developer, so there its placeholders count as unset.
    if (value !== '' && (production || !PLACEHOLDERS.has(value))) given[name] = fromText(ConfigSchema, name, value)
  }
  const config = Value.Default(ConfigSchema, given) as Config
  const faults = [...schemaFaults(config), ...ownFaults(config)]
  if (production) faults.push(...productionFaults(config, env))
  if (faults.length > 0) throw new ConfigError(faults)
  return config
}

function fromText(schema: TObject, name: string, text: string): unknown {
  const type = schema.properties[name]?.type as string | undefined
  if (type === 'integer') return /^-?\d+$/.test(text) ? Number(text) : text
  if (type === 'boolean') {
    if (/^(on|true|1|yes)$/i.test(text)) return true
    if (/^(off|false|0|no)$/i.test(text)) return false
  }
  return text
}

function schemaFaults(config: Config): string[] {
  const faults = new Map<string, string>()
  for (const { path, schema, message } of Value.Errors(ConfigSchema, config)) {
    const name = path.slice(1).split('/')[0] ?? ''
    const wanted = ConfigSchema.properties[name as keyof Config]?.description ?? schema.description
    const missing = config[name as keyof Config] === undefined
    if (!faults.has(name)) faults.set(name, `${name} ${missing ? 'is missing' : `is wrong: ${message}`} (${wanted})`)
  }
  return [...faults.values()]
}

function ownFaults(config: Config): string[] {
  const faults: string[] = []
  for (const name of ['JWT_EXPIRES_IN', 'JWT_REFRESH_EXPIRES_IN'] as const) {
    if (!((parseDuration(config[name]) ?? 0) >= 1000)) faults.push(`${name} is no length of time such as 2h or 7d`)
  }
  if (!isTimeZone(config.BUSINESS_TZ)) faults.push(`BUSINESS_TZ is no time zone such as Asia/Shanghai`)
  if (config.STORAGE === 's3') faults.push(...missing(config, S3_KEYS, 'STORAGE=s3 needs it'))
  faults.push(...gatewayFaults(config))
  for (const name of ['JWT_SECRET', 'ENCRYPTION_KEY'] as const) {
    if (config[`${name}_PREVIOUS`]?.toLowerCase() === config[name]?.toLowerCase() && config[name] !== undefined) {
      faults.push(`${name}_PREVIOUS is ${name}: it is for the other one, while the two change places`)
    }
  }
  if (config.MIN_POINTS_AWARD > config.MAX_POINTS_AWARD) faults.push('MIN_POINTS_AWARD is over MAX_POINTS_AWARD')
  if (config.DATABASE_URL !== undefined) {
    try {
      for (const url of hostUrls(config.DATABASE_URL)) connectionOptions(url)
    } catch (err) {
      faults.push(`DATABASE_URL is ${(err as Error).message}`)
    }
  }
  return faults
}

const S3_KEYS = ['S3_ENDPOINT', 'S3_BUCKET', 'S3_ACCESS_KEY', 'S3_SECRET_KEY'] as const
/** What any SMS gateway needs. */
const SMS_KEYS = ['SMS_ACCESS_KEY', 'SMS_SECRET_KEY', 'SMS_SIGN_NAME', 'SMS_TEMPLATE'] as const

/** A fault for each of these settings that is not set. */
function missing(config: Config, names: readonly (keyof Config)[], why: string): string[] {
  return names.filter((name) => config[name] === undefined).map((name) => `${name} is missing: ${why}`)
}

/** What the services outside need: the SMS gateway its keys, WeChat both of its, and each a line nobody listens to. */
function gatewayFaults(config: Config): string[] {
  const faults: string[] = []
  if (config.SMS_PROVIDER !== 'console') {
    const needed = config.SMS_PROVIDER === 'tencent' ? [...SMS_KEYS, 'SMS_APP_ID' as const] : SMS_KEYS
    faults.push(...missing(config, needed, `SMS_PROVIDER=${config.SMS_PROVIDER} needs it`))
  }
  if (config.WECHAT_APPID === undefined && config.WECHAT_SECRET !== undefined) {
    faults.push('WECHAT_APPID is missing: WECHAT_SECRET belongs to it')
  }
  if (config.WECHAT_APPID !== undefined && config.WECHAT_SECRET === undefined) {
    faults.push('WECHAT_SECRET is missing: WECHAT_APPID needs it')
  }
  for (const name of ['SMS_ENDPOINT', 'WECHAT_API_BASE'] as const) {
    if (goesInClear(config[name])) faults.push(`${name} must be https: secrets go there`)
  }
  return faults
}

/** Whether an address is plain http to another machine. */
function goesInClear(address: string | undefined): boolean {
  if (address === undefined || !URL.canParse(address)) return false
  const { protocol, hostname } = new URL(address)
  return protocol === 'http:' && !/^(localhost|127(\.\d+){3}|\[::1\])$/.test(hostname)
}

function productionFaults(config: Config, env: NodeJS.ProcessEnv): string[] {
  const faults: string[] = []
  if (config.DATABASE_URL === undefined) faults.push('DATABASE_URL is missing: production has no embedded database')
  const secrets = ['JWT_SECRET', 'JWT_SECRET_PREVIOUS', 'ENCRYPTION_KEY', 'ENCRYPTION_KEY_PREVIOUS'] as const
  for (const name of [...secrets, 'ALERT_WEBHOOK_URL'] as const) {
    if (PLACEHOLDERS.has(env[name] ?? '')) faults.push(`${name} is still the placeholder of .env.example`)
  }
  // With what each will need, so that one try tells all.
  if (config.STORAGE === 'local') {
    faults.push('STORAGE=local keeps photographs on one machine: set s3 and its keys')
    faults.push(...missing(config, S3_KEYS, 'production keeps photographs in S3'))
  }
  if (!config.RATE_LIMIT) faults.push('RATE_LIMIT=off is for tests: production needs its limits')
  if (config.SMS_PROVIDER === 'console') {
    faults.push('SMS_PROVIDER=console prints codes to the log: set a gateway')
    faults.push(...missing(config, SMS_KEYS, 'production sends codes by a gateway'))
  }
  return faults
}

function isTimeZone(name: string): boolean {
  try {
    new Intl.DateTimeFormat('en', { timeZone: name })
    return true
  } catch {
    return false
  }
}

/** A length of time such as `2h` in seconds; {@link loadConfig} has made sure that it is one. */
export function durationSeconds(text: string): number {
  return Math.floor((parseDuration(text) ?? 0) / 1000)
}

/** All requests of one client in 15 minutes (contract section 2). */
export function windowMax(config: Config): number {
  return config.RATE_LIMIT_WINDOW_MAX ?? (config.NODE_ENV === 'production' ? 100 : 1000)
}

/** Whether /api/docs is there. */
export function docsEnabled(config: Config): boolean {
  return config.DOCS ?? config.NODE_ENV !== 'production'
}

/** What `TRUST_PROXY` means to Fastify: for a number of hops, the addresses that near to us. */
export function trustProxy(config: Config): boolean | string | ((address: string, hop: number) => boolean) {
  const text = config.TRUST_PROXY
  if (text === 'true' || text === 'false') return text === 'true'
  return /^\d+$/.test(text) ? (_address, hop) => hop < Number(text) : text
}
