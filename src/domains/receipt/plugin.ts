import multipart from '@fastify/multipart'
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from '@sinclair/typebox'
import type { FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'
import { newKey, processPhoto } from '../../adapters/images/images.js'
import { once } from '../../engine/idempotency.js'
import { KEY_HEADER, keyedRequest, REPLAYED_HEADER } from '../../engine/idempotency-key.js'
import { FORM_LIMITS, PHOTO, readPhotoForm } from '../../http/picture-form.js'
import { risingId } from '../../shared/ids.js'
import { originOf } from '../../shared/origin.js'
import { refuse } from '../../shared/refusal.js'
import { AUTH_FAILURES, failures, ok, success } from '../../shared/schemas.js'
import { examples } from './examples.js'
import { listUploads, photoStatistics, readAmount, readUpload, recordUpload, withdrawUpload } from './queries.js'
import { History, HistoryQuery, PhotoStatistics, UploadDetails, Uploaded, UploadForm, UploadParams } from './schemas.js'

const TAGS = ['photo']
const MAX_DESCRIPTION = 500

const photo: FastifyPluginAsyncTypebox = async (app) => {
  const { config, storage } = app
  const terms = { rate: config.PHOTO_POINTS_RATE, min: config.MIN_POINTS_AWARD, max: config.MAX_POINTS_AWARD }
  await app.register(multipart, { limits: FORM_LIMITS })

  const urlsFor = (request: FastifyRequest) => (key: string) => storage.url(key, originOf(request, config))

  /** What a failed or repeated upload leaves in the storage; what cannot be removed now, the sweep finds. */
  async function discard(keys: readonly string[]): Promise<void> {
    for (const key of keys) {
      await storage.remove(key).catch((err: unknown) => app.log.error({ err, key }, 'an object was left behind'))
    }
  }

  app.post(
    '/upload',
    {
      // The body is a stream that the handler reads: its schema is for the documentation.
      validatorCompiler: () => () => true,
      schema: {
        tags: TAGS,
        summary: 'Upload a receipt',
        consumes: ['multipart/form-data'],
        body: UploadForm,
        response: {
          200: ok(Uploaded, examples.uploaded, '图片上传成功，等待商家审核'),
          ...failures(
            'PHOTO_REQUIRED',
            'AMOUNT_INVALID',
            'AMOUNT_TOO_LARGE',
            'PHOTO_TOO_LARGE',
            'PHOTO_STORE_FAILED',
            'PHOTO_UNREADABLE',
            'VALIDATION_FAILED',
            'IDEMPOTENCY_CONFLICT',
            'OVERLOADED',
            ...AUTH_FAILURES
          )
        }
      }
    },
    async (request, reply) => {
      const form = await readPhotoForm(request, PHOTO)
      const { userId } = request.user
      const cents = readAmount(form.fields.get('amount'))
      const description = form.fields.get('description') ?? ''
      if (description.length > MAX_DESCRIPTION) {
        throw refuse('VALIDATION_FAILED', [
          { field: 'description', message: `must be at most ${MAX_DESCRIPTION} characters` }
        ])
      }
      const image = await app.imageJobs.run(() => processPhoto(form.bytes))
      const keyed = keyedRequest(request.headers[KEY_HEADER], 'POST /api/photo/upload', {
        sha256: image.sha256,
        cents,
        description
      })
      const key = newKey('photos', app.clock())
      const keys = { imageKey: `${key}.jpg`, thumbnailKey: `${key}_t.jpg` }
      const both = [keys.imageKey, keys.thumbnailKey]
      try {
        await storage.put(keys.imageKey, image.image, 'image/jpeg')
        await storage.put(keys.thumbnailKey, image.thumbnail, 'image/jpeg')
      } catch (err) {
        request.log.error({ err }, 'the storage failed')
        await discard(both)
        throw refuse('PHOTO_STORE_FAILED')
      }
      const { sha256, phash } = image
      const upload = {
        ...keys,
        uploadId: risingId(),
        userId,
        cents,
        description,
        filename: form.filename,
        fileSize: image.image.length,
        sha256,
        phash
      }
      try {
        const { answer, replayed } = await app.tx((tx, outbox) => {
          const now = app.clock()
          const made = { terms, urlOf: urlsFor(request), now, timeZone: config.BUSINESS_TZ }
          return once(tx, app.vault, { userId, request: keyed, now }, () => recordUpload(tx, outbox, upload, made))
        })
        if (replayed) {
          reply.header(REPLAYED_HEADER, 'true')
          await discard(both)
        }
        return success(answer, '图片上传成功，等待商家审核')
      } catch (err) {
        // A connection lost at the commit leaves open whether the row is there; if it is, or may be, so are its objects.
        const kept = await app.db.photoReview.count({ where: { uploadId: upload.uploadId } }).catch(() => 1)
        if (kept === 0) await discard(both)
        throw err
      }
    }
  )

  app.get(
    '/history',
    {
      schema: {
        tags: TAGS,
        summary: 'The diner’s receipts, newest first',
        querystring: HistoryQuery,
        response: { 200: ok(History, examples.history), ...failures('VALIDATION_FAILED', ...AUTH_FAILURES) }
      }
    },
    async (request) => success(await listUploads(app.db, request.user.userId, request.query, urlsFor(request)))
  )

  app.get(
    '/review/:id',
    {
      schema: {
        tags: TAGS,
        summary: 'One receipt of the diner, and its review',
        params: UploadParams,
        response: { 200: ok(UploadDetails, examples.details), ...failures(...AUTH_FAILURES, 'REVIEW_NOT_FOUND') }
      }
    },
    async (request) => success(await readUpload(app.db, request.user.userId, request.params.id, urlsFor(request)))
  )

  app.get(
    '/statistics',
    {
      config: { cache: { seconds: 600, scope: 'private' } },
      schema: {
        tags: TAGS,
        summary: 'The diner’s receipts in figures',
        response: { 200: ok(PhotoStatistics, examples.statistics), ...failures(...AUTH_FAILURES) }
      }
    },
    async (request) => success(await photoStatistics(app.db, request.user.userId))
  )

  app.delete(
    '/:id',
    {
      schema: {
        tags: TAGS,
        summary: 'Take back a pending receipt',
        params: UploadParams,
        response: {
          200: ok(Type.Null(), null),
          ...failures(...AUTH_FAILURES, 'REVIEW_NOT_FOUND', 'REVIEW_ALREADY_DONE')
        }
      }
    },
    async (request) => {
      const { userId } = request.user
      await discard(await app.tx((tx) => withdrawUpload(tx, userId, request.params.id, config.BUSINESS_TZ)))
      return success(null)
    }
  )
}

export default fp(photo, {
  name: 'photo',
  dependencies: ['database', 'identity', 'rate-limit', 'storage'],
  encapsulate: true
})
