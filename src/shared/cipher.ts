import {
  createCipheriv,
  createDecipheriv,
  createHash,
  createHmac,
  createSecretKey,
  hkdfSync,
  type KeyObject
} from 'node:crypto'
import { randomPieces } from './random.js'

const IV_BYTES = 12
const TAG_BYTES = 16
const AAD = Buffer.from('restaurant-lottery')

/** Encryption at rest, and keyed hashes to find things by without being able to read them. */
export interface Cipher {
  /** Of the key that encrypts; it is in front of all that this key encrypted. */
  readonly keyId: string
  /** AES-256-GCM with a random IV: `<key id>.<base64url of iv, tag and text>`. */
  encrypt(plain: string): string
  /** @throws Error when the text was altered, or was encrypted under another key */
  decrypt(sealed: string): string
  /** HMAC-SHA-256 in hexadecimal, under a key of its own for each purpose. */
  hmac(purpose: string, text: string): string
  /** The same under each key that is live, that of `hmac` first: by one of them an older row is found too. */
  hmacs(purpose: string, text: string): readonly string[]
}

/**
 * What it writes is under `keyHex` alone; during a rotation it also reads what is under the other key.
 * @param keyHex `ENCRYPTION_KEY`: 32 bytes in hexadecimal
 * @param previousHex `ENCRYPTION_KEY_PREVIOUS`
 */
export function createCipher(keyHex: string, previousHex?: string): Cipher {
  const current = cipherOf(keyHex)
  if (previousHex === undefined) return current
  const previous = cipherOf(previousHex)
  return {
    ...current,
    decrypt: (sealed) => (sealed.startsWith(`${previous.keyId}.`) ? previous : current).decrypt(sealed),
    hmacs: (purpose, text) => [current.hmac(purpose, text), previous.hmac(purpose, text)]
  }
}

function cipherOf(keyHex: string): Cipher {
  const bytes = Buffer.from(keyHex, 'hex')
  const keyId = createHash('sha256').update('key-id').update(bytes).digest('hex').slice(0, 8)
  // As an object, since newer versions of Node look long at bytes to see that they are none.
  const key = createSecretKey(bytes)
  const purposes = new Map<string, KeyObject>()
  const keyFor = (purpose: string): KeyObject => {
    const known = purposes.get(purpose)
    if (known !== undefined) return known
    const derived = createSecretKey(Buffer.from(hkdfSync('sha256', key, AAD, `hmac:${purpose}`, 32)))
    purposes.set(purpose, derived)
    return derived
  }
  const freshIv = randomPieces(IV_BYTES)
  const hmac = (purpose: string, text: string) => createHmac('sha256', keyFor(purpose)).update(text).digest('hex')
  return {
    keyId,
    encrypt(plain) {
      const iv = freshIv()
      const cipher = createCipheriv('aes-256-gcm', key, iv).setAAD(AAD)
      const [body, rest] = [cipher.update(plain, 'utf8'), cipher.final()]
      return `${keyId}.${Buffer.concat([iv, cipher.getAuthTag(), body, rest]).toString('base64url')}`
    },
    decrypt(sealed) {
      const [id, text = ''] = sealed.split('.')
      if (id !== keyId) throw new Error(`encrypted under the key ${id}, but ENCRYPTION_KEY is ${keyId}`)
      const bytes = Buffer.from(text, 'base64url')
      const decipher = createDecipheriv('aes-256-gcm', key, bytes.subarray(0, IV_BYTES)).setAAD(AAD)
      decipher.setAuthTag(bytes.subarray(IV_BYTES, IV_BYTES + TAG_BYTES))
      return Buffer.concat([decipher.update(bytes.subarray(IV_BYTES + TAG_BYTES)), decipher.final()]).toString('utf8')
    },
    hmac,
    hmacs: (purpose, text) => [hmac(purpose, text)]
  }
}
