import underPressure from '@fastify/under-pressure'
import fp from 'fastify-plugin'
import { refuse } from '../shared/refusal.js'

declare module 'fastify' {
  interface FastifyContextConfig {
    /** Answered however high the load is: health, and the counters that show it. */
    vital?: boolean
  }
}

export interface OverloadLimits {
  /** The mean time by which the event loop was late within a second; 0 is no limit. */
  readonly maxEventLoopDelayMs: number
  readonly sampleEveryMs: number
}

const DEFAULT_OVERLOAD: OverloadLimits = { maxEventLoopDelayMs: 1000, sampleEveryMs: 1000 }
const RETRY_AFTER_SECONDS = 2
const MIB = 1024 * 1024
/** Of the memory limit: what is alive in the heap may fill that much. The rest is native: pictures, sockets, code. */
const HEAP_SHARE = 0.8

/**
 * Sheds load (5004, with Retry-After) while the event loop is late, the heap is nearly full, or the process is over
 * its memory limit; measured anew every second, so it ends within a second of its cause. The queue before the
 * database has a limit of its own, in pool.ts.
 */
export default fp<Partial<OverloadLimits>>(
  async (app, changes) => {
    const { maxEventLoopDelayMs, sampleEveryMs } = { ...DEFAULT_OVERLOAD, ...changes }
    // The first sample after a start has the start in it, which does keep the event loop busy.
    let startedAt = Number.POSITIVE_INFINITY
    app.addHook('onReady', async () => {
      startedAt = performance.now()
    })
    const limit = app.config.MEMORY_LIMIT_MB * MIB
    await app.register(underPressure, {
      maxEventLoopDelay: maxEventLoopDelayMs,
      maxHeapUsedBytes: limit * HEAP_SHARE,
      maxRssBytes: limit,
      sampleInterval: sampleEveryMs,
      pressureHandler: async (request, _reply, reason) => {
        if (request.routeOptions.config?.vital === true) return
        if (reason === underPressure.TYPE_EVENT_LOOP_DELAY && performance.now() - startedAt < 2 * sampleEveryMs) return
        app.meters.shed(reason)
        throw refuse('OVERLOADED', undefined, RETRY_AFTER_SECONDS)
      }
    })
  },
  { name: 'overload', dependencies: ['errors', 'metrics'] }
)
