import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import path from 'node:path'
import S3rver from 's3rver'
import { describe, expect, onTestFinished, test } from 'vitest'
import { parse } from 'yaml'
import { PROBE_USER } from '../scripts/lib/galera.js'
import { NODE_CHECK } from '../scripts/lib/haproxy.js'
import { ConfigSchema, loadConfig } from '../src/config.js'
import { connectionOptions, hostUrls } from '../src/engine/connection.js'
import { catalogue } from '../src/shared/catalogue.js'
import { failureBody, refuse } from '../src/shared/refusal.js'
import { createApp, databaseUrl, until } from './helpers/app.js'
import { runScript } from './helpers/script.js'

interface Service {
  image: string
  build?: { context: string; target: string }
  command?: string[]
  environment?: Record<string, string>
  volumes?: string[]
  depends_on?: Record<string, { condition: string }>
  healthcheck?: object
  networks: string[]
}
interface Compose {
  services: Record<string, Service>
  volumes: Record<string, unknown>
  networks: Record<string, unknown>
}

const read = (file: string) => readFileSync(file, 'utf8')
const composeText = read('compose.yaml')
const compose = parse(composeText, { merge: true }) as Compose
const { services } = compose
const service = (name: string): Service => {
  const found = services[name]
  if (found === undefined) throw new Error(`no service ${name}`)
  return found
}
const nginx = read('deploy/nginx/nginx.conf')
const dockerfile = read('Dockerfile')
const OURS = Object.keys(services).filter((name) => service(name).image.startsWith('restaurant-points-lottery'))

/** The variables that a text has in braces, and whether each must be given. */
const variablesOf = (text: string) =>
  new Map([...text.matchAll(/\$\{([A-Z0-9_]+)(:\?[^}]*|:-[^}]*)?\}/g)].map(([, name = '', rest = '']) => [name, rest]))

/** Fills in a text as compose does. */
const filled = (text: string, given: Record<string, string>) =>
  text.replace(/\$\{([A-Z0-9_]+)(?::-([^}]*)|:\?[^}]*)?\}/g, (_, name, fallback) => given[name] || fallback || '')

const isSetting = (name: string) => name in ConfigSchema.properties

const given = Object.fromEntries(
  [...read('deploy/compose.env.example').matchAll(/^([A-Z0-9_]+)=(.*)$/gm)].map(([, name = '', value = '']) => [
    name,
    value
  ])
)

