import { hashes, verify } from '@noble/ed25519'
import { hmac } from '@noble/hashes/hmac.js'
import { sha256 as hash, sha512 } from '@noble/hashes/sha2.js'
import type { Bytes } from '../../src/checker/platform.js'

// What src/checker/platform.ts has of the browser, for mini-programs, which have none of it. They get these under its
// names, see ../client-package.ts.

export const utf8Of = (text: string): Bytes => {
  const bytes: number[] = []
  for (const char of text) {
    const point = char.codePointAt(0) ?? 0
    if (point < 0x80) bytes.push(point)
    else if (point < 0x800) bytes.push(0xc0 | (point >> 6), 0x80 | (point & 63))
    else if (point < 0x10000) bytes.push(0xe0 | (point >> 12), 0x80 | ((point >> 6) & 63), 0x80 | (point & 63))
    else bytes.push(0xf0 | (point >> 18), 0x80 | ((point >> 12) & 63), 0x80 | ((point >> 6) & 63), 0x80 | (point & 63))
  }
  return Uint8Array.from(bytes)
}

const DIGITS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/'

/** @throws Error when it is no base64 */
export function base64Bytes(text: string): Bytes {
  if (!/^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/.test(text)) throw new Error('no base64')
  const bits = [...text.replace(/=+$/, '')].map((char) => DIGITS.indexOf(char).toString(2).padStart(6, '0')).join('')
  return Uint8Array.from(bits.match(/.{8}/g) ?? [], (byte) => Number.parseInt(byte, 2))
}

export async function sha256Of(bytes: Bytes): Promise<Bytes> {
  return hash(bytes) as Bytes
}

export async function hmacSha256Of(key: Bytes, message: Bytes): Promise<Bytes> {
  return hmac(hash, key, message) as Bytes
}

/** @returns null where this machine cannot check an Ed25519 signature */
export async function holdsWith(key: Bytes, signature: Bytes, message: Bytes): Promise<boolean | null> {
  hashes.sha512 = sha512
  return verify(signature, message, key)
}
