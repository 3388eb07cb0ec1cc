import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import fp from 'fastify-plugin'
import { lockUsers } from '../../engine/locks.js'
import type { PrivilegedWork } from '../../engine/unit-of-work.js'
import { sendCsv } from '../../http/export.js'
import { actOnce, keyOf } from '../../http/keyed.js'
import { csvStream } from '../../shared/csv.js'
import { ADMIN_FAILURES, failures, ok, success } from '../../shared/schemas.js'
import { adjustPoints } from './adjust.js'
import { examples } from './examples.js'
import { ledgerPages, listLedger } from './queries.js'
import { AdjustBody, Adjustment, AdjustParams, Ledger, LedgerQuery } from './schemas.js'

const TAGS = ['admin']
const access = { access: 'admin' } as const

/** The columns of the export, in their order. */
const CSV_COLUMNS = [
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

const adminPoints: FastifyPluginAsyncTypebox = async (app) => {
  app.post(
    '/users/:id/points',
    {
      config: access,
      schema: {
        tags: TAGS,
        summary: 'Give a user points, or take them',
        description: 'Never below zero. An Idempotency-Key makes a repetition answer the first result again.',
        params: AdjustParams,
        body: AdjustBody,
        response: {
          200: ok(Adjustment, examples.adjustment),
          ...failures(...ADMIN_FAILURES, 'USER_NOT_FOUND', 'POINTS_INSUFFICIENT', 'IDEMPOTENCY_CONFLICT')
        }
      }
    },
    async (request, reply) => {
      const adjustment = { userId: request.params.id, ...request.body }
      const keyed = keyOf(request, adjustment)
      // A key locks the admin's own row too. Both in user order, as draws do, or two admins could wait for each other.
      const lockFirst = (uow: PrivilegedWork) => lockUsers(uow, [request.user.userId, adjustment.userId])
      const { answer } = await actOnce(request, reply, { keyed, lockFirst }, (uow) => adjustPoints(uow, adjustment))
      return success(answer)
    }
  )

  app.get(
    '/points-records',
    {
      config: access,
      // A HEAD would read a whole export to say how long it is.
      exposeHeadRoute: false,
      schema: {
        tags: TAGS,
        summary: 'The ledger of all users, or of one, newest first',
        description: 'With format=csv a file, for a spreadsheet.',
        querystring: LedgerQuery,
        response: { 200: ok(Ledger, examples.ledger), ...failures(...ADMIN_FAILURES) }
      }
    },
    async (request, reply) => {
      const { query } = request
      if (query.format === 'json') return success(await listLedger(app.db, query))
      return sendCsv(request, reply, 'points-records', await csvStream(CSV_COLUMNS, ledgerPages(app.db, query)))
    }
  )
}

export default fp(adminPoints, {
  name: 'admin-points',
  dependencies: ['database', 'identity', 'rate-limit'],
  encapsulate: true
})
