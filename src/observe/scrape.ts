import { createHash, timingSafeEqual } from 'node:crypto'
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from '@sinclair/typebox'
import type { FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'
import type { Config } from '../config.js'
import { bearerToken } from '../shared/bearer.js'
import { type Refusal, refuse } from '../shared/refusal.js'
import { failures } from '../shared/schemas.js'

const TEXT_FORMAT = 'text/plain; version=0.0.4; charset=utf-8'
const LOOPBACK = /^(?:::1|(?:::ffff:)?127(?:\.\d{1,3}){3})$/
/** What a proxy adds: with any of these the peer is not who asks. */
const FORWARDING = ['forwarded', 'x-forwarded-for', 'x-forwarded-host', 'x-real-ip', 'via'] as const

/**
 * Whether a request may read the metrics (contract section 11): with METRICS_TOKEN, or from this very machine. Behind
 * a proxy every peer is this machine, so where TRUST_PROXY is set or a request was forwarded, the token alone counts.
 * @returns the refusal, or undefined
 */
function refusalToScrape(request: FastifyRequest, config: Config): Refusal | undefined {
  if (request.headers.authorization !== undefined) {
    const { METRICS_TOKEN } = config
    const given = bearerToken(request) ?? ''
    return METRICS_TOKEN !== undefined && same(given, METRICS_TOKEN) ? undefined : refuse('FORBIDDEN')
  }
  const forwarded = config.TRUST_PROXY !== 'false' || FORWARDING.some((name) => request.headers[name] !== undefined)
  const local = LOOPBACK.test(request.raw.socket.remoteAddress ?? '')
  return local && !forwarded ? undefined : refuse('TOKEN_MISSING')
}

/** In a time that does not tell where they differ, or that their lengths do. */
function same(a: string, b: string): boolean {
  const digest = (text: string) => createHash('sha256').update(text).digest()
  return timingSafeEqual(digest(a), digest(b))
}

const example = `# HELP lottery_draws_total Requests to draw that were done
# TYPE lottery_draws_total counter
lottery_draws_total{draw_type="single",worker="0"} 42
`

/** GET /metrics. */
const scrape: FastifyPluginAsyncTypebox = async (app) => {
  app.get(
    '/metrics',
    {
      logLevel: 'warn',
      config: { disableMetrics: true, vital: true },
      schema: {
        tags: ['operations'],
        summary: 'Counters for Prometheus, to this machine or with METRICS_TOKEN',
        response: {
          200: { content: { 'text/plain': { schema: Type.String(), example } } },
          ...failures('TOKEN_MISSING', 'FORBIDDEN')
        }
      },
      onRequest: async (request) => {
        const refusal = refusalToScrape(request, app.config)
        if (refusal !== undefined) throw refusal
      }
    },
    async (_request, reply) => reply.type(TEXT_FORMAT).send(await app.meters.text())
  )
}

export default fp(scrape, { name: 'scrape', dependencies: ['metrics'] })
