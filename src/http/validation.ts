import { Ajv } from 'ajv'
import addFormats from 'ajv-formats'
import fp from 'fastify-plugin'

/** Formats are checked; unknown fields are dropped; every fault is told, not the first alone. */
const common = { removeAdditional: 'all', useDefaults: true, allErrors: true, allowUnionTypes: true } as const

/**
 * What a request means (contract section 2): JSON bodies are taken as they are, so "100" and null are no numbers,
 * while the values of query and path, which are always text, are read as what they stand for.
 */
export default fp(
  async (app) => {
    const strict = new Ajv({ ...common, coerceTypes: false })
    const coercing = new Ajv({ ...common, coerceTypes: 'array' })
    for (const ajv of [strict, coercing]) addFormats.default(ajv)
    app.setValidatorCompiler(({ schema, httpPart }) =>
      (httpPart === 'body' ? strict : coercing).compile(schema as object)
    )

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
