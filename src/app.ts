import { randomInt, randomUUID } from 'node:crypto'
import type { Server } from 'node:http'
import type { Socket } from 'node:net'
import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox'
import Fastify, { type FastifyBaseLogger, type FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'
import { ImageJobs } from './adapters/images/images.js'
import redis from './adapters/redis/plugin.js'
import { openSms, type SmsProvider } from './adapters/sms/sms.js'
import storage from './adapters/storage/plugin.js'
import type { ObjectStorage } from './adapters/storage/storage.js'
import wechatClient from './adapters/wechat/plugin.js'
import { type Config, docsEnabled, trustProxy } from './config.js'
import admin from './domains/admin/plugin.js'
import auth from './domains/auth/plugin.js'
import voucher from './domains/counter/merchant-plugin.js'
import wechat from './domains/diagnostics/plugin.js'
import merchantExchange from './domains/exchange/merchant-plugin.js'
import exchange from './domains/exchange/plugin.js'
import merchantLottery from './domains/lottery/merchant-plugin.js'
import lottery from './domains/lottery/plugin.js'
import type { HubLimits } from './domains/realtime/limits.js'
import realtime from './domains/realtime/plugin.js'
import merchant from './domains/receipt/merchant-plugin.js'
import photo from './domains/receipt/plugin.js'
import user from './domains/user/plugin.js'
import { createLocalBus, type EventBus } from './engine/bus.js'
import database from './engine/database.js'
import context from './engine/request-usage.js'
import { createSharedBus } from './engine/shared-bus.js'
import janitor from './engine/sweeper.js'
import cache from './http/cache.js'
import docs from './http/docs.js'
import drain from './http/drain.js'
import errors, { sendRefusal, toRefusal } from './http/errors.js'
import miniProgram, { routeUrl } from './http/mini-program.js'
import overload, { type OverloadLimits } from './http/overload.js'
import rateLimit from './http/rate-limit.js'
import security from './http/security.js'
import validation from './http/validation.js'
import identity, { access } from './identity/plugin.js'
import alerts, { type AlertOptions } from './observe/alerts.js'
import health from './observe/health.js'
import metrics from './observe/metrics.js'
import scrape from './observe/scrape.js'
import { createVault, type Vault } from './shared/cipher.js'
import { failureBody, refuse } from './shared/refusal.js'

declare module 'fastify' {
  interface FastifyInstance {
    readonly config: Config
    readonly bus: EventBus
    readonly vault: Vault
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
  app.decorate('vault', createVault(config.ENCRYPTION_KEY, config.ENCRYPTION_KEY_PREVIOUS))
  app.decorate('imageJobs', new ImageJobs())
  app.decorate('sms', options.sms ?? (await openSms(config, app.log)))
  await app.register(redis)
  await app.register(
    fp(
      async (instance) => {
        const local = createLocalBus((err) => app.log.error({ err }, 'a listener failed'))
        instance.decorate('bus', instance.redis === undefined ? local : createSharedBus(local, instance.redis, app.log))
      },
      { name: 'bus', dependencies: ['redis'] }
    )
  )

  // What every request passes, in this order.
  await app.register(context)
  await app.register(metrics)
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
    ...(options.onQuery === undefined ? {} : { onQuery: options.onQuery })
  })
  await app.register(identity)
  await app.register(rateLimit)
  await app.register(access)
  await app.register(cache)
  if (docsEnabled(config)) await app.register(docs)

  await app.register(storage, options.storage === undefined ? {} : { storage: options.storage })
  await app.register(wechatClient)
  await app.register(realtime, options.realtime === undefined ? {} : { limits: options.realtime })
  await app.register(health)
  await app.register(scrape)
  await app.register(alerts, options.alerts ?? {})
  await app.register(janitor)

  await app.register(auth, { prefix: '/api/auth' })
  await app.register(user, { prefix: '/api/user' })
  await app.register(lottery, { prefix: '/api/lottery' })
  await app.register(exchange, { prefix: '/api/exchange' })
  await app.register(merchantLottery, { prefix: '/api/merchant' })
  await app.register(photo, { prefix: '/api/photo' })
  await app.register(merchant, { prefix: '/api/merchant' })
  await app.register(merchantExchange, { prefix: '/api/merchant' })
  await app.register(voucher, { prefix: '/api/merchant' })
  await app.register(admin, { prefix: '/api/admin' })
  await app.register(wechat, { prefix: '/api/wechat' })
  return app
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
