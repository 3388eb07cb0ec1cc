import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import type { FastifyRequest } from 'fastify'
import { actOnce, keyOf } from '../../../http/keyed.js'
import { publicOrigin } from '../../../shared/origin.js'
import { refuse } from '../../../shared/refusal.js'
import { AUTH_FAILURES, failures, ok, success } from '../../../shared/schemas.js'
import type { RuleBook, RulesVersion } from '../versions.js'
import { clientSeedFault } from './dice.js'
import { examples } from './examples.js'
import { readProof } from './proof.js'
import { fairnessOf, listEpochs } from './queries.js'
import { rotate } from './rotate.js'
import { DrawParams, DrawProof, Epochs, EpochsQuery, Fairness, RotateBody, Rotated } from './schemas.js'

const TAGS = ['lottery']

const ROTATE_NOTE =
  'Only a client seed that is chosen here, after the next commitment was shown, proves that the service did not ' +
  'choose its seed against it. Without one the last goes on.'

/** Where a proof is checked by a page. */
export function verifyUrl(request: FastifyRequest): string {
  return `${publicOrigin(request, request.server.config)}/fair`
}

/** @throws Refusal VALIDATION_FAILED */
export function checkClientSeed(seed: string | undefined): void {
  const message = seed === undefined ? undefined : clientSeedFault(seed)
  if (message !== undefined) throw refuse('VALIDATION_FAILED', [{ field: 'client_seed', message }])
}

/** What a diner holds of their own draws: commitments, seeds once they are over, and proofs. */
export const fairnessRoutes: FastifyPluginAsyncTypebox<{ ruleBook: RuleBook }> = async (app, { ruleBook }) => {
  const shown = (request: FastifyRequest, rules: RulesVersion) =>
    fairnessOf(app, request.user.userId, rules, verifyUrl(request))

  app.get(
    '/',
    {
      schema: {
        tags: TAGS,
        summary: 'What the diner’s next draw is committed to',
        response: { 200: ok(Fairness, examples.fairness), ...failures(...AUTH_FAILURES, 'LOTTERY_NOT_READY') }
      }
    },
    async (request) => success(await shown(request, await ruleBook.current(app.db)))
  )

  app.post(
    '/rotate',
    {
      schema: {
        tags: TAGS,
        summary: 'End the running epoch, which tells its seed, and begin the next',
        description: ROTATE_NOTE,
        body: RotateBody,
        response: {
          200: ok(Rotated, examples.rotated),
          ...failures(
            'VALIDATION_FAILED',
            ...AUTH_FAILURES,
            'LOTTERY_NOT_READY',
            'STATE_CONFLICT',
            'IDEMPOTENCY_CONFLICT'
          )
        }
      }
    },
    async (request, reply) => {
      const { userId } = request.user
      const clientSeed = request.body.client_seed
      checkClientSeed(clientSeed)
      const rules = await ruleBook.current(app.db)
      const { epoch } = await shown(request, rules)
      const { answer } = await actOnce(request, reply, { keyed: keyOf(request, { clientSeed }) }, (uow) =>
        rotate(uow, { userId, clientSeed, epoch, rules, verifyUrl: verifyUrl(request) })
      )
      return success(answer)
    }
  )

  await app.register(history)
}

/** What is over. */
const history: FastifyPluginAsyncTypebox = async (app) => {
  app.get(
    '/epochs',
    {
      schema: {
        tags: TAGS,
        summary: 'The diner’s epochs, newest first; the seed of each that is over',
        querystring: EpochsQuery,
        response: { 200: ok(Epochs, examples.epochs), ...failures('VALIDATION_FAILED', ...AUTH_FAILURES) }
      }
    },
    async ({ user, query }) => success(await listEpochs(app, app.cipher, user.userId, query))
  )

  app.get(
    '/draws/:draw_id',
    {
      schema: {
        tags: TAGS,
        summary: 'The proof of one draw of the diner’s own: a document that checks itself',
        params: DrawParams,
        response: {
          200: ok(DrawProof, examples.proof),
          ...failures('VALIDATION_FAILED', ...AUTH_FAILURES, 'NOT_FOUND')
        }
      }
    },
    async ({ user, params }) => success(await readProof(app, app.cipher, user.userId, params.draw_id))
  )
}