describe('the cluster', () => {
  const text = read('deploy/cluster/compose.yaml')
  const cluster = parse(text, { merge: true }) as Compose
  const part = (name: string) => cluster.services[name] as Service

  test('has three nodes alike, and instances that know all of them', () => {
    const nodes = ['db1', 'db2', 'db3'].map(part)
    expect(new Set(nodes.map(({ command, image }) => `${image} ${command}`)).size).toBe(1)
    expect(nodes[0]?.command?.join(' ')).toContain('gcomm://db1,db2,db3')
    const url = filled(part('app1').environment?.DATABASE_URL ?? '', { MYSQL_PASSWORD: 'secret' })
    expect(hostUrls(url).map((own) => connectionOptions(own).host)).toEqual(['db1', 'db2', 'db3'])
    // A backup is of a node that is not written.
    expect(part('backup').environment?.DATABASE_URL).toContain('@haproxy:3307/')
    expect(Object.keys(part('app1').environment ?? {}).filter((name) => !isSetting(name))).toEqual([])
  })

  test('what it mounts is there, what it depends on too, and compose.env.example has its variables', () => {
    for (const [name, { volumes = [], depends_on: needs = {}, networks }] of Object.entries(cluster.services)) {
      for (const volume of volumes) {
        const [source = ''] = volume.split(':')
        if (source === './backups') continue
        expect([name, source, source.startsWith('./') ? existsSync(source) : source in cluster.volumes]).toEqual([
          name,
          source,
          true
        ])
      }
      for (const needed of Object.keys(needs)) expect(Object.keys(cluster.services)).toContain(needed)
      for (const network of networks) expect(Object.keys(cluster.networks)).toContain(network)
    }
    const required = [...variablesOf(text)].filter(([, rest]) => rest.startsWith(':?')).map(([name]) => name)
    expect(Object.keys(given)).toEqual(expect.arrayContaining(required))
  })

  test('haproxy.cfg asks a node as `npm run cluster` does', () => {
    const config = read('deploy/cluster/haproxy.cfg')
    const asked = NODE_CHECK.map((line) => `  ${line}\n`).join('')
    expect(config.split(asked)).toHaveLength(3)
    expect(config).toContain('on-marked-down shutdown-sessions')
    expect(read('deploy/cluster/probe.sql')).toContain(`'${PROBE_USER}'@`)
  })

  test('every figure that an alert rule of hosts asks for is one we give', async () => {
    const app = await createApp({ config: { DATABASE_URL: `${databaseUrl().replace(/@([^/]+)/, '@$1,127.0.0.1:9')}` } })
    await until(async () => /^db_host_up\{host="127.0.0.1:9".*\} 0$/m.test(await app.meters.text()))
    const given = new Set([...(await app.meters.text()).matchAll(/^# TYPE (\S+)/gm)].map(([, name]) => name))
    const asked = [...read('deploy/prometheus-alerts.yml').matchAll(/\bdb_(?:host|node)_\w+/g)].map(([name]) => name)
    expect(asked.length).toBeGreaterThan(4)
    expect(asked.filter((name) => !given.has(name))).toEqual([])
    // One that is not there is none; what the other says of itself is nothing, since it is no node.
    expect(await app.meters.text()).toMatch(/^db_host_written\{host="127.0.0.1:\d{2,}".*\} 1$/m)
    expect(await app.meters.text()).not.toContain('db_node_wsrep_cluster_size{')
  })
})

describe('compose.yaml', () => {
  test('has two instances alike, and what they need, each with a health check', () => {
    const { build, ...first } = service('app1')
    expect(build).toEqual({ context: '.', target: 'service' })
    expect(service('app2')).toEqual(first)
    for (const name of ['nginx', 'mysql', 'redis', 's3']) expect(service(name)).toHaveProperty('healthcheck')
    expect(service('mysql').image).toMatch(/^mysql:8\./)
  })

  test('starts in order: nothing depends on what is not there, and no instance starts before the database is ready', () => {
    const oneShots = new Set(['migrate', 'bucket'])
    for (const name of Object.keys(services)) {
      for (const [needed, { condition }] of Object.entries(service(name).depends_on ?? {})) {
        const expected = oneShots.has(needed) ? 'service_completed_successfully' : 'service_healthy'
        expect([name, needed, condition]).toEqual([name, needed, expected])
        // Instances have theirs in the image.
        if (expected === 'service_healthy' && !OURS.includes(needed)) expect(service(needed).healthcheck).toBeDefined()
      }
    }
    expect(Object.keys(service('app1').depends_on ?? {}).sort()).toEqual(['bucket', 'migrate', 'mysql', 'redis'])
  })

  test('every setting in it is one of ours, and with the secrets filled in production accepts them', () => {
    for (const name of OURS) {
      for (const setting of Object.keys(service(name).environment ?? {}))
        expect([setting, isSetting(setting)]).toEqual([setting, true])
    }
    const secret = 'ab'.repeat(32)
    const gateways = { SMS_PROVIDER: 'aliyun', SMS_SIGN_NAME: '店', ALERT_WEBHOOK_URL: 'https://a.example/?key=x' }
    const filledIn = { ...given, ...gateways }
    const all = Object.fromEntries(Object.entries(filledIn).map(([name, value]) => [name, value || secret]))
    const env = Object.fromEntries(
      Object.entries(service('app1').environment ?? {}).map(([name, value]) => [
        name,
        filled(value, { ...all, DOMAIN: 'a.example' })
      ])
    )
    expect(loadConfig(env)).toMatchObject({ NODE_ENV: 'production', STORAGE: 's3', TRUST_PROXY: '1' })
    expect(env.DATABASE_URL).toBe(`mysql://lottery:${secret}@mysql:3306/restaurant_lottery`)
    expect(env.S3_PUBLIC_URL).toBe('https://a.example/media')
  })

  test('compose.env.example has every variable that has no value of its own, and no secret', () => {
    const variables = variablesOf(composeText)
    const required = [...variables].filter(([, rest]) => !rest.startsWith(':-')).map(([name]) => name)
    expect(Object.keys(given)).toEqual(expect.arrayContaining(required.filter((name) => name !== 'DOMAIN')))
    for (const name of Object.keys(given)) expect([name, variables.has(name)]).toEqual([name, true])
    for (const [name, value] of Object.entries(given))
      if (name !== 'MYSQL_BUFFER_POOL') expect([name, value]).toEqual([name, ''])
    expect(read('.gitignore')).toContain('deploy/compose.env\n')
  })

  test('what it mounts is there, and what it runs is a task', async () => {
    for (const name of Object.keys(services)) {
      for (const volume of service(name).volumes ?? []) {
        const [source = ''] = volume.split(':')
        if (source === './backups') continue
        expect([volume, source.startsWith('./') ? existsSync(source) : source in compose.volumes]).toEqual([
          volume,
          true
        ])
      }
      for (const network of service(name).networks) expect(Object.keys(compose.networks)).toContain(network)
    }
    const tasks = read('scripts/cli.ts')
    for (const name of OURS) {
      const [, script, task] = service(name).command ?? []
      if (task === undefined) continue
      expect(script).toBe('dist/scripts/task.js')
      expect(tasks).toMatch(new RegExp(`'?${task}'?: \\(\\) => import`))
    }
  })
})

test('every npm task is one that is known where it goes', () => {
  const { scripts } = JSON.parse(read('package.json')) as { scripts: Record<string, string> }
  const door = read('scripts/run.mjs')
  const tasks = Object.values(scripts).flatMap((command) => /run\.mjs ([\w-]+)$/.exec(command)?.[1] ?? [])
  expect(tasks.length).toBeGreaterThan(20)
  expect(tasks.filter((task) => !door.includes(`  case '${task}':`))).toEqual([])
})

describe('the image', () => {
  test('copies what exists, to where it is run from', async () => {
    const copied = [...dockerfile.matchAll(/^COPY (?!--from)(.+) \S+$/gm)].flatMap(([, sources = '']) =>
      sources.split(' ')
    )
    expect(copied.length).toBeGreaterThan(3)
    for (const source of copied) expect([source, existsSync(source)]).toEqual([source, true])
    for (const [, source = ''] of dockerfile.matchAll(/^COPY --from=build \/app\/(\S+)/gm)) {
      expect(['package.json', 'node_modules', 'dist', 'prisma']).toContain(source)
    }
    // src/server.ts and scripts/task.ts are compiled to the same places below dist/.
    for (const [, script = ''] of dockerfile.matchAll(/"dist\/([^"]+)\.js"/g)) {
      expect([script, existsSync(`${script}.ts`)]).toEqual([script, true])
    }
    const ignored = read('.dockerignore').split('\n')
    for (const needed of ['src', 'scripts', 'prisma', 'package.json', '.npmrc']) expect(ignored).not.toContain(needed)
    expect(ignored).toEqual(expect.arrayContaining(['.env', 'deploy', 'backups', '.git']))
  })

  test('runs as an ordinary user, and its last stage is the service', () => {
    const stages = dockerfile.split(/^FROM /m).slice(1)
    expect(stages.at(-1)).toMatch(/^base AS service\n/)
    expect(stages.at(-1)).not.toContain('USER')
    for (const stage of stages.slice(1)) {
      const users = [...stage.matchAll(/^USER (\S+)$/gm)].map(([, user]) => user)
      expect(['node', undefined]).toContain(users.at(-1))
    }
    for (const name of OURS) {
      const { build } = service(name)
      if (build !== undefined) expect(dockerfile).toContain(`AS ${build.target}\n`)
    }
  })

  test('the health checks ask for routes that there are', async () => {
    const app = await createApp()
    const [, checked = ''] = /'(\/health[^']*)'/.exec(dockerfile) ?? []
    expect((await app.inject(checked)).statusCode).toBe(200)
  })
})

