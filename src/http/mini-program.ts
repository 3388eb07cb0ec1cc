import type { IncomingMessage } from 'node:http'
import type { TSchema } from '@sinclair/typebox'
import type { FastifyRequest, preValidationHookHandler } from 'fastify'
import fp from 'fastify-plugin'
import type { FailureAnswer } from './errors.js'
import {
  CODES_FOR_WECHAT,
  FIELD_ALIASES,
  type FieldAliases,
  PATH_ALIASES,
  type PathAlias,
  type Spelling,
  WECHAT_REFERER
} from './mini-program-tables.js'

type Fields = Record<string, unknown>

const isFields = (value: unknown): value is Fields =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

/** Path and query of an address. Doubled slashes, where a base ends in one and a path begins with one, are one. */
function partsOf(url: string): { path: string; query: string } {
  const [path = ''] = url.split('?', 1)
  return { path: path.replaceAll(/\/{2,}/g, '/'), query: url.slice(path.length) }
}

/** The alias that an address is; a HEAD is answered as its GET. */
function aliasOf(method: string | undefined, path: string): PathAlias | undefined {
  const bare = path.replace(/\/$/, '')
  const asked = method === 'HEAD' ? 'GET' : method
  return PATH_ALIASES.find((alias) => alias.path === bare && alias.method === asked)
}

/**
 * The address of the route that is meant: for `rewriteUrl`, so that an alias has neither handler nor limit of its own.
 */
export function routeUrl({ method, url = '/' }: IncomingMessage): string {
  const { path, query } = partsOf(url)
  return `${aliasOf(method, path)?.of ?? path}${query}`
}

/** Gives fields the names and words that the route knows: in place, since a body may have tens of thousands of them. */
function respell(fields: Fields, { names = {}, words = {} }: Spelling): void {
  for (const [other, name] of Object.entries(names)) {
    if (Object.hasOwn(fields, other) && (fields[name] ?? null) === null) fields[name] = fields[other]
  }
  for (const [name, known] of Object.entries(words)) {
    const word = fields[name]
    if (typeof word === 'string' && Object.hasOwn(known, word)) fields[name] = known[word]
  }
}

/**
 * Changes a body in place to what it means under the aliases of its route. Names that nobody knows are left for the
 * validation to drop, and a list that is longer than the route takes is left for it to refuse: nobody looks at its
 * items.
 * @param most how many items a list may have
 */
export function readAliases(
  body: unknown,
  { items, spread, ...spelling }: FieldAliases,
  most = Number.POSITIVE_INFINITY
): void {
  if (!isFields(body)) return
  respell(body, spelling)
  const ids = spread && body[spread.from]
  if (spread !== undefined && Array.isArray(ids) && !Object.hasOwn(body, spread.list)) {
    const common = Object.fromEntries(spread.common.flatMap((name) => (name in body ? [[name, body[name]]] : [])))
    body[spread.list] = ids.length > most ? ids : ids.map((id: unknown) => ({ ...common, [spread.id]: id }))
  }
  const list = items && body[items.list]
  if (items === undefined || !Array.isArray(list) || list.length > most) return
  for (const item of list) if (isFields(item)) respell(item, items)
}

/** An answer whose lists are there by their other names too. */
function repeatLists(payload: string, also: Readonly<Record<string, string>>): string {
  const answer: unknown = JSON.parse(payload)
  if (!isFields(answer) || !isFields(answer.data)) return payload
  for (const [other, name] of Object.entries(also)) answer.data[other] = answer.data[name]
  return JSON.stringify(answer)
}

/**
 * The mini-program profile (contract section 1): such a client reads a body on HTTP 200 alone, and renews its token
 * on body code 401. An upgrade is refused as HTTP has it: there is no body to be read.
 */
function dressForWechat(answer: FailureAnswer, { headers }: FastifyRequest): FailureAnswer {
  const { status, body } = answer
  const forWechat = headers.referer?.startsWith(WECHAT_REFERER) && headers.upgrade === undefined
  if (!forWechat || status >= 500) return answer
  return { status: 200, body: { ...body, code: CODES_FOR_WECHAT[body.error] ?? body.code } }
}

/** Everything that is for clients in the field as they are. The domains know nothing of it; see the tables beside. */
export default fp(
  async (app) => {
    app.failureProfiles.push(dressForWechat)

    app.addHook('onRoute', (route) => {
      const aliases = FIELD_ALIASES[`${route.method} ${route.url}`]
      if (aliases === undefined) return
      const { names: formNames, tokenField } = aliases
      // A form is a stream: whoever reads it asks these settings, which hold for any client.
      route.config = {
        ...route.config,
        ...(formNames === undefined ? {} : { formNames }),
        ...(tokenField === undefined ? {} : { tokenField })
      }
      const { properties } = (route.schema?.body ?? {}) as TSchema
      const most: number | undefined = properties?.[aliases.items?.list ?? '']?.maxItems
      // Before the validation, which drops what it does not know.
      const respellBody: preValidationHookHandler = (request, _reply, done) => {
        readAliases(request.body, aliases, most)
        done()
      }
      route.preValidation = [...[route.preValidation ?? []].flat(), respellBody]
    })

    // After the schema of the answer has dropped what is none of the client's business.
    app.addHook('onSend', (request, reply, payload, done) => {
      const isAsSent = request.originalUrl === request.url
      const also = isAsSent ? undefined : aliasOf(request.method, partsOf(request.originalUrl).path)?.also
      const isRepeated = also !== undefined && reply.statusCode === 200 && typeof payload === 'string'
      done(null, isRepeated ? repeatLists(payload, also) : payload)
    })
  },
  { name: 'mini-program', dependencies: ['errors', 'validation'] }
)
