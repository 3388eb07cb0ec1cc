import type { FastifyError, FastifyReply, FastifyRequest, preParsingHookHandler } from 'fastify'
import fp from 'fastify-plugin'
import { isTransient, isUnavailable } from '../engine/database-errors.js'
import type { ErrorName } from '../shared/catalogue.js'
import { type FailureBody, failureBody, MAX_DETAILS, Refusal, refuse } from '../shared/refusal.js'
import { Failure } from '../shared/schemas.js'
import { isUnderApi } from './under-api.js'

/** Fastify's own faults by their status; whatever is not here is ours. */
const BY_STATUS: Readonly<Record<number, ErrorName>> = {
  404: 'NOT_FOUND',
  413: 'BODY_TOO_LARGE',
  415: 'MEDIA_TYPE_UNSUPPORTED',
  429: 'RATE_LIMITED',
  503: 'OVERLOADED'
}

/** A failure on its way out. */
export interface FailureAnswer {
  readonly status: number
  readonly body: FailureBody
}

declare module 'fastify' {
  interface FastifyInstance {
    /** Asked in turn for each failure: how clients of one kind want it told. */
    readonly failureProfiles: ((answer: FailureAnswer, request: FastifyRequest) => FailureAnswer)[]
  }
  interface FastifyContextConfig {
    /** What a request that does not fit the schema is refused with, where the module has a number of its own. */
    invalid?: 'VALIDATION_FAILED' | 'REVIEW_PARAMS' | 'APPLICATION_INCOMPLETE'
  }
  interface FastifyRequest {
    /** What it was refused with, for whoever counts. */
    refused: ErrorName | undefined
  }
}

/**
 * The refusal that answers whatever was thrown.
 * @param invalid for a request that does not fit its schema
 */
export function toRefusal(err: FastifyError | Refusal | Error, invalid: ErrorName = 'VALIDATION_FAILED'): Refusal {
  if (err instanceof Refusal) return err
  const { validation, statusCode = 500 } = err as Partial<FastifyError>
  if (validation !== undefined) return fromValidation(validation, invalid)
  const named = BY_STATUS[statusCode]
  if (named !== undefined) return refuse(named)
  if (statusCode >= 400 && statusCode < 500) return refuse('BODY_MALFORMED')
  return refuse(isUnavailable(err) || isTransient(err) ? 'DATABASE_UNAVAILABLE' : 'INTERNAL')
}

function fromValidation(faults: NonNullable<FastifyError['validation']>, invalid: ErrorName): Refusal {
  const details = faults.slice(0, MAX_DETAILS).map(({ instancePath, params, keyword, message = 'is not valid' }) => {
    const path = instancePath.slice(1).replaceAll('/', '.')
    const missing = keyword === 'required' ? String(params.missingProperty) : ''
    return { field: [path, missing].filter((part) => part !== '').join('.'), message }
  })
  const aboutMobile = faults.some(({ instancePath }) => instancePath === '/mobile')
  return refuse(aboutMobile ? 'MOBILE_INVALID' : invalid, details)
}

/** Whether the client left before it had sent its request whole. */
const wasBrokenOff = ({ raw }: FastifyRequest) => raw.destroyed && !raw.complete

/** One that left while it was being let in: reading what it sent would wait for ever. */
const refuseBrokenOff: preParsingHookHandler = (request, _reply, payload, done) => {
  if (wasBrokenOff(request)) done(refuse('BODY_MALFORMED'))
  else done(null, payload)
}

/** Nobody hears the answer, and nothing failed here, whatever it looked like to whoever was reading. */
function brokenOff({ log }: FastifyRequest): Refusal {
  log.info('the client broke off its request')
  return refuse('BODY_MALFORMED')
}

/** The one place where a failure becomes an answer. */
export function sendRefusal(refusal: Refusal, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  request.refused = refusal.error
  if (refusal.retryAfterSeconds !== undefined) reply.header('retry-after', Math.max(1, refusal.retryAfterSeconds))
  // Whatever the route says of its answers: a failure is of this moment.
  if (isUnderApi(request)) reply.header('cache-control', 'no-store')
  const { status } = refusal.entry
  const answer = request.server.failureProfiles.reduce<FailureAnswer>((shaped, profile) => profile(shaped, request), {
    status,
    body: failureBody(refusal, request.id)
  })
  // Under another status than its own it does not pass that one's schema, which would make a success of it; and what
  // no route lists, such as that there is no such route, has none.
  if (answer.status !== status || reply.getSerializationFunction(String(status)) === undefined) {
    reply.type('application/json; charset=utf-8').serializer(reply.compileSerializationSchema(Failure))
  }
  return reply.code(answer.status).send(answer.body)
}

export default fp(
  async (app) => {
    app.decorateRequest('refused', undefined)
    app.decorate('failureProfiles', [])
    app.setErrorHandler<FastifyError | Refusal>((err, request, reply) => {
      const refusal = wasBrokenOff(request) ? brokenOff(request) : toRefusal(err, request.routeOptions.config?.invalid)
      // Load that is shed is counted; a stack for each of a thousand would be load of its own.
      const ours = refusal.entry.status >= 500 && refusal.error !== 'OVERLOADED'
      if (ours) request.log.error({ err }, 'request failed')
      return sendRefusal(refusal, request, reply)
    })
    app.setNotFoundHandler((request, reply) => sendRefusal(refuse('NOT_FOUND'), request, reply))
    app.addHook('onRoute', (route) => {
      if (route.method !== 'GET' && route.method !== 'HEAD') {
        route.preParsing = [refuseBrokenOff, ...[route.preParsing ?? []].flat()]
      }
    })
    app.addHook('onRequest', (request, reply, done) => {
      reply.header('x-request-id', request.id)
      done()
    })
  },
  { name: 'errors' }
)
