import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import fp from 'fastify-plugin'
import { sendCsv } from '../../http/export.js'
import { csvStream } from '../../shared/csv.js'
import { AUTH_FAILURES, failures, ok, success } from '../../shared/schemas.js'
import { examples } from './examples.js'
import { listPoints } from './queries.js'
import { PointsRecords, PointsRecordsQuery, PointsStatement, StatementQuery } from './schemas.js'
import { readStatement, statementPages } from './statement.js'

const STATEMENT_COLUMNS = [
  'seq',
  'created_at',
  'points',
  'balance_after',
  'source',
  'description',
  'related_id',
  'hash'
] as const
const STATEMENT_NOTE =
  'The hash of a row is the SHA-256 of these lines in UTF-8: the hash before, user_id, seq, points, balance_after, ' +
  'source, related_id (empty where there is none), created_at, description. With format=csv a file, whose first and ' +
  'last rows tell the balances before and after.'

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

  app.get(
    '/points-statement',
    {
      // A HEAD would read a whole export to say how long it is.
      exposeHeadRoute: false,
      schema: {
        tags: ['user'],
        summary: 'The diner’s ledger over some days, with what its chain of hashes is checked by',
        description: STATEMENT_NOTE,
        querystring: StatementQuery,
        response: { 200: ok(PointsStatement, examples.statement), ...failures('VALIDATION_FAILED', ...AUTH_FAILURES) }
      }
    },
    async (request, reply) => {
      const { query, user } = request
      const timeZone = app.config.BUSINESS_TZ
      if (query.format === 'json') return success(await readStatement(app.db, user.userId, query, timeZone))
      const pages = statementPages(app.db, user.userId, query, timeZone)
      return sendCsv(request, reply, 'points-statement', await csvStream(STATEMENT_COLUMNS, pages))
    }
  )
}

export default fp(points, { name: 'points', dependencies: ['database', 'identity', 'rate-limit'], encapsulate: true })
