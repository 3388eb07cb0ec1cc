import { refuse } from '../../shared/refusal.js'

/** What of a mini-program's server side this service uses. Every failure is a Refusal. */
export interface Wechat {
  /**
   * The openid of whoever's `wx.login` gave that code. The session key that comes with it is dropped here.
   * @param signal ends the call: WECHAT_UNAVAILABLE
   * @throws Refusal WECHAT_NOT_CONFIGURED, WECHAT_CODE_INVALID, RATE_LIMITED or WECHAT_UNAVAILABLE
   */
  openid(code: string, signal: AbortSignal): Promise<string>
  /**
   * The mobile that `getPhoneNumber`'s code stands for.
   * @throws Refusal MOBILE_INVALID for one that is not of mainland China, and those of {@link openid}
   */
  mobile(phoneCode: string, signal: AbortSignal): Promise<string>
  close(): Promise<void>
}

/** For a service without AppID: every call is refused. */
export function noWechat(): Wechat {
  const refused = async () => {
    throw refuse('WECHAT_NOT_CONFIGURED')
  }
  return { openid: refused, mobile: refused, close: async () => {} }
}
