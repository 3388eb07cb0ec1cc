import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import type { Static } from '@sinclair/typebox'
import type { FastifyRequest } from 'fastify'
import { durationSeconds } from '../../config.js'
import type { UnitOfWork } from '../../engine/unit-of-work.js'
import { openSession } from '../../identity/sessions.js'
import { Refusal, refuse } from '../../shared/refusal.js'
import { failures, ok, success } from '../../shared/schemas.js'
import { createUser } from '../user/accounts.js'
import { toUserInfo } from '../user/schemas.js'
import { addressOf, consumeCode, dropCode, keepCode, tryCode } from './codes.js'
import { examples } from './examples.js'
import { loggedAttempt } from './login-log.js'
import { CODE_TTL_SECONDS, newVerificationCode } from './rules.js'
import { Login, LoginBody, SendCodeBody, SentCode } from './schemas.js'

/**
 * Uses up a code that {@link tryCode} found right, makes the user on a first login, and opens a session.
 * @throws Refusal CODE_INVALID or ACCOUNT_DISABLED
 */
async function login(
  uow: UnitOfWork,
  input: { mobile: string; code: string; newUserPoints: number; refreshSeconds: number }
) {
  const { mobile, code, newUserPoints, refreshSeconds } = input
  await consumeCode(uow, mobile, code)
  const known = await uow.tx.user.findUnique({ where: { mobile }, select: { userId: true } })
  const userId = known?.userId ?? (await createUser(uow, { mobile, points: newUserPoints }))
  return { ...(await openSession(uow, { userId, role: 'user', refreshSeconds })), isNew: known === null }
}

/**
 * Somebody who shows a code that was sent to their mobile; the attempt is written down whichever way it ends.
 * @param mayEnter looks at who it is once the code is right, before it is used up and anything is made
 * @throws Refusal CODE_INVALID, ACCOUNT_DISABLED, or what `mayEnter` throws
 */
export function enterBySms(
  request: FastifyRequest,
  { mobile, code }: Static<typeof LoginBody>,
  mayEnter: () => Promise<void> = async () => {}
) {
  const { config, cipher, db, clock, tx } = request.server
  const refreshSeconds = durationSeconds(config.JWT_REFRESH_EXPIRES_IN)
  return loggedAttempt(request, 'sms', mobile, async () => {
    await tryCode(db, cipher, { mobile, code, address: addressOf(request), now: clock() })
    await mayEnter()
    return tx((uow) => login(uow, { mobile, code, newUserPoints: config.NEW_USER_POINTS, refreshSeconds }))
  })
}

/** Log in by mobile, with a code that is sent to it. */
export const smsLogin: FastifyPluginAsyncTypebox = async (app) => {
  const { config } = app

  app.post(
    '/send-code',
    {
      config: { access: 'public', limit: 'sendCode' },
      schema: {
        tags: ['auth'],
        summary: 'Send a verification code to a mobile',
        body: SendCodeBody,
        response: {
          200: ok(SentCode, examples.sentCode),
          ...failures('MOBILE_INVALID', 'VALIDATION_FAILED', 'SMS_UNAVAILABLE')
        }
      }
    },
    async (request) => {
      const [{ mobile }, code] = [request.body, newVerificationCode(app.randomInt)]
      const rules = { timeZone: config.BUSINESS_TZ, limited: config.RATE_LIMIT }
      await app.tx((uow) => keepCode(uow, { mobile, code, address: addressOf(request), ...rules }))
      try {
        await app.sms.sendCode(mobile, code)
      } catch (err) {
        await app.tx((uow) => dropCode(uow, mobile, code))
        if (err instanceof Refusal) throw err
        request.log.error({ err }, 'the SMS gateway failed')
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
        tags: ['auth'],
        summary: 'Log in by mobile and code; a first login makes the account',
        body: LoginBody,
        response: {
          200: ok(Login, examples.login),
          ...failures('MOBILE_INVALID', 'CODE_INVALID', 'VALIDATION_FAILED', 'ACCOUNT_DISABLED')
        }
      }
    },
    async (request) => {
      const { user, subject, isNew } = await enterBySms(request, request.body)
      return success({ ...app.tokens.mint(subject), is_new_user: isNew, user_info: toUserInfo(user) })
    }
  )
}
