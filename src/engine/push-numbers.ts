import assert from 'node:assert/strict'

interface Numbers {
  /** Whether the lock is there to keep others out, whatever is written under it. */
  readonly isExclusive: boolean
  /** What `users.push_seq` said when it was locked. */
  readonly opening: number
  /** The last number given out. */
  last: number
  /** What `users.push_seq` says once the transaction's writes so far are done. */
  kept: number
}

/**
 * The numbers of what is pushed to the users whose rows a transaction has locked: one after the other for each user, in
 * the order of the commits. They come from the user's own row, which every transaction that locks it writes. On a
 * cluster that is what makes two of them exclude each other: a lock alone is one node's own.
 */
export class PushNumbers {
  readonly #users = new Map<number, Numbers>()

  /**
   * Notes that the transaction has locked a user's row.
   * @param last `users.push_seq`, read under the lock
   * @param isExclusive whether the row is to be written in any case, so that the lock holds on all nodes of a cluster
   */
  locked(userId: number, last: number, isExclusive = false): void {
    if (this.#users.has(userId)) return
    this.#users.set(userId, { isExclusive, opening: last, last, kept: last })
  }

  /** Notes that a write of the transaction raises `users.push_seq` by one; of a user whom it has made, it need not. */
  raised(userId: number): void {
    const numbers = this.#users.get(userId)
    if (numbers !== undefined) numbers.kept += 1
  }

  /** The next number of a user. */
  next(userId: number): number {
    const numbers = this.#of(userId)
    numbers.last += 1
    return numbers.last
  }

  /** Users whose rows do not say yet what was given out, and what they are to say; they count as written now. */
  takeUnwritten(): { readonly userId: number; readonly last: number }[] {
    const behind = [...this.#users].filter(([, { last, kept }]) => last > kept)
    return behind.map(([userId, numbers]) => {
      numbers.kept = numbers.last
      return { userId, last: numbers.last }
    })
  }

  /** Sees to it that the rows of exclusively locked users are written, where nothing else of the transaction does. */
  touch(): void {
    for (const numbers of this.#users.values()) {
      const { isExclusive, opening, last, kept } = numbers
      if (isExclusive && kept === opening && last === opening) numbers.last += 1
    }
  }

  #of(userId: number): Numbers {
    const numbers = this.#users.get(userId)
    assert(numbers !== undefined, `the row of user ${userId}, who is pushed to, is locked`)
    return numbers
  }
}
