import assert from 'node:assert/strict'
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

/** How an account stood when its row was locked: `users.total_points`, and the last of its ledger. */
interface Opening {
  readonly balance: number
  readonly seq: number
  readonly hash: string
}

/** The opening of an account that no points ever moved in. */
export const NEW_ACCOUNT: Opening = { balance: 0, seq: 0, hash: GENESIS }

/**
 * A user's points within a transaction that holds the lock of the user's row. Movements are noted here and written
 * together by ledger.ts.
 */
export class Account {
  readonly #movements: Movement[] = []

  /** @param opening as read with the lock held */
  constructor(
    readonly userId: number,
    readonly opening: Opening
  ) {}

  get balance(): number {
    return this.#movements.at(-1)?.balanceAfter ?? this.opening.balance
  }

  get movements(): readonly Movement[] {
    return this.#movements
  }

  credit(points: number, reason: Reason): void {
    this.#move(points, reason)
  }

  /** @throws Refusal POINTS_INSUFFICIENT when the balance does not cover it */
  debit(points: number, reason: Reason): void {
    const current = this.balance
    if (current < points) {
      throw refuse('POINTS_INSUFFICIENT', { required: points, current, shortage: points - current })
    }
    this.#move(-points, reason)
  }

  #move(points: number, reason: Reason): void {
    const balanceAfter = this.balance + points
    assert(Number.isInteger(points) && points !== 0, `${points} is no movement of points`)
    assert(balanceAfter >= 0, 'a balance never falls below zero')
    this.#movements.push({ points, balanceAfter, reason })
  }
}
