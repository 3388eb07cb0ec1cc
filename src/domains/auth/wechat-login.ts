import type { Wechat } from '../../adapters/wechat/wechat.js'
import type { Db, Tx } from '../../engine/tx.js'
import { maskMobile, maskText } from '../../shared/mask.js'
import { refuse } from '../../shared/refusal.js'
import { createUser } from '../user/service.js'
import { type Entered, enter } from './service.js'

/** How long WeChat may take over a login, all calls together. */
const WECHAT_MS = 4000

/** Whose WeChat it is; with a mobile when no account has that openid yet. */
export interface WechatPerson {
  readonly openid: string
  readonly mobile: string | undefined
}

/**
 * Asks WeChat who a login is of. The phone code is exchanged only where it is needed: each exchange is paid for, and
 * an openid that has an account keeps it, whatever mobile comes with it.
 * @param told hears the account as it may be written down, as soon as it is known
 * @throws Refusal VALIDATION_FAILED when a first login comes without a phone code, and those of Wechat
 */
export async function identify(
  wechat: Wechat,
  db: Db,
  codes: { code: string; phoneCode: string | undefined },
  told: (account: string) => void
): Promise<WechatPerson> {
  const signal = AbortSignal.timeout(WECHAT_MS)
  const openid = await wechat.openid(codes.code, signal)
  told(maskText(openid))
  const known = await db.user.findUnique({ where: { wxOpenid: openid }, select: { mobile: true } })
  if (known !== null) {
    told(maskMobile(known.mobile))
    return { openid, mobile: undefined }
  }
  if (codes.phoneCode === undefined) throw phoneCodeNeeded()
  const mobile = await wechat.mobile(codes.phoneCode, signal)
  told(maskMobile(mobile))
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
export async function loginWechat(
  tx: Tx,
  { openid, mobile }: WechatPerson,
  { now, newUserPoints, refreshSeconds }: { now: Date; newUserPoints: number; refreshSeconds: number }
): Promise<Entered> {
  const bound = await tx.user.findUnique({ where: { wxOpenid: openid }, select: { userId: true } })
  if (bound !== null) return { ...(await enter(tx, bound.userId, 'user', now, refreshSeconds)), isNew: false }
  if (mobile === undefined) throw phoneCodeNeeded()
  const known = await tx.user.findUnique({ where: { mobile }, select: { userId: true } })
  if (known === null) {
    const userId = await createUser(tx, { mobile, points: newUserPoints, now, openid })
    return { ...(await enter(tx, userId, 'user', now, refreshSeconds)), isNew: true }
  }
  // Bound already to this very openid: another login of the same person was faster, since the first look.
  const { count } = await tx.user.updateMany({
    where: { userId: known.userId, OR: [{ wxOpenid: null }, { wxOpenid: openid }] },
    data: { wxOpenid: openid }
  })
  if (count !== 1) {
    throw refuse('FORBIDDEN', [{ field: 'phone_code', message: 'this mobile belongs to another WeChat account' }])
  }
  return { ...(await enter(tx, known.userId, 'user', now, refreshSeconds)), isNew: false }
}
