import { createHash } from 'node:crypto'
import fp from 'fastify-plugin'
import { isUnderApi } from './under-api.js'

declare module 'fastify' {
  interface FastifyReply {
    /** The ETag of what is sent, where it was made with it. */
    madeTag: string | undefined
  }
  interface FastifyContextConfig {
    /**
     * How long a mini-program may keep the answers of this GET (contract section 9). `private` are those that tell of
     * their user. What says nothing is not to be kept at all.
     */
    cache?: { readonly seconds: number; readonly scope: 'private' | 'public' }
  }
}

/** Of the bytes that are sent: whatever in them changes, changes it. */
export function tagOf(payload: string | Buffer): string {
  return `"${createHash('sha256').update(payload).digest('base64url').slice(0, 27)}"`
}

/** Whether an If-None-Match names a tag. A proxy that compresses makes our tags weak: that does not matter here. */
function names(ifNoneMatch: string | undefined, tag: string): boolean {
  if (ifNoneMatch === undefined) return false
  return ifNoneMatch.split(',').some((item) => ['*', tag].includes(item.trim().replace(/^W\//, '')))
}

/**
 * Cache-Control and ETag. HTTP caches are told `no-cache` beside the seconds: they may keep an answer, and have to ask
 * whether it still holds before they show it, so that nobody sees yesterday's balance; that question costs a 304
 * without a body. (@fastify/etag would tag, and turn into 304, every answer: draws and failures too.)
 */
export default fp(
  async (app) => {
    app.decorateReply('madeTag', undefined)
    app.addHook('onSend', (request, reply, payload, done) => {
      const { cache } = request.routeOptions.config ?? {}
      // A mini-program is told of a failure under 200 too.
      if (cache === undefined || reply.statusCode !== 200 || request.refused !== undefined) {
        // What a handler had promised of its answer does not hold for a failure.
        const isOwn = request.refused === undefined && reply.hasHeader('cache-control')
        if (isUnderApi(request) && !isOwn) reply.header('cache-control', 'no-store')
        return done(null, payload)
      }
      reply.header('cache-control', `${cache.scope}, no-cache, max-age=${cache.seconds}`)
      // One phone, two diners: a kept answer is of the token it was asked with.
      if (cache.scope === 'private') {
        const vary = reply.getHeader('vary')
        reply.header('vary', vary === undefined ? 'Authorization' : `${vary}, Authorization`)
      }
      if (typeof payload !== 'string' && !Buffer.isBuffer(payload)) return done(null, payload)
      const tag = reply.madeTag ?? tagOf(payload)
      reply.header('etag', tag)
      if (!names(request.headers['if-none-match'], tag)) return done(null, payload)
      reply.code(304).removeHeader('content-type').removeHeader('content-length')
      done(null, null)
    })
  },
  { name: 'cache', dependencies: ['errors'] }
)
