import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { type TSchema, Type } from '@sinclair/typebox'
import type { FastifyReply } from 'fastify'
import fp from 'fastify-plugin'
import { pageFrom, type Sort } from '../../../engine/keyset.js'
import type { Db } from '../../../engine/tx.js'
import { FreshCache } from '../../../shared/fresh-cache.js'
import { refuse } from '../../../shared/refusal.js'
import { failures, ok, type PageQuery, success } from '../../../shared/schemas.js'
import { listCheckpoints } from '../../../transparency/log.js'
import { Snapshot } from '../settings-schemas.js'
import { watchLog } from './log-gauges.js'
import { examples } from './public-examples.js'
import { newestCheckpoint, proveConsistency, proveInclusion, readEntries } from './public-log.js'
import {
  Checkpoints,
  CheckpointsQuery,
  ConsistencyProof,
  ConsistencyQuery,
  EntriesQuery,
  InclusionProof,
  InclusionQuery,
  LogKey,
  PublicStatistics,
  PublishedVersions,
  RulesQuery,
  VersionParams
} from './public-schemas.js'
import { publicStatistics } from './statistics.js'

const TAGS = ['fairness']
const open = { access: 'public', limit: 'publicLog' } as const
/** How long what may still change can be kept by caches that everybody shares. */
const FRESH_SECONDS = 2
const STATISTICS_MS = 5000

/** For caches anywhere: what can never be another, and what soon may be. */
function cacheable(reply: FastifyReply, isFinal: boolean): void {
  const life = isFinal ? 'max-age=31536000, immutable' : `max-age=${FRESH_SECONDS}`
  reply.header('cache-control', `public, ${life}`)
}

/** A text that is sent as it is: past the envelope, byte for byte. */
const raw = <T>(type: string, description: string, example: T, schema: TSchema = Type.String()) => ({
  200: { description, content: { [type]: { schema, example } } }
})

/**
 * The public log and what goes with it, for everybody: no token, nothing personal (docs/FAIRNESS.md). Texts and lines
 * are sent bare, since what is signed and hashed are their bytes.
 */
const publicFairness: FastifyPluginAsyncTypebox = async (app) => {
  watchLog(app)
  for (const routes of [signed, entries, proofs, rules]) await app.register(routes)
}

const signed: FastifyPluginAsyncTypebox = async (app) => {
  app.get(
    '/key',
    {
      config: open,
      schema: {
        tags: TAGS,
        summary: 'The key that signs the log',
        response: { 200: ok(LogKey, examples.key), ...failures() }
      }
    },
    async (_request, reply) => {
      const { origin, keyId: key_id, publicKey: public_key, verifierKey: verifier_key } = app.publicLog.signer
      cacheable(reply, false)
      return success({ origin, algorithm: 'Ed25519' as const, key_id, public_key, verifier_key })
    }
  )

  app.get(
    '/checkpoint',
    {
      config: open,
      schema: {
        tags: TAGS,
        summary: 'The log as it was last signed, as a signed note',
        response: { ...raw('text/plain', 'A checkpoint (C2SP tlog-checkpoint)', examples.note), ...failures() }
      }
    },
    async (_request, reply) => {
      const { note } = await newestCheckpoint(app)
      cacheable(reply, false)
      return reply.type('text/plain; charset=utf-8').send(note)
    }
  )

  app.get(
    '/checkpoints',
    {
      config: open,
      schema: {
        tags: TAGS,
        summary: 'Checkpoints, newest first; those of more than a week ago one an hour',
        querystring: CheckpointsQuery,
        response: { 200: ok(Checkpoints, examples.checkpoints), ...failures('VALIDATION_FAILED') }
      }
    },
    async ({ query }, reply) => {
      const found = await listCheckpoints(app.db, query.limit, query.before)
      cacheable(reply, false)
      return success({
        checkpoints: found.map(({ size, note, createdAt }) => ({ size, note, created_at: createdAt }))
      })
    }
  )
}

