import { randomUUID } from 'node:crypto'
import fp from 'fastify-plugin'
import { dropLease, takeLease } from './lease.js'
import { type Sweep, type SweepContext, sweepAll } from './sweep.js'

interface SweeperOptions {
  readonly sweeps: readonly Sweep[]
  /** Told what each sweep changed, and how long it took. */
  readonly observer: { swept(name: string, rows: number, seconds: number): void }
}

const EVERY_MS = 60 * 60 * 1000
const LEASE = 'sweeper'
/** Longer than a step may take, and renewed before each. */
const LEASE_SECONDS = 120

declare module 'fastify' {
  interface FastifyInstance {
    /** Runs every sweep now, unless another instance does. @returns whether they were run here */
    readonly sweepNow: () => Promise<boolean>
  }
}

/**
 * Runs the sweeps hourly, on one instance at a time: whoever holds the lease does all of them, the others wait for the
 * next hour. One that fails does not keep the others from being done.
 */
export default fp<SweeperOptions>(
  async (app, { sweeps, observer }) => {
    const holder = randomUUID()

    async function sweepNow(): Promise<boolean> {
      const isHeld = () => takeLease(app.db, LEASE, holder, LEASE_SECONDS)
      if (!(await isHeld())) return false
      try {
        for (const sweep of sweeps) await run(sweep, isHeld)
        return true
      } finally {
        await dropLease(app.db, LEASE, holder)
      }
    }

    async function run(sweep: Sweep, isHeld: () => Promise<boolean>): Promise<void> {
      const start = performance.now()
      const context: SweepContext = { db: app.db, tx: app.tx, now: app.clock() }
      const guarded: Sweep = { ...sweep, step: async (given) => ((await isHeld()) ? sweep.step(given) : 0) }
      try {
        const rows = await sweepAll(guarded, context)
        observer.swept(sweep.name, rows, (performance.now() - start) / 1000)
      } catch (err) {
        app.log.error({ err, sweep: sweep.name }, 'a sweep failed')
      }
    }

    app.decorate('sweepNow', sweepNow)
    const timer = setInterval(() => {
      sweepNow().catch((err: unknown) => app.log.error({ err }, 'the sweeps could not be started'))
    }, EVERY_MS)
    timer.unref()
    app.addHook('onClose', async () => clearInterval(timer))
  },
  { name: 'sweeper', dependencies: ['database'] }
)
