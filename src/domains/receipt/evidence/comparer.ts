import fp from 'fastify-plugin'
import PQueue from 'p-queue'
import { sqlTime } from '../../../engine/sql.js'
import { DAY_MS } from '../../../shared/time.js'
import { COMPARED_DAYS } from './compare.js'
import { type ComparisonTools, compareReceipt, UNCOMPARED } from './comparison.js'

declare module 'fastify' {
  interface FastifyInstance {
    /** Compares receipts with others, off the requests. */
    readonly comparer: Comparer
  }
}

interface Comparer {
  /** Compares a receipt soon; whoever calls does not wait, and is told of no failure: it is tried again. */
  readonly wake: (uploadId: string) => void
  /**
   * Compares what waits longer than it should: after a crash, a failure, or because it is older than comparison is.
   * Those first that wait for a reviewer. @returns how many it compared
   */
  readonly catchUp: (limit?: number) => Promise<number>
  /** Until nothing waits that it was woken for. */
  readonly idle: () => Promise<void>
}

interface ComparerOptions {
  /** How often it looks for what was left over, in milliseconds; 0: only when it is asked to. */
  readonly everyMs?: number
}

const EVERY_MS = 10_000
/** Left to whoever was woken for it. */
const PATIENCE_MS = 10_000
const AT_A_TIME = 50

/**
 * Compares each upload after its commit, one at a time, and what was left over every ten seconds: all instances may, as
 * to compare twice changes nothing (contract section 15).
 */
export default fp<ComparerOptions>(
  async (app, { everyMs = EVERY_MS }) => {
    const queue = new PQueue({ concurrency: 1 })
    const tools: ComparisonTools = {
      storage: app.storage,
      transact: (work) => app.tx((uow) => work(uow.tx)),
      now: app.clock
    }
    let running: Promise<number> | undefined

    async function run(limit: number): Promise<number> {
      const now = app.clock()
      const before = sqlTime(new Date(now.getTime() - PATIENCE_MS))
      const since = sqlTime(new Date(now.getTime() - COMPARED_DAYS * DAY_MS))
      const [pending] = await app.reads(UNCOMPARED.pending(before, limit))
      const left = pending.length > 0 ? pending : (await app.reads(UNCOMPARED.since(since, before, limit)))[0]
      for (const receipt of left) await queue.add(() => compareReceipt(tools, receipt))
      return left.length
    }

    const comparer: Comparer = {
      wake(uploadId) {
        queue
          .add(async () => {
            const [[receipt]] = await app.reads(UNCOMPARED.one(uploadId))
            if (receipt !== undefined) await compareReceipt(tools, receipt)
          })
          .catch((err: unknown) => app.log.warn({ err, uploadId }, 'a receipt could not be compared; it will be'))
      },
      catchUp(limit = AT_A_TIME) {
        running ??= run(limit).finally(() => {
          running = undefined
        })
        return running
      },
      idle: () => queue.onIdle()
    }

    app.decorate('comparer', comparer)
    const look = () =>
      comparer.catchUp().catch((err: unknown) => app.log.warn({ err }, 'receipts wait to be compared; they will be'))
    const timer = everyMs === 0 ? undefined : setInterval(look, everyMs).unref()
    app.addHook('onClose', async () => {
      clearInterval(timer)
      queue.clear()
      await running?.catch(() => {})
      await queue.onIdle()
    })
  },
  { name: 'comparer', dependencies: ['database', 'storage'] }
)
