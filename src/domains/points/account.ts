import assert from 'node:assert/strict'
import { given } from '../../shared/given.js'
import { refuse } from '../../shared/refusal.js'
import { GENESIS } from './chain.js'
import type { PointsSource } from './sources.js'

/** Why points move. */
interface Reason {
  readonly source: PointsSource
  /** For the diner; the source in Chinese when left out. */
  readonly description?: string
  /** What it was for: the id of a draw, an order, a receipt. */
  readonly relatedId?: string
}

/** A movement of points that is noted, and not yet written. */
interface Movement {
  /** Signed. */
  readonly points: number
  readonly balanceAfter: number
  readonly reason: Reason
}

/** How an account stood when its row was locked: `users.total_points`, what is owed, and the last of its ledger. */
interface Opening {
  readonly balance: number
  /** Points that were to be taken back and were no longer there (contract section 15). */
  readonly debt: number
  readonly seq: number
  readonly hash: string
}

/** The opening of an account that no points ever moved in. */
export const NEW_ACCOUNT: Opening = { balance: 0, debt: 0, seq: 0, hash: GENESIS }

/**
 * A user's points within a transaction that holds the lock of the user's row. Movements are noted here and written
 * together by ledger.ts.
 */
export class Account {
  readonly #movements: Movement[] = []
  #debt: number

  /** @param opening as read with the lock held */
  constructor(
    readonly userId: number,
    readonly opening: Opening
  ) {
    this.#debt = opening.debt
  }

  get balance(): number {
    return this.#movements.at(-1)?.balanceAfter ?? this.opening.balance
  }

  get debt(): number {
    return this.#debt
  }

  get movements(): readonly Movement[] {
    return this.#movements
  }

  /** Whether there is anything to be written. */
  get hasChanged(): boolean {
    return this.#movements.length > 0 || this.#debt !== this.opening.debt
  }

  /** Gives points. What is owed is paid of them at once, as a movement of its own, before they count. */
  credit(points: number, reason: Reason): void {
    this.#move(points, reason)
    const paid = Math.min(points, this.#debt)
    if (paid === 0) return
    this.#debt -= paid
    this.#move(-paid, { source: 'debt_payment', ...given({ relatedId: reason.relatedId }) })
  }

  /** @throws Refusal POINTS_INSUFFICIENT when the balance does not cover it */
  debit(points: number, reason: Reason): void {
    const current = this.balance
    if (current < points) {
      throw refuse('POINTS_INSUFFICIENT', { required: points, current, shortage: points - current })
    }
    this.#move(-points, reason)
  }

  /** Takes points back: as far as the balance goes, the rest becomes debt. @returns how many were there */
  takeBack(points: number, reason: Omit<Reason, 'source'>): number {
    const taken = Math.min(points, this.balance)
    if (taken > 0) this.#move(-taken, { source: 'clawback', ...reason })
    this.#debt += points - taken
    return taken
  }

  #move(points: number, reason: Reason): void {
    const balanceAfter = this.balance + points
    assert(Number.isInteger(points) && points !== 0, `${points} is no movement of points`)
    assert(balanceAfter >= 0, 'a balance never falls below zero')
    this.#movements.push({ points, balanceAfter, reason })
  }
}
