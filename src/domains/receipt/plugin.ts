import multipart from '@fastify/multipart'
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from '@sinclair/typebox'
import type { FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'
import { FORM_LIMITS } from '../../http/picture-form.js'
import { publicOrigin } from '../../shared/origin.js'
import { AUTH_FAILURES, failures, ok, success } from '../../shared/schemas.js'
import { examples } from './examples.js'
import { listUploads, photoStatistics, readUpload } from './queries.js'
import { watchPlaces } from './queue-places.js'
import { History, HistoryQuery, PhotoStatistics, UploadDetails, Uploaded, UploadForm, UploadParams } from './schemas.js'
import { discardPictures, uploadReceipt } from './upload.js'
import { watchWaits } from './waiting.js'
import { withdrawReceipt } from './withdraw.js'

const TAGS = ['photo']
const UPLOAD = [
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
] as const

const receipt: FastifyPluginAsyncTypebox = async (app) => {
  const { config, storage } = app
  const terms = { rate: config.PHOTO_POINTS_RATE, min: config.MIN_POINTS_AWARD, max: config.MAX_POINTS_AWARD }
  await app.register(multipart, { limits: FORM_LIMITS })

  const [waits, places] = [watchWaits(app.reads, app.clock), watchPlaces(app.reads)]
  const urlsFor = (request: FastifyRequest) => (key: string) => storage.url(key, publicOrigin(request, config))
  const readsFor = (request: FastifyRequest) => ({ reads: app.reads, waits, places, urlOf: urlsFor(request) })

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
          ...failures(...UPLOAD)
        }
      }
    },
    async (request, reply) => {
      const tools = { imageJobs: app.imageJobs, terms, timeZone: config.BUSINESS_TZ, waits, urlOf: urlsFor(request) }
      return success(await uploadReceipt(request, reply, tools), '图片上传成功，等待商家审核')
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
    async (request) => success(await listUploads(readsFor(request), request.user.userId, request.query))
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
    async (request) => success(await readUpload(readsFor(request), request.user.userId, request.params.id))
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
    async (request) => success(await photoStatistics(app.reads, request.user.userId))
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
      const withdrawn = { userId: request.user.userId, uploadId: request.params.id, timeZone: config.BUSINESS_TZ }
      await discardPictures(request, await app.tx((uow) => withdrawReceipt(uow, withdrawn)))
      return success(null)
    }
  )
}

export default fp(receipt, {
  name: 'receipt',
  dependencies: ['database', 'identity', 'rate-limit', 'storage', 'comparer'],
  encapsulate: true
})
