import { hostname } from 'node:os'
import { setTimeout as pause } from 'node:timers/promises'
import type { FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'
import { TOUCH_SQL } from '../engine/connection.js'
import { ALERTS, AlertBoard, type AlertChange, type AlertName, Share, SLOW_MS, weComMessage } from './alert-board.js'

export interface AlertOptions {
  readonly everyMs: number
  /** Pauses before the second, the third … try to post a notice. */
  readonly retryAfterMs: readonly number[]
  /** Memory of this process in bytes. */
  readonly memory: () => number
}

const DEFAULT_ALERTS: AlertOptions = {
  everyMs: 10_000,
  retryAfterMs: [1000, 5000],
  memory: () => process.memoryUsage.rss()
}

const POST_MS = 5000
const MIB = 1024 * 1024

/**
 * Logs each slow request with what it asked of the database, and sends the alerts of contract section 11: to the log,
 * and to the robot of a WeCom group where ALERT_WEBHOOK_URL names one; once when an alert begins, once when it ends.
 */
export default fp<Partial<AlertOptions>>(
  async (app, changes) => {
    const options = { ...DEFAULT_ALERTS, ...changes }
    const { ALERT_WEBHOOK_URL: webhook, MEMORY_LIMIT_MB } = app.config
    const board = new AlertBoard()
    const slow = new Share()
    const failed = new Share()
    for (const alert of Object.keys(ALERTS) as AlertName[]) {
      app.meters.gauge(`alert_${alert}_active`, ALERTS[alert].title, () => Number(board.isActive(alert)))
    }

    app.addHook('onResponse', (request, reply, done) => {
      done()
      const [took, now, { url: route = '' }] = [reply.elapsedTime, app.clock().getTime(), request.routeOptions]
      if (took > SLOW_MS) logSlow(request, reply.statusCode, took)
      // Strangers' guesses at routes would thin the shares.
      if (!route.startsWith('/api/') || route.startsWith('/api/docs')) return
      failed.add(now, reply.statusCode >= 500)
      // How long an upload takes is the diner's line, for the most part.
      if (request.headers['content-type']?.startsWith('multipart/') !== true) slow.add(now, took > SLOW_MS)
    })

    const closed = new AbortController()
    let sending: Promise<void> = Promise.resolve()
    let isChecking = false
    async function check(): Promise<void> {
      if (isChecking) return
      isChecking = true
      try {
        const databaseAnswers = await app.ask(TOUCH_SQL).then(
          () => true,
          () => false
        )
        if (closed.signal.aborted) return
        const now = app.clock().getTime()
        const notices = board.judge({
          slow: slow.read(now),
          failed: failed.read(now),
          memory: options.memory() / (MEMORY_LIMIT_MB * MIB),
          databaseAnswers
        })
        for (const notice of notices) report(notice)
      } finally {
        isChecking = false
      }
    }

    function report(notice: AlertChange): void {
      const { title, level } = ALERTS[notice.alert]
      if (notice.state === 'cleared') app.log.info(notice, `alert over: ${title}`)
      else app.log[level === 'critical' ? 'error' : 'warn'](notice, `alert: ${title}`)
      if (webhook === undefined) return
      const message = JSON.stringify(weComMessage(notice, `${hostname()} (${process.pid})`, app.clock()))
      // One after the other: an end must not overtake its beginning.
      sending = sending.then(() => post(webhook, message, notice.alert))
    }

    async function post(url: string, body: string, alert: AlertName): Promise<void> {
      for (const delay of [0, ...options.retryAfterMs]) {
        try {
          await pause(delay, undefined, { signal: closed.signal, ref: false })
          const signal = AbortSignal.any([closed.signal, AbortSignal.timeout(POST_MS)])
          const headers = { 'content-type': 'application/json' }
          const reply = await fetch(url, { method: 'POST', headers, body, signal, redirect: 'error' })
          const answer = (await reply.json().catch(() => ({}))) as { errcode?: number }
          if (reply.ok && (answer.errcode ?? 0) === 0) return
          app.log.warn({ alert, status: reply.status, errcode: answer.errcode }, 'the notice of an alert was not taken')
        } catch (err) {
          if (closed.signal.aborted) return
          // Neither the error nor the address is logged: the address holds the robot's key.
          const { name, cause } = err as Error & { cause?: { code?: string } }
          app.log.warn({ alert, reason: cause?.code ?? name }, 'the notice of an alert could not be posted')
        }
      }
      app.log.error({ alert }, 'the notice of an alert was given up')
    }

    const timer = setInterval(() => {
      check().catch((err: unknown) => app.log.error({ err }, 'the alerts could not be judged'))
    }, options.everyMs)
    timer.unref()
    app.addHook('onClose', async () => {
      clearInterval(timer)
      closed.abort()
      await sending
    })
  },
  { name: 'alerts', dependencies: ['database', 'request-usage', 'metrics'] }
)

/** How long a request took and why; its connections are those of the server's process list and slow log. */
function logSlow({ log, usage, routeOptions: { url, method } }: FastifyRequest, status: number, took: number): void {
  const { statements = 0, databaseMs = 0, waitMs = 0, connections = [] } = usage ?? {}
  const spent = { statements, database_ms: Math.round(databaseMs), pool_wait_ms: Math.round(waitMs) }
  const line = { method, route: url ?? '', status, took_ms: Math.round(took), ...spent, connections: [...connections] }
  log.warn(line, 'slow request')
}
