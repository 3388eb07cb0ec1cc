import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import fp from 'fastify-plugin'
import { AUTH_FAILURES, failures, ok, success } from '../../shared/schemas.js'
import { examples } from './examples.js'
import { listPoints } from './queries.js'
import { PointsRecords, PointsRecordsQuery } from './schemas.js'

const points: FastifyPluginAsyncTypebox = async (app) => {
  app.get(
    '/points-records',
    {
      schema: {
        tags: ['user'],
        summary: 'The diner’s ledger, newest first',
        querystring: PointsRecordsQuery,
        response: { 200: ok(PointsRecords, examples.records), ...failures('VALIDATION_FAILED', ...AUTH_FAILURES) }
      }
    },
    async (request) => success(await listPoints(app.reads, request.user.userId, request.query))
  )
}

export default fp(points, { name: 'points', dependencies: ['database', 'identity', 'rate-limit'], encapsulate: true })
