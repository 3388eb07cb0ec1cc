import { readFile } from 'node:fs/promises'
import { Ajv2020 } from 'ajv/dist/2020.js'
import addFormats from 'ajv-formats'
import fc from 'fast-check'
import type { FastifyInstance, LightMyRequestResponse } from 'fastify'
import sharp from 'sharp'
import { expect, test } from 'vitest'
import { catalogue, type ErrorName } from '../src/shared/catalogue.js'
import { createApp, type Diner, newAdmin, newDiner, newMerchant, signIn, sql } from './helpers/app.js'
import {
  type FuzzRequest,
  type Operation,
  operationsOf,
  type RoleName,
  requestsOf,
  type Schema
} from './helpers/fuzz.js'
import { newProduct, submit } from './helpers/shop.js'
import { picture, upload } from './helpers/upload.js'

/**
 * Every route of the document, every part of a request, by every role. Whatever is sent: no 5xx, a status that the
 * route lists, a body that fits its schema, and a refusal that changed nothing. What this found is a test elsewhere.
 * Seeded; `npm run fuzz -- --minutes 10` goes on with seeds of its own, and says them.
 */
const MINUTES = Number(process.env.FUZZ_MINUTES ?? 0)
const SEED = Number(process.env.FUZZ_SEED ?? 20_261_128)
const RUNS = 40

/** What a login that is refused writes down: its tries. */
const TALLIES = new Set([
  'login_logs',
  'verification_codes',
  'code_requests',
  'admin_users',
  'sessions',
  'leases',
  'push_events'
])
/** Without its keys, the only service outside that a route asks, and says so. */
const OUTSIDE: ReadonlySet<unknown> = new Set<ErrorName>(['WECHAT_NOT_CONFIGURED'])

interface World {
  readonly app: FastifyInstance
  readonly who: Record<RoleName, { access: string }>
  readonly known: string[]
  readonly pictures: Buffer[]
  readonly tables: string[]
}

async function makeWorld(): Promise<World> {
  const app = await createApp({ config: { DOCS: true } })
  const [diner, merchant, admin] = [
    await newDiner(app, { points: 100_000 }),
    await newMerchant(app),
    await newAdmin(app)
  ]
  const productId = await newProduct(app, { stock: 1000 })
  const order = (await submit(diner, productId)).json().data
  const uploads: string[] = []
  for (let time = 0; time < 3; time += 1) uploads.push((await upload(app, diner)).json().data.upload_id)
  const { vouchers } = (await diner.get('/api/user/vouchers')).json().data
  const codes = vouchers.map(({ code }: { code: string }) => code)
  const known = ['1', String(productId), String(order.order_id), String(diner.userId), ...uploads, ...codes]
  const rows = await sql<{ name: string }>(
    'SELECT TABLE_NAME AS name FROM information_schema.TABLES WHERE TABLE_SCHEMA = DATABASE()'
  )
  const small = await picture(40, 60)
  const pictures = [small, await sharp(small).png().toBuffer(), await readFile('test/fixtures/receipt.heic')]
  const who = { nobody: { access: '' }, stranger: { access: 'x.y.z' }, diner, merchant, admin }
  return {
    app,
    who,
    known,
    pictures,
    tables: rows
      .map(({ name }) => name)
      .filter((name) => !TALLIES.has(name))
      .sort()
  }
}

const stateOf = async ({ app, tables }: World): Promise<string> => {
  // What was uploaded before is compared, which nobody's request waits for.
  await app.comparer.idle()
  return JSON.stringify(await app.ask(`CHECKSUM TABLE ${tables.join(', ')}`), (_key, value) =>
    typeof value === 'bigint' ? String(value) : value
  )
}

async function send({ app, who }: World, { method }: Operation, request: FuzzRequest): Promise<LightMyRequestResponse> {
  const { access } = who[request.role]
  return app.inject({
    method,
    url: request.url,
    headers: { ...request.headers, ...(access === '' ? {} : { authorization: `Bearer ${access}` }) },
    ...(request.payload === undefined ? {} : { payload: request.payload })
  })
}

/** Who lost their session, their rights or their points by what was sent has them again. */
async function mend(world: World): Promise<void> {
  const { app, who } = world
  for (const role of ['diner', 'merchant', 'admin'] as const) {
    const person = who[role] as Diner
    if ((await person.get('/api/user/info')).statusCode === 200) continue
    const isMerchant = role !== 'diner'
    await app.db.user.update({
      where: { userId: person.userId },
      data: { status: 'active', deletedAt: null, isMerchant }
    })
    app.bus.publish({ kind: 'user_changed', userId: person.userId })
    const { access } = await signIn(app, person.mobile)
    await app.db.session.updateMany({
      where: { userId: person.userId, revokedAt: null },
      data: { role: role === 'admin' ? 'admin' : 'user' }
    })
    app.bus.publish({ kind: 'user_changed', userId: person.userId })
    Object.assign(person, {
      access,
      get: (url: string) => app.inject({ url, headers: { authorization: `Bearer ${access}` } })
    })
  }
}

