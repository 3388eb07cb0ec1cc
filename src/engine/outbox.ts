import type { BusEvent, EventBus } from './bus.js'
import type { Audience, PushData, PushKind } from './push.js'

/** A push, whoever it is for. */
export interface Push {
  readonly type: string
  readonly data: object
}

/** A push to one user; it goes through the log, see push-log.ts. */
interface UserPush extends Push {
  readonly userId: number
}

/** Collects, within a transaction, what is to be published once it has committed. */
export class Outbox {
  readonly #events: BusEvent[] = []
  readonly #userPushes: UserPush[] = []
  readonly #pushes: Push[] = []
  #taken = 0

  /**
   * The pushes to single users that are not written down yet, in order: the transaction does so before it commits.
   * Whoever takes them writes them.
   */
  takeUnwritten(): readonly UserPush[] {
    const unwritten = this.#userPushes.slice(this.#taken)
    this.#taken = this.#userPushes.length
    return unwritten
  }

  /** The users who get a push of their own. */
  get recipients(): readonly number[] {
    return [...new Set(this.#userPushes.map(({ userId }) => userId))]
  }

  /**
   * To push to one user, the transaction must hold the lock of that user's row, which puts their pushes in order: one
   * that does not (`UnitOfWork.pushNumbers`) does not commit.
   */
  push<Kind extends PushKind>(audience: Audience, kind: Kind, data: PushData<Kind> & object): void {
    const push = { type: kind.name, data }
    this.#pushes.push(push)
    if (typeof audience === 'object') this.#userPushes.push({ userId: audience.userId, ...push })
    else this.#events.push({ kind: 'push', audience, ...push })
  }

  /** Tells the other parts of the service, on every instance. */
  notify(event: Exclude<BusEvent, { kind: 'push' }>): void {
    this.#events.push(event)
  }

  /** Every push, whoever it is for; to be counted. */
  get pushes(): readonly Push[] {
    return this.#pushes
  }

  publishTo(bus: EventBus): void {
    if (this.#userPushes.length > 0) bus.publish({ kind: 'logged', userIds: this.recipients })
    for (const event of this.#events) bus.publish(event)
  }
}
