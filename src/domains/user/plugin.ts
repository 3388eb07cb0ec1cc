import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import fp from 'fastify-plugin'
import { AUTH_FAILURES, failures, ok, success } from '../../shared/schemas.js'
import { examples } from './examples.js'
import { PointsRecords, PointsRecordsQuery, UserDetails } from './schemas.js'
import { listPoints, readUser } from './service.js'

const TAGS = ['user']

const user: FastifyPluginAsyncTypebox = async (app) => {
  app.get(
    '/info',
    {
      schema: {
        tags: TAGS,
        summary: 'The diner, with figures of what they have done',
        response: { 200: ok(UserDetails, examples.details), ...failures(...AUTH_FAILURES) }
      }
    },
    async (request) => success(await readUser(app.db, request.user.userId))
  )

  app.get(
    '/points-records',
    {
      schema: {
        tags: TAGS,
        summary: 'The diner’s ledger, newest first',
        querystring: PointsRecordsQuery,
        response: { 200: ok(PointsRecords, examples.points), ...failures('VALIDATION_FAILED', ...AUTH_FAILURES) }
      }
    },
    async (request) => success(await listPoints(app.db, request.user.userId, request.query))
  )
}

export default fp(user, { name: 'user', dependencies: ['database', 'identity', 'rate-limit'], encapsulate: true })
