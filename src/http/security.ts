import cors from '@fastify/cors'
import helmet from '@fastify/helmet'
import Fastify from 'fastify'
import fp from 'fastify-plugin'

/**
 * The headers that helmet sets. They are the same for each answer, so helmet is asked once, by a service that has
 * nothing else, not even a route: asked for every request, it took a tenth of the time of a short one.
 */
async function helmetHeaders(): Promise<Record<string, string>> {
  const bare = Fastify()
  const without = (await bare.inject('/')).headers
  const probe = Fastify()
  await probe.register(helmet, {
    contentSecurityPolicy: false,
    crossOriginResourcePolicy: { policy: 'cross-origin' },
    frameguard: { action: 'deny' }
  })
  const { headers } = await probe.inject('/')
  await Promise.all([bare.close(), probe.close()])
  return Object.fromEntries(
    Object.entries(headers).flatMap(([name, value]) => (name in without ? [] : [[name, String(value)]]))
  )
}

/**
 * Headers of contract section 2. Outside production every origin may call; there are no cookies, so never with
 * credentials.
 */
export default fp(
  async (app) => {
    const headers = await helmetHeaders()
    app.addHook('onRequest', (_request, reply, done) => {
      reply.headers(headers)
      done()
    })
    const origins = app.config.CORS_ORIGINS.split(',').map((origin) => origin.trim())
    await app.register(cors, {
      origin: app.config.NODE_ENV === 'production' ? origins.filter((origin) => origin !== '') : '*',
      credentials: false,
      methods: ['GET', 'POST', 'PUT', 'DELETE', 'OPTIONS'],
      allowedHeaders: [
        'Content-Type',
        'Authorization',
        'X-Requested-With',
        'X-Request-Id',
        'Idempotency-Key',
        'If-None-Match'
      ],
      exposedHeaders: ['ETag', 'X-Request-Id', 'Idempotent-Replayed', 'Retry-After'],
      maxAge: 600
    })
  },
  { name: 'security' }
)
