import assert from 'node:assert/strict'
import { insertInto, jsonColumns, jsonRows, sqlTime } from '../../engine/sql.js'
import { type Movement, noteLocks, type RawTx, type Tx, type Write, writeAll } from '../../engine/tx.js'
import { Prisma } from '../../generated/prisma/client.js'
import { refuse } from '../../shared/refusal.js'
import { type PointsSource, SOURCE_TEXT } from '../realtime/events.js'

/** Why points move. */
export interface Reason {
  readonly source: PointsSource
  /** For the diner; the source in Chinese when left out. */
  readonly description?: string
  /** What it was for: the id of a draw, an order, an upload. */
  readonly relatedId?: string
}

interface Entry {
  readonly points: number
  readonly balanceAfter: number
  readonly reason: Reason
}

/**
 * A user's points within a transaction that holds the lock of the user's row. Movements are noted here and written
 * together by {@link post}; this module alone changes `users.total_points` (contract section 2).
 */
export class Account {
  readonly #opening: number
  readonly #entries: Entry[] = []

  /** @param balance `total_points` as read with the lock held */
  constructor(
    readonly userId: number,
    balance: number
  ) {
    this.#opening = balance
  }

  get opening(): number {
    return this.#opening
  }

  get balance(): number {
    return this.#entries.at(-1)?.balanceAfter ?? this.#opening
  }

  get entries(): readonly Entry[] {
    return this.#entries
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
    this.#entries.push({ points, balanceAfter, reason })
  }
}

/**
 * Locks a user's row and opens their account.
 * @throws Refusal USER_NOT_FOUND
 */
export async function openAccount(tx: Tx, userId: number): Promise<Account> {
  const [row] = await tx.$queryRaw<{ total_points: number }[]>`
    SELECT total_points FROM users WHERE user_id = ${userId} AND deleted_at IS NULL FOR UPDATE`
  if (row === undefined) throw refuse('USER_NOT_FOUND')
  noteLocks(tx, [userId])
  return new Account(userId, row.total_points)
}

/**
 * Locks a user's row where no points move: whoever tells a user something holds it, so that what they are told has an
 * order. A user who was deleted is told nothing, and locked all the same.
 */
export async function lockUser(tx: RawTx, userId: number): Promise<void> {
  await tx.$queryRaw`SELECT user_id FROM users WHERE user_id = ${userId} FOR UPDATE`
  noteLocks(tx, [userId])
}

/** Another update of rows that belong to the same users, to be done by the statement that writes the balances. */
export interface Alongside {
  /** What it needs to know of a user. */
  readonly valuesOf: (userId: number) => readonly unknown[]
  /** The same as columns of `j`: name and type of each, other names than those of a balance. */
  readonly columns: readonly string[]
  /** A `JOIN` to `u`, the users; each user must find exactly one row of the one table that is set. */
  readonly join: Prisma.Sql
  /** Assignments, each after a comma. */
  readonly set: Prisma.Sql
}

const BALANCE = ['user_id INT', 'opening INT', 'points INT']
const writeEntries = insertInto('points_records', [
  'user_id INT',
  'points INT',
  'balance_after INT',
  'type VARCHAR(10)',
  'source VARCHAR(20)',
  'description VARCHAR(255)',
  'related_id VARCHAR(64)',
  'created_at DATETIME(3)'
])

/**
 * Writes what the accounts have noted: the balances in one statement, the ledger rows in another, however many there
 * are. The caller holds the row locks; should a balance not be what was read under them, nothing is kept. The index is
 * forced: a small table would be read whole, and wait for the locks of users who have nothing to do with this.
 */
export async function post(tx: RawTx, accounts: readonly Account[], now: Date): Promise<void> {
  await writeAll(tx, posting(accounts, now))
}

function movementsOf({ entries }: Account): Movement[] {
  return entries.map(({ points, reason }) => ({ source: reason.source, points }))
}

/** The writes of {@link post}, for a transaction that sends them with others; none where no account moved. */
export function posting(accounts: readonly Account[], now: Date, alongside?: Alongside): Write[] {
  const moved = accounts.filter((account) => account.entries.length > 0)
  if (moved.length === 0) return []
  const changes = moved.map(({ userId, opening, balance }) => [
    userId,
    opening,
    balance - opening,
    ...(alongside?.valuesOf(userId) ?? [])
  ])
  const balances = Prisma.sql`
    UPDATE JSON_TABLE(${jsonRows(changes)}, '$[*]' COLUMNS (
      ${jsonColumns(...BALANCE, ...(alongside?.columns ?? []))}
    )) AS j
    STRAIGHT_JOIN users AS u FORCE INDEX (PRIMARY) ON u.user_id = j.user_id AND u.total_points = j.opening
    ${alongside?.join ?? Prisma.empty}
    SET u.total_points = u.total_points + j.points${alongside?.set ?? Prisma.empty}`
  const expected = moved.length * (alongside === undefined ? 1 : 2)
  const check = (matched: number) =>
    assert.equal(matched, expected, 'every balance is still what was read under the lock')

  const at = sqlTime(now)
  const rows = moved.flatMap(({ userId, entries }) =>
    entries.map(({ points, balanceAfter, reason }) => [
      userId,
      points,
      balanceAfter,
      points > 0 ? 'earn' : 'spend',
      reason.source,
      reason.description ?? SOURCE_TEXT[reason.source],
      reason.relatedId ?? null,
      at
    ])
  )
  return [{ statement: balances, check, moved: moved.flatMap(movementsOf) }, ...writeEntries(rows)]
}
