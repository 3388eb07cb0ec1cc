import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import fp from 'fastify-plugin'
import { actOnce, keyOf } from '../../http/keyed.js'
import { AUTH_FAILURES, failures, ok, success } from '../../shared/schemas.js'
import { apply, readApplication } from './applications.js'
import { examples } from './examples.js'
import { Application, ApplyBody } from './schemas.js'

const TAGS = ['merchant']

/** Becoming a merchant. What merchants do is beside what it is about: each domain's merchant-plugin.ts. */
const merchant: FastifyPluginAsyncTypebox = async (app) => {
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
    async (request, reply) => {
      const { body } = request
      const { answer } = await actOnce(request, reply, { keyed: keyOf(request, body) }, (uow) => apply(uow, body))
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
    async ({ user }) => success(await readApplication(app.db, app.cipher, user.userId))
  )
}

export default fp(merchant, {
  name: 'merchant',
  dependencies: ['database', 'identity', 'rate-limit'],
  encapsulate: true
})
