import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import type { FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'
import { publicOrigin } from '../../shared/origin.js'
import { failures, ok, success } from '../../shared/schemas.js'
import { examples } from './examples.js'
import { domainsOf, errorsOf, problemsOf } from './rules.js'
import { Diagnostics } from './schemas.js'

const diagnostics: FastifyPluginAsyncTypebox = async (app) => {
  const { config, hub, storage } = app

  /** As a client sees them: the storage itself says where an object would be. */
  function reachOf(request: FastifyRequest) {
    const origin = publicOrigin(request, config)
    // A Host header may be anything.
    const service = URL.canParse(origin) ? origin : 'http://localhost'
    return { service, files: storage.url('photos/0.jpg', service) }
  }

  app.get(
    '/diagnostics',
    {
      config: { access: 'public' },
      schema: {
        tags: ['wechat'],
        summary: 'What a mini-program has to register, and what WeChat’s error numbers mean',
        response: { 200: ok(Diagnostics, examples.diagnostics), ...failures() }
      }
    },
    async (request) => {
      const reach = reachOf(request)
      const https = request.protocol === 'https'
      const domains = domainsOf(reach)
      const { maxConnections, maxPerUser, maxFrameBytes, pingEveryMs, silenceMs } = hub.limits
      return success({
        domains,
        https,
        problems: problemsOf(reach, https),
        server_time: app.clock(),
        websocket: {
          url: `${domains.socket[0]}/ws`,
          // How many there are is nobody's business.
          status: hub.size < maxConnections ? ('open' as const) : ('full' as const),
          max_connections: maxConnections,
          max_per_user: maxPerUser,
          max_frame_bytes: maxFrameBytes,
          ping_seconds: pingEveryMs / 1000,
          silence_seconds: silenceMs / 1000
        },
        errors: errorsOf(domains)
      })
    }
  )
}

export default fp(diagnostics, { name: 'diagnostics', dependencies: ['realtime', 'storage'], encapsulate: true })
