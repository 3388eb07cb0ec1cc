import { SerializerSelector } from '@fastify/fast-json-stringify-compiler'
import type { TSchema } from '@sinclair/typebox'
import { Ajv } from 'ajv'
import addFormats from 'ajv-formats'
import type { RouteOptions } from 'fastify'
import fp from 'fastify-plugin'
import { failures } from '../shared/schemas.js'
import { compileOnce } from './compiled.js'
import { jsonBytes, readerOf } from './reading.js'

/** Formats are checked; unknown fields are dropped; every fault is told, not the first alone. */
const common = { removeAdditional: 'all', useDefaults: true, allErrors: true, allowUnionTypes: true } as const

function validator(coerceTypes: false | 'array') {
  const ajv = new Ajv({ ...common, coerceTypes })
  addFormats.default(ajv)
  return compileOnce((schema: TSchema) => ajv.compile(schema))
}
const [strict, coercing] = [validator(false), validator('array')]

/** Answers are written by their schemas; no schema refers to another by name. */
const toSerializer = SerializerSelector()({}, {})
const serializer = compileOnce((schema: unknown) => toSerializer({ schema, method: '', url: '', httpStatus: '' }))

/** What a JSON body may have, unless its schema can need more. */
const JSON_BYTES = 16 * 1024

/** Whether a route reads a form, whose parser has limits of its own. */
const readsForm = ({ schema }: RouteOptions) => schema?.consumes?.includes('multipart/form-data') === true

const METHODS_WITH_BODY: ReadonlySet<unknown> = new Set(['POST', 'PUT', 'DELETE'])

/** Lists among a route's answers, for its documentation, what is refused before the route is asked. */
function listRefusals({ method, schema }: RouteOptions): void {
  if (schema?.response === undefined) return
  const listed = schema.response as Record<string, unknown>
  const refusals = METHODS_WITH_BODY.has(method)
    ? failures('BODY_MALFORMED', 'BODY_TOO_LARGE', 'MEDIA_TYPE_UNSUPPORTED')
    : schema.params === undefined && schema.querystring === undefined
      ? {}
      : failures('VALIDATION_FAILED')
  for (const [status, answer] of Object.entries(refusals)) listed[status] ??= answer
}

/**
 * What a request means (contract section 2): JSON bodies are taken as they are, so "100" is no number, while the
 * values of query and path, which are always text, are read as what they stand for. See reading.ts for what comes
 * before. A body that is larger than its route can need is refused before it is parsed.
 */
export default fp(
  async (app) => {
    app.setValidatorCompiler<TSchema>(({ schema, httpPart = 'body' }) => {
      const validate = (httpPart === 'body' ? strict : coercing)(schema)
      const read = readerOf(schema, httpPart as Parameters<typeof readerOf>[1])
      return (part: unknown) => {
        const fault = read(part)
        if (fault !== undefined) return { error: [fault] as never }
        return validate(part) ? true : { error: validate.errors as never }
      }
    })
    app.setSerializerCompiler(({ schema }) => serializer(schema))
    app.addHook('onRoute', (route) => {
      listRefusals(route)
      if (readsForm(route)) return
      const { body } = (route.schema ?? {}) as { body?: TSchema }
      const needed = body === undefined ? 0 : jsonBytes(body)
      route.bodyLimit ??= Math.min(Math.max(JSON_BYTES, needed), app.config.BODY_LIMIT)
    })

    // JSON is all that is read (and a form where photographs come in); text is 415 like any other type.
    // An empty body under a JSON content type is {}, and so is none at all where a body is read.
    const parse = app.getDefaultJsonParser('error', 'error')
    app.removeContentTypeParser(['application/json', 'text/plain'])
    app.addContentTypeParser<string>('application/json', { parseAs: 'string' }, (request, body, done) => {
      if (body.trim() === '') done(null, {})
      else parse(request, body, done)
    })
    app.addHook('preValidation', (request, _reply, done) => {
      if (request.body === undefined && request.routeOptions.schema?.body !== undefined) request.body = {}
      done()
    })
  },
  { name: 'validation' }
)
