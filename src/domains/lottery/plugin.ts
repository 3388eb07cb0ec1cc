import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import type { FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'
import { answerFromBatch, keyOf } from '../../http/keyed.js'
import { refuse } from '../../shared/refusal.js'
import { AUTH_FAILURES, failures, ok, success } from '../../shared/schemas.js'
import { configAnswers } from './config-answers.js'
import type { DrawRequest } from './draw-request.js'
import { createDrawEngine } from './engine.js'
import { examples } from './examples.js'
import { checkClientSeed, fairnessRoutes, verifyUrl } from './fairness/plugin.js'
import { listRecords, readPityStatus, readStatistics, viewWheel } from './queries.js'
import { drawTypeOf } from './rules.js'
import { Draw, DrawBody, LotteryConfig, PityStatus, Records, RecordsQuery, Statistics } from './schemas.js'
import { RuleBook } from './versions.js'

const TAGS = ['lottery']
/** How often, at the most, a closed wheel has its tables looked at again: once mended it is to open within 2 s. */
const RECHECK_MS = 1000

const lottery: FastifyPluginAsyncTypebox = async (app) => {
  const { BUSINESS_TZ: timeZone, VOUCHER_DAYS: voucherDays } = app.config
  const ruleBook = new RuleBook()
  const answerConfig = configAnswers()
  const engine = createDrawEngine(app.fastTx, { ruleBook, randomInt: app.randomInt, timeZone, voucherDays })
  app.addHook('onClose', () => engine.close())
  let checkedAt = 0

  async function synchronise(): Promise<void> {
    checkedAt = Date.now()
    const made = await app.tx((uow) => ruleBook.synchronise(uow))
    if (made !== undefined) app.log.info({ version: made }, 'the tables of the wheel had changed: new rules version')
    if (ruleBook.faults.length > 0)
      app.log.error({ faults: ruleBook.faults }, 'the wheel is closed: its tables are at fault')
  }
  app.addHook('onReady', synchronise)
  app.addHook('preHandler', (_request, _reply, done) => {
    if (ruleBook.faults.length === 0 || Date.now() - checkedAt <= RECHECK_MS) done()
    else synchronise().then(() => done(), done)
  })

  await app.register(fairnessRoutes, { prefix: '/fairness', ruleBook })

  app.get(
    '/config',
    {
      config: { cache: { seconds: 60, scope: 'private' } },
      schema: {
        tags: TAGS,
        summary: 'The wheel: prizes, published odds, rules, and how the diner stands',
        response: { 200: ok(LotteryConfig, examples.config), ...failures(...AUTH_FAILURES, 'LOTTERY_NOT_READY') }
      }
    },
    async (request, reply) => {
      const looking = { userId: request.user.userId, now: app.clock(), timeZone, verifyUrl: verifyUrl(request) }
      return answerConfig(reply, await viewWheel(app, ruleBook, looking))
    }
  )

  app.post(
    '/draw',
    {
      config: { limit: 'draw' },
      schema: {
        tags: TAGS,
        summary: 'Draw once, three, five or ten times',
        description: 'All or nothing. An Idempotency-Key makes a repetition answer the first result again.',
        body: DrawBody,
        response: {
          200: ok(Draw, examples.draw),
          ...failures(
            'VALIDATION_FAILED',
            ...AUTH_FAILURES,
            'FORBIDDEN',
            'LOTTERY_NOT_READY',
            'LOTTERY_CLOSED',
            'PRICE_CHANGED',
            'SELF_LIMIT',
            'DRAW_LIMIT_REACHED',
            'POINTS_INSUFFICIENT',
            'IDEMPOTENCY_CONFLICT',
            'OVERLOADED'
          )
        }
      }
    },
    async (request, reply) => {
      return success(answerFromBatch(reply, await engine.submit(drawRequestOf(request, request.body))))
    }
  )

  app.get(
    '/records',
    {
      schema: {
        tags: TAGS,
        summary: 'The diner’s results, newest first',
        querystring: RecordsQuery,
        response: { 200: ok(Records, examples.records), ...failures('VALIDATION_FAILED', ...AUTH_FAILURES) }
      }
    },
    async ({ user, query }) => success(await listRecords(app.reads, user.userId, query))
  )

  app.get(
    '/statistics',
    {
      config: { cache: { seconds: 600, scope: 'private' } },
      schema: {
        tags: TAGS,
        summary: 'The diner’s wheel in figures',
        response: { 200: ok(Statistics, examples.statistics), ...failures(...AUTH_FAILURES, 'LOTTERY_NOT_READY') }
      }
    },
    async ({ user }) => success(await readStatistics(app, ruleBook, user.userId))
  )

  app.get(
    '/pity-status',
    {
      schema: {
        tags: TAGS,
        summary: 'How far the diner is from the guaranteed prize',
        response: { 200: ok(PityStatus, examples.pity), ...failures(...AUTH_FAILURES, 'LOTTERY_NOT_READY') }
      }
    },
    async ({ user }) => success(await readPityStatus(app, ruleBook, user.userId))
  )
}

/** What a request to draw comes to. @throws Refusal FORBIDDEN, VALIDATION_FAILED */
function drawRequestOf(request: FastifyRequest, body: DrawBody): DrawRequest {
  const { userId } = request.user
  if (body.userId !== undefined && body.userId !== userId) throw refuse('FORBIDDEN')
  const type = drawTypeOf(body.draw_type, body.count)
  if (type === undefined) {
    throw refuse('VALIDATION_FAILED', [{ field: 'count', message: 'must be 1, 3, 5 or 10, and agree with draw_type' }])
  }
  const { costPoints, client_seed: clientSeed } = body
  checkClientSeed(clientSeed)
  return { userId, type, costPoints, clientSeed, keyed: keyOf(request, { type, costPoints, clientSeed }) }
}

export default fp(lottery, {
  name: 'lottery',
  dependencies: ['database', 'identity', 'rate-limit', 'public-log'],
  encapsulate: true
})
