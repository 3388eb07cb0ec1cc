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
  /** Statements may be sent before the ones ahead of them are answered; they run in the order they were sent. */
  readonly pipelines?: true
  /** Where rows can go in binary beside a statement for one of them. */
  readonly bulk?: BulkRows
  readonly $connect?: never
}

/** A statement that is run for each of many rows, in one round trip and as one statement. */
export interface BulkRows {
  /** To be awaited before {@link run}: a statement that is not prepared yet would be overtaken by later ones. */
  prepare(one: string): Promise<void>
  /** @returns how many rows were written */
  run(one: string, rows: readonly (readonly unknown[])[]): Promise<number>
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
      if (tx.bulk && write.bulk) await tx.bulk.prepare(write.bulk.one)
      const done = send(tx, write)
      if (tx.pipelines !== true) await done
      // Until all are sent nobody waits for it.
      done.catch(() => {})
      sent.push(done)
    }
  } finally {
    await Promise.allSettled(sent)
  }
  await Promise.all(sent)
}

async function send(tx: RawTx, write: Write): Promise<void> {
  const { bulk, check } = write
  const matched = await (tx.bulk && bulk ? tx.bulk.run(bulk.one, bulk.rows) : tx.$executeRaw(write.statement))
  check?.(matched)
}
