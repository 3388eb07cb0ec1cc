import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import fp from 'fastify-plugin'
import { actorOf } from '../../identity/principal.js'
import { ADMIN_FAILURES, failures, ok, success } from '../../shared/schemas.js'
import { setBan } from './accounts.js'
import { examples } from './examples.js'
import { listUsers } from './queries.js'
import { BanBody, UserInfo, UserParams, Users, UsersQuery } from './schemas.js'

const TAGS = ['admin']
const access = { access: 'admin' } as const

const adminUsers: FastifyPluginAsyncTypebox = async (app) => {
  app.get(
    '/users',
    {
      config: access,
      schema: {
        tags: TAGS,
        summary: 'The users there are, newest first',
        querystring: UsersQuery,
        response: { 200: ok(Users, examples.users), ...failures(...ADMIN_FAILURES) }
      }
    },
    async ({ query }) => success(await listUsers(app.db, query))
  )

  for (const ban of [true, false]) {
    app.post(
      ban ? '/users/:id/ban' : '/users/:id/unban',
      {
        config: access,
        schema: {
          tags: TAGS,
          summary: ban ? 'Shut a user out, at once' : 'Let a banned user in again',
          description: ban
            ? 'Their tokens are refused with 2004, their sockets closed with 4003. Nobody can ban themselves.'
            : 'Tokens that have not expired hold again.',
          params: UserParams,
          body: BanBody,
          response: {
            200: ok(UserInfo, ban ? examples.banned : examples.info),
            ...failures(...ADMIN_FAILURES, 'USER_NOT_FOUND', 'STATE_CONFLICT')
          }
        }
      },
      async (request) => {
        const change = { userId: request.params.id, ban, reason: request.body.reason }
        return success(await app.txAs(actorOf(request), (uow) => setBan(uow, change)))
      }
    )
  }
}

export default fp(adminUsers, {
  name: 'admin-users',
  dependencies: ['database', 'identity', 'rate-limit'],
  encapsulate: true
})
