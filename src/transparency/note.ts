import { createHash, createPrivateKey, createPublicKey, type KeyObject, sign } from 'node:crypto'

/** An Ed25519 private key in PKCS#8 is this, and then its 32 bytes. */
const PKCS8_PREFIX = Buffer.from('302e020100300506032b657004220420', 'hex')
const PUBLIC_KEY_BYTES = 32
/** Ed25519, in the keys of signed notes. */
const ALGORITHM = 0x01
const KEY_ID_BYTES = 4

/** Signs checkpoints, in the form that others have: github.com/C2SP/C2SP, signed-note.md and tlog-checkpoint.md. */
export interface Signer {
  /** Whose log it is; also the name of the key. */
  readonly origin: string
  /** `<name>+<key id>+<base64 of algorithm and public key>`: what a verifier is given. */
  readonly verifierKey: string
  /** Eight hexadecimal digits that tell keys apart. */
  readonly keyId: string
  /** In base64. */
  readonly publicKey: string
  /** A log's size and root, signed: the same for the same. */
  checkpoint(size: number, root: Buffer): string
}

/** @param seedHex the private key: 32 bytes in hexadecimal */
export function createSigner(origin: string, seedHex: string): Signer {
  const key = createPrivateKey({
    key: Buffer.concat([PKCS8_PREFIX, Buffer.from(seedHex, 'hex')]),
    format: 'der',
    type: 'pkcs8'
  })
  const publicKey = publicBytes(key)
  const typed = Buffer.concat([Buffer.from([ALGORITHM]), publicKey])
  const id = createHash('sha256').update(`${origin}\n`).update(typed).digest().subarray(0, KEY_ID_BYTES)
  return {
    origin,
    keyId: id.toString('hex'),
    publicKey: publicKey.toString('base64'),
    verifierKey: `${origin}+${id.toString('hex')}+${typed.toString('base64')}`,
    checkpoint(size, root) {
      const text = `${origin}\n${size}\n${root.toString('base64')}\n`
      const signature = Buffer.concat([id, sign(null, Buffer.from(text), key)])
      return `${text}\n— ${origin} ${signature.toString('base64')}\n`
    }
  }
}

function publicBytes(key: KeyObject): Buffer {
  const der = createPublicKey(key).export({ format: 'der', type: 'spki' })
  return der.subarray(der.length - PUBLIC_KEY_BYTES)
}

/** Whether a checkpoint was signed by this key, by the name it gives. */
export function isSignedBy(note: string, { origin, keyId }: Signer): boolean {
  const signature = note.split('\n').find((line) => line.startsWith(`— ${origin} `))
  const bytes = Buffer.from(signature?.slice(`— ${origin} `.length) ?? '', 'base64')
  return bytes.subarray(0, KEY_ID_BYTES).toString('hex') === keyId
}
