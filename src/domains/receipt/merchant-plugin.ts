import { createHash } from 'node:crypto'
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import type { FastifyReply, FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'
import { once } from '../../engine/idempotency.js'
import { sendCsv } from '../../http/export.js'
import { actOnce, keyOf } from '../../http/keyed.js'
import { jsonBytes, readerOf } from '../../http/reading.js'
import { actorOf } from '../../identity/principal.js'
import { CSV_PAGE, csvStream, pagesOf } from '../../shared/csv.js'
import { publicOrigin } from '../../shared/origin.js'
import { Refusal } from '../../shared/refusal.js'
import { failures, MERCHANT_FAILURES, ok, success } from '../../shared/schemas.js'
import { examples } from './merchant-examples.js'
import { listReviews, nextReviews, toReviewedUpload } from './merchant-queries.js'
import {
  ApproveBody,
  Batch,
  BatchBody,
  type BatchResult,
  MAX_BATCH,
  MerchantStatistics,
  RejectBody,
  ReviewBody,
  Reviewed,
  type ReviewedUpload,
  Reviews,
  ReviewsQuery
} from './merchant-schemas.js'
import { decisionOf, reviewReceipt } from './review.js'
import { UploadParams } from './schemas.js'
import { merchantStatistics } from './statistics.js'

const TAGS = ['merchant']

/** One decision is the same request by whichever route it comes. */
const KEYED_AS = 'review'

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
  'reason_code',
  'reviewer_id',
  'review_time',
  'created_at',
  'image_url'
] as const

const readItem = readerOf(ReviewBody, 'body')

const toCsvRow = ({ user, ...upload }: ReviewedUpload) => ({ ...user, ...upload })

const merchantReceipts: FastifyPluginAsyncTypebox = async (app) => {
  const { config } = app
  const timeZone = config.BUSINESS_TZ
  const access = { access: 'merchant' } as const
  const reviewing = { access: 'merchant', invalid: 'REVIEW_PARAMS' } as const
  const REVIEW = [
    'REVIEW_PARAMS',
    'ACTUAL_AMOUNT_REQUIRED',
    'REVIEW_NOT_FOUND',
    'REVIEW_ALREADY_DONE',
    'REVIEW_OWN_UPLOAD',
    'IDEMPOTENCY_CONFLICT'
  ] as const

  const urlsFor = (request: FastifyRequest) => (key: string) => app.storage.url(key, publicOrigin(request, config))

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
        response: { 200: ok(Reviews, examples.reviews), ...failures('VALIDATION_FAILED', ...MERCHANT_FAILURES) }
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
      return sendCsv(request, reply, 'reviews', file)
    }
  )

  async function review(request: FastifyRequest, reply: FastifyReply, body: unknown) {
    const decision = decisionOf(body)
    const keyed = keyOf(request, decision, KEYED_AS)
    const { answer } = await actOnce(request, reply, { keyed }, (uow) => reviewReceipt(uow, decision, timeZone))
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
        response: { 200: ok(Reviewed, examples.reviewed), ...failures(...REVIEW, ...MERCHANT_FAILURES) }
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
        response: { 200: ok(Reviewed, examples.reviewed), ...failures(...REVIEW, ...MERCHANT_FAILURES) }
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
        response: { 200: ok(Reviewed, examples.reviewed), ...failures(...REVIEW, ...MERCHANT_FAILURES) }
      }
    },
    async (request, reply) =>
      review(request, reply, { ...request.body, upload_id: request.params.id, action: 'rejected' })
  )

  app.post(
    '/reviews/batch',
    {
      config: reviewing,
      bodyLimit: Math.min(MAX_BATCH * jsonBytes(ReviewBody), config.BODY_LIMIT),
      schema: {
        tags: TAGS,
        summary: 'Decide up to 50 receipts, each by itself',
        description:
          'Each item is judged, written and answered alone. With an Idempotency-Key each item that was done is ' +
          'answered again as it was; one that failed is judged afresh.',
        body: BatchBody,
        response: { 200: ok(Batch, examples.batch), ...failures('REVIEW_PARAMS', ...MERCHANT_FAILURES) }
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
    const named = namesIn(item)
    try {
      readItem(item)
      const decision = decisionOf(item)
      const whole = keyOf(request, decision, KEYED_AS)
      const keyed = whole && { ...whole, key: itemKey(whole.key, index) }
      const actor = actorOf(request)
      const { answer } = await app.txAs(actor, (uow) =>
        once(uow, { userId: actor.userId, request: keyed }, () => reviewReceipt(uow, decision, timeZone))
      )
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
        response: { 200: ok(MerchantStatistics, examples.statistics), ...failures(...MERCHANT_FAILURES) }
      }
    },
    async () => success(await merchantStatistics(app.db, app.clock(), timeZone))
  )
}

/** Which receipt an item of a batch is about, as far as it says so. */
function namesIn(item: unknown): Pick<BatchResult, 'upload_id' | 'action'> {
  const { upload_id, action } = (item ?? {}) as { upload_id?: unknown; action?: unknown }
  return {
    upload_id: typeof upload_id === 'string' ? upload_id : null,
    action: typeof action === 'string' ? action : null
  }
}

/** The key of one item of a keyed batch: 64 characters, whatever the batch's own. */
function itemKey(key: string, index: number): string {
  return createHash('sha256').update(`${key}\n${index}`).digest('hex')
}

export default fp(merchantReceipts, {
  name: 'merchant-receipts',
  dependencies: ['database', 'identity', 'rate-limit', 'storage'],
  encapsulate: true
})
