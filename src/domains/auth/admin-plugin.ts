import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import fp from 'fastify-plugin'
import { ADMIN_FAILURES, failures, ok, success } from '../../shared/schemas.js'
import { examples } from './examples.js'
import { listLoginLogs } from './login-log.js'
import { LoginLogs, LoginLogsQuery } from './schemas.js'

const adminLogins: FastifyPluginAsyncTypebox = async (app) => {
  app.get(
    '/login-logs',
    {
      config: { access: 'admin' },
      schema: {
        tags: ['admin'],
        summary: 'Who logged in, or tried to, newest first',
        querystring: LoginLogsQuery,
        response: { 200: ok(LoginLogs, examples.loginLogs), ...failures(...ADMIN_FAILURES) }
      }
    },
    async ({ query }) => success(await listLoginLogs(app.db, query))
  )
}

export default fp(adminLogins, {
  name: 'admin-logins',
  dependencies: ['database', 'identity', 'rate-limit'],
  encapsulate: true
})
