import type { Cipher } from '../shared/cipher.js'
import { Outbox } from './outbox.js'
import { PushNumbers } from './push-numbers.js'
import { Tallies } from './tallies.js'
import type { RawTx, Tx } from './tx.js'

/** Who does a privileged thing, and by which request: what the audit keeps. */
export interface Actor {
  readonly userId: number
  readonly ip: string
  readonly requestId: string
}

/** A counter of what transactions do; `src/registry.ts` joins those of the domains for /metrics. */
export interface CounterKind<Label extends string = string> {
  /** As Prometheus wants it, such as `points_in_total`. */
  readonly name: string
  readonly help: string
  readonly labels: readonly Label[]
}

/** An addition to a counter, made once the transaction has committed. */
export interface CounterIncrement {
  readonly counter: CounterKind
  readonly labels: Readonly<Record<string, string>>
  readonly by: number
}

/** What a unit of work is opened with. */
interface WorkContext {
  readonly cipher: Cipher
  readonly clock: () => Date
  readonly actor?: Actor
}

/**
 * One transaction and what belongs to it, handed down whole to whatever works in it: its statements, what is published
 * and counted once it has committed, its one instant, and whose rows it holds.
 */
export class UnitOfWork<T extends RawTx = Tx> {
  readonly outbox = new Outbox()
  /** What it does to the kept figures of users; written before the commit. */
  readonly tallies = new Tallies()
  readonly counts: CounterIncrement[] = []
  readonly #context: WorkContext
  /** Of pushes to the users whose rows it has locked. */
  readonly pushNumbers = new PushNumbers()
  #now: Date | undefined

  constructor(
    readonly tx: T,
    context: WorkContext
  ) {
    this.#context = context
  }

  get cipher(): Cipher {
    return this.#context.cipher
  }

  /** False in a script, which was given no key and can encrypt nothing. */
  get hasKey(): boolean {
    return this.#context.cipher.keyId !== ''
  }

  /**
   * The instant of everything this transaction does. It is read from the clock when first asked for: whoever waits for
   * a lock asks after it, so that a thing happens when it gets its turn and not when it began to wait.
   */
  get now(): Date {
    this.#now ??= this.#context.clock()
    return this.#now
  }

  /** Who acts; only for a transaction that was opened for somebody, see {@link PrivilegedWork}. */
  get actor(): Actor | undefined {
    return this.#context.actor
  }

  /** Adds to a counter once the transaction has committed. */
  count<Label extends string>(counter: CounterKind<Label>, labels: Readonly<Record<Label, string>>, by = 1): void {
    this.counts.push({ counter, labels, by })
  }
}

/** For what may be done by right of office alone: somebody answers for it. */
export type PrivilegedWork = UnitOfWork & { readonly actor: Actor }
