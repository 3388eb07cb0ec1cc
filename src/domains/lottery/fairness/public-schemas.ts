import { type Static, Type } from '@sinclair/typebox'
import { Count, DateTime, Id, Nullable, Page, PageQuery, Rate, Uuid } from '../../../shared/schemas.js'
import { Sha256 } from './schemas.js'

/** How many entries one request may ask for. */
export const MOST_ENTRIES = 1000

/** A place in the log, or how long it is. */
const Place = Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER })

export const LogKey = Type.Object({
  origin: Type.String(),
  algorithm: Type.Literal('Ed25519'),
  key_id: Type.String({ pattern: '^[0-9a-f]{8}$' }),
  public_key: Type.String({ description: '32 bytes in base64' }),
  verifier_key: Type.String({ description: 'as tools for signed notes (C2SP) take it' })
})

export const CheckpointsQuery = Type.Object({
  limit: Type.Integer({ minimum: 1, maximum: 100, default: 20 }),
  before: Type.Optional(Type.Integer({ ...Place, description: 'only those of smaller size' }))
})
export const Checkpoints = Type.Object({
  checkpoints: Type.Array(Type.Object({ size: Count, note: Type.String(), created_at: DateTime }))
})

export const EntriesQuery = Type.Object({
  start: Place,
  end: Type.Integer({ ...Place, description: `below which to stop; at most ${MOST_ENTRIES} behind start` })
})

export const InclusionQuery = Type.Object({
  draw_id: Type.Optional(Uuid),
  index: Type.Optional(Place),
  size: Type.Optional(
    Type.Integer({ ...Place, description: 'of the log it is to be shown in; default: as last signed' })
  )
})
export const InclusionProof = Type.Object({
  index: Count,
  size: Count,
  leaf: Type.String(),
  leaf_hash: Sha256,
  hashes: Type.Array(Sha256, { description: 'from the leaf up (RFC 9162)' })
})

export const ConsistencyQuery = Type.Object({ from: Place, to: Type.Optional(Place) })
export const ConsistencyProof = Type.Object({ from: Count, to: Count, hashes: Type.Array(Sha256) })

export const RulesQuery = PageQuery
const PublishedRules = Type.Object({
  version: Id,
  sha256: Sha256,
  valid_from: DateTime,
  snapshot: Type.String({ description: 'byte for byte what sha256 is of' })
})
export const PublishedVersions = Page({ versions: Type.Array(PublishedRules) })
export const VersionParams = Type.Object({ version: Id })

const PrizeShare = Type.Object({
  prize_id: Id,
  prize_name: Type.String(),
  probability: Rate,
  effective_probability: Rate,
  chance_draws: Type.Integer({ minimum: 0, description: 'won by chance' }),
  forced_draws: Type.Integer({ minimum: 0, description: 'given by the guarantee' }),
  share: Type.Union([Rate, Type.Null()], { description: 'of the draws that chance decided' }),
  band: Type.Union([Type.Object({ low: Rate, high: Rate }), Type.Null()], {
    description: 'where the share of fair dice falls in 95 of 100 cases'
  })
})
const VersionShares = Type.Object({
  version: Id,
  sha256: Sha256,
  draws: Count,
  chance_draws: Count,
  forced_draws: Count,
  chi_square: Nullable(Type.Number()),
  p_value: Nullable(Rate),
  prizes: Type.Array(PrizeShare)
})
export const PublicStatistics = Type.Object({
  log_size: Type.Integer({ minimum: 0, description: 'how much of the log is counted' }),
  versions: Type.Array(VersionShares)
})
export type PublicStatistics = Static<typeof PublicStatistics>
