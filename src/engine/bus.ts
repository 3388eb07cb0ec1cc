import type { Audience } from './push.js'

/** Something that happened, told to every part of the service that may care, on every instance. */
export type BusEvent =
  | { kind: 'push'; audience: Exclude<Audience, object>; type: string; data: object }
  /** There are new pushes to these users in the log. */
  | { kind: 'logged'; userIds: readonly number[] }
  /** Its access tokens are void from now on. */
  | { kind: 'session_revoked'; sid: string }
  /** Newer sockets of their user took their places; ids of connections, on whichever instance they are. */
  | { kind: 'sockets_replaced'; ids: readonly string[] }
  /** Status or rights of a user are not what they were. */
  | { kind: 'user_changed'; userId: number }

/**
 * How instances tell each other what happened. Delivery is in the order of publication; what is published while an
 * instance cannot receive is lost on it, so what must not be lost is in the database, and this only says to read it.
 */
export interface EventBus {
  publish(event: BusEvent): void
  /** @returns a function that ends the subscription */
  subscribe(listener: (event: BusEvent) => void): () => void
}

/** The bus of a service that is one process: a listener has run when `publish` returns. */
export function createLocalBus(onError: (err: unknown) => void): EventBus {
  const listeners = new Set<(event: BusEvent) => void>()
  return {
    publish(event) {
      for (const listener of listeners) {
        try {
          listener(event)
        } catch (err) {
          onError(err)
        }
      }
    },
    subscribe(listener) {
      listeners.add(listener)
      return () => listeners.delete(listener)
    }
  }
}
