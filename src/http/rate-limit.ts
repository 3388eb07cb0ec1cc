import rateLimit, { normalizeIP } from '@fastify/rate-limit'
import type { FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'
import { sharedLimitStore } from '../adapters/redis/limits.js'
import { windowMax } from '../config.js'
import { refuse } from '../shared/refusal.js'
import { isUnderApi } from './under-api.js'

declare module 'fastify' {
  interface FastifyInstance {
    /**
     * Counts a request of whoever its claims name, else of its address. Done once for every request; again for one
     * whose user is known only later.
     * @throws Refusal RATE_LIMITED
     */
    readonly countRequest: (request: FastifyRequest, reply: FastifyReply) => Promise<void>
  }
  interface FastifyContextConfig {
    /** Which limit a minute applies; `general` where nothing is said. */
    limit?: 'general' | 'login' | 'sendCode' | 'draw' | 'socket' | 'publicLog'
  }
}

/** Kinds that the limit of 15 minutes does not count: sockets, and a log that an audit reads from end to end. */
const OWN_ALONE: ReadonlySet<string> = new Set(['socket', 'publicLog'])
const MINUTE_MS = 60_000
const WINDOW_MS = 15 * MINUTE_MS
const MAX_CLIENTS = 100_000

/** A user where there is one, else the address: an IPv6 client is its /64. */
function clientOf(request: FastifyRequest): string {
  return request.claims === undefined ? `ip:${normalizeIP(request.ip)}` : `user:${request.claims.user_id}`
}

/**
 * The limits of contract section 2: one a minute by kind of route, and one over 15 minutes for everything. With Redis
 * they hold for all instances together, and for each by itself while it is away.
 */
export default fp(
  async (app) => {
    const { config, redis } = app
    const store = redis === undefined ? { cache: MAX_CLIENTS } : { store: sharedLimitStore(redis, MAX_CLIENTS) }
    await app.register(rateLimit, { global: false, ...store })
    if (!config.RATE_LIMIT) {
      app.decorate('countRequest', async () => {})
      return
    }

    const limiter = (name: string, max: number, timeWindow: number) =>
      app.createRateLimit({ max, timeWindow, keyGenerator: (request) => `${name}:${clientOf(request)}` })
    const whole = limiter('window', windowMax(config), WINDOW_MS)
    const perMinute = {
      general: limiter('general', config.RATE_LIMIT_GENERAL, MINUTE_MS),
      login: limiter('login', config.RATE_LIMIT_LOGIN, MINUTE_MS),
      sendCode: limiter('sendCode', config.RATE_LIMIT_SEND_CODE, MINUTE_MS),
      draw: limiter('draw', config.RATE_LIMIT_DRAW, MINUTE_MS),
      socket: limiter('socket', config.RATE_LIMIT_SOCKET, MINUTE_MS),
      publicLog: limiter('publicLog', config.RATE_LIMIT_PUBLIC_LOG, MINUTE_MS)
    }

    app.decorate('countRequest', async (request, reply) => {
      const kind = request.routeOptions.config?.limit ?? 'general'
      for (const limit of OWN_ALONE.has(kind) ? [perMinute[kind]] : [perMinute[kind], whole]) {
        const result = await limit(request)
        if (result.isAllowed) continue
        if (result.isExceeded) throw refuse('RATE_LIMITED', undefined, result.ttlInSeconds)
        if (limit !== whole) {
          reply.header('x-ratelimit-limit', result.max)
          reply.header('x-ratelimit-remaining', result.remaining)
          reply.header('x-ratelimit-reset', result.ttlInSeconds)
        }
      }
    })
    app.addHook('onRequest', async (request, reply) => {
      if (isUnderApi(request)) await app.countRequest(request, reply)
    })
  },
  { name: 'rate-limit', dependencies: ['identity', 'redis'] }
)
