import type { Readable } from 'node:stream'
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import type { FastifyReply, FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'
import { KEY_HEADER, keyedRequest, REPLAYED_HEADER } from '../../engine/idempotency-key.js'
import { actorOf } from '../../identity/plugin.js'
import { csvHeaders, csvStream } from '../../shared/csv.js'
import { AUTH_FAILURES, failures, ok, success } from '../../shared/schemas.js'
import { businessDay } from '../../shared/time.js'
import { UserInfo } from '../user/schemas.js'
import { examples } from './examples.js'
import {
  Application,
  Applications,
  ApplicationsQuery,
  AuditLogs,
  AuditLogsQuery,
  ById,
  Ledger,
  LedgerQuery,
  LoginLogs,
  LoginLogsQuery,
  PointsBody,
  PointsChange,
  ReasonBody,
  RejectBody,
  Users,
  UsersQuery
} from './schemas.js'
import {
  auditLogPages,
  changePoints,
  type Doing,
  decideApplication,
  ledgerPages,
  listApplications,
  listAuditLogs,
  listLedger,
  listLoginLogs,
  listUsers,
  setBan
} from './service.js'

const TAGS = ['admin']
const ADMIN = { access: 'admin' } as const
/** What any of these routes can answer. */
const COMMON = ['VALIDATION_FAILED', ...AUTH_FAILURES, 'FORBIDDEN'] as const

const admin: FastifyPluginAsyncTypebox = async (app) => {
  const { vault, clock } = app
  const timeZone = app.config.BUSINESS_TZ
  const doing = (request: FastifyRequest): Doing => ({
    actor: actorOf(request),
    clock
  })
  // Fastify sends a stream as it is, past the schema of the JSON answer, which is all that the types of a route know.
  const sendCsv = (reply: FastifyReply, name: string, file: Readable) =>
    reply.headers(csvHeaders(name, businessDay(clock(), timeZone))).send(file)

  app.get(
    '/merchant-applications',
    {
      config: ADMIN,
      schema: {
        tags: TAGS,
        summary: 'Who asked to be a merchant, newest first',
        querystring: ApplicationsQuery,
        response: { 200: ok(Applications, examples.applications), ...failures(...COMMON) }
      }
    },
    async ({ query }) => success(await listApplications(app.db, vault, query))
  )

  const DECISION = [...COMMON, 'APPLICATION_NOT_FOUND', 'STATE_CONFLICT'] as const

  app.post(
    '/merchant-applications/:id/approve',
    {
      config: ADMIN,
      schema: {
        tags: TAGS,
        summary: 'Make an applicant a merchant, at once',
        params: ById,
        response: { 200: ok(Application, examples.approved), ...failures(...DECISION, 'USER_NOT_FOUND') }
      }
    },
    async (request) => {
      const { id } = request.params
      return success(
        await app.tx((tx, outbox) => decideApplication(tx, outbox, vault, doing(request), { id, status: 'approved' }))
      )
    }
  )

  app.post(
    '/merchant-applications/:id/reject',
    {
      config: ADMIN,
      schema: {
        tags: TAGS,
        summary: 'Turn an application down',
        params: ById,
        body: RejectBody,
        response: { 200: ok(Application, examples.rejected), ...failures(...DECISION) }
      }
    },
    async (request) => {
      const decision = { id: request.params.id, status: 'rejected', reason: request.body.reason } as const
      return success(await app.tx((tx, outbox) => decideApplication(tx, outbox, vault, doing(request), decision)))
    }
  )

  app.get(
    '/users',
    {
      config: ADMIN,
      schema: {
        tags: TAGS,
        summary: 'The users there are, newest first',
        querystring: UsersQuery,
        response: { 200: ok(Users, examples.users), ...failures(...COMMON) }
      }
    },
    async ({ query }) => success(await listUsers(app.db, query))
  )

  for (const ban of [true, false]) {
    app.post(
      ban ? '/users/:id/ban' : '/users/:id/unban',
      {
        config: ADMIN,
        schema: {
          tags: TAGS,
          summary: ban ? 'Shut a user out, at once' : 'Let a banned user in again',
          description: ban
            ? 'Their tokens are refused with 2004, their sockets closed with 4003. Nobody can ban themselves.'
            : 'Tokens that have not expired hold again.',
          params: ById,
          body: ReasonBody,
          response: {
            200: ok(UserInfo, ban ? examples.banned : examples.user),
            ...failures(...COMMON, 'USER_NOT_FOUND', 'STATE_CONFLICT')
          }
        }
      },
      async (request) => {
        const change = { userId: request.params.id, ban, reason: request.body.reason }
        return success(await app.tx((tx, outbox) => setBan(tx, outbox, doing(request), change)))
      }
    )
  }

  app.post(
    '/users/:id/points',
    {
      config: ADMIN,
      schema: {
        tags: TAGS,
        summary: 'Give a user points, or take them',
        description: 'Never below zero. An Idempotency-Key makes a repetition answer the first result again.',
        params: ById,
        body: PointsBody,
        response: {
          200: ok(PointsChange, examples.points),
          ...failures(...COMMON, 'USER_NOT_FOUND', 'POINTS_INSUFFICIENT', 'IDEMPOTENCY_CONFLICT')
        }
      }
    },
    async (request, reply) => {
      const { change, reason } = request.body
      const asked = { userId: request.params.id, change, reason }
      const keyed = keyedRequest(request.headers[KEY_HEADER], 'POST /api/admin/users/:id/points', asked)
      const { answer, replayed } = await app.tx((tx, outbox) =>
        changePoints(tx, outbox, vault, doing(request), { ...asked, keyed })
      )
      if (replayed) reply.header(REPLAYED_HEADER, 'true')
      return success(answer)
    }
  )

  app.get(
    '/points-records',
    {
      config: ADMIN,
      // A HEAD would read a whole export to say how long it is.
      exposeHeadRoute: false,
      schema: {
        tags: TAGS,
        summary: 'The ledger of all users, or of one, newest first',
        description: 'With format=csv a file, for a spreadsheet.',
        querystring: LedgerQuery,
        response: { 200: ok(Ledger, examples.ledger), ...failures(...COMMON) }
      }
    },
    async ({ query }, reply) => {
      if (query.format === 'json') return success(await listLedger(app.db, query))
      const columns = [
        'id',
        'user_id',
        'type',
        'points',
        'balance_after',
        'source',
        'description',
        'related_id',
        'created_at'
      ] as const
      return sendCsv(reply, 'points-records', await csvStream(columns, ledgerPages(app.db, query)))
    }
  )

  app.get(
    '/audit-logs',
    {
      config: ADMIN,
      exposeHeadRoute: false,
      schema: {
        tags: TAGS,
        summary: 'What was done by right of office, newest first',
        description: '`from` and `to` are business days, and both belong to the range. With format=csv a file.',
        querystring: AuditLogsQuery,
        response: { 200: ok(AuditLogs, examples.auditLogs), ...failures(...COMMON) }
      }
    },
    async ({ query }, reply) => {
      if (query.format === 'json') return success(await listAuditLogs(app.db, query, timeZone))
      const columns = [
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
      return sendCsv(reply, 'audit-logs', await csvStream(columns, auditLogPages(app.db, query, timeZone)))
    }
  )

  app.get(
    '/login-logs',
    {
      config: ADMIN,
      schema: {
        tags: TAGS,
        summary: 'Who logged in, or tried to, newest first',
        querystring: LoginLogsQuery,
        response: { 200: ok(LoginLogs, examples.loginLogs), ...failures(...COMMON) }
      }
    },
    async ({ query }) => success(await listLoginLogs(app.db, query))
  )
}

export default fp(admin, { name: 'admin', dependencies: ['database', 'identity', 'rate-limit'], encapsulate: true })
