import { type ReadsDb, readOf } from '../../../engine/reads.js'
import type { RawDb } from '../../../engine/tx.js'
import type { Cipher } from '../../../shared/cipher.js'
import { refuse } from '../../../shared/refusal.js'
import { lastCheckpoint } from '../../../transparency/log.js'
import { inclusionSpans } from '../../../transparency/merkle.js'
import { hashesOf } from '../../../transparency/tree.js'
import { drawLine, type LeafResult } from './leaves.js'
import type { DrawProof } from './schemas.js'

interface ProofRow extends LeafResult {
  readonly created_at: Date
  readonly rules_version: number
  readonly epoch: number | null
  readonly log_index: number | null
  readonly client_seed: string | null
  readonly server_seed_hash: string | null
  readonly server_seed: string | null
  readonly ended_at: Date | null
  readonly prize_name: string
  readonly snapshot: string
  readonly sha256: string
}

const PROOF = readOf<ProofRow, [drawId: string, userId: number]>(`
  SELECT d.created_at, d.rules_version, d.epoch, d.log_index, COALESCE(d.client_seed, e.client_seed) AS client_seed,
    e.server_seed_hash, e.server_seed, e.ended_at, r.sequence, r.nonce, r.roll, r.pity_before, r.prize_id, r.prize_name,
    r.is_pity, v.snapshot, v.sha256
  FROM lottery_draws AS d
  JOIN lottery_records AS r ON r.draw_id = d.draw_id
  JOIN lottery_rule_versions AS v ON v.version = d.rules_version
  LEFT JOIN fairness_epochs AS e ON e.user_id = d.user_id AND e.epoch = d.epoch
  WHERE d.draw_id = ? AND d.user_id = ?
  ORDER BY r.sequence`)

/**
 * All that a checker needs for one draw of a diner's own, in one document. Its seed is in it once its epoch is over,
 * and its place in the log once it has one.
 * @throws Refusal NOT_FOUND for a draw there never was, or somebody else's
 */
export async function readProof(db: ReadsDb, cipher: Cipher, userId: number, drawId: string): Promise<DrawProof> {
  const [rows] = await db.reads(PROOF(drawId, userId))
  const [first] = rows
  if (first === undefined) throw refuse('NOT_FOUND')
  const { created_at, rules_version, snapshot, sha256, epoch, client_seed, server_seed_hash, ended_at } = first
  const isOver = ended_at !== null && first.server_seed !== null
  return {
    format: 'restaurant-points-lottery/draw-proof/1',
    draw_id: drawId,
    drawn_at: created_at,
    rules_version,
    rules_sha256: sha256,
    rules: snapshot,
    epoch,
    server_seed_hash,
    server_seed: isOver ? cipher.decrypt(first.server_seed) : null,
    client_seed,
    results: rows.map((row) => ({
      sequence: row.sequence,
      nonce: row.nonce,
      roll: row.roll,
      pity_before: row.pity_before,
      prize_id: row.prize_id,
      prize_name: row.prize_name,
      forced: Number(row.is_pity) === 1
    })),
    leaf: drawLine({ draw_id: drawId, created_at, rules_version, server_seed_hash, client_seed, results: rows }),
    inclusion: first.log_index === null ? null : await inclusionOf(db.db, first.log_index)
  }
}

/** How the newest checkpoint covers a leaf. */
async function inclusionOf(db: RawDb, index: number): Promise<DrawProof['inclusion']> {
  const checkpoint = await lastCheckpoint(db)
  if (checkpoint === undefined || checkpoint.size <= index) return null
  const { size, note } = checkpoint
  const hashes = await hashesOf(db, inclusionSpans(index, [0, size]))
  return { index, size, hashes: hashes.map((hash) => hash.toString('hex')), checkpoint: note }
}
