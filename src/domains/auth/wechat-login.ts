import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import type { Wechat } from '../../adapters/wechat/wechat.js'
import { durationSeconds } from '../../config.js'
import { isDuplicate } from '../../engine/database-errors.js'
import type { Db } from '../../engine/tx.js'
import type { UnitOfWork } from '../../engine/unit-of-work.js'
import { openSession } from '../../identity/sessions.js'
import { maskMobile, maskText } from '../../shared/mask.js'
import { refuse } from '../../shared/refusal.js'
import { failures, ok, success } from '../../shared/schemas.js'
import { createUser } from '../user/accounts.js'
import { toUserInfo } from '../user/schemas.js'
import { examples } from './examples.js'
import { loggedAttempt } from './login-log.js'
import { Login, WechatLoginBody } from './schemas.js'

/** How long WeChat may take over a login, all calls together. */
const WECHAT_MS = 4000

/** Whose WeChat it is; with a mobile when no account has that openid yet. */
interface WechatPerson {
  readonly openid: string
  readonly mobile: string | undefined
}

/**
 * Asks WeChat who a login is of. The phone code is exchanged only where it is needed: each exchange is paid for, and
 * an openid that has an account keeps it, whatever mobile comes with it.
 * @param nameAccount gets the account as it may be written down, as soon as it is known
 * @throws Refusal VALIDATION_FAILED when a first login comes without a phone code, and those of Wechat
 */
async function identify(
  wechat: Wechat,
  db: Db,
  codes: { code: string; phoneCode: string | undefined },
  nameAccount: (account: string) => void
): Promise<WechatPerson> {
  const signal = AbortSignal.timeout(WECHAT_MS)
  const openid = await wechat.openid(codes.code, signal)
  nameAccount(maskText(openid))
  const known = await db.user.findUnique({ where: { wxOpenid: openid }, select: { mobile: true } })
  if (known !== null) {
    nameAccount(maskMobile(known.mobile))
    return { openid, mobile: undefined }
  }
  if (codes.phoneCode === undefined) throw phoneCodeNeeded()
  const mobile = await wechat.mobile(codes.phoneCode, signal)
  nameAccount(maskMobile(mobile))
  return { openid, mobile }
}

const phoneCodeNeeded = () =>
  refuse('VALIDATION_FAILED', [{ field: 'phone_code', message: 'is needed for the first login of a WeChat account' }])

/**
 * Opens a session for the account of an openid. One that is new is bound to the account of its mobile, and where there
 * is none, one is made. An account keeps its openid for good.
 * @throws Refusal FORBIDDEN when the mobile's account has another openid; ACCOUNT_DISABLED; Prisma's P2002 when another
 * login was faster: then once more
 */
async function loginWechat(
  uow: UnitOfWork,
  { openid, mobile }: WechatPerson,
  { newUserPoints, refreshSeconds }: { newUserPoints: number; refreshSeconds: number }
) {
  const { tx } = uow
  const enter = (userId: number) => openSession(uow, { userId, role: 'user', refreshSeconds })
  const bound = await tx.user.findUnique({ where: { wxOpenid: openid }, select: { userId: true } })
  if (bound !== null) return { ...(await enter(bound.userId)), isNew: false }
  if (mobile === undefined) throw phoneCodeNeeded()
  const known = await tx.user.findUnique({ where: { mobile }, select: { userId: true } })
  if (known === null) {
    const userId = await createUser(uow, { mobile, points: newUserPoints, openid })
    return { ...(await enter(userId)), isNew: true }
  }
  // Bound already to this very openid: another login of the same person was faster, since the first look.
  const { count } = await tx.user.updateMany({
    where: { userId: known.userId, OR: [{ wxOpenid: null }, { wxOpenid: openid }] },
    data: { wxOpenid: openid }
  })
  if (count !== 1) {
    throw refuse('FORBIDDEN', [{ field: 'phone_code', message: 'this mobile belongs to another WeChat account' }])
  }
  return { ...(await enter(known.userId)), isNew: false }
}

/** Log in by WeChat. */
export const wechatLogin: FastifyPluginAsyncTypebox = async (app) => {
  const { config } = app
  const refreshSeconds = durationSeconds(config.JWT_REFRESH_EXPIRES_IN)

  app.post(
    '/wechat-login',
    {
      config: { access: 'public', limit: 'login' },
      schema: {
        tags: ['auth'],
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
      const { user, subject, isNew } = await loggedAttempt(request, 'wechat', '***', async (nameAccount) => {
        const person = await identify(app.wechat, app.db, { code, phoneCode }, nameAccount)
        const terms = { newUserPoints: config.NEW_USER_POINTS, refreshSeconds }
        const enter = () => app.tx((uow) => loginWechat(uow, person, terms))
        return enter().catch((err: unknown) => {
          // Of two first logins at once one makes the account, and the other finds it.
          if (isDuplicate(err)) return enter()
          throw err
        })
      })
      return success({ ...app.tokens.mint(subject), is_new_user: isNew, user_info: toUserInfo(user) })
    }
  )
}
