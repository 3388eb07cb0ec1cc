import fp from 'fastify-plugin'

declare module 'fastify' {
  interface FastifyInstance {
    readonly drain: {
      /** Whether the service is about to stop. */
      readonly isOn: boolean
      /** From now on readiness says 503, upgrades are refused, and each answer ends its connection. */
      start(): void
    }
  }
}

/**
 * The time between a signal and the end (contract section 11): whoever shares out requests learns to leave this
 * instance out, while what comes in all the same is done.
 */
export default fp(
  async (app) => {
    let isOn = false
    app.decorate('drain', {
      get isOn() {
        return isOn
      },
      start() {
        isOn = true
      }
    })
    // At the end of each answer, so that requests that began before the signal end their connections too: one that
    // stays open would be waited for.
    app.addHook('onSend', (_request, reply, payload, done) => {
      if (isOn) reply.header('connection', 'close')
      done(null, payload)
    })
  },
  { name: 'drain' }
)
