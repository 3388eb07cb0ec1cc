import type { Prisma } from '../generated/prisma/client.js'

/** Bound to an open transaction. The root client has `$connect`, so the compiler refuses it here. */
export type Tx = Prisma.TransactionClient & { readonly $connect?: never }

/** For reads, which are welcome inside a transaction and outside one. */
export type Db = Prisma.TransactionClient

/** What a statement may be given as: a template, or one that was put together before. */
export type Statement = TemplateStringsArray | Prisma.Sql

/** As much of {@link Db} as raw reads need. */
export interface RawDb {
  $queryRaw<T = unknown>(query: Statement, ...values: unknown[]): Promise<T>
}

/**
 * As much of {@link Tx} as raw statements need, so that the same code runs in Prisma's interactive transaction and
 * straight on a connection of the driver. The rules are written against this and cannot tell the two apart.
 */
export interface RawTx extends RawDb {
  $executeRaw(query: Statement, ...values: unknown[]): Promise<number>
  /**
   * Where statements may be sent before the ones ahead of them are answered, and run in the order they were sent.
   * Makes a write ready; what it answers with sends it at once, and tells how many rows it matched. Whoever sends
   * several waits for each to be ready: one that is not would be overtaken by the next that is.
   */
  readonly ready?: (write: Write) => Promise<() => Promise<number>>
  readonly $connect?: never
}

/** A statement that is to be run, and what its count of rows must satisfy. */
export interface Write {
  readonly statement: Prisma.Sql
  /** The same as a statement for one row, and the rows. */
  readonly bulk?: { readonly one: string; readonly rows: readonly (readonly unknown[])[] }
  /** @throws Error when the rows it matched are not those it should have */
  readonly check?: (matched: number) => void
}

/**
 * Runs writes in their order: one after another, or where the transaction pipelines, all in one round trip. None may
 * depend on the outcome of one before it. Each is asked for once the one before it is on its way, so that a generator
 * makes the rows of the next while the server works. It ends when every one of them has, so that whoever rolls back
 * after a failure does so behind them all.
 */
export async function writeAll(tx: RawTx, writes: Iterable<Write>): Promise<void> {
  const sent: Promise<void>[] = []
  try {
    for (const write of writes) {
      if (tx.ready === undefined) {
        const matched = await tx.$executeRaw(write.statement)
        write.check?.(matched)
        continue
      }
      const send = await tx.ready(write)
      const done = send().then(write.check)
      // Until all are sent nobody waits for it.
      done.catch(() => {})
      sent.push(done)
    }
  } finally {
    await Promise.allSettled(sent)
  }
  await Promise.all(sent)
}
