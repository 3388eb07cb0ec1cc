import type { Payload, PushType } from '../domains/realtime/events.js'

/** Who a push is for. */
export type Audience = { readonly userId: number } | 'merchants' | 'everyone'

/** A push, whoever it is for. */
export interface Told {
  readonly type: PushType
  readonly data: object
}

/** What one user is told; it goes through the log, see event-log.ts. */
export interface OwnPush extends Told {
  readonly userId: number
}

type PushOf<Name extends PushType> = {
  kind: 'push'
  audience: Exclude<Audience, object>
  type: Name
  data: Payload<Name>
}

/** Something that happened, told to every part of the service that may care, on every instance. */
export type BusEvent =
  | { [Name in PushType]: PushOf<Name> }[PushType]
  /** There are new events of these users in the log. */
  | { kind: 'logged'; userIds: readonly number[] }
  /** Its access tokens are void from now on. */
  | { kind: 'session_revoked'; sid: string }
  /** Newer sockets of their user took their places; ids of connections, on whichever instance they are. */
  | { kind: 'sockets_replaced'; ids: readonly string[] }
  /** Status or rights of a user are not what they were. */
  | { kind: 'user_changed'; userId: number }

/**
 * How instances tell each other what happened. Delivery is in the order of publication; what is told while an instance
 * cannot hear is lost on it, so what must not be lost is in the database, and this only says to look.
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

/** Collects, within a transaction, what is to be told once it has committed. */
export class Outbox {
  readonly #events: BusEvent[] = []
  readonly #own: OwnPush[] = []
  readonly #pushes: Told[] = []
  #logged = 0

  /**
   * What single users are told and is not written down yet, in order: the transaction does so before it commits.
   * Whoever takes it writes it.
   */
  takeUnlogged(): readonly OwnPush[] {
    const unlogged = this.#own.slice(this.#logged)
    this.#logged = this.#own.length
    return unlogged
  }

  /** The users who are told something by themselves. */
  get toldUsers(): readonly number[] {
    return [...new Set(this.#own.map(({ userId }) => userId))]
  }

  /**
   * To push to one user, the transaction must hold the lock of that user's row, which puts their events in order: one
   * that does not (`noteLocks` in shared/tx.ts) does not commit.
   */
  push<Name extends PushType>(audience: Audience, type: Name, data: Payload<Name>): void {
    this.#pushes.push({ type, data })
    if (typeof audience === 'object') {
      this.#own.push({ userId: audience.userId, type, data })
      return
    }
    // The union of all pushes is indexed by name; TypeScript cannot see that a generic name picks one of them.
    this.#events.push({ kind: 'push', audience, type, data } as BusEvent)
  }

  tell(event: Exclude<BusEvent, { kind: 'push' }>): void {
    this.#events.push(event)
  }

  /** All that is told, whoever it is for; to be counted. */
  get pushes(): readonly Told[] {
    return this.#pushes
  }

  publishTo(bus: EventBus): void {
    if (this.#own.length > 0) bus.publish({ kind: 'logged', userIds: this.toldUsers })
    for (const event of this.#events) bus.publish(event)
  }
}
