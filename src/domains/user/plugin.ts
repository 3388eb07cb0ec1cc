import multipart from '@fastify/multipart'
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import fp from 'fastify-plugin'
import { processAvatar } from '../../adapters/images/images.js'
import { keepImage } from '../../adapters/storage/pictures.js'
import { AVATAR, FORM_LIMITS, readPictureForm } from '../../http/picture-form.js'
import { AUTH_FAILURES, failures, ok, success } from '../../shared/schemas.js'
import { updateProfile } from './accounts.js'
import { examples } from './examples.js'
import { readUser, readUserStatistics } from './queries.js'
import { Avatar, AvatarForm, ProfileBody, UserDetails, UserInfo, UserStatistics } from './schemas.js'

const TAGS = ['user']

const user: FastifyPluginAsyncTypebox = async (app) => {
  const { config } = app
  await app.register(multipart, { limits: FORM_LIMITS })

  app.get(
    '/info',
    {
      config: { cache: { seconds: 300, scope: 'private' } },
      schema: {
        tags: TAGS,
        summary: 'The diner, with figures of what they have done',
        response: { 200: ok(UserDetails, examples.details), ...failures(...AUTH_FAILURES) }
      }
    },
    async (request) => success(await readUser(app.reads, request.user.userId))
  )

  app.put(
    '/profile',
    {
      schema: {
        tags: TAGS,
        summary: 'Change nickname or avatar',
        body: ProfileBody,
        response: { 200: ok(UserInfo, examples.info), ...failures('VALIDATION_FAILED', ...AUTH_FAILURES) }
      }
    },
    async (request) => success(await app.tx((uow) => updateProfile(uow, request.user.userId, request.body)))
  )

  app.post(
    '/avatar',
    {
      // The body is a stream that the handler reads: its schema is for the documentation.
      validatorCompiler: () => () => true,
      schema: {
        tags: TAGS,
        summary: 'Upload an avatar',
        consumes: ['multipart/form-data'],
        body: AvatarForm,
        response: {
          200: ok(Avatar, {
            avatar_url: 'https://api.example.com/files/avatars/2026/11/6f1ed002ab5595859014ebf0951522d9.webp'
          }),
          ...failures(
            'AVATAR_REQUIRED',
            'AVATAR_TOO_LARGE',
            'AVATAR_UNREADABLE',
            'VALIDATION_FAILED',
            'STORAGE_UNAVAILABLE',
            'OVERLOADED',
            ...AUTH_FAILURES
          )
        }
      }
    },
    async (request) => {
      const { bytes } = await readPictureForm(request, AVATAR)
      const image = await app.imageJobs.run(() => processAvatar(bytes))
      const avatar = await keepImage(request, 'avatars', image)
      await app.tx((uow) => updateProfile(uow, request.user.userId, { avatar }))
      return success({ avatar_url: avatar })
    }
  )

  app.get(
    '/statistics',
    {
      config: { cache: { seconds: 600, scope: 'private' } },
      schema: {
        tags: TAGS,
        summary: 'The diner in figures',
        response: { 200: ok(UserStatistics, examples.statistics), ...failures(...AUTH_FAILURES) }
      }
    },
    async ({ user }) => success(await readUserStatistics(app.reads, user.userId, app.clock(), config.BUSINESS_TZ))
  )
}

export default fp(user, {
  name: 'user',
  dependencies: ['database', 'identity', 'rate-limit', 'storage'],
  encapsulate: true
})
