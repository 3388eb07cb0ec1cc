import { Prisma } from '../generated/prisma/client.js'
import type { RawTx } from './tx.js'

/** Each statement is a transaction by itself. */
type LeaseDb = Pick<RawTx, '$queryRaw' | '$executeRaw'>

/**
 * The statement that takes a lease or keeps it; who holds it now is in the row. The table's columns are `name`, its
 * key, `holder` and `expires_at`.
 */
export function leaseStatement(table: string, name: string, holder: string, seconds: number): Prisma.Sql {
  // Assignments are made in their order: the second knows who the holder is now.
  return Prisma.sql`
    INSERT INTO ${Prisma.raw(table)} (name, holder, expires_at)
    VALUES (${name}, ${holder}, TIMESTAMPADD(SECOND, ${seconds}, UTC_TIMESTAMP(3)))
    ON DUPLICATE KEY UPDATE
      holder = IF(expires_at <= UTC_TIMESTAMP(3), VALUES(holder), holder),
      expires_at = IF(holder = VALUES(holder), VALUES(expires_at), expires_at)`
}

/**
 * Takes a lease, or keeps one that is held already: a row that names its holder, for what one instance at a time may
 * do. It ends by itself when its holder is gone. Time is the database's, the same for all instances.
 * @param holder unguessable, and the same for as long as the lease is to be kept
 * @returns whether it is held now
 */
export async function takeLease(db: LeaseDb, name: string, holder: string, seconds: number): Promise<boolean> {
  await db.$executeRaw(leaseStatement('leases', name, holder, seconds))
  const [row] = await db.$queryRaw<{ holder: string }[]>`SELECT holder FROM leases WHERE name = ${name}`
  return row?.holder === holder
}

/** Gives a lease back before its end. */
export async function dropLease(db: LeaseDb, name: string, holder: string): Promise<void> {
  await db.$executeRaw`DELETE FROM leases WHERE name = ${name} AND holder = ${holder}`
}
