import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import fp from 'fastify-plugin'
import { actorOf } from '../../identity/plugin.js'
import { AUTH_FAILURES, failures, ok, success } from '../../shared/schemas.js'
import { CodeParams, CounterVoucher, RedeemBody } from '../voucher/schemas.js'
import { examples } from './examples.js'
import { lookUpVoucher, redeemVoucher } from './redeem.js'

const TAGS = ['merchant']
const MERCHANT = [...AUTH_FAILURES, 'MERCHANT_REQUIRED'] as const

/** Vouchers at the counter, for merchants. A diner's wallet is among the pages of the user. */
const voucher: FastifyPluginAsyncTypebox = async (app) => {
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
          ...failures('VALIDATION_FAILED', 'VOUCHER_NOT_FOUND', ...MERCHANT)
        }
      }
    },
    async ({ params }) => success(await lookUpVoucher(app.db, app.vault, params.code, app.clock()))
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
          ...failures('VALIDATION_FAILED', 'VOUCHER_NOT_FOUND', 'VOUCHER_NOT_USABLE', ...MERCHANT)
        }
      }
    },
    async (request) => {
      const { code } = request.body
      const actor = actorOf(request)
      return success(await app.tx((tx, outbox) => redeemVoucher(tx, outbox, app.vault, actor, code, app.clock())))
    }
  )
}

export default fp(voucher, { name: 'voucher', dependencies: ['database', 'identity', 'rate-limit'], encapsulate: true })
