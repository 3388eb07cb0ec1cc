import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { durationSeconds } from '../../config.js'
import type { TokenSubject } from '../../identity/tokens.js'
import { publicOrigin } from '../../shared/origin.js'
import { Refusal, refuse } from '../../shared/refusal.js'
import { failures, ok, success } from '../../shared/schemas.js'
import { toUserInfo } from '../user/schemas.js'
import { enterAsAdmin } from './admin-login.js'
import { examples } from './examples.js'
import { renewSession } from './renew.js'
import { ConsoleEntry, ConsoleLogin, ConsoleLoginBody } from './schemas.js'
import { enterBySms } from './sms-login.js'

/** The refresh token of a browser lies where no script can read it, and goes to the two routes and to logout alone. */
const COOKIE = 'console_refresh'
const PATH = '/api/auth'

/** Has a browser drop the cookie, where it has one. */
export function forgetCookie(reply: FastifyReply): void {
  if (reply.request.cookies[COOKIE] !== undefined) reply.clearCookie(COOKIE, { path: PATH })
}

/**
 * Refuses what another site's page sends. The cookie is `SameSite=Strict`, so it would not even come along; this holds
 * where a browser does not know of that, and for a login, which would sign somebody in as somebody else.
 * @throws Refusal FORBIDDEN
 */
function assertOwnPage(request: FastifyRequest): void {
  const { origin, 'sec-fetch-site': site } = request.headers
  const isOwn = origin === undefined || origin === publicOrigin(request, request.server.config)
  if (!isOwn || (site !== undefined && site !== 'same-origin' && site !== 'none')) throw refuse('FORBIDDEN')
}

/** Puts the refresh token into the cookie, and answers with the rest. */
function withCookie(request: FastifyRequest, reply: FastifyReply, subject: TokenSubject) {
  const { config, tokens } = request.server
  const { refresh_token, ...rest } = tokens.mint(subject)
  reply.setCookie(COOKIE, refresh_token, {
    path: PATH,
    httpOnly: true,
    sameSite: 'strict',
    secure: config.NODE_ENV === 'production' || request.protocol === 'https',
    maxAge: durationSeconds(config.JWT_REFRESH_EXPIRES_IN)
  })
  return rest
}

const LOGIN = [
  'MOBILE_INVALID',
  'CODE_INVALID',
  'VALIDATION_FAILED',
  'ADMIN_LOGIN_FAILED',
  'ADMIN_LOCKED',
  'ACCOUNT_DISABLED',
  'MERCHANT_REQUIRED',
  'FORBIDDEN'
] as const
const REFRESH = ['TOKEN_MISSING', 'TOKEN_INVALID', 'ACCOUNT_DISABLED', 'FORBIDDEN'] as const

/** The way in for browsers behind the counter: merchants by mobile and code, admins by name and password. */
export const consoleLogin: FastifyPluginAsyncTypebox = async (app) => {
  /** @throws Refusal MERCHANT_REQUIRED: the console makes no accounts, and has nothing for a diner */
  const assertMerchant = async (mobile: string) => {
    const user = await app.db.user.findUnique({ where: { mobile }, select: { isMerchant: true } })
    if (user?.isMerchant !== true) throw refuse('MERCHANT_REQUIRED')
  }

  app.post(
    '/console-login',
    {
      config: { access: 'public', limit: 'login' },
      schema: {
        tags: ['auth'],
        summary: 'Log in to the console, as a merchant or an admin',
        description:
          'By mobile and code, or by name and password. The refresh token comes as a cookie that no script can read; ' +
          'pages of other sites are refused.',
        body: ConsoleLoginBody,
        response: {
          200: ok(ConsoleLogin, examples.consoleLogin),
          ...failures(...LOGIN)
        }
      }
    },
    async (request, reply) => {
      assertOwnPage(request)
      const { mobile, code, username, password } = request.body
      if (username !== undefined && password !== undefined) {
        const { user, subject, admin } = await enterAsAdmin(request, { username, password })
        return success({
          ...withCookie(request, reply, subject),
          user_info: toUserInfo(user),
          admin_info: admin
        })
      }
      if (mobile === undefined || code === undefined) {
        throw refuse('VALIDATION_FAILED', [
          { field: 'mobile', message: 'mobile and code are needed, or username and password' }
        ])
      }
      const { user, subject } = await enterBySms(request, { mobile, code }, () => assertMerchant(mobile))
      return success({ ...withCookie(request, reply, subject), user_info: toUserInfo(user), admin_info: null })
    }
  )
}

/** And on: the next access token, by the cookie. */
export const consoleRefresh: FastifyPluginAsyncTypebox = async (app) => {
  app.post(
    '/console-refresh',
    {
      config: { access: 'public' },
      schema: {
        tags: ['auth'],
        summary: 'The next access token of the console, by its cookie',
        response: { 200: ok(ConsoleEntry, examples.consoleEntry), ...failures(...REFRESH) }
      }
    },
    async (request, reply) => {
      assertOwnPage(request)
      const token = request.cookies[COOKIE]
      if (token === undefined || token === '') throw refuse('TOKEN_MISSING')
      try {
        return success(withCookie(request, reply, await renewSession(app, token)))
      } catch (err) {
        if (err instanceof Refusal) forgetCookie(reply)
        throw err
      }
    }
  )
}
