import { parseArgs } from 'node:util'
import pc from 'picocolors'
import { checkLedger, type LedgerFault, lastUserId } from '../src/domains/points/reconcile.js'
import { checkDebts } from '../src/domains/receipt/debts.js'
import { checkPushes, renumberPushes } from '../src/engine/push-check.js'
import { checkTotals, recountTotals, type TotalFault } from '../src/engine/totals.js'
import type { PrismaClient } from '../src/generated/prisma/client.js'
import { TOTALS } from '../src/registry.js'
import { openDatabase } from './lib/database.js'
import { Fault, guarded } from './lib/print.js'
import { withPrisma } from './lib/prisma.js'
import { startBar } from './lib/progress.js'
import { readSettings } from './lib/settings.js'

const USAGE = 'npm run reconcile -- [--recount]'
const USERS_AT_A_TIME = 2000
const PUSH_FAULT = 'push_seq is behind the pushes that are kept'

/**
 * `npm run reconcile`: checks every balance and ledger row, and the figures and push numbers that are kept for each
 * user against their rows. Exits 1 if anything does not agree. With `--recount` figures and numbers at fault are
 * counted anew, beside a service at work; the ledger is never touched.
 */
export async function main(args: string[]): Promise<void> {
  await guarded(async () => {
    const recount = readArguments(args)
    const database = await openDatabase(readSettings())
    try {
      const faults = await withPrisma(database.url, (db) => checkAll(db, recount))
      return faults === 0 ? 0 : 1
    } finally {
      await database.close()
    }
  })
}

function readArguments(args: string[]): boolean {
  try {
    const { values } = parseArgs({ args, options: { recount: { type: 'boolean', default: false } } })
    return values.recount
  } catch (err) {
    throw new Fault(`${(err as Error).message}. Usage: ${USAGE}`)
  }
}

/**
 * Checks every user, prints the faults, and says how many there are.
 * @param recount whether to mend what can be counted anew, which is then no fault
 */
export async function checkAll(db: PrismaClient, recount = false): Promise<number> {
  const last = await lastUserId(db)
  const bar = startBar('user', last, 'faults')
  let faults = 0
  let mended = 0
  for (let from = 1; from <= last; from += USERS_AT_A_TIME) {
    const to = Math.min(from + USERS_AT_A_TIME - 1, last)
    const figures = await checkTotals(db, TOTALS, from, to)
    const ledger = [...(await checkLedger(db, from, to)), ...(await checkDebts(db, from, to))]
    const pushes = await checkPushes(db, from, to)
    const behind = pushes.map((push) => ({ ...push, recordId: null, fault: PUSH_FAULT }))
    const found = [...[...ledger, ...behind].map(describeFault), ...figures.map(describeFigure)]
    for (const fault of found) process.stdout.write(`${fault}\n`)
    faults += found.length
    if (recount) {
      for (const userId of new Set(figures.map((figure) => figure.userId))) {
        await db.$transaction((tx) => recountTotals(tx, TOTALS, userId), { isolationLevel: 'ReadCommitted' })
      }
      for (const { userId } of pushes) await renumberPushes(db, userId)
      mended += figures.length + pushes.length
    }
    bar.update(to, { faults })
  }
  bar.stop()
  const [users, rows] = await Promise.all([db.user.count(), db.pointsRecord.count()])
  const left = faults - mended
  const verdict = left === 0 ? pc.green('The ledger and all figures agree.') : pc.red(`${left} faults.`)
  const counted = mended === 0 ? '' : ` ${mended} figures were counted anew.`
  process.stderr.write(`${verdict} ${users} users, ${rows} ledger rows.${counted}\n`)
  return left
}

function describeFault({ userId, recordId, fault, expected, found }: LedgerFault): string {
  const where = recordId === null ? `user ${userId}` : `user ${userId}, ledger row ${recordId}`
  return `${where}: ${fault}: expected ${expected}, found ${found}`
}

function describeFigure({ userId, topic, label, expected, found }: TotalFault): string {
  const text = ({ total, earned, spent }: TotalFault['found']) => `${total} (earned ${earned}, spent ${spent})`
  const what = `user ${userId}, ${topic} ${label}: the kept figure is not that of its rows`
  return `${what}: expected ${text(expected)}, found ${text(found)}`
}