const ajv = new Ajv2020({ strict: false, allErrors: false, formats: { binary: true } })
addFormats.default(ajv)
const compiled = new WeakMap<Schema, (value: unknown) => boolean>()
function fits(schema: Schema, value: unknown): boolean {
  const check = compiled.get(schema) ?? ajv.compile(schema)
  compiled.set(schema, check)
  return check(value)
}

/** What is wrong with an answer; undefined when nothing is. */
function faultOf({ responses }: Operation, request: FuzzRequest, reply: LightMyRequestResponse): string | undefined {
  const isJson = /^application\/json\b/.test(String(reply.headers['content-type']))
  const body = isJson ? reply.json() : undefined
  const refused = body?.error as ErrorName | undefined
  if (reply.statusCode >= 500 && !OUTSIDE.has(refused)) return `is a ${reply.statusCode}: ${reply.payload}`
  if (reply.statusCode === 304) return undefined
  // A path that is not one of the route's, such as one that cannot be decoded, belongs to none.
  if (refused === 'NOT_FOUND' || (refused === 'BODY_MALFORMED' && !responses['400'])) return undefined
  const told = refused !== undefined && 'referer' in request.headers ? catalogue[refused].status : reply.statusCode
  const documented = responses[String(told)]
  if (documented === undefined) return `is ${told} ${refused}, which the route does not list`
  if (refused !== undefined && reply.statusCode !== told && reply.statusCode !== 200)
    return `is ${reply.statusCode} to WeChat`
  const schema = documented.content?.['application/json']?.schema
  if (isJson && schema !== undefined && !fits(schema, body))
    return `does not fit its schema: ${reply.payload.slice(0, 500)}`
  if (/node_modules|SELECT |INSERT |\/src\/|at \w+ \(/.test(refused === undefined ? '' : reply.payload))
    return 'tells of our insides'
  return undefined
}

async function fuzz(world: World, operations: readonly Operation[], seed: number, runs: number, until = Infinity) {
  let sent = 0
  for (const operation of operations) {
    if (Date.now() > until) break
    const label = `${operation.method} ${operation.path}`
    let before = await stateOf(world)
    await fc.assert(
      fc.asyncProperty(requestsOf(operation, world), async (request) => {
        const reply = await send(world, operation, request)
        sent += 1
        const fault = faultOf(operation, request, reply)
        if (fault !== undefined) throw new Error(`${label}: ${fault}`)
        const isRefused = reply.statusCode >= 400 || /^\{"code":[1-9]/.test(reply.payload)
        const after = isRefused && operation.method === 'GET' ? before : await stateOf(world)
        if (isRefused && after !== before)
          throw new Error(`${label}: was refused, and changed something: ${reply.payload}`)
        before = after
        if (!isRefused && operation.method !== 'GET') {
          await mend(world)
          before = await stateOf(world)
        }
      }),
      { seed, numRuns: runs, endOnFailure: false }
    )
  }
  return sent
}

/** What changes who may do anything comes last. */
const isLast = ({ path }: Operation) => /logout|ban$|refresh/.test(path)

async function operationsFor(app: FastifyInstance): Promise<Operation[]> {
  const document = (await app.inject('/api/docs/json')).json()
  const all = operationsOf(document).filter(
    ({ path }) => path.startsWith('/api/') || path.startsWith('/health') || path === '/ws'
  )
  return [...all.filter((operation) => !isLast(operation)), ...all.filter(isLast)]
}

const title = 'whatever is sent to whichever route, it is answered as the document says'
test(title, { timeout: (MINUTES + 10) * 60_000 }, async () => {
  const until = Date.now() + MINUTES * 60_000
  const world = await makeWorld()
  const operations = await operationsFor(world.app)
  expect(operations.length).toBeGreaterThan(75)
  const sent = await fuzz(world, operations, SEED, RUNS)
  expect(sent).toBeGreaterThanOrEqual(operations.length * RUNS)
  for (let seed = Date.now() % 2 ** 31, total = sent; Date.now() < until; seed += 1) {
    total += await fuzz(world, operations, seed, RUNS, until)
    process.stderr.write(`seed ${seed}: ${total} requests so far\n`)
  }
})
