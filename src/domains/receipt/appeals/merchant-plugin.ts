import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import type { FastifyReply, FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'
import type { PrivilegedWork } from '../../../engine/unit-of-work.js'
import { actOnce, keyOf } from '../../../http/keyed.js'
import { publicOrigin } from '../../../shared/origin.js'
import { failures, MERCHANT_FAILURES, ok, success } from '../../../shared/schemas.js'
import { UploadParams } from '../schemas.js'
import { overturnAppeal, upholdAppeal } from './decide.js'
import { examples } from './examples.js'
import { listAppeals } from './queries.js'
import { Appeals, AppealsQuery, DecidedAppeal, OverturnBody, UpholdBody } from './schemas.js'

const TAGS = ['merchant']
const access = { access: 'merchant' } as const
const deciding = { access: 'merchant', invalid: 'REVIEW_PARAMS' } as const
const DECISION = [
  ...MERCHANT_FAILURES,
  'REVIEW_PARAMS',
  'REVIEW_OWN_UPLOAD',
  'APPEAL_OWN_DECISION',
  'APPEAL_NOT_OPEN',
  'APPEAL_NOT_FOUND',
  'USER_NOT_FOUND',
  'IDEMPOTENCY_CONFLICT'
] as const

async function decide(
  request: FastifyRequest,
  reply: FastifyReply,
  work: (uow: PrivilegedWork) => Promise<DecidedAppeal>
) {
  const keyed = keyOf(request, { params: request.params, body: request.body })
  return success((await actOnce(request, reply, { keyed }, work)).answer)
}

/** What merchants do about appeals: somebody else than the first reviewer decides them. */
const merchantAppeals: FastifyPluginAsyncTypebox = async (app) => {
  const timeZone = app.config.BUSINESS_TZ

  app.get(
    '/appeals',
    {
      config: access,
      schema: {
        tags: TAGS,
        summary: 'Appeals, oldest first, with the receipt, its evidence and the first decision',
        querystring: AppealsQuery,
        response: { 200: ok(Appeals, examples.appeals), ...failures('VALIDATION_FAILED', ...MERCHANT_FAILURES) }
      }
    },
    async (request) => {
      const urlOf = (key: string) => app.storage.url(key, publicOrigin(request, app.config))
      return success(await listAppeals(app.db, request.query, urlOf, app.clock()))
    }
  )

  app.post(
    '/appeals/:id/uphold',
    {
      config: deciding,
      schema: {
        tags: TAGS,
        summary: 'Leave a decision as it is',
        params: UploadParams,
        body: UpholdBody,
        response: { 200: ok(DecidedAppeal, examples.upheld), ...failures(...DECISION) }
      }
    },
    async (request, reply) => {
      const decision = { uploadId: request.params.id, ...request.body, isAdmin: request.user.role === 'admin' }
      return decide(request, reply, (uow) => upholdAppeal(uow, decision))
    }
  )

  app.post(
    '/appeals/:id/overturn',
    {
      config: deciding,
      schema: {
        tags: TAGS,
        summary: 'Set a decision right, and pay the difference',
        description: 'By the terms that were promised at upload. The amount is over what was confirmed.',
        params: UploadParams,
        body: OverturnBody,
        response: { 200: ok(DecidedAppeal, examples.overturned), ...failures(...DECISION) }
      }
    },
    async (request, reply) => {
      const { actual_amount: amount, reason } = request.body
      const decision = { uploadId: request.params.id, amount, reason, isAdmin: request.user.role === 'admin' }
      return decide(request, reply, (uow) => overturnAppeal(uow, decision, timeZone))
    }
  )
}

export default fp(merchantAppeals, {
  name: 'merchant-appeals',
  dependencies: ['database', 'identity', 'rate-limit', 'storage'],
  encapsulate: true
})
