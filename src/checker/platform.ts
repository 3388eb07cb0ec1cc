/** Bytes as WebCrypto takes and gives them. */
export type Bytes = Uint8Array<ArrayBuffer>

// What a browser and Node have. Mini-programs have none of it: the client library has another file for them, with the
// same exports (scripts/lib/phone-hashes.ts).

export const utf8 = (text: string): Bytes => new TextEncoder().encode(text)

/** @throws Error when it is no base64 */
export function fromBase64(text: string): Bytes {
  return Uint8Array.from(atob(text), (char) => char.charCodeAt(0))
}

export async function sha256(bytes: Bytes): Promise<Bytes> {
  return new Uint8Array(await crypto.subtle.digest('SHA-256', bytes))
}

export async function hmacSha256(key: Bytes, message: Bytes): Promise<Bytes> {
  const secret = await crypto.subtle.importKey('raw', key, { name: 'HMAC', hash: 'SHA-256' }, false, ['sign'])
  return new Uint8Array(await crypto.subtle.sign('HMAC', secret, message))
}

/** @returns null where this machine cannot check an Ed25519 signature */
export async function holdsFor(key: Bytes, signature: Bytes, message: Bytes): Promise<boolean | null> {
  try {
    const known = await crypto.subtle.importKey('raw', key, { name: 'Ed25519' }, false, ['verify'])
    return await crypto.subtle.verify({ name: 'Ed25519' }, known, signature, message)
  } catch (err) {
    if (err instanceof Error && err.name === 'NotSupportedError') return null
    throw err
  }
}
