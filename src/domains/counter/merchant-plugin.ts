import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import fp from 'fastify-plugin'
import { actorOf } from '../../identity/principal.js'
import { failures, MERCHANT_FAILURES, ok, success } from '../../shared/schemas.js'
import { examples } from './examples.js'
import { lookUpVoucher, redeemVoucher } from './redeem.js'
import { CodeParams, CounterVoucher, RedeemBody } from './schemas.js'

const TAGS = ['merchant']

/** Vouchers at the counter. A diner's wallet is the voucher's own: domains/voucher. */
const counter: FastifyPluginAsyncTypebox = async (app) => {
  app.get(
    '/vouchers/:code',
    {
      config: { access: 'merchant' },
      schema: {
        tags: TAGS,
        summary: 'Look a voucher up at the counter',
        params: CodeParams,
        response: {
          200: ok(CounterVoucher, examples.unused),
          ...failures('VALIDATION_FAILED', 'VOUCHER_NOT_FOUND', ...MERCHANT_FAILURES)
        }
      }
    },
    async ({ params }) => success(await lookUpVoucher(app.db, app.cipher, params.code, app.clock()))
  )

  app.post(
    '/vouchers/redeem',
    {
      config: { access: 'merchant' },
      schema: {
        tags: TAGS,
        summary: 'Redeem a voucher, once',
        description: 'The voucher of an order completes the order.',
        body: RedeemBody,
        response: {
          200: ok(CounterVoucher, examples.redeemed),
          ...failures('VALIDATION_FAILED', 'VOUCHER_NOT_FOUND', 'VOUCHER_NOT_USABLE', ...MERCHANT_FAILURES)
        }
      }
    },
    async (request) => {
      const { code } = request.body
      return success(await app.txAs(actorOf(request), (uow) => redeemVoucher(uow, code)))
    }
  )
}

export default fp(counter, { name: 'counter', dependencies: ['database', 'identity', 'rate-limit'], encapsulate: true })
