import pc from 'picocolors'
import { openStorage } from '../src/adapters/storage/plugin.js'
import type { ObjectStorage } from '../src/adapters/storage/storage.js'
import { COMPARED_DAYS } from '../src/domains/receipt/evidence/compare.js'
import { compareReceipt, UNCOMPARED, type Uncompared } from '../src/domains/receipt/evidence/comparison.js'
import { sqlTime } from '../src/engine/sql.js'
import type { PrismaClient } from '../src/generated/prisma/client.js'
import { DAY_MS } from '../src/shared/time.js'
import { openDatabase } from './lib/database.js'
import { Fault, guarded } from './lib/print.js'
import { withPrisma } from './lib/prisma.js'
import { startBar } from './lib/progress.js'
import { readSettings } from './lib/settings.js'

const ROWS_AT_A_TIME = 200

/**
 * `npm run evidence:fill`: compares the receipts of the last 180 days that are not compared yet, such as those from
 * before there was comparison. It remembers nothing: what is left to do is what the rows say, so it may be stopped and
 * started at any time, and run beside the service, which does the same more slowly. Exits 1 if some could not be.
 */
export async function main(): Promise<void> {
  await guarded(async () => {
    const config = readSettings()
    const storage = await openStorage(config)
    await storage.check().catch((err: Error) => {
      throw new Fault(`The storage cannot be used: ${err.message || err.name}`)
    })
    const database = await openDatabase(config)
    try {
      const { compared, failed } = await withPrisma(database.url, (db) => fillEvidence(db, storage))
      const verdict = failed === 0 ? pc.green('Every receipt is compared.') : pc.red(`${failed} could not be compared.`)
      process.stderr.write(`${verdict} ${compared} were compared now.\n`)
      return failed === 0 ? 0 : 1
    } finally {
      await database.close()
    }
  })
}

/** Compares what is not compared, oldest first. One that fails is told of, and left to the next run. */
export async function fillEvidence(db: PrismaClient, storage: Pick<ObjectStorage, 'get'>) {
  const since = new Date(Date.now() - COMPARED_DAYS * DAY_MS)
  const total = await db.receipt.count({ where: { comparedAt: null, createdAt: { gte: since } } })
  const bar = startBar('receipt', total, 'failures')
  const tools = {
    storage,
    transact: <T>(work: (tx: never) => Promise<T>) =>
      db.$transaction((tx) => work(tx as never), { isolationLevel: 'ReadCommitted', timeout: 60_000 }),
    now: () => new Date()
  }
  let [compared, failed] = [0, 0]
  let from = since
  /** Of the moment that `from` is, so that one of them that failed is not taken again. */
  const tried = new Set<string>()
  for (;;) {
    const { sql, values } = UNCOMPARED.since(sqlTime(from), sqlTime(new Date()), ROWS_AT_A_TIME + tried.size)
    const rows = await db.$queryRawUnsafe<Uncompared[]>(sql, ...values)
    const next = rows.filter(({ upload_id: id }) => !tried.has(id))
    if (next.length === 0) break
    for (const row of next) {
      try {
        await compareReceipt(tools, { ...row, amount: Number(row.amount) })
        compared += 1
      } catch (err) {
        failed += 1
        process.stdout.write(`failed ${row.upload_id}: ${(err as Error).message}\n`)
      }
      if (row.created_at > from) tried.clear()
      from = row.created_at
      tried.add(row.upload_id)
      bar.update(compared + failed, { faults: failed })
    }
  }
  bar.stop()
  return { compared, failed }
}
