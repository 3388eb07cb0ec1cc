import cluster from 'node:cluster'
import fastifyMetrics from 'fastify-metrics'
import fp from 'fastify-plugin'
import * as prometheus from 'prom-client'
import type { DatabaseObserver } from '../engine/database.js'
import { type Host, type Hosts, NODE_FIGURES } from '../engine/hosts.js'
import type { CounterKind } from '../engine/unit-of-work.js'

/** What is counted, without a word of who reads it. Times are in seconds. */
interface Meters extends DatabaseObserver {
  /** A request turned away to keep the rest alive. */
  shed(reason: string): void
  /** What a sweep changed, and how long it took. */
  swept(name: string, rows: number, seconds: number): void
  /** A value that is read when somebody asks; one that cannot be read is left as NaN. */
  gauge(name: string, help: string, read: () => number | Promise<number>): void
  /** All of it, in the text format of Prometheus. */
  text(): Promise<string>
}

interface MetricsOptions {
  /** Those that transactions add to, each declared by its domain. */
  readonly counters: readonly CounterKind[]
}

declare module 'fastify' {
  interface FastifyInstance {
    readonly meters: Meters
  }
}

const HTTP_BUCKETS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.5, 1, 2.5, 5, 10]
const SQL_BUCKETS = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1, 5, 10]

/**
 * Counters of this process (contract section 11). Requests are counted by the pattern of their route, never by their
 * address, and nothing is labelled by a user, so that the number of series has a bound.
 */
export default fp<MetricsOptions>(
  async (app, { counters }) => {
    // A registry of its own: the library's is global, and tests build many services in a process.
    const register = createRegister()
    await app.register(fastifyMetrics.default, {
      name: 'httpMetrics',
      endpoint: null,
      promClient: Object.create(prometheus, { register: { value: register } }) as typeof prometheus,
      defaultMetrics: { enabled: false },
      routeMetrics: {
        enabled: { histogram: true, summary: false },
        registeredRoutesOnly: false,
        overrides: {
          histogram: { registers: [register], buckets: HTTP_BUCKETS, help: 'Time to answer, by route and status' },
          summary: { registers: [] }
        }
      }
    })
    app.decorate('meters', createMeters(register, counters, processRegister()))
    const refusals = new prometheus.Counter({
      name: 'refusals_total',
      help: 'Refused requests, by their error; stock is STOCK_INSUFFICIENT',
      labelNames: ['error'],
      registers: [register]
    })
    app.addHook('onResponse', ({ refused }, _reply, done) => {
      if (refused !== undefined) refusals.inc({ error: refused })
      done()
    })
  },
  { name: 'metrics' }
)

function createRegister(): prometheus.Registry {
  const register = new prometheus.Registry()
  // Under a cluster a scrape reaches any of the workers: without this their counters would be taken for one.
  register.setDefaultLabels({ worker: String(cluster.worker?.id ?? 0) })
  return register
}

let ofProcess: prometheus.Registry | undefined

/**
 * What is the process's own: memory, garbage, the event loop. Once, however many services it builds: the library's
 * observers never end, and each would keep its service in memory after that is closed.
 */
function processRegister(): prometheus.Registry {
  if (ofProcess === undefined) {
    ofProcess = createRegister()
    prometheus.collectDefaultMetrics({ register: ofProcess })
  }
  return ofProcess
}

function createMeters(
  register: prometheus.Registry,
  kinds: readonly CounterKind[],
  beside: prometheus.Registry
): Meters {
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
  const byKind = new Map(kinds.map((kind) => [kind.name, counter(kind.name, kind.help, ...kind.labels)]))
  const events = counter('events_total', 'Pushes published after a commit', 'type')
  const histogram = <Label extends string>(name: string, help: string, ...labelNames: Label[]) =>
    new prometheus.Histogram({ name, help, labelNames, registers, buckets: SQL_BUCKETS })
  const statements = histogram('db_statement_duration_seconds', 'Time of a statement, by its first word', 'verb')
  const waits = histogram('db_pool_wait_seconds', 'Time to get a connection')
  const sweptRows = counter('sweep_rows_total', 'Rows that sweeps removed or marked, past their time', 'sweep')
  const sweepSeconds = histogram('sweep_duration_seconds', 'Time that a sweep took', 'sweep')

  return {
    shed: (reason) => sheds.inc({ reason }),
    waited: (seconds) => waits.observe(seconds),
    statement: (verb, seconds) => statements.observe({ verb }, seconds),
    swept(name, rows, seconds) {
      sweptRows.inc({ sweep: name }, rows)
      sweepSeconds.observe({ sweep: name }, seconds)
    },
    committed(pushes, counts) {
      for (const { counter: kind, labels, by } of counts) byKind.get(kind.name)?.inc(labels, by)
      for (const { type } of pushes) events.inc({ type })
    },
    watchPool: (pools) => poolGauges(pools, gauge),
    watchHosts: (hosts) => hostGauges(hosts, registers),
    gauge,
    text: async () => {
      const parts = await Promise.all([beside, register].map((each) => each.metrics()))
      return parts.join('\n')
    }
  }
}

/** Of all pools together. */
function poolGauges(pools: Parameters<Meters['watchPool']>[0], gauge: Meters['gauge']): void {
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
}

/** Of the database hosts that are watched; those of a cluster with what each node says of itself. */
function hostGauges(hosts: Pick<Hosts, 'all' | 'written'>, registers: prometheus.Registry[]): void {
  const each = (name: string, help: string, read: (host: Host) => number | undefined) =>
    new prometheus.Gauge({
      name,
      help,
      labelNames: ['host'],
      registers,
      collect() {
        this.reset()
        // One that is alone is not watched.
        for (const host of hosts.all.length > 1 ? hosts.all : []) {
          const value = read(host)
          if (value !== undefined) this.set({ host: host.name }, value)
        }
      }
    })
  each('db_host_up', 'Whether a database host would take a write', ({ isWell }) => Number(isWell === true))
  each('db_host_written', 'Whether it is the one that is written', (host) => Number(host === hosts.written))
  for (const name of NODE_FIGURES) each(`db_node_${name}`, `${name} of a node`, ({ figures }) => figures?.get(name))
}
