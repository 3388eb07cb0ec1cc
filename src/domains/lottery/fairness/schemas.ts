import { type Static, Type } from '@sinclair/typebox'
import { Count, DateTime, Id, Nullable, Page, PageQuery, Uuid } from '../../../shared/schemas.js'

export const Sha256 = Type.String({ pattern: '^[0-9a-f]{64}$', description: 'SHA-256 in hexadecimal' })
const Seed = Type.String({ pattern: '^[0-9a-f]{64}$', description: '32 bytes in hexadecimal' })

/** What the diner puts into the dice. Its bytes are counted by the handler, see `clientSeedFault`. */
export const ClientSeed = Type.String({
  minLength: 1,
  maxLength: 64,
  description:
    'the diner’s own word: 1 to 64 bytes of UTF-8 without colon or control characters. It is published with the draw'
})

/** Of a result: which draw of its epoch it is, what was rolled, and the draws since the last pity prize before it. */
export const Rolled = Type.Object({
  nonce: Type.Optional(Count),
  roll: Type.Optional(Type.Integer({ minimum: 0, maximum: 9999 })),
  pity_before: Type.Optional(Count)
})

/** Of a draw: what its rolls can be computed from, but for the seed that is not told yet. */
export const DrawFairness = Type.Object({
  epoch: Id,
  server_seed_hash: Sha256,
  client_seed: Type.String(),
  nonce: Type.Integer({ minimum: 0, description: 'of its first result' }),
  rules_sha256: Sha256
})

/** What a diner holds before they draw. */
export const Fairness = Type.Object({
  epoch: Id,
  server_seed_hash: Type.String({ ...Sha256, description: 'the commitment to the seed that draws now' }),
  next_server_seed_hash: Type.String({ ...Sha256, description: 'the commitment to the seed of the next epoch' }),
  client_seed: Type.String(),
  nonce: Type.Integer({ minimum: 0, description: 'of the next draw' }),
  rules_version: Id,
  rules_sha256: Sha256,
  verify_url: Type.String({ format: 'uri', description: 'the page that checks a proof' })
})
export type Fairness = Static<typeof Fairness>

export const RotateBody = Type.Object(
  { client_seed: Type.Optional(ClientSeed) },
  { examples: [{ client_seed: 'my own word' }] }
)
export type RotateBody = Static<typeof RotateBody>

export const Rotated = Type.Object({
  revealed: Type.Object({
    epoch: Id,
    server_seed: Seed,
    server_seed_hash: Sha256,
    client_seed: Type.String(),
    draws: Count
  }),
  current: Fairness
})
export type Rotated = Static<typeof Rotated>

export const EpochsQuery = PageQuery

export const EpochItem = Type.Object({
  epoch: Id,
  server_seed_hash: Sha256,
  server_seed: Nullable(Seed),
  client_seed: Type.String(),
  draws: Count,
  started_at: DateTime,
  ended_at: Nullable(DateTime)
})
export type EpochItem = Static<typeof EpochItem>

export const Epochs = Page({ epochs: Type.Array(EpochItem) })

export const DrawParams = Type.Object({ draw_id: Uuid })

const ProofResult = Type.Object({
  sequence: Count,
  nonce: Nullable(Count),
  roll: Nullable(Type.Integer()),
  pity_before: Nullable(Count),
  prize_id: Id,
  prize_name: Type.String(),
  forced: Type.Boolean()
})

/** Where a leaf is in the public log, and how a signed checkpoint covers it. */
const Inclusion = Type.Object({
  index: Count,
  size: Count,
  hashes: Type.Array(Sha256),
  checkpoint: Type.String({ description: 'a signed note (C2SP)' })
})

/** One document with all that a checker needs; it takes no other. */
export const DrawProof = Type.Object({
  format: Type.Literal('restaurant-points-lottery/draw-proof/1'),
  draw_id: Uuid,
  drawn_at: DateTime,
  rules_version: Id,
  rules_sha256: Sha256,
  rules: Type.String({ description: 'the snapshot, byte for byte, whose SHA-256 is rules_sha256' }),
  epoch: Nullable(Id),
  server_seed_hash: Nullable(Sha256),
  server_seed: Nullable(Type.String({ ...Seed, description: 'null until the epoch has ended' })),
  client_seed: Nullable(Type.String()),
  results: Type.Array(ProofResult),
  leaf: Type.String({ description: 'the line of the public log' }),
  inclusion: Nullable(Inclusion)
})
export type DrawProof = Static<typeof DrawProof>
