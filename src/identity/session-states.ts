import { LRUCache } from 'lru-cache'
import { inList, MAX_LIST, padded } from '../engine/sql.js'
import type { RawDb } from '../engine/tx.js'
import { type AccountStatus, mayAct } from '../shared/account-status.js'
import { SingleFlight } from '../shared/single-flight.js'
import type { Role } from './principal.js'

/** A session and its user, as the database has them. */
export interface SessionState {
  readonly userId: number
  readonly role: Role
  readonly isMerchant: boolean
  /** Neither revoked nor past its end. */
  readonly isValid: boolean
  /** Its user may not act. */
  readonly isDisabled: boolean
}

interface SessionRow {
  sid: string
  user_id: number
  role: Role
  revoked_at: Date | null
  expires_at: Date
  status: AccountStatus
  is_merchant: number | boolean
  deleted_at: Date | null
}

/**
 * The states of sessions as the database has them now: the one place that says whether a session holds, for requests
 * and for open sockets.
 */
export async function readSessionStates(
  db: RawDb,
  sids: readonly string[],
  now: Date
): Promise<Map<string, SessionState>> {
  const states = new Map<string, SessionState>()
  for (let from = 0; from < sids.length; from += MAX_LIST) {
    const some = inList(padded(sids.slice(from, from + MAX_LIST)))
    const rows = await db.$queryRaw<SessionRow[]>`
      SELECT s.sid, s.user_id, s.role, s.revoked_at, s.expires_at, u.status, u.is_merchant, u.deleted_at
      FROM sessions AS s JOIN users AS u ON u.user_id = s.user_id
      WHERE s.sid IN (${some})`
    for (const row of rows) states.set(row.sid, toState(row, now))
  }
  return states
}

async function readSessionState(db: RawDb, sid: string, now: Date): Promise<SessionState | undefined> {
  const [row] = await db.$queryRaw<SessionRow[]>`
    SELECT s.sid, s.user_id, s.role, s.revoked_at, s.expires_at, u.status, u.is_merchant, u.deleted_at
    FROM sessions AS s JOIN users AS u ON u.user_id = s.user_id
    WHERE s.sid = ${sid}`
  return row && toState(row, now)
}

function toState(row: SessionRow, now: Date): SessionState {
  return {
    userId: row.user_id,
    role: row.role,
    isMerchant: Number(row.is_merchant) === 1,
    isValid: row.revoked_at === null && row.expires_at > now,
    isDisabled: !mayAct(row.status, row.deleted_at)
  }
}

/**
 * How long a session's state is believed. A change that the bus tells of is seen at once; one made in Prisma Studio,
 * or by another instance while Redis is unset or away, within this time (contract section 2 allows 30 s).
 */
const BELIEVE_MS = 10_000
const MAX_SESSIONS = 50_000

/** Session states that were read lately. Each is read once however many ask at a time. */
export class SessionCache {
  readonly #states = new LRUCache<string, SessionState>({ max: MAX_SESSIONS, ttl: BELIEVE_MS })
  readonly #lookups = new SingleFlight<SessionState | undefined>()

  constructor(
    private readonly db: RawDb,
    private readonly clock: () => Date
  ) {}

  /** A state that was being read when it changed is handed to those who asked before, and not kept. */
  async get(sid: string): Promise<SessionState | undefined> {
    const known = this.#states.get(sid)
    if (known !== undefined) return known
    return this.#lookups.run(
      sid,
      () => readSessionState(this.db, sid, this.clock()),
      (state) => {
        if (state !== undefined) this.#states.set(sid, state)
      }
    )
  }

  forgetSession(sid: string): void {
    this.#states.delete(sid)
    this.#lookups.forget(sid)
  }

  forgetUser(userId: number): void {
    for (const [sid, state] of this.#states.entries()) if (state.userId === userId) this.#states.delete(sid)
    this.#lookups.forgetAll()
  }

  forgetAll(): void {
    this.#states.clear()
    this.#lookups.forgetAll()
  }
}
