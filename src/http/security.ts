import cors from '@fastify/cors'
import helmet from '@fastify/helmet'
import fp from 'fastify-plugin'

/**
 * Headers of contract section 2. Outside production every origin may call; there are no cookies, so never with
 * credentials.
 */
export default fp(
  async (app) => {
    await app.register(helmet, {
      contentSecurityPolicy: false,
      crossOriginResourcePolicy: { policy: 'cross-origin' },
      frameguard: { action: 'deny' }
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
