import { PrismaMariaDb } from '@prisma/adapter-mariadb'
import { connectionOptions, SESSION_SQL } from '../../src/engine/connection.js'
import type { Tx } from '../../src/engine/tx.js'
import { UnitOfWork } from '../../src/engine/unit-of-work.js'
import { PrismaClient } from '../../src/generated/prisma/client.js'

/** Runs `work` with a client of its own on the database at `url`. */
export async function withPrisma<T>(url: string, work: (db: PrismaClient) => Promise<T>): Promise<T> {
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

/** The unit of work of a script's own transaction: nothing is pushed, and nothing encrypted. */
export function scriptWork(tx: Tx, now = new Date()): UnitOfWork {
  const refused = () => {
    throw new Error('this script has no key')
  }
  const cipher = { keyId: '', encrypt: refused, decrypt: refused, hmac: refused, hmacs: refused }
  return new UnitOfWork(tx, { cipher, clock: () => now })
}