describe('PM2', () => {
  const { apps } = createRequire(import.meta.url)('../ecosystem.config.cjs') as {
    apps: {
      script: string
      exec_mode: string
      instances: number
      max_memory_restart: string
      wait_ready: boolean
      kill_timeout: number
      env: Record<string, string>
    }[]
  }

  test('runs a cluster of the compiled service, ends a process over 500 MB, and waits as long as a stop may take', () => {
    expect(apps).toHaveLength(1)
    const [app] = apps
    expect(app).toMatchObject({ exec_mode: 'cluster', max_memory_restart: '500M', wait_ready: true })
    expect(existsSync((app?.script ?? '').replace(/^dist\/(.*)\.js$/, '$1.ts'))).toBe(true)
    expect(app?.instances).toBeGreaterThan(1)
    expect(app?.kill_timeout).toBeGreaterThan(10_000)
    for (const name of Object.keys(app?.env ?? {})) expect([name, isSetting(name)]).toEqual([name, true])
    // What `wait_ready` waits for.
    expect(read('src/server.ts')).toContain("process.send?.('ready')")
  })
})

describe('nginx', () => {
  /** A quoted body, as a client would get it. */
  const bodies = [...nginx.matchAll(/'(\{"code".*\})'/g)].map(([, body = '']) => JSON.parse(body))

  test('answers in the shape, and the words, of the service', () => {
    const request_id = '$request_id'
    const expected = (['BODY_TOO_LARGE', 'OVERLOADED'] as const).map((name) => failureBody(refuse(name), request_id))
    expect(bodies).toEqual(expected)
    expect(nginx).toContain(`return ${catalogue.OVERLOADED.status} `)
  })

  test('lets through what the service takes, and waits longer than it does', () => {
    const [, megabytes = ''] = /client_max_body_size (\d+)m;/.exec(nginx) ?? []
    const { BODY_LIMIT } = loadConfig({ JWT_SECRET: 'x'.repeat(32), ENCRYPTION_KEY: 'ab'.repeat(32) })
    expect(Number(megabytes) * 1024 * 1024).toBeGreaterThan(BODY_LIMIT)
    for (const [, seconds = ''] of nginx.matchAll(/proxy_read_timeout (\d+)s;/g))
      expect(Number(seconds)).toBeGreaterThan(60)
    expect(nginx.match(/proxy_read_timeout/g)).toHaveLength(2)
  })

  test('logs no query, for a token may be in it', () => {
    const [, format = ''] = /log_format line ([^;]+);/.exec(nginx) ?? []
    expect(format).toContain('$uri')
    for (const leak of [
      '$request"',
      '$request_uri',
      '$args',
      '$query_string',
      '$http_authorization',
      '$http_referer'
    ]) {
      expect(format).not.toContain(leak)
    }
  })

  test('files that are included are there, and every upstream is a service of compose.yaml', () => {
    const files = readdirSync('deploy/nginx')
    expect(files).toEqual(expect.arrayContaining(['http-compose.conf', 'http-pm2.conf', 'server-compose.conf']))
    const upstreams = read('deploy/nginx/http-compose.conf')
    for (const [, host = '', port = ''] of upstreams.matchAll(/^ {2}server (\w+):(\d+) /gm)) {
      expect(Object.keys(services)).toContain(host)
      if (host.startsWith('app')) expect(service(host).environment?.PORT).toBe(port)
    }
    expect(read('deploy/nginx/server-compose.conf')).toContain(
      `http://storage/${service('app1').environment?.S3_BUCKET}/`
    )
  })
})

