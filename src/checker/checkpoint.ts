import { isSame, join } from './bytes.js'
import { type Bytes, fromBase64, holdsFor, sha256, utf8 } from './platform.js'

/** A log as it was signed. */
interface SignedLog {
  readonly origin: string
  readonly size: number
  readonly root: Bytes
  /** What is signed. */
  readonly text: string
  readonly signatures: readonly { readonly name: string; readonly keyId: Bytes; readonly signature: Bytes }[]
}

const KEY_ID_BYTES = 4
const ED25519 = 1

/** Reads a signed note (C2SP signed-note, tlog-checkpoint). @throws Error when it is none */
export function readCheckpoint(note: string): SignedLog {
  const [text, signed] = note.split(/(?<=\n)\n/)
  const [origin = '', size = '', root = ''] = (text ?? '').split('\n')
  if (text === undefined || signed === undefined || origin === '' || !/^(?:0|[1-9]\d*)$/.test(size)) {
    throw new Error('the checkpoint is no signed note')
  }
  const signatures = signed
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => {
      const [, name = '', base64 = ''] = /^— (\S+) (\S+)$/.exec(line) ?? []
      const bytes = fromBase64(base64)
      return { name, keyId: bytes.slice(0, KEY_ID_BYTES), signature: bytes.slice(KEY_ID_BYTES) }
    })
  return { origin, size: Number(size), root: fromBase64(root), text, signatures }
}

/**
 * Whether a checkpoint was signed by a key, given as `<name>+<key id>+<base64>`.
 * @returns null where this machine cannot check an Ed25519 signature
 */
export async function isSigned(checkpoint: SignedLog, verifierKey: string): Promise<boolean | null> {
  const [name = '', , base64 = ''] = /^([^+]+)\+([0-9a-f]{8})\+(.+)$/.exec(verifierKey)?.slice(1, 4) ?? []
  const typed = fromBase64(base64)
  const id = (await sha256(join(utf8(`${name}\n`), typed))).slice(0, KEY_ID_BYTES)
  const own = checkpoint.signatures.find((one) => one.name === name && isSame(one.keyId, id))
  if (own === undefined || checkpoint.origin !== name || typed[0] !== ED25519) return false
  return holdsFor(typed.slice(1), own.signature, utf8(checkpoint.text))
}
