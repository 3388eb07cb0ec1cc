import { LRUCache } from 'lru-cache'
import type { Cipher } from '../../../shared/cipher.js'

/** Of diners who draw again and again: decrypting a seed costs more than throwing its dice. */
const REMEMBERED = 5000
const seedsOf = new WeakMap<Cipher, LRUCache<string, Buffer>>()

/** The bytes of an encrypted server seed. */
export function openSeed(cipher: Cipher, sealed: string): Buffer {
  const seeds = seedsOf.get(cipher) ?? new LRUCache<string, Buffer>({ max: REMEMBERED })
  seedsOf.set(cipher, seeds)
  const known = seeds.get(sealed)
  if (known !== undefined) return known
  const seed = Buffer.from(cipher.decrypt(sealed), 'hex')
  seeds.set(sealed, seed)
  return seed
}
