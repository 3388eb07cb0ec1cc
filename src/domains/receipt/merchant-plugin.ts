import { createHash } from 'node:crypto'
import type { Readable } from 'node:stream'
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import type { FastifyReply, FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'
import { once } from '../../engine/idempotency.js'
import { KEY_HEADER, type KeyedRequest, keyedRequest, REPLAYED_HEADER } from '../../engine/idempotency-key.js'
import { actorOf } from '../../identity/plugin.js'
import { CSV_PAGE, csvHeaders, csvStream, pagesOf } from '../../shared/csv.js'
import { originOf } from '../../shared/origin.js'
import { Refusal } from '../../shared/refusal.js'
import { AUTH_FAILURES, failures, ok, PageQuery, success } from '../../shared/schemas.js'
import { businessDay } from '../../shared/time.js'
import { apply, readApplication } from '../merchant/applications.js'
import { examples } from './merchant-examples.js'
import { decisionOf, listPending, listReviews, nextReviews, toReviewedUpload } from './merchant-queries.js'
import {
  Application,
  ApplyBody,
  ApproveBody,
  Batch,
  BatchBody,
  type BatchResult,
  MerchantStatistics,
  PendingReviews,
  RejectBody,
  ReviewBody,
  Reviewed,
  type ReviewedUpload,
  Reviews,
  ReviewsQuery
} from './merchant-schemas.js'
import { type Decision, reviewUpload } from './review.js'
import { UploadParams } from './schemas.js'
import { merchantStatistics } from './statistics.js'

const TAGS = ['merchant']

/** The columns of the export of reviews, in their order. */
const CSV_COLUMNS = [
  'upload_id',
  'user_id',
  'nickname',
  'mobile',
  'amount',
  'actual_amount',
  'status',
  'points_awarded',
  'review_reason',
  'reviewer_id',
  'review_time',
  'created_at',
  'image_url'
] as const

const toCsvRow = ({ user, ...upload }: ReviewedUpload) => ({ ...user, ...upload })

const merchant: FastifyPluginAsyncTypebox = async (app) => {
  const { config, vault } = app
  const timeZone = config.BUSINESS_TZ
  const access = { access: 'merchant' } as const
  const reviewing = { access: 'merchant', invalid: 'REVIEW_PARAMS' } as const
  const MERCHANT = [...AUTH_FAILURES, 'MERCHANT_REQUIRED'] as const
  const REVIEW = [
    'REVIEW_PARAMS',
    'ACTUAL_AMOUNT_REQUIRED',
    'REVIEW_NOT_FOUND',
    'REVIEW_ALREADY_DONE',
    'REVIEW_OWN_UPLOAD',
    'IDEMPOTENCY_CONFLICT'
  ] as const

  // The answer of the schema is the JSON one; a stream goes out as it is.
  const sendFile = (reply: FastifyReply, headers: Record<string, string>, file: Readable) =>
    reply.headers(headers).send(file)
  const urlsFor = (request: FastifyRequest) => (key: string) => app.storage.url(key, originOf(request, config))

  app.post(
    '/apply',
    {
      config: { invalid: 'APPLICATION_INCOMPLETE' },
      schema: {
        tags: TAGS,
        summary: 'Apply to become a merchant; an admin decides',
        body: ApplyBody,
        response: {
          200: ok(Application, examples.application),
          ...failures(
            'APPLICATION_INCOMPLETE',
            'ALREADY_MERCHANT',
            'APPLICATION_PENDING',
            'IDEMPOTENCY_CONFLICT',
            ...AUTH_FAILURES
          )
        }
      }
    },
    async ({ user: { userId }, body, headers }, reply) => {
      const request = keyedRequest(headers[KEY_HEADER], 'POST /api/merchant/apply', body)
      const { answer, replayed } = await app.tx((tx) => {
        const now = app.clock()
        return once(tx, vault, { userId, request, now }, () => apply(tx, vault, userId, body, now))
      })
      if (replayed) reply.header(REPLAYED_HEADER, 'true')
      return success(answer)
    }
  )

  app.get(
    '/application',
    {
      schema: {
        tags: TAGS,
        summary: 'The last application of one’s own, and its state',
        response: { 200: ok(Application, examples.application), ...failures(...AUTH_FAILURES, 'APPLICATION_NOT_FOUND') }
      }
    },
    async ({ user }) => success(await readApplication(app.db, vault, user.userId))
  )

  app.get(
    '/reviews/pending',
    {
      config: access,
      schema: {
        tags: TAGS,
        summary: 'Receipts that wait for a decision, oldest first',
        querystring: PageQuery,
        response: { 200: ok(PendingReviews, examples.pending), ...failures('VALIDATION_FAILED', ...MERCHANT) }
      }
    },
    async (request) => success(await listPending(app.db, request.query, urlsFor(request), app.clock()))
  )

  app.get(
    '/reviews',
    {
      config: access,
      // A HEAD would read a whole export to say how long it is.
      exposeHeadRoute: false,
      schema: {
        tags: TAGS,
        summary: 'All receipts, newest first',
        description: '`from` and `to` are business days, and both belong to the range. With format=csv a file.',
        querystring: ReviewsQuery,
        response: { 200: ok(Reviews, examples.reviews), ...failures('VALIDATION_FAILED', ...MERCHANT) }
      }
    },
    async (request, reply) => {
      const { query } = request
      const [now, urlOf] = [app.clock(), urlsFor(request)]
      if (query.format === 'json') return success(await listReviews(app.db, query, urlOf, now, timeZone))
      async function* pages() {
        const read = (last?: { createdAt: Date; uploadId: string }) =>
          nextReviews(app.db, query, timeZone, last, CSV_PAGE)
        for await (const rows of pagesOf(read)) yield rows.map((row) => toCsvRow(toReviewedUpload(row, urlOf, now)))
      }
      const file = await csvStream(CSV_COLUMNS, pages())
      return sendFile(reply, csvHeaders('reviews', businessDay(now, timeZone)), file)
    }
  )

  /** One decision in a transaction of its own. */
  async function decide(request: FastifyRequest, decision: Decision, keyed: KeyedRequest | undefined) {
    const actor = actorOf(request)
    return app.tx((tx, outbox) => {
      const now = app.clock()
      return once(tx, vault, { userId: actor.userId, request: keyed, now }, () =>
        reviewUpload(tx, outbox, actor, decision, { now, timeZone })
      )
    })
  }

  async function review(request: FastifyRequest, reply: FastifyReply, body: unknown) {
    const decision = decisionOf(body)
    const keyed = keyedRequest(request.headers[KEY_HEADER], 'review', decision)
    const { answer, replayed } = await decide(request, decision, keyed)
    if (replayed) reply.header(REPLAYED_HEADER, 'true')
    return success(answer)
  }

  app.post(
    '/review',
    {
      config: reviewing,
      schema: {
        tags: TAGS,
        summary: 'Approve or reject a receipt',
        body: ReviewBody,
        response: { 200: ok(Reviewed, examples.reviewed), ...failures(...REVIEW, ...MERCHANT) }
      }
    },
    async (request, reply) => review(request, reply, request.body)
  )

  app.post(
    '/reviews/:id/approve',
    {
      config: reviewing,
      schema: {
        tags: TAGS,
        summary: 'Approve a receipt',
        params: UploadParams,
        body: ApproveBody,
        response: { 200: ok(Reviewed, examples.reviewed), ...failures(...REVIEW, ...MERCHANT) }
      }
    },
    async (request, reply) =>
      review(request, reply, { ...request.body, upload_id: request.params.id, action: 'approved' })
  )

  app.post(
    '/reviews/:id/reject',
    {
      config: reviewing,
      schema: {
        tags: TAGS,
        summary: 'Reject a receipt',
        params: UploadParams,
        body: RejectBody,
        response: { 200: ok(Reviewed, examples.reviewed), ...failures(...REVIEW, ...MERCHANT) }
      }
    },
    async (request, reply) =>
      review(request, reply, { ...request.body, upload_id: request.params.id, action: 'rejected' })
  )

  app.post(
    '/reviews/batch',
    {
      config: reviewing,
      schema: {
        tags: TAGS,
        summary: 'Decide up to 50 receipts, each by itself',
        description:
          'Each item is judged, written and answered alone. With an Idempotency-Key each item that was done is ' +
          'answered again as it was; one that failed is judged afresh.',
        body: BatchBody,
        response: { 200: ok(Batch, examples.batch), ...failures('REVIEW_PARAMS', ...MERCHANT) }
      }
    },
    async (request) => {
      const results: BatchResult[] = []
      for (const [index, item] of request.body.reviews.entries()) results.push(await decideItem(request, item, index))
      const done = results.filter((result) => result.success).length
      return success({ total: results.length, success_count: done, fail_count: results.length - done, results })
    }
  )

  async function decideItem(request: FastifyRequest, item: unknown, index: number): Promise<BatchResult> {
    const stated = (item ?? {}) as { upload_id?: unknown; action?: unknown }
    const named = {
      upload_id: typeof stated.upload_id === 'string' ? stated.upload_id : null,
      action: typeof stated.action === 'string' ? stated.action : null
    }
    try {
      const decision = decisionOf(item)
      const whole = keyedRequest(request.headers[KEY_HEADER], 'review', decision)
      const keyed = whole && { ...whole, key: itemKey(whole.key, index) }
      const { answer } = await decide(request, decision, keyed)
      return { ...named, success: true, points_awarded: answer.points_awarded }
    } catch (err) {
      if (!(err instanceof Refusal)) throw err
      const { code, msg } = err.entry
      return { ...named, success: false, code, error: err.error, msg }
    }
  }

  app.get(
    '/statistics',
    {
      config: access,
      schema: {
        tags: TAGS,
        summary: 'Reviews in figures: all, today, this month, and day by day',
        response: { 200: ok(MerchantStatistics, examples.statistics), ...failures(...MERCHANT) }
      }
    },
    async () => success(await merchantStatistics(app.db, app.clock(), timeZone))
  )
}

/** The key of one item of a keyed batch: 64 characters, whatever the batch's own. */
function itemKey(key: string, index: number): string {
  return createHash('sha256').update(`${key}\n${index}`).digest('hex')
}

export default fp(merchant, {
  name: 'merchant',
  dependencies: ['database', 'identity', 'rate-limit', 'storage'],
  encapsulate: true
})
