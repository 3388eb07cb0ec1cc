import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import fp from 'fastify-plugin'
import { sendCsv } from '../../http/export.js'
import { csvStream } from '../../shared/csv.js'
import { ADMIN_FAILURES, failures, ok, success } from '../../shared/schemas.js'
import { examples } from './examples.js'
import { auditLogPages, listAuditLogs } from './queries.js'
import { AuditLogs, AuditLogsQuery } from './schemas.js'

/** The columns of the export, in their order. */
const CSV_COLUMNS = [
  'id',
  'created_at',
  'actor_id',
  'action',
  'target_type',
  'target_id',
  'before',
  'after',
  'reason',
  'ip',
  'request_id'
] as const

const adminAudit: FastifyPluginAsyncTypebox = async (app) => {
  const timeZone = app.config.BUSINESS_TZ

  app.get(
    '/audit-logs',
    {
      config: { access: 'admin' },
      // A HEAD would read a whole export to say how long it is.
      exposeHeadRoute: false,
      schema: {
        tags: ['admin'],
        summary: 'What was done by right of office, newest first',
        description: '`from` and `to` are business days, and both belong to the range. With format=csv a file.',
        querystring: AuditLogsQuery,
        response: { 200: ok(AuditLogs, examples.logs), ...failures(...ADMIN_FAILURES) }
      }
    },
    async (request, reply) => {
      const { query } = request
      if (query.format === 'json') return success(await listAuditLogs(app.db, query, timeZone))
      const file = await csvStream(CSV_COLUMNS, auditLogPages(app.db, query, timeZone))
      return sendCsv(request, reply, 'audit-logs', file)
    }
  )
}

export default fp(adminAudit, {
  name: 'admin-audit',
  dependencies: ['database', 'identity', 'rate-limit'],
  encapsulate: true
})
