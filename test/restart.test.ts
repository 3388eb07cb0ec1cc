import { randomBytes, randomUUID } from 'node:crypto'
import { Agent, request } from 'node:http'
import { setTimeout as pause } from 'node:timers/promises'
import type { FastifyInstance } from 'fastify'
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest'
import { WebSocket } from 'ws'
import { serve } from '../src/serve.js'
import { createApp, type Diner, databaseUrl, ledgerFaults, newDiner, sql, testConfig, until } from './helpers/app.js'
import { underWay } from './helpers/blocker.js'
import { type Instance, startBalancer, startInstance } from './helpers/cluster.js'
import { startRedis, type TestRedis } from './helpers/redis.js'
import type { Frame } from './helpers/socket.js'

let redis: TestRedis
beforeAll(async () => {
  redis = await startRedis()
  await sql('UPDATE lottery_config SET daily_limit = 100000')
})
afterAll(() => redis.stop())

/** What all processes of a deployment agree on. */
function deployment(): Record<string, string> {
  const { JWT_SECRET } = testConfig()
  const ENCRYPTION_KEY = randomBytes(32).toString('hex')
  return {
    NODE_ENV: 'development',
    DATABASE_URL: databaseUrl(),
    REDIS_URL: redis.url,
    JWT_SECRET,
    ENCRYPTION_KEY,
    RATE_LIMIT: 'off',
    DB_POOL: '5'
  }
}

/** A client as ours should be: it sends a request again, with its key, until there is an answer. */
class Client {
  readonly drawn: string[] = []
  readonly frames: Frame[] = []
  readonly refused: number[] = []
  retries = 0
  #socket: WebSocket | undefined
  #isOver = false
  readonly #agent = new Agent({ keepAlive: true })

  constructor(
    private readonly address: string,
    readonly diner: Diner
  ) {}

  async draw(): Promise<void> {
    const key = randomUUID()
    for (;;) {
      const answer = await this.#post('/api/lottery/draw', key).catch(() => undefined)
      if (answer?.status === 200) {
        this.drawn.push((answer.body as { data: { draw_id: string } }).data.draw_id)
        return
      }
      if (answer !== undefined) this.refused.push(answer.status)
      this.retries += 1
      await pause(20)
    }
  }

  /** Listens until {@link hangUp}: each connection that is lost is made again, from where the last one ended. */
  listen(): void {
    if (this.#isOver) return
    const since = this.frames.at(-1)?.id ?? 0
    const url = `${this.address.replace('http', 'ws')}/ws?token=${this.diner.access}&since=${since}`
    const socket = new WebSocket(url)
    this.#socket = socket
    socket.on('message', (data) => this.frames.push(JSON.parse(data.toString())))
    socket.on('error', () => {})
    socket.on('close', () => setTimeout(() => this.listen(), 20))
  }

  hangUp(): void {
    this.#isOver = true
    this.#socket?.terminate()
    this.#agent.destroy()
  }

  #post(path: string, key: string): Promise<{ status: number; body: unknown }> {
    const headers = { authorization: `Bearer ${this.diner.access}`, 'idempotency-key': key }
    return new Promise((resolve, reject) => {
      const asked = request(`${this.address}${path}`, { method: 'POST', headers, agent: this.#agent }, (reply) => {
        let text = ''
        reply.on('data', (chunk) => {
          text += chunk
        })
        reply.on('error', reject)
        reply.on('close', () => {
          if (!reply.complete) reject(new Error('the answer broke off'))
          else resolve({ status: reply.statusCode ?? 0, body: JSON.parse(text) })
        })
      })
      asked.on('error', reject)
      asked.end()
    })
  }
}

interface Load {
  readonly clients: readonly Client[]
  /** Ends the load, and waits until all that was asked is answered and told. */
  finish(): Promise<void>
  /** Waits until each client has made that many more draws. */
  goesOn(draws: number): Promise<void>
}

/** Diners who draw one after the other, and listen, until told to finish. */
async function startLoad(app: FastifyInstance, address: string, diners: number): Promise<Load> {
  const clients: Client[] = []
  for (let index = 0; index < diners; index += 1) {
    const client = new Client(address, await newDiner(app, { points: 1_000_000 }))
    client.listen()
    clients.push(client)
  }
  onTestFinished(() => {
    for (const client of clients) client.hangUp()
  })
  let isOn = true
  const work = Promise.all(
    clients.map(async (client) => {
      while (isOn) await client.draw()
    })
  )
  return {
    clients,
    async finish() {
      isOn = false
      await work
      await until(() => clients.every((client) => told(client).length >= client.drawn.length))
    },
    async goesOn(draws) {
      const counts = clients.map((client) => client.drawn.length + draws)
      await until(() => clients.every((client, index) => client.drawn.length >= (counts[index] ?? 0)))
    }
  }
}

