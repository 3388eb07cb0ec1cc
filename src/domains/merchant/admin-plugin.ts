import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import fp from 'fastify-plugin'
import { actorOf } from '../../identity/principal.js'
import { ADMIN_FAILURES, failures, ok, success } from '../../shared/schemas.js'
import { decideApplication, listApplications } from './applications.js'
import { examples } from './examples.js'
import {
  ApplicationParams,
  Applications,
  ApplicationsQuery,
  NamedApplication,
  RejectApplicationBody
} from './schemas.js'

const TAGS = ['admin']
const access = { access: 'admin' } as const

const adminMerchants: FastifyPluginAsyncTypebox = async (app) => {
  app.get(
    '/merchant-applications',
    {
      config: access,
      schema: {
        tags: TAGS,
        summary: 'Who asked to be a merchant, newest first',
        querystring: ApplicationsQuery,
        response: { 200: ok(Applications, examples.applications), ...failures(...ADMIN_FAILURES) }
      }
    },
    async ({ query }) => success(await listApplications(app.db, app.cipher, query))
  )

  const DECISION = [...ADMIN_FAILURES, 'APPLICATION_NOT_FOUND', 'STATE_CONFLICT'] as const

  app.post(
    '/merchant-applications/:id/approve',
    {
      config: access,
      schema: {
        tags: TAGS,
        summary: 'Make an applicant a merchant, at once',
        params: ApplicationParams,
        response: { 200: ok(NamedApplication, examples.approved), ...failures(...DECISION, 'USER_NOT_FOUND') }
      }
    },
    async (request) => {
      const { id } = request.params
      const decision = { id, status: 'approved' } as const
      return success(await app.txAs(actorOf(request), (uow) => decideApplication(uow, decision)))
    }
  )

  app.post(
    '/merchant-applications/:id/reject',
    {
      config: access,
      schema: {
        tags: TAGS,
        summary: 'Turn an application down',
        params: ApplicationParams,
        body: RejectApplicationBody,
        response: { 200: ok(NamedApplication, examples.rejected), ...failures(...DECISION) }
      }
    },
    async (request) => {
      const decision = { id: request.params.id, status: 'rejected', reason: request.body.reason } as const
      return success(await app.txAs(actorOf(request), (uow) => decideApplication(uow, decision)))
    }
  )
}

export default fp(adminMerchants, {
  name: 'admin-merchants',
  dependencies: ['database', 'identity', 'rate-limit'],
  encapsulate: true
})
