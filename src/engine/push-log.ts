import type { Vault } from '../shared/cipher.js'
import { DAY_MS } from '../shared/time.js'
import type { OwnPush, Told } from './bus.js'
import { insertInto, sqlTime, type Value } from './sql.js'
import { type Db, type RawTx, type Write, writeAll } from './tx.js'

/** What a user was told, as a socket sends it. */
export interface LoggedEvent {
  /** Rises in the order of the user's commits; a user's are not consecutive. See {@link EVENTS_A_ROW}. */
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

/**
 * What one transaction tells one user is one row, up to so many events: a draw tells two things, and a row of their
 * own for each took as long to write as everything else a draw writes. Events are numbered `id` of the row × 16 and
 * their place in it, such that the last has place 15.
 */
export const EVENTS_A_ROW = 16
/** The number of a row's last event. */
const lastOf = (rowId: number) => rowId * EVENTS_A_ROW + EVENTS_A_ROW - 1
/** The lowest id of a row that may have events after this one. */
const rowAfter = (position: number) => Math.floor((position + 1) / EVENTS_A_ROW)

const writeRows = insertInto('push_events', ['user_id INT', 'data MEDIUMTEXT', 'created_at DATETIME(3)'])

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
  const lines = new Map<number, string[]>()
  for (const push of pushes) {
    const told = lines.get(push.userId)
    if (told === undefined) lines.set(push.userId, [lineOf(push)])
    else told.push(lineOf(push))
  }
  const at = sqlTime(now)
  const rows = [...lines].flatMap(([userId, told]) =>
    rowsOf(told).map((text): Value[] => [userId, vault.encrypt(text), at])
  )
  return writeRows(rows)
}

/** An event in a row, its type in front of its data: JSON has no line break, so a reader need not parse it. */
export const lineOf = ({ type, data }: Told) => `${type} ${JSON.stringify(data)}`

function rowsOf(told: readonly string[]): string[] {
  const rows: string[] = []
  for (let from = 0; from < told.length; from += EVENTS_A_ROW) {
    rows.push(told.slice(from, from + EVENTS_A_ROW).join('\n'))
  }
  return rows
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
        WHERE user_id = ${userId} AND id >= ${rowAfter(given)} AND created_at < ${sqlTime(dayBefore(now))}) AS aged`
  const newest = row?.newest == null ? 0 : lastOf(Number(row.newest))
  if (since === undefined) return { position: newest }
  // Ids are shared by all users: while anybody's older event is there, none of this user's after it was swept.
  const isKept = row?.oldest != null && Number(row.oldest) <= rowAfter(since) && Number(row.aged) === 0
  return { position: Math.min(since, newest), resumed: since === 0 || isKept }
}

interface StartRow {
  newest: bigint | number | null
  oldest: bigint | number | null
  aged: bigint | number
}

/** The user's next events after `position`, oldest first, of the last 24 hours: `limit` or a few more, if there are. */
export async function eventsAfter(
  db: Db,
  vault: Vault,
  { userId, position, limit, now }: { userId: number; position: number; limit: number; now: Date }
): Promise<LoggedEvent[]> {
  const rows = await db.$queryRaw<EventRow[]>`
    SELECT id, data, created_at FROM push_events
    WHERE user_id = ${userId} AND id >= ${rowAfter(position)} AND created_at >= ${sqlTime(dayBefore(now))}
    ORDER BY id LIMIT ${limit}`
  return rows.flatMap((row) => eventsOf(vault, row)).filter(({ id }) => id > position)
}

interface EventRow {
  id: bigint | number
  data: string
  created_at: Date
}

function eventsOf(vault: Vault, row: EventRow): LoggedEvent[] {
  const last = lastOf(Number(row.id))
  const text = decrypted(vault, row.data)
  if (text === undefined) return [{ id: last, type: '', data: undefined, at: row.created_at }]
  const lines = text.split('\n')
  return lines.map((line, place) => {
    const space = line.indexOf(' ')
    const id = last - (lines.length - 1 - place)
    return { id, type: line.slice(0, space), data: line.slice(space + 1), at: row.created_at }
  })
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
  return new Map(rows.map((row) => [row.user_id, lastOf(Number(row.newest))]))
}

/**
 * Removes what is older than a day, some rows at a time so that nobody waits for it. Ids rise with time but for the
 * moments between two transactions, so it goes from the oldest on until one is not old: an index for this alone would
 * be one more to write for each draw.
 */
export async function sweepEvents(db: Db, now: Date): Promise<void> {
  for (;;) {
    const oldest = await db.$queryRaw<{ id: bigint | number; is_old: bigint | number }[]>`
      SELECT id, created_at < ${sqlTime(dayBefore(now))} AS is_old FROM push_events ORDER BY id LIMIT ${SWEEP_ROWS}`
    const young = oldest.findIndex((row) => Number(row.is_old) === 0)
    const last = oldest.at(young === -1 ? -1 : young - 1)
    if (young === 0 || last === undefined) return
    // By their ids: another instance may have swept them meanwhile, and the next in line are not known to be old.
    await db.$executeRaw`DELETE FROM push_events WHERE id <= ${last.id}`
    if (young > 0) return
  }
}

const dayBefore = (now: Date) => new Date(now.getTime() - DAY_MS)
