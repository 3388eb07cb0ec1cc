import fp from 'fastify-plugin'
import { expireVouchers } from '../domains/voucher/vouchers.js'
import { DAY_MS } from '../shared/time.js'
import { sweepEvents } from './push-log.js'

const EVERY_MS = 60 * 60 * 1000

/** Removes, hourly, what is past its time and of no more use: kept answers, codes, ended sessions, pushes. Expires vouchers. */
export default fp(
  async (app) => {
    async function sweep(): Promise<void> {
      const now = app.clock()
      const past = { expiresAt: { lt: now } }
      await app.db.idempotencyKey.deleteMany({ where: past })
      await app.db.verificationCode.deleteMany({ where: { expiresAt: { lt: new Date(now.getTime() - DAY_MS) } } })
      await app.db.session.deleteMany({ where: past })
      await expireVouchers(app.tx, now)
      await sweepEvents(app.db, now)
    }
    const timer = setInterval(() => {
      sweep().catch((err: unknown) => app.log.error({ err }, 'the sweep failed'))
    }, EVERY_MS)
    timer.unref()
    app.addHook('onClose', async () => clearInterval(timer))
  },
  { name: 'janitor', dependencies: ['database'] }
)
