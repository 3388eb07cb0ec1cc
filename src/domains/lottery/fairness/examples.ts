import type { Static } from '@sinclair/typebox'
import { standardRules } from '../standard-wheel.js'
import { snapshotOf } from '../versions.js'
import { commitmentTo, rollOf } from './dice.js'
import { drawLine } from './leaves.js'
import type { DrawFairness, DrawProof, Epochs, Fairness, Rotated } from './schemas.js'

const SEED = Buffer.from(Array.from({ length: 32 }, (_, byte) => byte))
const NEXT = Buffer.alloc(32, 1)
const clientSeed = 'my own word'
const rulesHash = '0f9d4ee4cbbdf7d7c9ba36ac5a1f0c5fa64d1b6ea63e09c9a2f5f1d3c0a1b2c3'
const drawId = '019ab1c2-7d00-7000-8000-000000000001'
const drawnAt = new Date('2026-11-22T12:00:00.000Z')

const fairness: Fairness = {
  epoch: 1,
  server_seed_hash: commitmentTo(SEED),
  next_server_seed_hash: commitmentTo(NEXT),
  client_seed: clientSeed,
  nonce: 1,
  rules_version: 1,
  rules_sha256: rulesHash,
  verify_url: 'https://api.example.com/fair'
}

const drawFairness: Static<typeof DrawFairness> = {
  epoch: 1,
  server_seed_hash: fairness.server_seed_hash,
  client_seed: clientSeed,
  nonce: 0,
  rules_sha256: rulesHash
}

const rotated: Rotated = {
  revealed: {
    epoch: 1,
    server_seed: SEED.toString('hex'),
    server_seed_hash: fairness.server_seed_hash,
    client_seed: clientSeed,
    draws: 1
  },
  current: { ...fairness, epoch: 2, server_seed_hash: fairness.next_server_seed_hash, nonce: 0 }
}

const epochs: Static<typeof Epochs> = {
  epochs: [
    {
      epoch: 1,
      server_seed_hash: fairness.server_seed_hash,
      server_seed: SEED.toString('hex'),
      client_seed: clientSeed,
      draws: 1,
      started_at: drawnAt,
      ended_at: drawnAt
    }
  ],
  pagination: { total: 1, page: 1, limit: 20, total_pages: 1 },
  next_cursor: null
}

const result = { sequence: 1, nonce: 0, roll: rollOf(SEED, clientSeed, 0), pity_before: 0, prize_id: 3 }
const proof: DrawProof = {
  format: 'restaurant-points-lottery/draw-proof/1',
  draw_id: drawId,
  drawn_at: drawnAt,
  rules_version: 1,
  rules_sha256: rulesHash,
  rules: snapshotOf(standardRules(50)),
  epoch: 1,
  server_seed_hash: fairness.server_seed_hash,
  server_seed: SEED.toString('hex'),
  client_seed: clientSeed,
  results: [{ ...result, prize_name: '甜品1份', forced: false }],
  leaf: drawLine({
    draw_id: drawId,
    created_at: drawnAt,
    rules_version: 1,
    server_seed_hash: fairness.server_seed_hash,
    client_seed: clientSeed,
    results: [{ ...result, is_pity: 0 }]
  }),
  inclusion: null
}

/** What the documentation shows of each answer. */
export const examples = { fairness, drawFairness, rotated, epochs, proof }
