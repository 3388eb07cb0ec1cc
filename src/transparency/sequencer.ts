import { hkdfSync, randomUUID } from 'node:crypto'
import type { FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'
import type { Config } from '../config.js'
import { dropLease } from '../engine/lease.js'
import { LEASE, sequence } from './log.js'
import { createSigner, type Signer } from './note.js'
import type { LogSource } from './source.js'

declare module 'fastify' {
  interface FastifyInstance {
    /** The public log of this service. */
    readonly publicLog: {
      readonly signer: Signer
      readonly source: LogSource
      /** Logs all that waits now. @returns how many entries it added; undefined where another instance has the log */
      readonly advance: () => Promise<number | undefined>
    }
  }
}

interface SequencerOptions {
  readonly source: LogSource
  /** How often it looks for what waits, in milliseconds; 0: only when it is asked to. */
  readonly everyMs?: number
}

const EVERY_MS = 1000
/** Looks of one that does not have the log, before it asks again whether it may. */
const LOOKS_BETWEEN = 3

/**
 * Keeps the public log: on one instance at a time, whoever holds its lease, with what has committed, within seconds.
 * Nobody's request waits for it.
 */
export default fp<SequencerOptions>(
  async (app, { source, everyMs = EVERY_MS }) => {
    const signer = signerOf(app.config)
    const holder = randomUUID()
    let running: Promise<number | undefined> | undefined

    async function run(): Promise<number | undefined> {
      let added = 0
      for (;;) {
        const step = await app.fastTx((uow) => sequence(uow, { source, signer, holder }))
        if (!step.isHeld) return undefined
        added += step.entries
        if (step.isAll) return added
      }
    }

    function advance(): Promise<number | undefined> {
      running ??= run().finally(() => {
        running = undefined
      })
      return running
    }

    app.decorate('publicLog', { signer, source, advance })
    const timer =
      everyMs === 0 ? undefined : startLooking(app, everyMs, () => (running === undefined ? advance() : undefined))
    app.addHook('onClose', async () => {
      clearInterval(timer)
      await running?.catch(() => {})
      // The next need not wait for its end.
      await dropLease(app.db, LEASE, holder).catch(() => {})
    })
  },
  { name: 'public-log', dependencies: ['database'] }
)

/** Looks for what waits, again and again. @param look undefined while the last has not ended */
function startLooking(
  { log }: FastifyInstance,
  everyMs: number,
  look: () => Promise<number | undefined> | undefined
): NodeJS.Timeout {
  let rest = 0
  const timer = setInterval(() => {
    if (rest-- > 0) return
    look()?.then(
      (added) => {
        rest = added === undefined ? LOOKS_BETWEEN : 0
      },
      (err: unknown) => {
        rest = LOOKS_BETWEEN
        log.error({ err }, 'the public log could not be continued; it will be')
      }
    )
  }, everyMs)
  return timer.unref()
}

/**
 * Signs the log. Where no key is set it is made from the encryption key, so that an older deployment goes
 * on; it then has to be set before that key changes (docs/OPERATIONS.md).
 */
export function signerOf(config: Config): Signer {
  const { FAIRNESS_ORIGIN: origin, FAIRNESS_KEY: key, ENCRYPTION_KEY } = config
  if (key !== undefined) return createSigner(origin, key)
  const bytes = hkdfSync('sha256', Buffer.from(ENCRYPTION_KEY, 'hex'), '', 'fairness log', 32)
  return createSigner(origin, Buffer.from(bytes).toString('hex'))
}
