import assert from 'node:assert/strict'
import type { UserRequest } from '../../engine/batched-decisions.js'
import { type StoredAnswer, storedAnswers } from '../../engine/idempotency.js'
import { inList, padded } from '../../engine/sql.js'
import type { RawTx } from '../../engine/tx.js'
import type { UnitOfWork } from '../../engine/unit-of-work.js'
import { Prisma } from '../../generated/prisma/client.js'
import { type AccountStatus, mayAct } from '../../shared/account-status.js'
import { refuse } from '../../shared/refusal.js'
import { Account } from './account.js'

/** What else a caller wants to read by the statement that locks the accounts. */
interface LockedExtras {
  /** Each with a comma in front; `u` are the users. */
  readonly columns: Prisma.Sql
  readonly joins: Prisma.Sql
}

/** A user's row as the lock found it, with what is kept under the key of their request. */
interface AccountRow extends StoredAnswer {
  readonly user_id: number
  readonly total_points: number
  readonly points_debt: number
  readonly ledger_seq: number
  readonly ledger_hash: string
  readonly push_seq: number | bigint
  readonly status: AccountStatus
  readonly deleted_at: Date | null
}

/** An account whose row is locked, and all that was read with it. */
export type LockedAccount<Extra> = { readonly account: Account; readonly row: AccountRow & Extra }

const NOTHING: LockedExtras = { columns: Prisma.empty, joins: Prisma.empty }

/** The accounts that one statement has locked. */
export class LockedAccounts<Extra extends object> {
  readonly #byUser: ReadonlyMap<number, LockedAccount<Extra>>

  constructor(rows: readonly (AccountRow & Extra)[]) {
    this.#byUser = new Map(rows.map((row) => [row.user_id, { account: new Account(row.user_id, openingOf(row)), row }]))
  }

  get all(): readonly LockedAccount<Extra>[] {
    return [...this.#byUser.values()]
  }

  /**
   * The account of a user who acts, such as one who draws.
   * @throws Refusal ACCOUNT_DISABLED for one who may not
   */
  acting(userId: number): LockedAccount<Extra> {
    const locked = this.#byUser.get(userId)
    if (locked === undefined || !mayAct(locked.row.status, locked.row.deleted_at)) throw refuse('ACCOUNT_DISABLED')
    return locked
  }

  /**
   * The account of a user for whom somebody else acts, who may be banned: a refund is theirs all the same.
   * @throws Refusal USER_NOT_FOUND when there is none, or it is deleted
   */
  existing(userId: number): LockedAccount<Extra> {
    const locked = this.#byUser.get(userId)
    if (locked === undefined || locked.row.deleted_at !== null) throw refuse('USER_NOT_FOUND')
    return locked
  }
}

const openingOf = ({ total_points: balance, points_debt: debt, ledger_seq: seq, ledger_hash: hash }: AccountRow) => ({
  balance,
  debt,
  seq,
  hash
})

/**
 * The one door to balances: locks the accounts of different users in the order of their ids, so that no two
 * transactions wait for each other, and reads with them what is kept under their keys, and the caller's extras.
 */
export async function openAccounts<Extra extends object>(
  uow: UnitOfWork<RawTx>,
  requests: readonly UserRequest[],
  extras: LockedExtras = NOTHING
): Promise<LockedAccounts<Extra>> {
  const userIds = padded(requests.map((request) => request.userId))
  assert.equal(new Set(userIds).size, requests.length, 'one request a user')
  const ids = inList(userIds)
  const kept = storedAnswers(requests, ids)
  const rows = await uow.tx.$queryRaw<(AccountRow & Extra)[]>`
    SELECT u.user_id, u.total_points, u.points_debt, u.ledger_seq, u.ledger_hash, u.push_seq, u.status, u.deleted_at,
      ${kept.columns}${extras.columns}
    FROM users AS u
    ${extras.joins}
    ${kept.join}
    WHERE u.user_id IN (${ids})
    ORDER BY u.user_id
    FOR UPDATE`
  for (const row of rows) uow.pushNumbers.locked(row.user_id, Number(row.push_seq))
  return new LockedAccounts(rows)
}

/**
 * Locks the account of one user for whom somebody else acts.
 * @throws Refusal USER_NOT_FOUND
 */
export async function openAccount(uow: UnitOfWork<RawTx>, userId: number): Promise<Account> {
  return (await openAccounts(uow, [{ userId }])).existing(userId).account
}
