import { canonicalLine } from '../../../transparency/source.js'

/** A result of a draw, as its line tells it; the numbers are null in draws from before there were seeds. */
export interface LeafResult {
  readonly sequence: number
  readonly prize_id: number
  readonly is_pity: number | boolean
  readonly nonce: number | null
  readonly roll: number | null
  readonly pity_before: number | null
}

/** A draw with its results, in their order. */
export interface LeafDraw {
  readonly draw_id: string
  readonly created_at: Date
  readonly rules_version: number
  readonly server_seed_hash: string | null
  /** The request's own, else the epoch's. */
  readonly client_seed: string | null
  readonly results: readonly LeafResult[]
}

/**
 * The lines of the public log (docs/FAIRNESS.md, "The log"). A diner's pseudonym is the commitment of their epoch. A
 * client seed is at most 64 bytes and always told as it is: from its hash nobody could compute a roll.
 */
export function drawLine(draw: LeafDraw): string {
  const { draw_id: id, created_at, rules_version: v, server_seed_hash: c, client_seed: s, results } = draw
  const told = {
    id,
    at: created_at.getTime(),
    v,
    p: results.map((result) => result.prize_id),
    f: results.map((result) => Number(result.is_pity))
  }
  const [first] = results
  if (c === null || s === null || first?.nonce == null) return canonicalLine({ t: 'draw0', ...told })
  const rolls = results.map((result) => result.roll)
  return canonicalLine({ t: 'draw', ...told, c, s, n: first.nonce, b: first.pity_before, r: rolls })
}

export function rulesLine({ version, sha256, valid_from }: { version: number; sha256: string; valid_from: Date }) {
  return canonicalLine({ t: 'rules', v: version, sha256, at: valid_from.getTime() })
}

/** That of an epoch that has ended; `seed` is in hexadecimal. */
export function seedLine({ commitment, seed, draws, endedAt }: SeedLeaf): string {
  return canonicalLine({ t: 'seed', c: commitment, k: seed, n: draws, at: endedAt.getTime() })
}

interface SeedLeaf {
  readonly commitment: string
  readonly seed: string
  readonly draws: number
  readonly endedAt: Date
}
