import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from '@sinclair/typebox'
import type { FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'
import { durationSeconds } from '../../config.js'
import { isDuplicate } from '../../engine/database-errors.js'
import { bearerToken } from '../../identity/plugin.js'
import { Refusal, refuse } from '../../shared/refusal.js'
import { AUTH_FAILURES, failures, ok, success } from '../../shared/schemas.js'
import { toUserInfo } from '../user/schemas.js'
import { dropCode, keepCode, tryCode } from './codes.js'
import { examples } from './examples.js'
import { CODE_TTL_SECONDS, newCode } from './rules.js'
import {
  AdminLogin,
  AdminLoginBody,
  Login,
  LoginBody,
  RefreshBody,
  SendCodeBody,
  SentCode,
  TokenCheck,
  Tokens,
  WechatLoginBody
} from './schemas.js'
import { bookAdminAttempt, logAttempt, login, loginAdmin, passwordMatches, refresh, revokeSession } from './service.js'
import { identify, loginWechat } from './wechat-login.js'

const TAGS = ['auth']

const originOf = (request: FastifyRequest) => ({ ip: request.ip, userAgent: request.headers['user-agent'] ?? '' })

const auth: FastifyPluginAsyncTypebox = async (app) => {
  const { config, vault } = app
  const refreshSeconds = durationSeconds(config.JWT_REFRESH_EXPIRES_IN)

  /** Runs an attempt to log in, and writes it down whichever way it ends. */
  async function logged<T extends { user: { userId: number } }>(
    request: FastifyRequest,
    method: 'sms' | 'wechat' | 'admin',
    accountAtFirst: string,
    attempt: (told: (account: string) => void) => Promise<T>
  ): Promise<T> {
    let account = accountAtFirst
    const note = (more: { userId?: number; error?: string }) =>
      logAttempt(app.db, originOf(request), { method, account, now: app.clock(), ...more })
    try {
      const result = await attempt((name) => {
        account = name
      })
      await note({ userId: result.user.userId })
      return result
    } catch (err) {
      await note({ error: err instanceof Refusal ? err.error : 'INTERNAL' })
      throw err
    }
  }

  app.post(
    '/send-code',
    {
      config: { access: 'public', limit: 'sendCode' },
      schema: {
        tags: TAGS,
        summary: 'Send a verification code to a mobile',
        body: SendCodeBody,
        response: {
          200: ok(SentCode, examples.sentCode),
          ...failures('MOBILE_INVALID', 'VALIDATION_FAILED', 'SMS_UNAVAILABLE')
        }
      }
    },
    async ({ body: { mobile }, log }) => {
      const code = newCode(app.randomInt)
      const { BUSINESS_TZ: timeZone, RATE_LIMIT: limited } = config
      await app.tx((tx) => keepCode(tx, vault, { mobile, code, now: app.clock(), timeZone, limited }))
      try {
        await app.sms.sendCode(mobile, code)
      } catch (err) {
        await dropCode(app.db, vault, mobile, code, app.clock())
        if (err instanceof Refusal) throw err
        log.error({ err }, 'the SMS gateway failed')
        throw refuse('SMS_UNAVAILABLE')
      }
      return success({
        expires_in: CODE_TTL_SECONDS,
        ...(config.NODE_ENV === 'production' ? {} : { code_hint: code })
      })
    }
  )

  app.post(
    '/login',
    {
      config: { access: 'public', limit: 'login' },
      schema: {
        tags: TAGS,
        summary: 'Log in by mobile and code; a first login makes the account',
        body: LoginBody,
        response: {
          200: ok(Login, examples.login),
          ...failures('MOBILE_INVALID', 'CODE_INVALID', 'VALIDATION_FAILED', 'ACCOUNT_DISABLED')
        }
      }
    },
    async (request) => {
      const { mobile, code } = request.body
      const { user, subject, isNew } = await logged(request, 'sms', mobile, async () => {
        await tryCode(app.db, vault, mobile, code, app.clock())
        const newUserPoints = config.NEW_USER_POINTS
        return app.tx((tx) => login(tx, vault, { mobile, code, now: app.clock(), newUserPoints, refreshSeconds }))
      })
      return success({ ...app.identity.mint(subject), is_new_user: isNew, user_info: toUserInfo(user) })
    }
  )

  app.post(
    '/wechat-login',
    {
      config: { access: 'public', limit: 'login' },
      schema: {
        tags: TAGS,
        summary: 'Log in by WeChat; a first login needs a phone_code, and makes or finds the account of its mobile',
        description: 'An account keeps its WeChat, and a WeChat its account: neither is ever bound anew.',
        body: WechatLoginBody,
        response: {
          200: ok(Login, examples.login),
          ...failures(
            'MOBILE_INVALID',
            'WECHAT_CODE_INVALID',
            'VALIDATION_FAILED',
            'FORBIDDEN',
            'ACCOUNT_DISABLED',
            'WECHAT_NOT_CONFIGURED',
            'WECHAT_UNAVAILABLE'
          )
        }
      }
    },
    async (request) => {
      const { code, phone_code: phoneCode } = request.body
      const { user, subject, isNew } = await logged(request, 'wechat', '***', async (told) => {
        const person = await identify(app.wechat, app.db, { code, phoneCode }, told)
        const terms = { now: app.clock(), newUserPoints: config.NEW_USER_POINTS, refreshSeconds }
        const enter = () => app.tx((tx) => loginWechat(tx, person, terms))
        return enter().catch((err: unknown) => {
          // Of two first logins at once one makes the account, and the other finds it.
          if (isDuplicate(err)) return enter()
          throw err
        })
      })
      return success({ ...app.identity.mint(subject), is_new_user: isNew, user_info: toUserInfo(user) })
    }
  )

  app.post(
    '/admin-login',
    {
      config: { access: 'public', limit: 'login' },
      schema: {
        tags: TAGS,
        summary: 'Log in as an admin',
        body: AdminLoginBody,
        response: {
          200: ok(AdminLogin, examples.adminLogin),
          ...failures('VALIDATION_FAILED', 'ADMIN_LOGIN_FAILED', 'ADMIN_LOCKED', 'ACCOUNT_DISABLED')
        }
      }
    },
    async (request) => {
      const { username, password } = request.body
      const { user, subject, admin } = await logged(request, 'admin', username, async () => {
        const attempt = await app.tx((tx) => bookAdminAttempt(tx, username, app.clock()))
        if (!(await passwordMatches(attempt, password)) || attempt === undefined) throw refuse('ADMIN_LOGIN_FAILED')
        const entered = await app.tx((tx) => loginAdmin(tx, attempt, app.clock(), refreshSeconds))
        return { ...entered, admin: attempt }
      })
      return success({
        ...app.identity.mint(subject),
        is_new_user: false,
        user_info: toUserInfo(user),
        admin_info: { admin_id: admin.adminId, username: admin.username, role: admin.role }
      })
    }
  )

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
      const claims = app.identity.read(token, 'refresh')
      if (claims?.jti === undefined) throw refuse('TOKEN_INVALID')
      const { sid, jti } = claims
      const outcome = await app.tx(async (tx, outbox) => {
        const result = await refresh(tx, { sid, jti }, app.clock(), refreshSeconds)
        if (typeof result === 'object' && 'revoked' in result) outbox.tell({ kind: 'session_revoked', sid })
        return result
      })
      if (outcome === 'disabled') throw refuse('ACCOUNT_DISABLED')
      if (outcome === 'refused' || 'revoked' in outcome) throw refuse('TOKEN_INVALID')
      return success(app.identity.mint(outcome.subject))
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
    async ({ user: { sid } }) => {
      await app.tx(async (tx, outbox) => {
        await revokeSession(tx, sid, app.clock())
        outbox.tell({ kind: 'session_revoked', sid })
      })
      return success(null)
    }
  )
}

export default fp(auth, {
  name: 'auth',
  dependencies: ['database', 'identity', 'rate-limit', 'wechat-client'],
  encapsulate: true
})
