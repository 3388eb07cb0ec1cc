import type { Picture } from './types.js'

/** A request as it goes out. */
export interface Sent {
  readonly method: string
  readonly url: string
  readonly headers: Readonly<Record<string, string>>
  /** JSON, ready to be sent. */
  readonly body?: string
  /** A form with one file; the fields go ahead of it. */
  readonly form?: { readonly fields: Readonly<Record<string, string>>; readonly name: string; readonly file: Picture }
  readonly timeoutMs: number
}

/** What was answered. */
export interface Received {
  readonly status: number
  /** By the name in small letters. */
  readonly header: (name: string) => string | undefined
  readonly text: string
}

/** What happens to a socket, told to whoever opened it. */
export interface SocketEvents {
  readonly opened: () => void
  readonly heard: (text: string) => void
  /** Once, also for one that never opened. @param code 1006 where none was told */
  readonly closed: (code: number) => void
}

export interface Socket {
  readonly send: (text: string) => void
  readonly close: () => void
}

/** The world outside of the client: of a browser, of Node, of a mini-program. */
export interface Transport {
  /** @throws Unsendable where it cannot be sent at all; any other Error where no answer came */
  readonly send: (request: Sent) => Promise<Received>
  readonly connect: (url: string, events: SocketEvents) => Socket
  /** So many random bytes that nobody can guess, in hexadecimal. */
  readonly random: (bytes: number) => string | Promise<string>
}

/** What was given is not what goes out here, such as a picture of another kind. To try again would not help. */
export class Unsendable extends TypeError {}

/** Bytes as they go into words and keys. */
export function hexOf(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('')
}
