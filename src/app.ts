import { randomInt, randomUUID } from 'node:crypto'
import type { Server } from 'node:http'
import type { Socket } from 'node:net'
import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox'
import Fastify, { type FastifyBaseLogger, type FastifyInstance } from 'fastify'
import { ImageJobs } from './adapters/images/images.js'
import redis from './adapters/redis/plugin.js'
import type { SmsProvider } from './adapters/sms/gateway.js'
import { openSms } from './adapters/sms/sms.js'
import storage from './adapters/storage/plugin.js'
import type { ObjectStorage } from './adapters/storage/storage.js'
import wechatClient from './adapters/wechat/plugin.js'
import { type Config, docsEnabled, trustProxy } from './config.js'
import adminAudit from './domains/audit/admin-plugin.js'
import adminLogins from './domains/auth/admin-plugin.js'
import auth from './domains/auth/plugin.js'
import counter from './domains/counter/merchant-plugin.js'
import diagnostics from './domains/diagnostics/plugin.js'
import merchantExchange from './domains/exchange/merchant-plugin.js'
import exchange from './domains/exchange/plugin.js'
import brake from './domains/lottery/brake-plugin.js'
import fairPage from './domains/lottery/fairness/page-plugin.js'
import publicFairness from './domains/lottery/fairness/public-plugin.js'
import merchantLottery from './domains/lottery/merchant-plugin.js'
import lottery from './domains/lottery/plugin.js'
import adminMerchants from './domains/merchant/admin-plugin.js'
import merchant from './domains/merchant/plugin.js'
import adminPoints from './domains/points/admin-plugin.js'
import points from './domains/points/plugin.js'
import type { HubLimits } from './domains/realtime/limits.js'
import realtime from './domains/realtime/plugin.js'
import adminReceipts from './domains/receipt/admin-plugin.js'
import merchantAppeals from './domains/receipt/appeals/merchant-plugin.js'
import appeals from './domains/receipt/appeals/plugin.js'
import comparer from './domains/receipt/evidence/comparer.js'
import merchantEvidence from './domains/receipt/evidence/merchant-plugin.js'
import merchantReceipts from './domains/receipt/merchant-plugin.js'
import receipt from './domains/receipt/plugin.js'
import adminUsers from './domains/user/admin-plugin.js'
import user from './domains/user/plugin.js'
import voucher from './domains/voucher/plugin.js'
import { createLocalBus, type EventBus } from './engine/bus.js'
import database from './engine/database.js'
import requestUsage from './engine/request-usage.js'
import { createSharedBus } from './engine/shared-bus.js'
import sweeper from './engine/sweeper.js'
import cache from './http/cache.js'
import consolePages from './http/console.js'
import docs from './http/docs.js'
import drain from './http/drain.js'
import errors, { sendRefusal, toRefusal } from './http/errors.js'
import frontDoor from './http/front-door.js'
import miniProgram, { routeUrl } from './http/mini-program.js'
import overload, { type OverloadLimits } from './http/overload.js'
import rateLimit from './http/rate-limit.js'
import security from './http/security.js'
import validation from './http/validation.js'
import access from './identity/access.js'
import identity from './identity/plugin.js'
import tokens from './identity/tokens.js'
import alerts, { type AlertOptions } from './observe/alerts.js'
import health from './observe/health.js'
import metrics from './observe/metrics.js'
import scrape from './observe/scrape.js'
import { COUNTERS, logSource, PUSHES, SWEEPS } from './registry.js'
import { type Cipher, createCipher } from './shared/cipher.js'
import { failureBody, refuse } from './shared/refusal.js'
import sequencer from './transparency/sequencer.js'

declare module 'fastify' {
  interface FastifyInstance {
    readonly config: Config
    readonly bus: EventBus
    readonly cipher: Cipher
    readonly sms: SmsProvider
    /** All image work of this process, whichever route asks for it. */
    readonly imageJobs: ImageJobs
    readonly clock: () => Date
    /** An integer from 0 to below its argument, from the operating system's randomness. */
    readonly randomInt: (below: number) => number
  }
}

/** What the service is made of. Only what is outside of it, or random, can be replaced. */
export interface AppOptions {
  readonly config: Config & { DATABASE_URL: string }
  readonly logger?: FastifyBaseLogger
  readonly clock?: () => Date
  readonly randomInt?: (below: number) => number
  readonly sms?: SmsProvider
  readonly storage?: ObjectStorage
  readonly realtime?: Partial<HubLimits>
  readonly overload?: Partial<OverloadLimits>
  readonly alerts?: Partial<AlertOptions>
  readonly publicLog?: { readonly everyMs: number }
  readonly evidence?: { readonly everyMs: number }
  /** Sees every statement sent to the database. */
  readonly onQuery?: (sql: string) => void
}

const REQUEST_TIMEOUT_MS = 30_000
const REQUEST_ID = /^[\w.-]{1,64}$/

