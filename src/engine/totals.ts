import { Prisma } from '../generated/prisma/client.js'
import { type Read, readOf } from './reads.js'
import { insertInto } from './sql.js'
import type { Tally, Total, TotalChange, TotalKind } from './tallies.js'
import type { Db, RawTx, Tx, Write } from './tx.js'
import type { UnitOfWork } from './unit-of-work.js'

const OF_TOPIC = readOf<Total, [userId: number, topic: string]>(
  'SELECT label, total, earned, spent FROM user_totals WHERE user_id = ? AND topic = ?'
)

/** The hot read of a user's figures of one kind; a label that nothing ever belonged to has no row. */
export function totalsRead<Label extends string>({ topic }: TotalKind<Label>): (userId: number) => Read<Total<Label>> {
  return (userId) => OF_TOPIC(userId, topic) as Read<Total<Label>>
}

/** The sum of one column over the labels that fit. */
export function sumOf<Label extends string>(
  totals: readonly Total<Label>[],
  column: keyof TotalChange,
  fits: (label: Label) => boolean = () => true
): number {
  return totals.reduce((sum, row) => sum + (fits(row.label) ? row[column] : 0), 0)
}

const add = (column: string) => `${column} = user_totals.${column} + VALUES(${column})`
const addTotals = insertInto(
  'user_totals',
  ['user_id', 'topic', 'label', 'total', 'earned', 'spent'],
  `ON DUPLICATE KEY UPDATE ${['total', 'earned', 'spent'].map(add).join(', ')}`
)

/**
 * The write of what a transaction has tallied, as far as it is not written yet; none where there is nothing. It comes
 * last, and its rows in one order: so no two transactions wait for each other here.
 */
export function totalsWrites({ tallies }: UnitOfWork<RawTx>): Write[] {
  const rows = tallies.take().sort(byKey)
  return addTotals(rows.map(({ userId, ...rest }) => ({ user_id: userId, ...rest })))
}

function byKey(a: Tally, b: Tally): number {
  if (a.userId !== b.userId) return a.userId - b.userId
  const [left, right] = [`${a.topic} ${a.label}`, `${b.topic} ${b.label}`]
  return left < right ? -1 : 1
}

/** A figure that is not what its rows come to. */
export interface TotalFault {
  readonly userId: number
  readonly topic: string
  readonly label: string
  readonly expected: Required<TotalChange>
  readonly found: Required<TotalChange>
}

/**
 * Holds the figures of the users from `from` to `to` against their rows. Each kind is one statement, and so sees one
 * moment: it can run beside a service at work.
 */
export async function checkTotals(
  db: Db,
  kinds: readonly TotalKind[],
  from: number,
  to: number
): Promise<TotalFault[]> {
  const faults: TotalFault[] = []
  const columns = ['total', 'earned', 'spent'] as const
  const sum = (side: string, column: string) =>
    `CAST(SUM(IF(d.side = '${side}', d.${column}, 0)) AS SIGNED) AS ${side}_${column}`
  const sums = Prisma.raw(['counted', 'kept'].flatMap((side) => columns.map((column) => sum(side, column))).join(', '))
  const differ = Prisma.raw(columns.map((column) => `counted_${column} <> kept_${column}`).join(' OR '))
  for (const { topic, counted } of kinds) {
    const rows = await db.$queryRaw<Record<string, number | bigint | string>[]>`
      SELECT d.user_id, MIN(d.label) AS label, ${sums}
      FROM (
        SELECT c.user_id, c.label, c.total, c.earned, c.spent, 'counted' AS side FROM (${counted(from, to)}) AS c
        UNION ALL
        SELECT k.user_id, k.label, k.total, k.earned, k.spent, 'kept' FROM user_totals AS k
        WHERE k.user_id BETWEEN ${from} AND ${to} AND k.topic = ${topic}
      ) AS d
      GROUP BY d.user_id, d.label
      HAVING ${differ}
      ORDER BY d.user_id, label`
    const side = (row: (typeof rows)[number], name: 'counted' | 'kept') => ({
      total: Number(row[`${name}_total`]),
      earned: Number(row[`${name}_earned`]),
      spent: Number(row[`${name}_spent`])
    })
    for (const row of rows) {
      const where = { userId: Number(row.user_id), topic, label: String(row.label) }
      faults.push({ ...where, expected: side(row, 'counted'), found: side(row, 'kept') })
    }
  }
  return faults
}

/**
 * Makes a user's figures what their rows come to, also beside a service at work: transactions that have tallied and
 * not committed hold rows of the user, and are waited for; what others have not tallied yet is not visible here either,
 * and is added when they do.
 */
export async function recountTotals(tx: Tx, kinds: readonly TotalKind[], userId: number): Promise<void> {
  await tx.$queryRaw`SELECT user_id FROM users WHERE user_id = ${userId} FOR UPDATE`
  await tx.$queryRaw`SELECT total FROM user_totals WHERE user_id = ${userId} FOR UPDATE`
  await tx.$executeRaw`DELETE FROM user_totals WHERE user_id = ${userId}`
  for (const { topic, counted } of kinds) {
    await tx.$executeRaw`
      INSERT INTO user_totals (user_id, topic, label, total, earned, spent)
      SELECT c.user_id, ${topic}, c.label, c.total, c.earned, c.spent FROM (${counted(userId, userId)}) AS c
      ON DUPLICATE KEY UPDATE total = VALUES(total), earned = VALUES(earned), spent = VALUES(spent)`
  }
}
