import pc from 'picocolors'
import { checkLedger, type LedgerFault, lastUserId } from '../src/domains/points/reconcile.js'
import type { PrismaClient } from '../src/generated/prisma/client.js'
import { openDatabase } from './lib/database.js'
import { guarded } from './lib/print.js'
import { withPrisma } from './lib/prisma.js'
import { startBar } from './lib/progress.js'
import { readSettings } from './lib/settings.js'

const USERS_AT_A_TIME = 2000

/** `npm run reconcile`: checks every balance against the ledger. Exits 1 if any does not agree. */
export async function main(): Promise<void> {
  await guarded(async () => {
    const database = await openDatabase(readSettings())
    try {
      const faults = await withPrisma(database.url, checkAll)
      return faults === 0 ? 0 : 1
    } finally {
      await database.close()
    }
  })
}

/** Checks every user, prints the faults, and says how many there are. */
export async function checkAll(db: PrismaClient): Promise<number> {
  const last = await lastUserId(db)
  const bar = startBar('user', last, 'faults')
  let faults = 0
  for (let from = 1; from <= last; from += USERS_AT_A_TIME) {
    const to = Math.min(from + USERS_AT_A_TIME - 1, last)
    for (const fault of await checkLedger(db, from, to)) {
      faults += 1
      process.stdout.write(`${describe(fault)}\n`)
    }
    bar.update(to, { faults })
  }
  bar.stop()
  const [users, rows] = await Promise.all([db.user.count(), db.pointsRecord.count()])
  const verdict = faults === 0 ? pc.green('The ledger agrees.') : pc.red(`${faults} faults.`)
  process.stderr.write(`${verdict} ${users} users, ${rows} ledger rows.\n`)
  return faults
}

function describe({ userId, recordId, fault, expected, found }: LedgerFault): string {
  const where = recordId === null ? `user ${userId}` : `user ${userId}, ledger row ${recordId}`
  return `${where}: ${fault}: expected ${expected}, found ${found}`
}
