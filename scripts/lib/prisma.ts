import { PrismaMariaDb } from '@prisma/adapter-mariadb'
import { PrismaClient } from '../../src/generated/prisma/client.js'
import { connectionOptions } from '../../src/shared/connection.js'

/** Runs `work` with a client of its own on the database at `url`. */
export async function withPrisma<T>(url: string, work: (db: PrismaClient) => Promise<T>): Promise<T> {
  const adapter = new PrismaMariaDb({
    ...connectionOptions(url),
    connectionLimit: 2,
    initSql: ['SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED', "SET SESSION time_zone = '+00:00'"]
  })
  const db = new PrismaClient({ adapter, errorFormat: 'minimal' })
  try {
    return await work(db)
  } finally {
    await db.$disconnect()
  }
}
