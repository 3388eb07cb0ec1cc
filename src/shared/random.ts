import { randomFillSync } from 'node:crypto'

/** So many pieces are fetched from the operating system at a time: each call costs as much as an encryption. */
const PIECES_AT_A_TIME = 256

/**
 * Random bytes from the operating system, `size` at a time, each given once.
 * @returns a function whose result is good until 256 others were asked for
 */
export function randomPieces(size: number): () => Buffer {
  const pool = Buffer.alloc(size * PIECES_AT_A_TIME)
  let used = pool.length
  return () => {
    if (used === pool.length) {
      randomFillSync(pool)
      used = 0
    }
    used += size
    return pool.subarray(used - size, used)
  }
}
