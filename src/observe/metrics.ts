import cluster from 'node:cluster'
import fastifyMetrics from 'fastify-metrics'
import fp from 'fastify-plugin'
import type { Pool } from 'mariadb'
import * as prometheus from 'prom-client'
import type { Payload } from '../domains/realtime/events.js'
import type { Told } from '../engine/bus.js'
import type { Movement } from '../engine/tx.js'

/** What is counted, without a word of who reads it. Times are in seconds. */
export interface Meters {
  /** A request turned away to keep the rest alive. */
  shed(reason: string): void
  waited(seconds: number): void
  statement(verb: string, seconds: number): void
  /** What a transaction did, once it has committed. */
  committed(pushes: readonly Told[], movements: readonly Movement[]): void
  watchPool(pools: readonly Pick<Pool, 'activeConnections' | 'idleConnections' | 'taskQueueSize'>[]): void
  /** A value that is read when somebody asks; one that cannot be read is left as NaN. */
  gauge(name: string, help: string, read: () => number | Promise<number>): void
  /** All of it, in the text format of Prometheus. */
  text(): Promise<string>
}

declare module 'fastify' {
  interface FastifyInstance {
    readonly meters: Meters
  }
}

const HTTP_BUCKETS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.5, 1, 2.5, 5, 10]
const SQL_BUCKETS = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1, 5, 10]
const DRAW_TYPES: Readonly<Record<number, string>> = { 1: 'single', 3: 'triple', 5: 'five', 10: 'ten' }

/**
 * Counters of this process (contract section 11). Requests are counted by the pattern of their route, never by their
 * address, and nothing is labelled by a user, so that the number of series has a bound.
 */
export default fp(
  async (app) => {
    // A registry of its own: the library's is global, and tests build many services in a process.
    const register = new prometheus.Registry()
    // Under a cluster a scrape reaches any of the workers: without this their counters would be taken for one.
    register.setDefaultLabels({ worker: String(cluster.worker?.id ?? 0) })
    await app.register(fastifyMetrics.default, {
      name: 'httpMetrics',
      endpoint: null,
      promClient: Object.create(prometheus, { register: { value: register } }) as typeof prometheus,
      defaultMetrics: { enabled: true, register },
      routeMetrics: {
        enabled: { histogram: true, summary: false },
        registeredRoutesOnly: false,
        overrides: {
          histogram: { registers: [register], buckets: HTTP_BUCKETS, help: 'Time to answer, by route and status' },
          summary: { registers: [] }
        }
      }
    })
    app.decorate('meters', createMeters(register))
    const refusals = new prometheus.Counter({
      name: 'refusals_total',
      help: 'Refused requests, by their error; stock is STOCK_INSUFFICIENT',
      labelNames: ['error'],
      registers: [register]
    })
    app.addHook('onResponse', async ({ refused }) => {
      if (refused !== undefined) refusals.inc({ error: refused })
    })
  },
  { name: 'metrics' }
)

function createMeters(register: prometheus.Registry): Meters {
  const registers = [register]
  const counter = <Label extends string>(name: string, help: string, ...labelNames: Label[]) =>
    new prometheus.Counter({ name, help, labelNames, registers })
  const gauge: Meters['gauge'] = (name, help, read) => {
    new prometheus.Gauge({
      name,
      help,
      registers,
      async collect() {
        this.set(
          await Promise.resolve()
            .then(read)
            .catch(() => Number.NaN)
        )
      }
    })
  }

  const sheds = counter('requests_shed_total', 'Requests turned away to keep the rest alive', 'reason')
  const draws = counter('lottery_draws_total', 'Requests to draw that were done', 'draw_type')
  const results = counter('lottery_results_total', 'Single draws', 'prize_type', 'is_pity')
  const pointsIn = counter('points_in_total', 'Points credited, by what for', 'source')
  const pointsOut = counter('points_out_total', 'Points debited, by what for', 'source')
  const events = counter('events_total', 'Pushes published after a commit', 'type')
  const histogram = <Label extends string>(name: string, help: string, ...labelNames: Label[]) =>
    new prometheus.Histogram({ name, help, labelNames, registers, buckets: SQL_BUCKETS })
  const statements = histogram('db_statement_duration_seconds', 'Time of a statement, by its first word', 'verb')
  const waits = histogram('db_pool_wait_seconds', 'Time to get a connection')

  return {
    shed: (reason) => sheds.inc({ reason }),
    waited: (seconds) => waits.observe(seconds),
    statement: (verb, seconds) => statements.observe({ verb }, seconds),
    committed(told, movements) {
      for (const { source, points } of movements) (points > 0 ? pointsIn : pointsOut).inc({ source }, Math.abs(points))
      for (const { type, data } of told) {
        events.inc({ type })
        if (type !== 'lottery_result') continue
        const drawn = (data as Payload<'lottery_result'>).results
        draws.inc({ draw_type: DRAW_TYPES[drawn.length] ?? 'other' })
        for (const { prize_type, is_pity } of drawn) results.inc({ prize_type, is_pity: String(is_pity) })
      }
    },
    watchPool(pools) {
      const sum = (of: (pool: (typeof pools)[number]) => number) => () => pools.reduce((all, pool) => all + of(pool), 0)
      const waiting = sum((pool) => pool.taskQueueSize())
      gauge(
        'db_pool_active_connections',
        'Connections at work',
        sum((pool) => pool.activeConnections())
      )
      gauge(
        'db_pool_idle_connections',
        'Connections at rest',
        sum((pool) => pool.idleConnections())
      )
      gauge('db_pool_waiting', 'Statements and transactions that wait for a connection', waiting)
    },
    gauge,
    text: () => register.metrics()
  }
}
