import { Prisma } from '../generated/prisma/client.js'
import type { Cipher } from '../shared/cipher.js'
import { DAY_MS } from '../shared/time.js'
import type { Push } from './outbox.js'
import { inList, insertInto, MAX_LIST, padded, sqlTime } from './sql.js'
import { SWEEP_ROWS, type Sweep } from './sweep.js'
import type { Db, RawTx, Write } from './tx.js'
import type { UnitOfWork } from './unit-of-work.js'

/** A push to a user, as a socket sends it. */
export interface LoggedPush {
  /** Rises in the order of the user's commits; see {@link PUSHES_A_ROW}. */
  readonly id: number
  readonly type: string
  /** As JSON; undefined when it cannot be decrypted, since the key was changed. */
  readonly data: string | undefined
  readonly at: Date
}

/** Where in the log of a user a socket starts. */
export interface ResumePoint {
  /** The id of the last push that the client has, or has not asked for. */
  readonly position: number
  /** Whether all that it missed is still there; undefined when it did not ask for it. */
  readonly resumed?: boolean
}

/**
 * What one transaction pushes to one user is one row, up to so many pushes: a draw makes two, and a row of their
 * own for each took as long to write as everything else a draw writes. Pushes are numbered `id` of the row × 16 and
 * their place in it, such that the last has place 15.
 */
export const PUSHES_A_ROW = 16
/** The number of a row's last push. */
const lastOf = (seq: number) => seq * PUSHES_A_ROW + PUSHES_A_ROW - 1
/** The lowest number of a row that may have pushes after this one. */
const rowAfter = (position: number) => Math.floor((position + 1) / PUSHES_A_ROW)

const insertRows = insertInto('push_events', ['user_id', 'seq', 'data', 'created_at'])

/**
 * The write of what a transaction pushes to single users, as far as it is not written yet, for a transaction that sends
 * it with others; none where nobody is pushed to. The transaction holds the locks of these users' rows and writes
 * them, so that of two for one user the second gets its numbers once the first has committed: whoever has read a number
 * of a user has read, or could have read, all lower ones. Encrypted, since results hold voucher codes.
 * @throws AssertionError where a user is pushed to whose row is not locked
 */
export function pushWrites({ outbox, cipher, now, pushNumbers }: UnitOfWork<RawTx>): Write[] {
  const pushes = outbox.takeUnwritten()
  const lines = new Map<number, string[]>()
  for (const push of pushes) {
    const own = lines.get(push.userId)
    if (own === undefined) lines.set(push.userId, [lineOf(push)])
    else own.push(lineOf(push))
  }
  const at = lines.size === 0 ? '' : sqlTime(now)
  const rows = [...lines].flatMap(([userId, own]) =>
    rowsOf(own).map((text) => ({
      user_id: userId,
      seq: pushNumbers.next(userId),
      data: cipher.encrypt(text),
      created_at: at
    }))
  )
  const counters = pushNumbers.takeUnwritten().map(({ userId, last }) => ({
    statement: Prisma.sql`UPDATE users SET push_seq = ${last} WHERE user_id = ${userId}`
  }))
  return [...counters, ...insertRows(rows)]
}

/** A push in a row, its type in front of its data: JSON has no line break, so a reader need not parse it. */
export const lineOf = ({ type, data }: Push) => `${type} ${JSON.stringify(data)}`

function rowsOf(lines: readonly string[]): string[] {
  const rows: string[] = []
  for (let from = 0; from < lines.length; from += PUSHES_A_ROW) {
    rows.push(lines.slice(from, from + PUSHES_A_ROW).join('\n'))
  }
  return rows
}

/**
 * Where a socket starts that is opened now: after the user's last push or, when the client says which it has, after
 * that one. A number beyond the last, from another database say, is taken as the last.
 * @param since id of the last push the client has; 0 for all there is
 */
