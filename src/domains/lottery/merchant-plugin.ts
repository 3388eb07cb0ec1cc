import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import fp from 'fastify-plugin'
import { actorOf } from '../../identity/principal.js'
import { failures, MERCHANT_FAILURES, ok, success } from '../../shared/schemas.js'
import { changeSettings, previewSettings, readSettings } from './settings.js'
import { examples } from './settings-examples.js'
import {
  ChangedSettings,
  LotterySettings,
  LotteryStats,
  SettingsBody,
  SettingsQuery,
  StatsQuery
} from './settings-schemas.js'
import { wheelStatistics } from './wheel-statistics.js'

const TAGS = ['merchant']
const access = { access: 'merchant' } as const
const COMMON = [...MERCHANT_FAILURES, 'LOTTERY_NOT_READY'] as const

const merchantLottery: FastifyPluginAsyncTypebox = async (app) => {
  const timeZone = app.config.BUSINESS_TZ

  app.get(
    '/lottery-config',
    {
      config: access,
      schema: {
        tags: TAGS,
        summary: 'The wheel and its rules as they are in force',
        response: { 200: ok(LotterySettings, examples.settings), ...failures(...COMMON) }
      }
    },
    async () => success(await readSettings(app.db))
  )

  app.put(
    '/lottery-config',
    {
      config: access,
      schema: {
        tags: TAGS,
        summary: 'Change the wheel or its rules',
        description:
          'All or nothing. Draws are made under the new version from then on, on every instance. With `dry_run=true` ' +
          'nothing is saved: the answer says what the change would come to.',
        querystring: SettingsQuery,
        body: SettingsBody,
        response: {
          200: ok(ChangedSettings, examples.changed),
          ...failures('VALIDATION_FAILED', ...COMMON, 'STATE_CONFLICT')
        }
      }
    },
    async (request) => {
      const { query, body } = request
      if (query.dry_run) return success(await previewSettings(app.db, body))
      return success(await app.txAs(actorOf(request), (uow) => changeSettings(uow, body)))
    }
  )

  app.get(
    '/lottery-stats',
    {
      config: access,
      schema: {
        tags: TAGS,
        summary: 'What was drawn, against what the odds say',
        description: '`from` and `to` are business days, and both belong to the range; without them all time.',
        querystring: StatsQuery,
        response: { 200: ok(LotteryStats, examples.stats), ...failures('VALIDATION_FAILED', ...COMMON) }
      }
    },
    async ({ query }) => success(await wheelStatistics(app.db, query, timeZone))
  )
}

export default fp(merchantLottery, {
  name: 'merchant-lottery',
  dependencies: ['database', 'identity', 'rate-limit'],
  encapsulate: true
})
