import { createHash } from 'node:crypto'
import { leafHash } from '../../../transparency/merkle.js'
import { createSigner } from '../../../transparency/note.js'
import { effectiveOdds } from '../rules.js'
import { standardRules } from '../standard-wheel.js'
import { snapshotOf, toSnapshot } from '../versions.js'
import { rulesLine } from './leaves.js'
import type { PublicStatistics } from './public-schemas.js'

const at = new Date('2026-11-22T12:00:00.000Z')
const rules = standardRules(50)
const snapshot = snapshotOf(rules)
const sha256 = createHash('sha256').update(snapshot).digest('hex')
const signer = createSigner('restaurant-points-lottery', '11'.repeat(32))
const leaf = rulesLine({ version: 1, sha256, valid_from: at })
const note = signer.checkpoint(1, leafHash(leaf))
const effective = effectiveOdds(rules)

const statistics: PublicStatistics = {
  log_size: 1,
  versions: [
    {
      version: 1,
      sha256,
      draws: 0,
      chance_draws: 0,
      forced_draws: 0,
      chi_square: null,
      p_value: null,
      prizes: rules.prizes.map(({ id, name, weight }) => ({
        prize_id: id,
        prize_name: name,
        probability: weight / 10_000,
        effective_probability: effective.get(id) ?? 0,
        chance_draws: 0,
        forced_draws: 0,
        share: null,
        band: null
      }))
    }
  ]
}

/** What the documentation shows of each answer. */
export const examples = {
  key: {
    origin: signer.origin,
    algorithm: 'Ed25519' as const,
    key_id: signer.keyId,
    public_key: signer.publicKey,
    verifier_key: signer.verifierKey
  },
  note,
  checkpoints: { checkpoints: [{ size: 1, note, created_at: at }] },
  lines: `${leaf}\n`,
  inclusion: { index: 0, size: 1, leaf, leaf_hash: leafHash(leaf).toString('hex'), hashes: [] as string[] },
  consistency: { from: 1, to: 1, hashes: [] as string[] },
  snapshot: toSnapshot(rules),
  versions: {
    versions: [{ version: 1, sha256, valid_from: at, snapshot }],
    pagination: { total: 1, page: 1, limit: 20, total_pages: 1 },
    next_cursor: null
  },
  statistics
}