test('storage:bucket makes the bucket that the settings name, once, and says what it cannot reach', async () => {
  const directory = await mkdtemp(path.join(tmpdir(), 'lottery-bucket-'))
  const common = { address: '127.0.0.1', port: 0, silent: true, vhostBuckets: false, configureBuckets: [] }
  const server = new S3rver({ ...common, directory })
  const { port } = await server.run()
  let running = true
  const stop = async () => {
    if (running) await server.close()
    running = false
  }
  onTestFinished(async () => {
    await stop()
    await rm(directory, { recursive: true, force: true })
  })
  const env = {
    DATA_DIR: directory,
    STORAGE: 's3',
    S3_ENDPOINT: `http://127.0.0.1:${port}`,
    S3_BUCKET: 'lottery',
    S3_ACCESS_KEY: 'S3RVER',
    S3_SECRET_KEY: 'S3RVER'
  }
  const first = await runScript('storage-bucket', env)
  expect([first.code, first.stderr]).toEqual([0, expect.stringContaining('made the bucket lottery')])
  expect(existsSync(path.join(directory, 'lottery'))).toBe(true)
  const second = await runScript('storage-bucket', env)
  expect([second.code, second.stderr]).toEqual([0, expect.stringContaining('the bucket lottery is there')])
  await stop()
  const third = await runScript('storage-bucket', env)
  expect([third.code, third.stderr]).toEqual([1, expect.stringContaining('does not serve us')])
  const local = await runScript('storage-bucket', { DATA_DIR: directory })
  expect([local.code, local.stderr]).toEqual([1, expect.stringContaining('STORAGE=local has no bucket')])
})
