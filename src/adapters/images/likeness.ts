import sharpPhash from 'sharp-phash'

// It says that it has a default export, and is the function itself.
const perceptualHash = sharpPhash as unknown as typeof sharpPhash.default

/**
 * Which hash {@link hashOf} is. 0 was a difference hash of 8×8 cells: of receipts of one restaurant, which are all dark
 * lines on white, it took twelve times as many strangers for the same (docs/DECISIONS.md has the figures).
 */
export const HASH_VERSION = 1

/**
 * What a picture looks like: 64 bits in hexadecimal, of its lowest frequencies. Pictures that look alike have few bits
 * that differ, also when recompressed, scaled, lit otherwise, turned by a degree or two, or cropped a little.
 * @throws Error for what is no picture
 */
export async function hashOf(picture: Buffer): Promise<string> {
  const bits = await perceptualHash(picture)
  return BigInt(`0b${bits}`).toString(16).padStart(16, '0')
}
