import { AsyncLocalStorage } from 'node:async_hooks'
import fp from 'fastify-plugin'

/** What one request has asked of the database so far. Times are in milliseconds. */
interface RequestUsage {
  /** Method and pattern of its route, such as `GET /api/user/info`: a text of ours. */
  readonly route: string
  /** The server's ids of the connections it used. */
  readonly connections: Set<number>
  statements: number
  /** Spent in statements. */
  databaseMs: number
  /** Spent waiting for a connection. */
  waitMs: number
}

declare module 'fastify' {
  interface FastifyRequest {
    /** Unset where the request never came past the router. */
    usage: RequestUsage | undefined
  }
}

const storage = new AsyncLocalStorage<RequestUsage>()

/** The usage of the request that the caller runs for; undefined in timers and scripts. */
export function currentUsage(): RequestUsage | undefined {
  return storage.getStore()
}

/**
 * Lets whatever runs for a request find it again, through all that is awaited. Parsing a body comes from the socket's
 * events, which know nothing of the request: so it is entered anew after that.
 */
export default fp(
  async (app) => {
    app.decorateRequest('usage', undefined)
    app.addHook('onRequest', (request, _reply, done) => {
      const { method, routeOptions } = request
      const route = `${method} ${routeOptions.url ?? ''}`
      request.usage = { route, connections: new Set(), statements: 0, databaseMs: 0, waitMs: 0 }
      storage.run(request.usage, done)
    })
    app.addHook('preValidation', (request, _reply, done) => {
      if (request.usage === undefined) done()
      else storage.run(request.usage, done)
    })
  },
  { name: 'request-usage' }
)
