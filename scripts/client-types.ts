import { randomBytes } from 'node:crypto'
import { copyFile, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { parseArgs } from 'node:util'
import type { TSchema } from '@sinclair/typebox'
import { buildApp } from '../src/app.js'
import { loadConfig } from '../src/config.js'
import { ClientMessage, replies } from '../src/domains/realtime/messages.js'
import { PUSHES } from '../src/registry.js'
import { catalogue } from '../src/shared/catalogue.js'
import { guarded, say } from './lib/print.js'

const OUT = 'dist/client'
const GUIDE = 'scripts/client/README.md'
const HEAD = '// Made by `npm run client:types`. Do not edit.\n'

/**
 * `npm run client:types`: writes types of every route, of every message on /ws and of the errors, and the guide for
 * mini-program developers, to `dist/client/` (or where `--out` says). Nothing is started, and no database is needed.
 */
export async function main(args: string[]): Promise<void> {
  await guarded(async () => {
    const { values } = parseArgs({ args, options: { out: { type: 'string', default: OUT } } })
    await writeClient(values.out)
    say(`wrote the client kit to ${values.out}`)
    return 0
  })
}

/** Writes the kit into a folder, which is made if need be. */
export async function writeClient(dir: string): Promise<void> {
  const document = forClients(await readDocument())
  const messages = { openapi: '3.1.0', info: { title: 'messages', version: '1' }, components: { schemas: shapes() } }
  await mkdir(dir, { recursive: true })
  await Promise.all([
    writeFile(path.join(dir, 'api.d.ts'), HEAD + (await toTypes(document))),
    writeFile(path.join(dir, 'messages.d.ts'), HEAD + (await toTypes(messages))),
    writeFile(path.join(dir, 'index.d.ts'), HEAD + INDEX),
    writeFile(path.join(dir, 'errors.ts'), HEAD + errorTable()),
    copyFile(GUIDE, path.join(dir, 'README.md'))
  ])
}

/** TypeScript of an OpenAPI document. Loaded here: it is a tool of development, and the image goes without. */
async function toTypes(document: object): Promise<string> {
  const { default: openapiTS, astToString } = await import('openapi-typescript')
  // A field that has a default need not be sent.
  return astToString(await openapiTS(document as Parameters<typeof openapiTS>[0], { defaultNonNullable: false }))
}

class Enough extends Error {}

/** The OpenAPI document. It is there once the routes are, before anything reaches for a database. */
async function readDocument(): Promise<object> {
  const dataDir = await mkdtemp(path.join(tmpdir(), 'lottery-types-'))
  const secrets = { JWT_SECRET: randomBytes(32).toString('hex'), ENCRYPTION_KEY: randomBytes(32).toString('hex') }
  const config = loadConfig({ NODE_ENV: 'development', DOCS: 'true', DATA_DIR: dataDir, ...secrets })
  let document: object | undefined
  try {
    const app = await buildApp({ config: { ...config, DATABASE_URL: 'mysql://nobody@127.0.0.1:9/none' } })
    app.addHook('onReady', async () => {
      document = app.swagger()
      throw new Enough()
    })
    await Promise.resolve(app.ready()).catch((err: unknown) => {
      if (!(err instanceof Enough)) throw err
    })
    await app.close()
  } finally {
    await rm(dataDir, { recursive: true, force: true })
  }
  if (document === undefined) throw new Error('there is no document')
  return document
}

interface Sent {
  properties?: Record<string, { default?: unknown }>
  required?: string[]
}
interface Operation {
  parameters?: { required?: boolean; schema: { default?: unknown } }[]
  requestBody?: { content: Record<string, { schema: Sent }> }
  responses: object
}

/**
 * The document as a client sees it: what has a default need not be sent; and without failures, which are alike for
 * every route and have a table of their own.
 */
function forClients(document: object): object {
  const copy = structuredClone(document) as { paths: Record<string, Record<string, Operation>> }
  for (const operation of Object.values(copy.paths).flatMap((methods) => Object.values(methods))) {
    operation.responses = Object.fromEntries(Object.entries(operation.responses).filter(([status]) => status === '200'))
    for (const parameter of operation.parameters ?? []) {
      if (parameter.schema.default !== undefined) parameter.required = false
    }
    for (const { schema } of Object.values(operation.requestBody?.content ?? {})) {
      const { properties = {}, required = [] } = schema
      schema.required = required.filter((name) => properties[name]?.default === undefined)
    }
  }
  return copy
}

/** What goes over /ws, as plain JSON schemas; the names say which way it goes. */
function shapes(): Record<string, object> {
  const named = (way: string, schemas: Record<string, TSchema>) =>
    Object.entries(schemas).map(([name, schema]) => [`${way}${name}`, schema] as const)
  const pushes = Object.fromEntries(PUSHES.map(({ name, schema }) => [name, schema]))
  const all = [...named('push:', pushes), ...named('reply:', replies), ['ClientMessage', ClientMessage] as const]
  return JSON.parse(JSON.stringify(Object.fromEntries(all)))
}

function errorTable(): string {
  const rows = Object.entries(catalogue).map(([name, { status, code, msg, when }]) =>
    [`  /** ${when} */`, `  ${name}: ${JSON.stringify({ status, code, msg })},`].join('\n')
  )
  return `/** Every way a request is refused. \`error\` is unique; a \`code\` means something else in another module. */
export const errors = {
${rows.join('\n')}
} as const

export type ErrorName = keyof typeof errors

/** The body of a failure. \`code\` is 401 where a mini-program has to renew its token. */
export type Failure = {
  code: number
  msg: string
  data: null
  error: ErrorName
  wechat_tip: string
  solution: string
  details?: unknown
  request_id: string
}
`
}

const INDEX = `import type { paths } from './api'
import type { Failure } from './errors'
import type { components } from './messages'

export type { paths } from './api'
export type { ErrorName, Failure } from './errors'

export type Method = 'get' | 'post' | 'put' | 'delete'

type Api = {
  [M in Method]: {
    [P in keyof paths as paths[P] extends { [K in M]: { responses: unknown } } ? P : never]: paths[P][M]
  }
}

/** The routes that have a method. Those that the editor strikes out are aliases: new code does without them. */
export type Route<M extends Method> = keyof Api[M] & string

/** What a route reads in its body, be it JSON or a form. */
export type Body<M extends Method, P extends Route<M>> = Api[M][P] extends { requestBody?: infer R }
  ? NonNullable<R> extends { content: infer C }
    ? C[keyof C]
    : undefined
  : undefined

/** What a route reads in its query. */
export type Query<M extends Method, P extends Route<M>> = Api[M][P] extends { parameters: { query?: infer Q } }
  ? NonNullable<Q>
  : undefined

/** What \`wx.request\` takes as \`data\`: it makes a query of it on GET, and a body else. */
export type Input<M extends Method, P extends Route<M>> = 'get' extends M ? Query<M, P> : Body<M, P>

/** What stands in the braces of a route's path. */
export type Params<M extends Method, P extends Route<M>> = Api[M][P] extends { parameters: { path: infer Q } }
  ? Q
  : undefined

/** What a success carries. */
export type Data<M extends Method, P extends Route<M>> = Api[M][P] extends {
  responses: { 200: { content: { 'application/json': { data: infer D } } } }
}
  ? D
  : never

/** The body of an answer: of a success, or of a failure, whose \`data\` is null. */
export type Answer<M extends Method, P extends Route<M>> = { code: number; msg: string; data: Data<M, P> } | Failure

type Shapes = components['schemas']
type Framed<Way extends string> = {
  [N in keyof Shapes]: N extends \`\${Way}:\${infer Name}\`
    ? { type: Name; data: Shapes[N]; timestamp: string; id: number }
    : never
}[keyof Shapes]

/** What /ws tells by itself. */
export type Push = Framed<'push'>
/** Everything that comes over /ws. */
export type Frame = Push | Framed<'reply'>
/** Everything that may be sent to it. */
export type ClientMessage = Shapes['ClientMessage']
`
