import { createHash, createHmac } from 'node:crypto'
import { TOTAL_WEIGHT } from '../prize.js'

/** Words from here up would make the low rolls likelier than the others: the largest multiple of 10,000 below 2^32. */
const FAIR_BELOW = 4_294_960_000
const WORD_BYTES = 4

/**
 * The roll of a draw, 0…9999, each as likely as the next (docs/FAIRNESS.md, "The dice"): whoever knows the three
 * things it is made from can compute it.
 * @param nonce which draw of its epoch it is, from 0
 */
export function rollOf(serverSeed: Buffer, clientSeed: string, nonce: number): number {
  for (let block = 0; ; block += 1) {
    const digest = createHmac('sha256', serverSeed).update(`${clientSeed}:${nonce}:${block}`).digest()
    for (let at = 0; at < digest.length; at += WORD_BYTES) {
      const word = digest.readUInt32BE(at)
      if (word < FAIR_BELOW) return word % TOTAL_WEIGHT
    }
  }
}

/** The commitment to a server seed: its SHA-256 in hexadecimal. */
export function commitmentTo(serverSeed: Buffer): string {
  return createHash('sha256').update(serverSeed).digest('hex')
}

/** The most bytes a client seed may have in UTF-8. */
const CLIENT_SEED_BYTES = 64

/**
 * What is wrong with a client seed; undefined when nothing is. A colon would make two seeds one message, and half a
 * character has no bytes.
 */
export function clientSeedFault(seed: string): string | undefined {
  if (seed === '' || Buffer.byteLength(seed) > CLIENT_SEED_BYTES) return 'must have 1 to 64 bytes in UTF-8'
  if (/[:\p{Cc}]/u.test(seed)) return 'must hold no colon and no control character'
  return /\p{Cs}/u.test(seed) ? 'must be well-formed Unicode' : undefined
}
