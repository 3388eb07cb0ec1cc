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
  readonly many?: ManyRows
  readonly $connect?: never
}

/** A statement that is run for each of many rows, in one journey and as one statement. */
export interface ManyRows {
  /** To be awaited before {@link run}: a statement that is not prepared yet would be overtaken by later ones. */
  prepare(one: string): Promise<void>
  /** @returns how many rows were written */
  run(one: string, rows: readonly (readonly unknown[])[]): Promise<number>
}

/** A statement that is to be run, and what its count of rows must satisfy. */
export interface Write {
  readonly statement: Prisma.Sql
  /** The same as a statement for one row, and the rows. */
  readonly many?: { readonly one: string; readonly rows: readonly (readonly unknown[])[] }
  /** @throws Error when the rows it matched are not those it should have */
  readonly check?: (matched: number) => void
  /** The points that it moves, to be counted once the transaction has committed. */
  readonly moved?: readonly Movement[]
}

/** Points that moved, and for what. */
export interface Movement {
  readonly source: string
  /** Signed. */
  readonly points: number
}

const movements = new WeakMap<object, Movement[]>()

/** The points that a transaction has moved. */
export function movementsOf(tx: RawTx): readonly Movement[] {
  return movements.get(tx) ?? []
}

const locked = new WeakMap<object, Set<number>>()

/** Notes that a transaction has locked the rows of these users. */
export function noteLocks(tx: RawTx, userIds: Iterable<number>): void {
  const known = locked.get(tx)
  if (known === undefined) locked.set(tx, new Set(userIds))
  else for (const userId of userIds) known.add(userId)
}

/** Whether a transaction has locked a user's row, as far as that was noted. */
export function holdsLock(tx: RawTx, userId: number): boolean {
  return locked.get(tx)?.has(userId) === true
}

/**
 * Runs writes in their order: one after another, or where the transaction pipelines, all in one journey. None may
 * depend on the outcome of one before it. Each is asked for once the one before it is on its way, so that a generator
 * makes the rows of the next while the server works. It ends when every one of them has, so that whoever rolls back
 * after a failure does so behind them all.
 */
export async function writeAll(tx: RawTx, writes: Iterable<Write>): Promise<void> {
  const sent: Promise<void>[] = []
  try {
    for (const write of writes) {
      noteMovements(tx, write.moved)
      if (tx.many && write.many) await tx.many.prepare(write.many.one)
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
  const { many, check } = write
  const matched = await (tx.many && many ? tx.many.run(many.one, many.rows) : tx.$executeRaw(write.statement))
  check?.(matched)
}

function noteMovements(tx: RawTx, moved: Write['moved'] = []): void {
  if (moved.length > 0) movements.set(tx, [...movementsOf(tx), ...moved])
}
