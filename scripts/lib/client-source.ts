import { randomBytes } from 'node:crypto'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import type { TSchema } from '@sinclair/typebox'
import { buildApp } from '../../src/app.js'
import { loadConfig } from '../../src/config.js'
import { ClientMessage, replies } from '../../src/domains/realtime/messages.js'
import { PUSHES } from '../../src/registry.js'
import { catalogue } from '../../src/shared/catalogue.js'

const HEAD = '// Made from the routes by `npm run setup`. Do not edit.\n'
const METHODS = ['get', 'post', 'put', 'delete'] as const
type Method = (typeof METHODS)[number]

/**
 * Writes what the client library is made of besides its own code: types of every route and of every message on /ws,
 * the errors, and a table of the routes by name. No database is needed.
 */
export async function writeClientSource(dir: string): Promise<void> {
  const document = forClients(await readDocument())
  const messages = { openapi: '3.1.0', info: { title: 'messages', version: '1' }, components: { schemas: shapes() } }
  await mkdir(dir, { recursive: true })
  await Promise.all([
    writeFile(path.join(dir, 'api.ts'), HEAD + (await toTypes(document))),
    writeFile(path.join(dir, 'messages.ts'), HEAD + (await toTypes(messages))),
    writeFile(path.join(dir, 'catalogue.ts'), HEAD + errorTable()),
    writeFile(path.join(dir, 'routes.ts'), HEAD + routeTable(routesOf(document)))
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
async function readDocument(): Promise<Document> {
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
  return document as Document
}

interface Schema {
  properties?: Record<string, { default?: unknown; format?: string }>
  required?: string[]
}
interface Operation {
  summary?: string
  deprecated?: boolean
  security?: object[]
  parameters?: { name: string; in: string; required?: boolean; schema: { default?: unknown } }[]
  requestBody?: { content: Record<string, { schema: Schema }> }
  responses: Record<string, { content?: Record<string, { schema: Schema }> }>
}
interface Document {
  paths: Record<string, Partial<Record<Method, Operation>>>
}

/**
 * The document as a client sees it: what has a default need not be sent, a key is the client's own to make; and without
 * failures, which are alike for every route and have a table of their own.
 */
function forClients(document: Document): Document {
  const copy = structuredClone(document)
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

/** A route as the client has it. */
interface NamedRoute {
  readonly group: string
  readonly name: string
  readonly method: Method
  readonly path: string
  readonly operation: Operation
}

/** The routes that have a function: all but the aliases, and those that are no requests. */
function routesOf(document: Document): NamedRoute[] {
  return Object.entries(document.paths).flatMap(([route, methods]) =>
    METHODS.flatMap((method) => {
      const operation = methods[method]
      if (operation === undefined || operation.deprecated || !route.startsWith('/api/')) return []
      const hasGet = method === 'post' && methods.get !== undefined
      return [{ ...nameOf(method, route, hasGet), method, path: route, operation }]
    })
  )
}

const camel = (words: readonly string[]) =>
  words.map((word, index) => (index === 0 ? word : word.charAt(0).toUpperCase() + word.slice(1))).join('')

/**
 * A route's group is its first part, its name what else stands in its path: `GET /api/exchange/orders/{id}` is
 * `exchange.ordersById`, `POST /api/exchange/orders/{id}/cancel` `exchange.ordersCancel`. Where one path has several
 * methods, what writes says so: `createProducts`, `setLimits`, `deleteProducts`.
 */
function nameOf(method: Method, route: string, hasGet: boolean): { group: string; name: string } {
  const [group = '', ...parts] = route.replace('/api/', '').split('/')
  const words = parts.filter((part) => !part.startsWith('{')).flatMap((part) => part.split('-'))
  const param = /\{(\w+)\}$/.exec(route)?.[1]
  const verb = { get: [], post: hasGet ? ['create'] : [], put: ['set'], delete: ['delete'] }[method]
  const by = method === 'get' && param !== undefined ? ['by', param.split('_').at(-1) ?? ''] : []
  return { group, name: camel([...verb, ...words, ...by]) }
}

function routeTable(routes: readonly NamedRoute[]): string {
  const groups = [...new Set(routes.map(({ group }) => group))].sort()
  const inGroup = (name: string) => routes.filter(({ group }) => group === name)
  const types = groups.map((group) => {
    const calls = inGroup(group).map(
      ({ name, method, path: route, operation }) =>
        `    /** ${operation.summary ?? ''}: ${method.toUpperCase()} ${route} */\n` +
        `    ${name}: Call<'${method}', '${route}'>`
    )
    return `  ${group}: {\n${calls.join('\n')}\n  }`
  })
  const rows = groups.map((group) => {
    const kinds = inGroup(group).map((route) => `    ${route.name}: ${kindOf(route)}`)
    return `  ${group}: {\n${kinds.join(',\n')}\n  }`
  })
  return `import type { Call, Method } from '../types.js'

/** A route, and what becomes of what it is given. */
export interface RouteKind {
  readonly method: Method
  readonly path: string
  /** What stands in the query though the method has a body. */
  readonly query: readonly string[]
  /** The field of its form that is a file. */
  readonly file?: string
  /** It takes an Idempotency-Key. */
  readonly isKeyed: boolean
  readonly isPublic: boolean
  /** Its answer has no envelope. */
  readonly isBare: boolean
}

const kind = (
  method: Method,
  path: string,
  flags = '',
  file?: string,
  query: readonly string[] = []
): RouteKind => ({
  method,
  path,
  query,
  ...(file === undefined ? {} : { file }),
  isKeyed: flags.includes('k'),
  isPublic: flags.includes('p'),
  isBare: flags.includes('b')
})

export const ROUTES = {
${rows.join(',\n')}
} as const

/** Every route as a function. */
export interface Groups {
${types.join('\n')}
}
`
}

function kindOf({ method, path: route, operation }: NamedRoute): string {
  const { parameters = [], requestBody, responses, security } = operation
  const isKeyed = parameters.some((parameter) => parameter.name === 'Idempotency-Key')
  const form = requestBody?.content['multipart/form-data']?.schema.properties
  const file = Object.entries(form ?? {}).find(([, { format }]) => format === 'binary')?.[0]
  const query = method === 'get' ? [] : parameters.filter((each) => each.in === 'query').map(({ name }) => name)
  const envelope = responses['200']?.content?.['application/json']?.schema.properties
  const isBare = envelope?.code === undefined || envelope.data === undefined
  // It says whether a token holds, and so wants to be shown one.
  const isPublic = security === undefined && route !== '/api/auth/verify-token'
  const flags = [isKeyed && 'k', isPublic && 'p', isBare && 'b'].filter(Boolean).join('')
  const args = [method, route, flags, file, query.length > 0 ? query : undefined].map(
    (arg) => JSON.stringify(arg) ?? 'undefined'
  )
  return `kind(${args.join(', ').replace(/(?:, (?:undefined|""))+$/, '')})`
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
`
}