export async function resumePointOf(
  db: Db,
  userId: number,
  since: number | undefined,
  now: Date
): Promise<ResumePoint> {
  const given = since ?? Number.MAX_SAFE_INTEGER
  const [row] = await db.$queryRaw<ResumeRow[]>`
    SELECT u.push_seq AS newest,
      (SELECT MIN(e.seq) FROM push_events AS e WHERE e.user_id = u.user_id) AS oldest,
      EXISTS (SELECT 1 FROM push_events AS e WHERE e.user_id = u.user_id
        AND e.seq >= ${rowAfter(given)} AND e.created_at < ${sqlTime(dayBefore(now))}) AS aged
    FROM users AS u WHERE u.user_id = ${userId}`
  const newest = Number(row?.newest ?? 0)
  const position = newest === 0 ? 0 : lastOf(newest)
  if (since === undefined || row === undefined) return { position }
  // A user's rows go in the order of their numbers: while one from before is there, none after it was swept.
  const isOldestKept = row.oldest !== null && Number(row.oldest) <= rowAfter(since)
  const isKept = (isOldestKept || rowAfter(since) > newest) && Number(row.aged) === 0
  return { position: Math.min(since, position), resumed: since === 0 || isKept }
}

interface ResumeRow {
  newest: bigint | number | null
  oldest: bigint | number | null
  aged: bigint | number
}

/** The user's next pushes after `position`, oldest first, of the last 24 hours: `limit` or a few more, if there are. */
export async function pushesAfter(
  db: Db,
  cipher: Cipher,
  { userId, position, limit, now }: { userId: number; position: number; limit: number; now: Date }
): Promise<LoggedPush[]> {
  const rows = await db.$queryRaw<LogRow[]>`
    SELECT seq, data, created_at FROM push_events
    WHERE user_id = ${userId} AND seq >= ${rowAfter(position)} AND created_at >= ${sqlTime(dayBefore(now))}
    ORDER BY seq LIMIT ${limit}`
  return rows.flatMap((row) => pushesOf(cipher, row)).filter(({ id }) => id > position)
}

interface LogRow {
  seq: bigint | number
  data: string
  created_at: Date
}

function pushesOf(cipher: Cipher, row: LogRow): LoggedPush[] {
  const last = lastOf(Number(row.seq))
  const text = decrypted(cipher, row.data)
  if (text === undefined) return [{ id: last, type: '', data: undefined, at: row.created_at }]
  const lines = text.split('\n')
  return lines.map((line, place) => {
    const space = line.indexOf(' ')
    const id = last - (lines.length - 1 - place)
    return { id, type: line.slice(0, space), data: line.slice(space + 1), at: row.created_at }
  })
}

function decrypted(cipher: Cipher, data: string): string | undefined {
  try {
    return cipher.decrypt(data)
  } catch {
    return undefined
  }
}

/** The id of the last push of each of these users who has one. */
export async function newestPushIds(db: Db, userIds: readonly number[]): Promise<Map<number, number>> {
  const newest = new Map<number, number>()
  for (let from = 0; from < userIds.length; from += MAX_LIST) {
    const some = inList(padded(userIds.slice(from, from + MAX_LIST)))
    const rows = await db.$queryRaw<{ user_id: number; push_seq: bigint | number }[]>`
      SELECT user_id, push_seq FROM users WHERE user_id IN (${some}) AND push_seq > 0`
    for (const row of rows) newest.set(row.user_id, lastOf(Number(row.push_seq)))
  }
  return newest
}

/**
 * Removes pushes that are older than a day, some rows at a time so that nobody waits for it. Ids rise with time but for
 * the moments between two transactions, so it goes from the oldest on until one is not old: an index for this alone
 * would be one more to write for each draw.
 */
export const pushLogSweep: Sweep = {
  name: 'push_events',
  async step({ db, now }) {
    const oldest = await db.$queryRaw<{ id: bigint | number; is_old: bigint | number }[]>`
      SELECT id, created_at < ${sqlTime(dayBefore(now))} AS is_old FROM push_events ORDER BY id LIMIT ${SWEEP_ROWS}`
    const young = oldest.findIndex((row) => Number(row.is_old) === 0)
    const last = oldest.at(young === -1 ? -1 : young - 1)
    if (young === 0 || last === undefined) return 0
    // By their ids: the next in line are not known to be old.
    return db.$executeRaw`DELETE FROM push_events WHERE id <= ${last.id}`
  }
}

const dayBefore = (now: Date) => new Date(now.getTime() - DAY_MS)
