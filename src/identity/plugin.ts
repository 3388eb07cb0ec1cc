import fp from 'fastify-plugin'
import { bearerToken } from '../shared/bearer.js'
import { refuse } from '../shared/refusal.js'
import type { Principal } from './principal.js'
import { readSessionStates, SessionCache, type SessionState } from './session-states.js'
import type { Claims } from './tokens.js'

declare module 'fastify' {
  interface FastifyInstance {
    readonly identity: {
      /**
       * @param claims of that token, when its signature was checked before
       * @throws Refusal TOKEN_MISSING, TOKEN_INVALID or ACCOUNT_DISABLED
       */
      authenticate(token: string | undefined, claims?: Claims): Promise<Principal>
      /** The states of sessions as the database has them now; those there are none of are left out. */
      statesOf(sids: readonly string[]): Promise<ReadonlyMap<string, SessionState>>
    }
  }
  interface FastifyRequest {
    /** From the Bearer token, its signature checked but its session not yet. */
    claims: Claims | undefined
  }
}

/** `app.identity`: who a token is of. */
export default fp(
  async (app) => {
    const sessions = new SessionCache(app.db, app.clock)
    app.bus.subscribe((event) => {
      if (event.kind === 'session_revoked') sessions.forgetSession(event.sid)
      if (event.kind === 'user_changed') sessions.forgetUser(event.userId)
    })
    // What others published while Redis was away was missed: nothing is believed that was known before.
    app.redis?.onReturn(() => sessions.forgetAll())

    async function admit(claims: Claims | undefined): Promise<Principal> {
      const state = claims && (await sessions.get(claims.sid))
      if (!claims || !state?.isValid || state.userId !== claims.user_id) throw refuse('TOKEN_INVALID')
      if (state.isDisabled) throw refuse('ACCOUNT_DISABLED')
      const { userId, isMerchant, role } = state
      return { userId, isMerchant, role, sid: claims.sid, expiresAt: claims.exp }
    }

    app.decorate('identity', {
      async authenticate(token, claims) {
        if (token === undefined) throw refuse('TOKEN_MISSING')
        return admit(claims ?? app.tokens.read(token, 'access'))
      },
      statesOf: (sids) => readSessionStates(app.db, sids, app.clock())
    })

    app.decorateRequest('claims', undefined)
    // First the signature alone, so that limits can be kept per user without asking the database; access.ts goes on.
    app.addHook('onRequest', (request, _reply, done) => {
      const token = bearerToken(request)
      request.claims = token === undefined ? undefined : app.tokens.read(token, 'access')
      done()
    })
  },
  { name: 'identity', dependencies: ['database', 'tokens', 'redis'] }
)
