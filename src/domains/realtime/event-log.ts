import { Prisma } from '../../generated/prisma/client.js'
import { jsonColumns, jsonRows, sqlTime } from '../../shared/sql.js'
import { DAY_MS } from '../../shared/time.js'
import { type Db, type RawTx, type Write, writeAll } from '../../shared/tx.js'
import type { Vault } from '../../shared/vault.js'
import type { OwnPush } from './bus.js'

/** What a user was told, as a socket sends it. */
export interface LoggedEvent {
  /** Rises in the order of the user's commits; a user's are not consecutive. */
  readonly id: number
  readonly type: string
  /** As JSON; undefined when it cannot be decrypted, since the key was changed. */
  readonly data: string | undefined
  readonly at: Date
}

/** Where in the log of a user a socket starts. */
export interface Start {
  /** The id of the last event that the client has, or has not asked for. */
  readonly position: number
  /** Whether all that it missed is still there; undefined when it did not ask for it. */
  readonly resumed?: boolean
}

const SWEEP_ROWS = 1000
const PUSH = jsonColumns('user_id INT', 'type VARCHAR(30)', 'data MEDIUMTEXT')

/**
 * Writes what a transaction tells users, in one statement, just before it commits. The transaction holds the locks of
 * these users' rows, so that of two for one user the second gets its ids once the first has committed: whoever has
 * read an id of a user has read, or could have read, all lower ones. Encrypted, since results hold voucher codes.
 */
export async function logPushes(tx: RawTx, vault: Vault, pushes: readonly OwnPush[], now: Date): Promise<void> {
  await writeAll(tx, loggingPushes(vault, pushes, now))
}

/** The write of {@link logPushes}, for a transaction that sends it with others; none where nobody is told. */
export function loggingPushes(vault: Vault, pushes: readonly OwnPush[], now: Date): Write[] {
  if (pushes.length === 0) return []
  const rows = pushes.map(({ userId, type, data }) => [userId, type, vault.encrypt(JSON.stringify(data))])
  const statement = Prisma.sql`
    INSERT INTO push_events (user_id, type, data, created_at)
    SELECT j.user_id, j.type, j.data, ${sqlTime(now)}
    FROM JSON_TABLE(${jsonRows(rows)}, '$[*]' COLUMNS (n FOR ORDINALITY, ${PUSH})) AS j
    ORDER BY j.n`
  return [{ statement }]
}

/**
 * Where a socket starts that is opened now: after the user's last event or, when the client says which it has, after
 * that one. A number beyond the last, from another database say, is taken as the last.
 * @param since id of the last event the client has; 0 for all there is
 */
export async function startOf(db: Db, userId: number, since: number | undefined, now: Date): Promise<Start> {
  const given = since ?? Number.MAX_SAFE_INTEGER
  const [row] = await db.$queryRaw<StartRow[]>`
    SELECT (SELECT MAX(id) FROM push_events WHERE user_id = ${userId}) AS newest,
      (SELECT MIN(id) FROM push_events) AS oldest,
      EXISTS (SELECT 1 FROM push_events
        WHERE user_id = ${userId} AND id > ${given} AND created_at < ${sqlTime(dayBefore(now))}) AS aged`
  const newest = Number(row?.newest ?? 0)
  if (since === undefined) return { position: newest }
  // Ids are shared by all users: while anybody's older event is there, none of this user's after it was swept.
  const isKept = row?.oldest != null && Number(row.oldest) <= since + 1 && Number(row.aged) === 0
  return { position: Math.min(since, newest), resumed: since === 0 || isKept }
}

interface StartRow {
  newest: bigint | number | null
  oldest: bigint | number | null
  aged: bigint | number
}

/** The user's next events after `position`, oldest first, of the last 24 hours. */
export async function eventsAfter(
  db: Db,
  vault: Vault,
  { userId, position, limit, now }: { userId: number; position: number; limit: number; now: Date }
): Promise<LoggedEvent[]> {
  const rows = await db.$queryRaw<{ id: bigint | number; type: string; data: string; created_at: Date }[]>`
    SELECT id, type, data, created_at FROM push_events
    WHERE user_id = ${userId} AND id > ${position} AND created_at >= ${sqlTime(dayBefore(now))}
    ORDER BY id LIMIT ${limit}`
  return rows.map((row) => ({
    id: Number(row.id),
    type: row.type,
    data: decrypted(vault, row.data),
    at: row.created_at
  }))
}

function decrypted(vault: Vault, data: string): string | undefined {
  try {
    return vault.decrypt(data)
  } catch {
    return undefined
  }
}

/** The id of the last event of each of these users who has one. */
export async function newestIds(db: Db, userIds: readonly number[]): Promise<Map<number, number>> {
  const rows = await db.$queryRaw<{ user_id: number; newest: bigint | number }[]>`
    SELECT e.user_id, MAX(e.id) AS newest
    FROM JSON_TABLE(${JSON.stringify(userIds)}, '$[*]' COLUMNS (user_id INT PATH '$')) AS j
    STRAIGHT_JOIN push_events AS e ON e.user_id = j.user_id
    GROUP BY e.user_id`
  return new Map(rows.map((row) => [row.user_id, Number(row.newest)]))
}

/** Removes what is older than a day, some rows at a time so that nobody waits for it. */
export async function sweepEvents(db: Db, now: Date): Promise<void> {
  let swept: number
  do {
    swept = await db.$executeRaw`
      DELETE FROM push_events WHERE created_at < ${sqlTime(dayBefore(now))} ORDER BY created_at LIMIT ${SWEEP_ROWS}`
  } while (swept === SWEEP_ROWS)
}

const dayBefore = (now: Date) => new Date(now.getTime() - DAY_MS)
