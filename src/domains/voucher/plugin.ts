import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import fp from 'fastify-plugin'
import { AUTH_FAILURES, failures, ok, success } from '../../shared/schemas.js'
import { examples } from './examples.js'
import { listVouchers } from './queries.js'
import { Vouchers, VouchersQuery } from './schemas.js'

/** A diner's wallet. At the counter vouchers are the merchant's: domains/counter. */
const voucher: FastifyPluginAsyncTypebox = async (app) => {
  app.get(
    '/vouchers',
    {
      schema: {
        tags: ['user'],
        summary: 'The diner’s vouchers, newest first',
        querystring: VouchersQuery,
        response: { 200: ok(Vouchers, examples.vouchers), ...failures('VALIDATION_FAILED', ...AUTH_FAILURES) }
      }
    },
    async (request) =>
      success(await listVouchers(app.reads, app.cipher, request.user.userId, request.query, app.clock()))
  )
}

export default fp(voucher, { name: 'voucher', dependencies: ['database', 'identity', 'rate-limit'], encapsulate: true })
