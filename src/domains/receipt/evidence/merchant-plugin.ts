import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import type { FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'
import { publicOrigin } from '../../../shared/origin.js'
import { failures, MERCHANT_FAILURES, ok, PageQuery, success } from '../../../shared/schemas.js'
import { examples } from '../merchant-examples.js'
import { listPending, readReview } from '../merchant-queries.js'
import { EvidencedUpload, PendingReviews } from '../merchant-schemas.js'
import { watchQueue } from '../queue-gauges.js'
import { UploadParams } from '../schemas.js'

const TAGS = ['merchant']
const access = { access: 'merchant' } as const

/** What a reviewer looks at before a decision: the queue, and one receipt, with what it has in common with others. */
const merchantEvidence: FastifyPluginAsyncTypebox = async (app) => {
  watchQueue(app)
  const urlsFor = (request: FastifyRequest) => (key: string) => app.storage.url(key, publicOrigin(request, app.config))

  app.get(
    '/reviews/pending',
    {
      config: access,
      schema: {
        tags: TAGS,
        summary: 'Receipts that wait for a decision, oldest first',
        querystring: PageQuery,
        response: { 200: ok(PendingReviews, examples.pending), ...failures('VALIDATION_FAILED', ...MERCHANT_FAILURES) }
      }
    },
    async (request) => success(await listPending(app.db, request.query, urlsFor(request), app.clock()))
  )

  app.get(
    '/reviews/:id',
    {
      config: access,
      schema: {
        tags: TAGS,
        summary: 'One receipt, with what it has in common with others',
        params: UploadParams,
        response: {
          200: ok(EvidencedUpload, examples.evidenced),
          ...failures('VALIDATION_FAILED', ...MERCHANT_FAILURES, 'REVIEW_NOT_FOUND')
        }
      }
    },
    async (request) => success(await readReview(app.db, request.params.id, urlsFor(request), app.clock()))
  )
}

export default fp(merchantEvidence, {
  name: 'merchant-evidence',
  dependencies: ['database', 'identity', 'rate-limit', 'storage'],
  encapsulate: true
})
