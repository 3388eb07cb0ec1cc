import cookie from '@fastify/cookie'
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from '@sinclair/typebox'
import fp from 'fastify-plugin'
import { revokeSession } from '../../identity/sessions.js'
import { bearerToken } from '../../shared/bearer.js'
import { Refusal, refuse } from '../../shared/refusal.js'
import { AUTH_FAILURES, failures, ok, success } from '../../shared/schemas.js'
import { toUserInfo } from '../user/schemas.js'
import { adminLogin } from './admin-login.js'
import { consoleLogin, consoleRefresh, forgetCookie } from './console-login.js'
import { examples } from './examples.js'
import { renewSession } from './renew.js'
import { RefreshBody, TokenCheck, Tokens } from './schemas.js'
import { smsLogin } from './sms-login.js'
import { wechatLogin } from './wechat-login.js'

const TAGS = ['auth']

/** The ways to log in, and what becomes of a session after. */
const auth: FastifyPluginAsyncTypebox = async (app) => {
  await app.register(cookie)
  for (const way of [smsLogin, wechatLogin, adminLogin, consoleLogin, consoleRefresh]) await app.register(way)

  app.post(
    '/refresh',
    {
      config: { access: 'public' },
      schema: {
        tags: TAGS,
        summary: 'Exchange a refresh token for a new pair',
        description:
          'The token is replaced. Used again within 10 s it gets the same successor; later, or an older one, ' +
          'ends the session.',
        body: RefreshBody,
        response: { 200: ok(Tokens, examples.tokens), ...failures('VALIDATION_FAILED', ...AUTH_FAILURES) }
      }
    },
    async (request) => {
      const token = request.body.refresh_token ?? bearerToken(request)
      if (token === undefined || token === '') throw refuse('TOKEN_MISSING')
      return success(app.tokens.mint(await renewSession(app, token)))
    }
  )

  app.get(
    '/verify-token',
    {
      config: { access: 'public' },
      schema: {
        tags: TAGS,
        summary: 'Whether the Bearer token holds; no token is answered too',
        response: { 200: ok(TokenCheck, examples.tokenCheck), ...failures() }
      }
    },
    async (request) => {
      const signedIn = await app.identity.authenticate(bearerToken(request)).catch((err: unknown) => {
        if (err instanceof Refusal && err.entry.status < 500) return undefined
        throw err
      })
      const user = signedIn && (await app.db.user.findUnique({ where: { userId: signedIn.userId } }))
      return success(user ? { valid: true, user_info: toUserInfo(user) } : { valid: false })
    }
  )

  app.post(
    '/logout',
    {
      schema: {
        tags: TAGS,
        summary: 'End this session, its tokens and its sockets',
        response: { 200: ok(Type.Null(), null), ...failures(...AUTH_FAILURES) }
      }
    },
    async ({ user: { sid } }, reply) => {
      await app.tx((uow) => revokeSession(uow, sid))
      forgetCookie(reply)
      return success(null)
    }
  )
}

export default fp(auth, {
  name: 'auth',
  dependencies: ['database', 'identity', 'rate-limit', 'wechat-client'],
  encapsulate: true
})
