import { setTimeout as pause } from 'node:timers/promises'
import type { FastifyInstance } from 'fastify'
import { type AppOptions, buildApp } from './app.js'
import { createLogger, logFiles } from './observe/logger.js'
import { DeadlineExceeded, withDeadline } from './shared/deadline.js'

/** A service that listens. */
export interface Service {
  readonly app: FastifyInstance
  /** Such as `http://127.0.0.1:3000`. */
  readonly address: string
  /**
   * Says that it is not ready, stops accepting, closes sockets with 1001, finishes what runs, disconnects; gives up
   * after ten seconds.
   */
  stop(): Promise<void>
}

/** How long requests have to finish before their connections are cut, and how long all of it may take. */
const FINISH_WITHIN_MS = 8000
const STOP_WITHIN_MS = 10_000
/** How long, in production, a load balancer has to see that this instance is not ready, before it refuses. */
const NOTICE_MS = 2000

/**
 * Builds the service and listens.
 * @param noticeMs how long a stopping service goes on accepting; unset: two seconds in production, else none
 */
export async function serve(
  config: AppOptions['config'],
  noticeMs = config.NODE_ENV === 'production' ? NOTICE_MS : 0
): Promise<Service> {
  const logger = createLogger(config, undefined, await logFiles(config))
  // The process ends of it as it would anyhow, but the log says why.
  process.on('uncaughtExceptionMonitor', (err) => logger.fatal({ err }, 'nobody caught this: the process ends'))
  const app = await buildApp({ config, logger })
  const address = await app.listen({ host: config.HOST, port: config.PORT }).catch(async (err: unknown) => {
    // Its database connections would keep the process alive.
    await app.close()
    throw err
  })
  return {
    app,
    address,
    async stop() {
      // A connection that never sent a request does not count as idle: it would be waited for until it times out.
      const cut = setTimeout(() => app.server.closeAllConnections(), FINISH_WITHIN_MS)
      app.drain.start()
      await pause(noticeMs)
      await withDeadline(STOP_WITHIN_MS, Promise.resolve(app.close())).catch((err: unknown) => {
        if (!(err instanceof DeadlineExceeded)) throw err
        app.log.error('requests did not finish in time')
      })
      clearTimeout(cut)
    }
  }
}

/** Calls `stop` on the first SIGINT or SIGTERM; a second one ends the process at once. */
export function onSignal(stop: (signal: NodeJS.Signals) => Promise<void>): void {
  let stopping = false
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.on(signal, () => {
      if (stopping) process.exit(1)
      stopping = true
      stop(signal).then(
        () => process.exit(0),
        (err: unknown) => {
          process.stderr.write(`${String(err)}\n`)
          process.exit(1)
        }
      )
    })
  }
}
