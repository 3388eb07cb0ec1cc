import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import fp from 'fastify-plugin'
import { actOnce, keyOf } from '../../http/keyed.js'
import { ADMIN_FAILURES, failures, ok, success } from '../../shared/schemas.js'
import { examples } from './admin-examples.js'
import { Reviewers, ReviewersQuery, RevokeBody, Revoked } from './admin-schemas.js'
import { reviewerFigures } from './reviewers.js'
import { revokeReceipt } from './revoke.js'
import { UploadParams } from './schemas.js'

const TAGS = ['admin']
const access = { access: 'admin' } as const

/** What admins do about receipts: see how they are reviewed, and take one back (contract section 15). */
const adminReceipts: FastifyPluginAsyncTypebox = async (app) => {
  const timeZone = app.config.BUSINESS_TZ

  app.get(
    '/reviewers',
    {
      config: access,
      schema: {
        tags: TAGS,
        summary: 'How each reviewer decides: how often, how fast, how much of what was claimed, what did not last',
        querystring: ReviewersQuery,
        response: { 200: ok(Reviewers, examples.reviewers), ...failures(...ADMIN_FAILURES) }
      }
    },
    async ({ query: { days } }) => success({ days, reviewers: await reviewerFigures(app.db, days, app.clock()) })
  )

  app.post(
    '/reviews/:id/revoke',
    {
      config: access,
      schema: {
        tags: TAGS,
        summary: 'Take an approved receipt back, and its points',
        description:
          'As far as the balance goes, never below zero. The rest is owed, and paid of what the diner gets later. ' +
          'An Idempotency-Key makes a repetition answer the first result again.',
        params: UploadParams,
        body: RevokeBody,
        response: {
          200: ok(Revoked, examples.revoked),
          ...failures(
            ...ADMIN_FAILURES,
            'REVIEW_NOT_FOUND',
            'REVIEW_ALREADY_DONE',
            'USER_NOT_FOUND',
            'IDEMPOTENCY_CONFLICT'
          )
        }
      }
    },
    async (request, reply) => {
      const revoked = { uploadId: request.params.id, reason: request.body.reason }
      const keyed = keyOf(request, revoked)
      const { answer } = await actOnce(request, reply, { keyed }, (uow) => revokeReceipt(uow, revoked, timeZone))
      return success(answer)
    }
  )
}

export default fp(adminReceipts, {
  name: 'admin-receipts',
  dependencies: ['database', 'identity', 'rate-limit'],
  encapsulate: true
})
