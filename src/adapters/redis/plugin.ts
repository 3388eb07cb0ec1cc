import fp from 'fastify-plugin'
import { RedisLink } from './link.js'

declare module 'fastify' {
  interface FastifyInstance {
    /** What several instances share besides the database; undefined where `REDIS_URL` is unset. */
    readonly redis: RedisLink | undefined
  }
}

/** Connects where `REDIS_URL` says so; a Redis that is gone, now or later, stops nothing (contract section 10). */
export default fp(
  async (app) => {
    const { REDIS_URL: url } = app.config
    // All instances of a deployment have this key, and no other has it.
    const namespace = app.cipher.hmac('redis', 'namespace').slice(0, 16)
    const link = url === undefined ? undefined : await RedisLink.open({ url, namespace, log: app.log })
    app.decorate('redis', link)
    app.addHook('onClose', async () => link?.close())
  },
  { name: 'redis' }
)