/** The service, for production and tests alike. It is ready to listen after `await app.ready()`. */
export async function buildApp(options: AppOptions): Promise<FastifyInstance> {
  const { config } = options
  const app = Fastify<Server>({
    ...(options.logger === undefined ? { logger: false } : { loggerInstance: options.logger }),
    bodyLimit: config.BODY_LIMIT,
    requestTimeout: REQUEST_TIMEOUT_MS,
    trustProxy: trustProxy(config),
    // What still comes in on an open connection while the service stops is answered, and is the last on it.
    return503OnClosing: false,
    genReqId: (request) => {
      const given = request.headers['x-request-id']
      return typeof given === 'string' && REQUEST_ID.test(given) ? given : randomUUID()
    },
    rewriteUrl: routeUrl,
    routerOptions: { ignoreTrailingSlash: true, maxParamLength: 200 },
    // A path that cannot even be decoded never reaches a route, or its error handler.
    frameworkErrors: (err, request, reply) => sendRefusal(toRefusal(err), request, reply),
    clientErrorHandler: refuseConnection
  }).withTypeProvider<TypeBoxTypeProvider>()

  app.decorate('config', config)
  app.decorate('clock', options.clock ?? (() => new Date()))
  app.decorate('randomInt', options.randomInt ?? ((below: number) => randomInt(below)))
  app.decorate('cipher', createCipher(config.ENCRYPTION_KEY, config.ENCRYPTION_KEY_PREVIOUS))
  app.decorate('imageJobs', new ImageJobs())
  app.decorate('sms', options.sms ?? (await openSms(config, app.log)))
  await app.register(redis)
  app.decorate('bus', openBus(app))

  await registerRequestPath(app, options)
  await app.register(storage, options.storage === undefined ? {} : { storage: options.storage })
  await app.register(consolePages)
  await app.register(wechatClient)
  await app.register(realtime, { pushes: PUSHES, ...(options.realtime && { limits: options.realtime }) })
  await app.register(health)
  await app.register(scrape)
  await app.register(alerts, options.alerts ?? {})
  await app.register(sweeper, { sweeps: SWEEPS, observer: app.meters })
  await app.register(sequencer, { source: logSource(app.cipher), ...options.publicLog })
  await app.register(comparer, options.evidence ?? {})
  await registerDomains(app)
  return app
}

/** The bus of this process, or of all instances where they share a Redis. */
function openBus({ log, redis }: FastifyInstance): EventBus {
  const local = createLocalBus((err) => log.error({ err }, 'a listener failed'))
  if (redis === undefined) return local
  return createSharedBus(local, redis, {
    isPushType: (name) => PUSHES.some((push) => push.name === name),
    onForeign: () => log.warn('an event on Redis that is none of ours was dropped')
  })
}

/** What every request passes, in this order. */
async function registerRequestPath(app: FastifyInstance, options: AppOptions): Promise<void> {
  const { config } = options
  await app.register(requestUsage)
  await app.register(metrics, { counters: COUNTERS })
  await app.register(errors)
  await app.register(drain)
  await app.register(security)
  await app.register(overload, options.overload ?? {})
  await app.register(validation)
  await app.register(miniProgram)
  await app.register(database, {
    url: config.DATABASE_URL,
    poolSize: config.DB_POOL,
    comments: config.SQL_COMMENTS,
    observer: app.meters,
    bus: app.bus,
    cipher: app.cipher,
    clock: app.clock,
    ...(options.onQuery === undefined ? {} : { onQuery: options.onQuery })
  })
  await app.register(tokens)
  await app.register(identity)
  await app.register(rateLimit)
  await app.register(access)
  await app.register(cache)
  if (docsEnabled(config)) await app.register(docs)
  await app.register(frontDoor)
}

/** The routes: each domain's own, by whom they are for. */
async function registerDomains(app: FastifyInstance): Promise<void> {
  await app.register(auth, { prefix: '/api/auth' })
  for (const plugin of [user, points, voucher, brake]) await app.register(plugin, { prefix: '/api/user' })
  await app.register(lottery, { prefix: '/api/lottery' })
  await app.register(publicFairness, { prefix: '/api/fairness' })
  await app.register(fairPage)
  await app.register(exchange, { prefix: '/api/exchange' })
  for (const plugin of [receipt, appeals]) await app.register(plugin, { prefix: '/api/photo' })
  for (const plugin of [
    merchant,
    merchantLottery,
    merchantReceipts,
    merchantEvidence,
    merchantAppeals,
    merchantExchange,
    counter
  ]) {
    await app.register(plugin, { prefix: '/api/merchant' })
  }
  for (const plugin of [adminMerchants, adminUsers, adminPoints, adminReceipts, adminAudit, adminLogins]) {
    await app.register(plugin, { prefix: '/api/admin' })
  }
  await app.register(diagnostics, { prefix: '/api/wechat' })
}

/** A request that is no HTTP is answered in the same shape; there is no route, no reply, only a socket. */
function refuseConnection(err: NodeJS.ErrnoException, socket: Socket): void {
  if (err.code === 'ECONNRESET' || !socket.writable) {
    socket.destroy()
    return
  }
  const body = JSON.stringify(failureBody(refuse('BODY_MALFORMED'), randomUUID()))
  socket.end(
    `HTTP/1.1 400 Bad Request\r\nContent-Type: application/json; charset=utf-8\r\n` +
      `Content-Length: ${Buffer.byteLength(body)}\r\nConnection: close\r\n\r\n${body}`
  )
}
