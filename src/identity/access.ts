import type { FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'
import { bearerToken } from '../shared/bearer.js'
import { refuse } from '../shared/refusal.js'
import { type Access, accessFault } from './principal.js'

declare module 'fastify' {
  interface FastifyRequest {
    /**
     * For whoever reads a form: to be called with the fields so far before a file is read, and at the end. Where the
     * route takes a token from its form and the request has none in its header, it signs the request in.
     * @throws Refusal as `authenticate` does, or RATE_LIMITED
     */
    signInByForm(fields: ReadonlyMap<string, string>): Promise<void>
  }
  interface FastifyContextConfig {
    /** Whom the route is for; a route that says nothing wants a token. */
    access?: Access
    /**
     * A field of the route's form whose token stands in for a missing Authorization header. Such a request reaches
     * its handler before anyone is signed in: `request.user` is there once the form is read.
     */
    tokenField?: string
  }
}

const isForm = ({ headers }: FastifyRequest) => /^multipart\/form-data\b/i.test(headers['content-type'] ?? '')

/**
 * The session behind a token, after the limits: every route under /api needs a valid token unless its config says
 * `access: 'public'`, so a route that forgets to say anything is closed.
 */
export default fp(
  async (app) => {
    async function admit(request: FastifyRequest, token: string | undefined): Promise<void> {
      const principal = await app.identity.authenticate(token, request.claims)
      const fault = accessFault(request.routeOptions.config.access, principal)
      if (fault !== undefined) throw refuse(fault)
      request.user = principal
    }

    app.decorateRequest('signInByForm', async () => {})
    app.addHook('onRequest', async (request, reply) => {
      const { url = '', config } = request.routeOptions
      if (!url.startsWith('/api/') || url.startsWith('/api/docs') || config.access === 'public') return
      const token = bearerToken(request)
      const { tokenField } = config
      if (token !== undefined || tokenField === undefined || !isForm(request)) return admit(request, token)
      let isSignedIn = false
      request.signInByForm = async (fields) => {
        if (isSignedIn) return
        const given = fields.get(tokenField) || undefined
        request.claims = given === undefined ? undefined : app.tokens.read(given, 'access')
        // The address was counted; now it is known whose request it is.
        if (request.claims !== undefined) await app.countRequest(request, reply)
        await admit(request, given)
        isSignedIn = true
      }
    })
  },
  { name: 'access', dependencies: ['identity', 'rate-limit'] }
)
