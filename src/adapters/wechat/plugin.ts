import fp from 'fastify-plugin'
import { noWechat, type Wechat } from './wechat.js'

declare module 'fastify' {
  interface FastifyInstance {
    readonly wechat: Wechat
  }
}

/** `app.wechat`. Its client, and undici with it, is loaded only where the settings name a mini-program. */
export default fp(
  async (app) => {
    const { WECHAT_APPID: appid, WECHAT_SECRET: secret, WECHAT_API_BASE: base } = app.config
    let wechat = noWechat()
    if (appid !== undefined && secret !== undefined) {
      const { createWechat } = await import('./client.js')
      const onFault = (fault: object) => app.log.error(fault, 'WeChat failed')
      wechat = createWechat({ appid, secret, base, clock: app.clock, onFault })
    }
    app.decorate('wechat', wechat)
    app.addHook('onClose', () => wechat.close())
  },
  { name: 'wechat-client' }
)
