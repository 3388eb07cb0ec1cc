import { PrismaMariaDb } from '@prisma/adapter-mariadb'
import { connectionOptions, openConnection, SESSION_SQL } from '../../src/engine/connection.js'
import { finishWork } from '../../src/engine/finish.js'
import type { Tx } from '../../src/engine/tx.js'
import { UnitOfWork } from '../../src/engine/unit-of-work.js'
import { PrismaClient } from '../../src/generated/prisma/client.js'

/** Runs `work` with a client of its own on the database at `url`. @throws NoDatabase, or what `work` throws */
export async function withPrisma<T>(url: string, work: (db: PrismaClient) => Promise<T>): Promise<T> {
  // A pool that finds nobody says so after ten seconds, and not why.
  await (await openConnection(url)).end()
  const options = { ...connectionOptions(url), connectionLimit: 2, initSql: [...SESSION_SQL] }
  // As text: the driver's own way with prepared statements is not to be trusted, see src/engine/prepared.ts.
  const adapter = new PrismaMariaDb(options, { useTextProtocol: true })
  const db = new PrismaClient({ adapter, errorFormat: 'minimal' })
  try {
    return await work(db)
  } finally {
    await db.$disconnect()
  }
}

/** Works in a script's own transaction as the service does in its own: nothing is pushed, and nothing encrypted. */
export async function scriptWork<T>(tx: Tx, work: (uow: UnitOfWork) => Promise<T>, now = new Date()): Promise<T> {
  const refused = () => {
    throw new Error('this script has no key')
  }
  const cipher = { keyId: '', encrypt: refused, decrypt: refused, hmac: refused, hmacs: refused }
  const uow = new UnitOfWork(tx, { cipher, clock: () => now })
  const result = await work(uow)
  await finishWork(uow)
  return result
}