const told = (client: Client) => client.frames.filter((frame) => frame.type === 'lottery_result')

/** Every request was done once, and told once, in the order of its commit; the ledger is whole. */
async function expectWhole(app: FastifyInstance, clients: readonly Client[]): Promise<void> {
  for (const { diner, drawn, frames } of clients) {
    const rows = await app.db.pointsRecord.findMany({
      where: { userId: diner.userId, source: 'lottery' },
      orderBy: { id: 'asc' }
    })
    const ledger = rows.map((row) => row.relatedId)
    expect(ledger).toEqual(drawn)
    const results = frames.filter((frame) => frame.type === 'lottery_result').map((frame) => frame.data.draw_id)
    expect(results).toEqual(ledger)
    const balances = frames.filter((frame) => frame.type === 'points_update').map((frame) => frame.data.total_points)
    expect(balances).toEqual(rows.map((row) => row.balanceAfter))
  }
  const userIds = clients.map((client) => client.diner.userId)
  expect(await ledgerFaults(app, userIds)).toEqual([])
}

async function cluster(): Promise<{
  env: Record<string, string>
  instances: Instance[]
  load: Load
  app: FastifyInstance
}> {
  const env = deployment()
  const instances = [await startInstance(env), await startInstance(env)]
  const { address } = await startBalancer(instances.map(({ port }) => port))
  const app = await createApp({ config: { ENCRYPTION_KEY: env.ENCRYPTION_KEY ?? '' } })
  const load = await startLoad(app, address, 4)
  await load.goesOn(3)
  return { env, instances, load, app }
}

test('two instances are restarted one after the other under load: nothing is lost, nothing is done twice', async () => {
  const { env, instances, load, app } = await cluster()
  for (const instance of instances) {
    expect(await instance.end('SIGTERM')).toBe(0)
    await load.goesOn(3)
    await startInstance(env, instance.port)
    await load.goesOn(3)
  }
  await load.finish()
  // Connections may break, and are made again; no request that was answered was turned away.
  expect(load.clients.flatMap((client) => client.refused)).toEqual([])
  await expectWhole(app, load.clients)
})

test('one instance is killed under load: the other goes on, the ledger is whole, nothing told is lost', async () => {
  const { env, instances, load, app } = await cluster()
  for (const instance of instances) {
    expect(await instance.end('SIGKILL')).toBeNull()
    await load.goesOn(5)
    await startInstance(env, instance.port)
    await load.goesOn(2)
  }
  await load.finish()
  await expectWhole(app, load.clients)
})

test('a service that stops says so first, does what still comes in, and closes its connections', async () => {
  const service = await serve({ ...testConfig(), PORT: 0 }, 1500)
  const diner = await newDiner(service.app)
  const agent = new Agent({ keepAlive: true, maxSockets: 1 })
  onTestFinished(() => agent.destroy())
  const get = (path: string) =>
    new Promise<{ status: number | undefined; connection: string | undefined }>((resolve, reject) => {
      const headers = { authorization: `Bearer ${diner.access}` }
      request(`${service.address}${path}`, { agent, headers }, (reply) => {
        reply.resume()
        reply.on('end', () => resolve({ status: reply.statusCode, connection: reply.headers.connection }))
      })
        .on('error', reject)
        .end()
    })
  expect(await get('/health/ready')).toEqual({ status: 200, connection: 'keep-alive' })
  const socket = new WebSocket(`${service.address.replace('http', 'ws')}/ws?token=${diner.access}`)
  const closed = new Promise<number>((resolve) => socket.once('close', resolve))
  await new Promise((resolve) => socket.once('open', resolve))

  // A draw that waits for a lock while the service stops.
  let release = () => {}
  const holding = new Promise<void>((resolve) => {
    release = resolve
  })
  let lock = () => {}
  const locked = new Promise<void>((resolve) => {
    lock = resolve
  })
  const held = service.app.tx(async ({ tx }) => {
    await tx.$queryRaw`SELECT user_id FROM users WHERE user_id = ${diner.userId} FOR UPDATE`
    lock()
    await holding
  })
  await locked
  const key = randomUUID()
  const drawing = fetch(`${service.address}/api/lottery/draw`, {
    method: 'POST',
    headers: { authorization: `Bearer ${diner.access}`, 'idempotency-key': key }
  })
  await until(async () => (await underWay('%FOR UPDATE%')) > 0)

  const start = Date.now()
  const stopping = service.stop()
  expect(await get('/health/ready')).toEqual({ status: 503, connection: 'close' })
  expect(await get('/api/user/info')).toEqual({ status: 200, connection: 'close' })
  expect(await closed).toBe(1001)
  release()
  await held
  expect((await drawing).status).toBe(200)
  await stopping
  expect(Date.now() - start).toBeLessThan(7000)
  await expect(get('/health/live')).rejects.toThrow()
})