const entries: FastifyPluginAsyncTypebox = async (app) => {
  app.get(
    '/entries',
    {
      config: open,
      schema: {
        tags: TAGS,
        summary: 'Lines of the log, as far as it is signed',
        description:
          'One canonical JSON text a line (RFC 8785); the hash of each is that of a leaf. Fewer where the log ends.',
        querystring: EntriesQuery,
        response: { ...raw('application/jsonl', 'JSON lines', examples.lines), ...failures('VALIDATION_FAILED') }
      }
    },
    async ({ query }, reply) => {
      const { lines, isWhole } = await readEntries(app, query)
      cacheable(reply, isWhole)
      return reply.type('application/jsonl; charset=utf-8').send(lines.map((line) => `${line}\n`).join(''))
    }
  )
}

const rules: FastifyPluginAsyncTypebox = async (app) => {
  const statistics = new FreshCache<PublicStatistics>(STATISTICS_MS, 1)

  app.get(
    '/rules',
    {
      config: open,
      schema: {
        tags: TAGS,
        summary: 'Every rules version, newest first, with its snapshot byte for byte',
        querystring: RulesQuery,
        response: { 200: ok(PublishedVersions, examples.versions), ...failures('VALIDATION_FAILED') }
      }
    },
    async ({ query }, reply) => {
      cacheable(reply, false)
      return success(await listVersions(app.db, query))
    }
  )

  app.get(
    '/rules/:version',
    {
      config: open,
      schema: {
        tags: TAGS,
        summary: 'The snapshot of one rules version, bare: its SHA-256 is the one that draws name',
        params: VersionParams,
        response: { ...raw('application/json', 'The snapshot', examples.snapshot, Snapshot), ...failures('NOT_FOUND') }
      }
    },
    async ({ params }, reply) => {
      const row = await app.db.lotteryRuleVersion.findUnique({ where: { version: params.version } })
      if (row === null) throw refuse('NOT_FOUND')
      cacheable(reply, true)
      return reply.type('application/json; charset=utf-8').send(row.snapshot)
    }
  )

  app.get(
    '/statistics',
    {
      config: open,
      schema: {
        tags: TAGS,
        summary: 'What was drawn under each rules version, against its published odds',
        response: { 200: ok(PublicStatistics, examples.statistics), ...failures() }
      }
    },
    async (_request, reply) => {
      cacheable(reply, false)
      return success(await statistics.get('all', () => publicStatistics(app.db)))
    }
  )
}

const proofs: FastifyPluginAsyncTypebox = async (app) => {
  app.get(
    '/inclusion',
    {
      config: open,
      schema: {
        tags: TAGS,
        summary: 'That the log has an entry: a draw by its id, or any by its index',
        querystring: InclusionQuery,
        response: { 200: ok(InclusionProof, examples.inclusion), ...failures('VALIDATION_FAILED', 'NOT_FOUND') }
      }
    },
    async ({ query }, reply) => {
      cacheable(reply, query.size !== undefined)
      return success(await proveInclusion(app, query))
    }
  )

  app.get(
    '/consistency',
    {
      config: open,
      schema: {
        tags: TAGS,
        summary: 'That the log at one size is the beginning of the log at another',
        querystring: ConsistencyQuery,
        response: { 200: ok(ConsistencyProof, examples.consistency), ...failures('VALIDATION_FAILED') }
      }
    },
    async ({ query }, reply) => {
      cacheable(reply, query.to !== undefined)
      return success(await proveConsistency(app, query))
    }
  )
}

const NEWEST = { direction: 'desc', columns: { version: 'int' } } as const satisfies Sort

async function listVersions(db: Db, query: PageQuery) {
  const { rows, ...rest } = await pageFrom(
    query,
    NEWEST,
    {},
    {
      read: (part) => db.lotteryRuleVersion.findMany(part),
      count: () => db.lotteryRuleVersion.count()
    }
  )
  const versions = rows.map(({ version, sha256, validFrom, snapshot }) => ({
    version,
    sha256,
    valid_from: validFrom,
    snapshot
  }))
  return { versions, ...rest }
}

export default fp(publicFairness, { name: 'public-fairness', dependencies: ['public-log'], encapsulate: true })
