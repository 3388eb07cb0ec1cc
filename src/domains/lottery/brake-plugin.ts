import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import fp from 'fastify-plugin'
import { readOf } from '../../engine/reads.js'
import { AUTH_FAILURES, failures, ok, success } from '../../shared/schemas.js'
import { type BrakeColumns, toOwnLimits } from './brake.js'
import { examples } from './examples.js'
import { setOwnLimits } from './own-limits.js'
import { OwnLimits, OwnLimitsBody } from './schemas.js'

const TAGS = ['user']
const BRAKE = readOf<BrakeColumns, [userId: number]>(`
  SELECT own_daily, own_pause_until, next_daily, next_pause_until, next_from FROM lottery_pity WHERE user_id = ?`)
const NO_BRAKE: BrakeColumns = {
  own_daily: null,
  own_pause_until: null,
  next_daily: null,
  next_pause_until: null,
  next_from: null
}

/** A diner's own brake on the wheel (contract section 15). */
const brake: FastifyPluginAsyncTypebox = async (app) => {
  app.get(
    '/limits',
    {
      schema: {
        tags: TAGS,
        summary: 'How the diner holds themselves back from the wheel',
        response: { 200: ok(OwnLimits, examples.limits), ...failures(...AUTH_FAILURES) }
      }
    },
    async ({ user }) => {
      const [[row]] = await app.reads(BRAKE(user.userId))
      return success(toOwnLimits(row ?? NO_BRAKE, app.clock()))
    }
  )

  app.put(
    '/limits',
    {
      schema: {
        tags: TAGS,
        summary: 'Hold oneself back: stricter at once, looser after 24 hours',
        description: 'Both fields are set: one that is left out, or null, is no limit.',
        body: OwnLimitsBody,
        response: { 200: ok(OwnLimits, examples.limits), ...failures('VALIDATION_FAILED', ...AUTH_FAILURES) }
      }
    },
    async ({ user, body }) => success(await app.fastTx((uow) => setOwnLimits(uow, user.userId, body)))
  )
}

export default fp(brake, { name: 'brake', dependencies: ['database', 'identity', 'rate-limit'], encapsulate: true })
