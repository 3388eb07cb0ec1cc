import assert from 'node:assert/strict'
import { insertInto, jsonColumns, jsonRows, sqlTime } from '../../engine/sql.js'
import { type RawTx, type Write, writeAll } from '../../engine/tx.js'
import type { CounterKind, UnitOfWork } from '../../engine/unit-of-work.js'
import { Prisma } from '../../generated/prisma/client.js'
import type { Account } from './account.js'
import { chainHash } from './chain.js'
import { SOURCE_TEXT } from './sources.js'
import { ledgerTotals } from './totals.js'

export const pointsIn: CounterKind<'source'> = {
  name: 'points_in_total',
  help: 'Points credited, by what for',
  labels: ['source']
}
export const pointsOut: CounterKind<'source'> = {
  name: 'points_out_total',
  help: 'Points debited, by what for',
  labels: ['source']
}

/**
 * Rows of another table that belong to the same users, to be set by the statement that writes the balances. Draws use
 * it: a statement of their own for the way to the guarantee made them slower than the bar allows (docs/DECISIONS.md).
 */
export interface CompanionUpdate {
  /** What it needs to know of a user. */
  readonly valuesOf: (userId: number) => readonly unknown[]
  /** The same as columns of `j`: name and type of each, other names than those of a balance. */
  readonly columns: readonly string[]
  /** A `JOIN` to `j`; each user must find exactly one row of the one table that is set. */
  readonly join: Prisma.Sql
  /** Assignments, each after a comma. */
  readonly set: Prisma.Sql
}

const BALANCE = ['user_id INT', 'opening INT', 'points INT', 'debt INT', 'seq INT', 'hash CHAR(64)']
const insertRecords = insertInto('points_records', [
  'user_id',
  'seq',
  'points',
  'balance_after',
  'type',
  'source',
  'description',
  'related_id',
  'hash',
  'created_at'
])

/** Writes what the accounts have noted; see {@link ledgerWrites}. */
export async function post(uow: UnitOfWork<RawTx>, accounts: readonly Account[]): Promise<void> {
  await writeAll(uow.tx, ledgerWrites(uow, accounts))
}

/**
 * The writes of what accounts have noted: the balances in one statement, the ledger rows in another, however many there
 * are; none where no account moved. Nothing else changes `users.total_points` or `users.points_debt` (contract sections
 * 2 and 15). The accounts were opened in this transaction, which holds their locks; should a balance not be what was
 * read under them, nothing is kept. The index is forced: a small table would be read whole, and wait for the locks of
 * users who have nothing to do with this.
 */
export function ledgerWrites(
  uow: UnitOfWork<RawTx>,
  accounts: readonly Account[],
  companion?: CompanionUpdate
): Write[] {
  const moved = accounts.filter((account) => account.hasChanged)
  if (moved.length === 0) return []
  const ledgers = moved.map((account) => ({ account, rows: rowsOf(account, uow.now) }))
  const changes = ledgers.map(({ account: { userId, opening, balance, debt }, rows }) => [
    userId,
    opening.balance,
    balance - opening.balance,
    debt,
    opening.seq + rows.length,
    rows.at(-1)?.hash ?? opening.hash,
    ...(companion?.valuesOf(userId) ?? [])
  ])
  const statement = Prisma.sql`
    UPDATE JSON_TABLE(${jsonRows(changes)}, '$[*]' COLUMNS (
      ${jsonColumns(...BALANCE, ...(companion?.columns ?? []))}
    )) AS j
    STRAIGHT_JOIN users AS u FORCE INDEX (PRIMARY) ON u.user_id = j.user_id AND u.total_points = j.opening
    ${companion?.join ?? Prisma.empty}
    SET u.total_points = u.total_points + j.points, u.points_debt = j.debt, u.push_seq = u.push_seq + 1,
      u.ledger_seq = j.seq, u.ledger_hash = j.hash${companion?.set ?? Prisma.empty}`
  const expected = moved.length * (companion === undefined ? 1 : 2)
  const check = (matched: number) =>
    assert.equal(matched, expected, 'every balance is still what was read under the lock')
  const rows = ledgers.flatMap((ledger) => ledger.rows)
  for (const row of rows) count(uow, row)
  for (const { userId } of moved) uow.pushNumbers.raised(userId)
  return [{ statement, check }, ...insertRecords(rows)]
}

/** The rows of what an account has noted, behind those it has. */
function rowsOf({ userId, opening, movements }: Account, now: Date) {
  const at = sqlTime(now)
  let previous = opening.hash
  return movements.map(({ points, balanceAfter, reason }, index) => {
    const { source, description = SOURCE_TEXT[source], relatedId = null } = reason
    const seq = opening.seq + index + 1
    const chained = { userId, seq, points, balanceAfter, source, relatedId, createdAt: now, description }
    previous = chainHash(previous, chained)
    return {
      user_id: userId,
      seq,
      points,
      balance_after: balanceAfter,
      type: points > 0 ? ('earn' as const) : ('spend' as const),
      source,
      description,
      related_id: relatedId,
      hash: previous,
      created_at: at
    }
  })
}

/** Counts a movement, for /metrics once it is committed and for the user's figures with it. */
function count(
  uow: UnitOfWork<RawTx>,
  { user_id: userId, type, source, points }: ReturnType<typeof rowsOf>[number]
): void {
  const [counter, column] = points > 0 ? [pointsIn, 'earned'] : [pointsOut, 'spent']
  uow.count(counter, { source }, Math.abs(points))
  uow.tallies.add(ledgerTotals, userId, `${type}:${source}`, { total: 1, [column]: Math.abs(points) })
}
