import type { ChildProcess } from 'node:child_process'
import { mkdir, rm, symlink } from 'node:fs/promises'
import path from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import pc from 'picocolors'
import type { Config } from '../src/config.js'
import { onSignal } from '../src/serve.js'
import { type GaleraCluster, type GaleraNode, startGalera } from './lib/galera.js'
import { startHaproxy } from './lib/haproxy.js'
import { freePort, hasEnded, launch, stopServer } from './lib/mariadbd.js'
import { Fault, guarded, say } from './lib/print.js'
import { provideRedis } from './lib/redis-program.js'
import { readSettings } from './lib/settings.js'
import { bringUpToDate } from './migrate.js'

const USAGE = 'npm run cluster -- [--proxy]'
const INSTANCES = 2
const READY_WITHIN_MS = 60_000
/** As a supervisor would, a node that ended is started again. */
const RESTART_AFTER_MS = 5000

/**
 * `npm run cluster`: a whole deployment on this machine, to be broken: three nodes of a Galera cluster, Redis, two
 * instances of the service, and HAProxy before both. The instances know all three nodes and choose one themselves; with
 * `--proxy` they know HAProxy's address alone. Ctrl-C stops all of it; what it keeps lies under `DATA_DIR/cluster`.
 */
export async function main(args: string[]): Promise<void> {
  await guarded(async () => {
    const byProxy = readArguments(args)
    const settings = readSettings()
    const dir = path.resolve(settings.DATA_DIR, 'cluster')
    await mkdir(dir, { recursive: true, mode: 0o700 })
    const cluster = await startGalera({ dir: path.join(dir, 'galera'), database: 'restaurant_lottery' })
    const children: ChildProcess[] = []
    try {
      await bringUpToDate(cluster.url, settings)
      const stop = await startAround(cluster, { settings, dir, byProxy, children })
      onSignal(async (signal) => {
        say(`${signal}: stopping`)
        await stop()
      })
    } catch (err) {
      for (const child of children) child.kill('SIGTERM')
      await cluster.stop()
      throw err
    }
    return 0
  })
}

function readArguments(args: string[]): boolean {
  try {
    return parseArgs({ args, options: { proxy: { type: 'boolean', default: false } } }).values.proxy
  } catch (err) {
    throw new Fault(`${(err as Error).message}. Usage: ${USAGE}`)
  }
}

interface Around {
  readonly settings: Config
  readonly dir: string
  readonly byProxy: boolean
  /** Gets every process that is started here. */
  readonly children: ChildProcess[]
}

/** Starts what stands around the database, and ends with the function that stops all of it. */
async function startAround(
  cluster: GaleraCluster,
  { settings, dir, byProxy, children }: Around
): Promise<() => Promise<void>> {
  const redisPort = await freePort()
  say(`starting Redis on 127.0.0.1:${redisPort}`)
  const redisArgs = ['--port', String(redisPort), '--bind', '127.0.0.1', '--save', '', '--dir', dir]
  children.push(launch(await asRedisServer(provideRedis(), dir), redisArgs))
  const instancePorts = await Promise.all(Array.from({ length: INSTANCES }, freePort))
  const [databasePort, servicePort] = [await freePort(), settings.PORT]
  say(`starting HAProxy: the service on 127.0.0.1:${servicePort}, the database on 127.0.0.1:${databasePort}`)
  children.push(await startHaproxy({ dir, databasePort, nodes: cluster.nodes, servicePort, instancePorts }))
  const proxied = cluster.url.replace(/@[^/]+/, `@127.0.0.1:${databasePort}`)
  const env = {
    DATABASE_URL: byProxy ? proxied : cluster.url,
    REDIS_URL: `redis://127.0.0.1:${redisPort}`,
    JWT_SECRET: settings.JWT_SECRET,
    ENCRYPTION_KEY: settings.ENCRYPTION_KEY,
    TRUST_PROXY: '127.0.0.1',
    LOG_LEVEL: settings.LOG_LEVEL
  }
  const server = fileURLToPath(new URL('../src/server.js', import.meta.url))
  for (const port of instancePorts) {
    say(`starting an instance of the service on 127.0.0.1:${port}`)
    const child = launch(process.execPath, [server], { ...env, PORT: String(port) })
    children.push(child)
    await ready(child, port)
  }
  let isOver = false
  void keepUp(cluster.nodes, () => isOver)
  banner(cluster, { servicePort, databasePort, instancePorts, byProxy })
  return async () => {
    isOver = true
    for (const child of [...children].reverse()) await stopServer(child)
    await cluster.stop()
  }
}

/** The program knows by its name what it is to be: see {@link provideRedis}. */
async function asRedisServer(program: string, dir: string): Promise<string> {
  const link = path.join(dir, 'redis-server')
  await rm(link, { force: true })
  await symlink(program, link)
  return link
}

async function ready(child: ChildProcess, port: number): Promise<void> {
  const deadline = Date.now() + READY_WITHIN_MS
  const isReady = () =>
    fetch(`http://127.0.0.1:${port}/health/ready`).then(
      ({ ok }) => ok,
      () => false
    )
  while (!(await isReady())) {
    if (hasEnded(child) || Date.now() > deadline) throw new Fault(`The instance on port ${port} did not start.`)
    await pause(200)
  }
}

async function keepUp(nodes: readonly GaleraNode[], isOver: () => boolean): Promise<void> {
  while (!isOver()) {
    await pause(500)
    const down = nodes.find((node) => !node.isUp())
    if (down === undefined || isOver()) continue
    say(`${down.name} is down; it is started again in ${RESTART_AFTER_MS / 1000} s`)
    await pause(RESTART_AFTER_MS)
    if (isOver()) return
    await down.start().then(
      () => say(`${down.name} is back, and has what the others have`),
      (err: unknown) => say(String(err))
    )
  }
}

interface Addresses {
  readonly servicePort: number
  readonly databasePort: number
  readonly instancePorts: readonly number[]
  readonly byProxy: boolean
}

function banner({ nodes }: GaleraCluster, { servicePort, databasePort, instancePorts, byProxy }: Addresses): void {
  const [first] = nodes
  const lines = [
    ['Service', `http://127.0.0.1:${servicePort}, by HAProxy, from ports ${instancePorts.join(' and ')}`],
    [
      'Database',
      `${nodes.map(({ port }) => port).join(', ')}; by HAProxy ${databasePort}${byProxy ? ' (in use)' : ''}`
    ],
    ['Written', `curl -s http://127.0.0.1:${servicePort}/health`],
    ['Tour', `npm run demo -- --url http://127.0.0.1:${servicePort}`],
    ['Break it', `kill -9 ${first?.pid ?? ''}   (${first?.name}; it is started again)`],
    ['Stop', 'Ctrl-C']
  ]
  const text = lines.map(([name = '', value = '']) => `  ${pc.bold(name.padEnd(9))} ${value}`).join('\n')
  process.stdout.write(`\n${pc.green('The cluster is ready.')}\n${text}\n\n`)
}
