import type { Prisma } from '../generated/prisma/client.js'

/**
 * Figures of what a user has done, kept in `user_totals` by the transactions that do it: a row a label, of which there
 * are few, so that no page counts a history (docs/DECISIONS.md). `src/registry.ts` joins those of the domains.
 */
export interface TotalKind<Label extends string = string> {
  readonly topic: string
  /** The same counted from the rows, of the users between two ids: `user_id` and the columns of {@link Total}. */
  readonly counted: (from: number, to: number) => Prisma.Sql
  /** For the compiler alone. */
  readonly label?: Label
}

/** What has become of one label. What no points belong to has none. */
export interface Total<Label extends string = string> {
  readonly label: Label
  readonly total: number
  readonly earned: number
  readonly spent: number
}

/** What a transaction adds to a label; below zero for what leaves it. */
export type TotalChange = Partial<Omit<Total, 'label'>>

/** A change of a user's figures that is not written yet. */
export interface Tally extends Required<TotalChange> {
  readonly userId: number
  readonly topic: string
  readonly label: string
}

/** What a transaction does to the figures of users, summed by label. */
export class Tallies {
  #rows = new Map<string, { -readonly [Field in keyof Tally]: Tally[Field] }>()

  add<Label extends string>(kind: TotalKind<Label>, userId: number, label: Label, change: TotalChange): void {
    const { total = 0, earned = 0, spent = 0 } = change
    const key = `${userId} ${kind.topic} ${label}`
    const row = this.#rows.get(key)
    if (row === undefined) this.#rows.set(key, { userId, topic: kind.topic, label, total, earned, spent })
    else {
      row.total += total
      row.earned += earned
      row.spent += spent
    }
  }

  /** What is not written yet. Whoever takes it writes it. */
  take(): Tally[] {
    const rows = [...this.#rows.values()]
    this.#rows = new Map()
    return rows
  }
}
