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
 * The lines of the public log (docs/FAIRNESS.md, "The log"), as RFC 8785 writes them: names in their order, and what
 * `JSON.stringify` makes of whole numbers, texts and lists is already theirs. A diner's pseudonym is the commitment of
 * their epoch. A client seed is at most 64 bytes and always told as it is: from its hash nobody could compute a roll.
 */
export function drawLine(draw: LeafDraw): string {
  const { draw_id: id, created_at, rules_version: v, server_seed_hash: c, client_seed: s, results } = draw
  const at = created_at.getTime()
  const p = results.map((result) => result.prize_id)
  const f = results.map((result) => Number(result.is_pity))
  const [first] = results
  // The names are in their order here: sorting them for each line is a tenth of what the log costs.
  if (c === null || s === null || first?.nonce == null) return JSON.stringify({ at, f, id, p, t: 'draw0', v })
  const r = results.map((result) => result.roll)
  return JSON.stringify({ at, b: first.pity_before, c, f, id, n: first.nonce, p, r, s, t: 'draw', v })
}

export function rulesLine({ version, sha256, valid_from }: { version: number; sha256: string; valid_from: Date }) {
  return JSON.stringify({ at: valid_from.getTime(), sha256, t: 'rules', v: version })
}

/** That of an epoch that has ended; `seed` is in hexadecimal. */
export function seedLine({ commitment, seed, draws, endedAt }: SeedLeaf): string {
  return JSON.stringify({ at: endedAt.getTime(), c: commitment, k: seed, n: draws, t: 'seed' })
}

interface SeedLeaf {
  readonly commitment: string
  readonly seed: string
  readonly draws: number
  readonly endedAt: Date
}
