import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import fp from 'fastify-plugin'
import { actOnce, keyOf } from '../../../http/keyed.js'
import { AUTH_FAILURES, failures, ok, success } from '../../../shared/schemas.js'
import { UploadParams } from '../schemas.js'
import { makeAppeal } from './appeal.js'
import { examples } from './examples.js'
import { AppealBody, MadeAppeal } from './schemas.js'

/** A diner's way to have a decision looked at again. */
const appeals: FastifyPluginAsyncTypebox = async (app) => {
  app.post(
    '/:id/appeal',
    {
      schema: {
        tags: ['photo'],
        summary: 'Appeal against a decision on a receipt, once',
        description: 'Within seven days of it, where it was rejected or approved for less than claimed.',
        params: UploadParams,
        body: AppealBody,
        response: {
          200: ok(MadeAppeal, examples.made),
          ...failures(
            'VALIDATION_FAILED',
            ...AUTH_FAILURES,
            'REVIEW_NOT_FOUND',
            'APPEAL_NOT_OPEN',
            'IDEMPOTENCY_CONFLICT'
          )
        }
      }
    },
    async (request, reply) => {
      const { user, params, body } = request
      const appeal = { userId: user.userId, uploadId: params.id, body }
      const keyed = keyOf(request, appeal)
      const { answer } = await actOnce(request, reply, { keyed }, (uow) => makeAppeal(uow, appeal))
      return success(answer)
    }
  )
}

export default fp(appeals, {
  name: 'appeals',
  dependencies: ['database', 'identity', 'rate-limit'],
  encapsulate: true
})
