import { takeLease } from '../engine/lease.js'
import { insertInto, sqlTime } from '../engine/sql.js'
import { type RawDb, type RawTx, writeAll } from '../engine/tx.js'
import type { UnitOfWork } from '../engine/unit-of-work.js'
import { EMPTY_ROOT, leafHash } from './merkle.js'
import { isSignedBy, type Signer } from './note.js'
import type { LogSource } from './source.js'
import { growth } from './tree.js'

export const LEASE = 'fairness-log'
/** Longer than a step takes, so that the log stays with one instance; who comes in between is kept off by the row. */
const LEASE_SECONDS = 15

/** The log as it was last signed. */
export interface Checkpoint {
  readonly size: number
  readonly note: string
  readonly createdAt: Date
}

const insertCheckpoint = insertInto('fairness_checkpoints', ['size', 'note', 'created_at'])

/** What a step of the sequencer came to. */
interface Step {
  /** False where another instance has the log. */
  readonly isHeld: boolean
  readonly entries: number
  readonly isAll: boolean
}

/**
 * Puts what waits into the log and signs it, in one transaction: a crash leaves all of it or nothing. Whoever does so
 * holds the lease's row until the commit, and writes it, so that two can never follow the same checkpoint, on two nodes
 * of a cluster neither; the primary key of the leaves would say so too.
 * @throws Error when the last checkpoint was signed with another key: a log has one
 */
export async function sequence(
  uow: UnitOfWork<RawTx>,
  { source, signer, holder }: { source: LogSource; signer: Signer; holder: string }
): Promise<Step> {
  const { tx } = uow
  if (!(await takeLease(tx, LEASE, holder, LEASE_SECONDS))) return { isHeld: false, entries: 0, isAll: true }
  const last = await lastCheckpoint(tx)
  const size = last?.size ?? 0
  const { lines, isAll, placed } = await source.waiting(tx)
  if (lines.length > 0) {
    if (last !== undefined && !isSignedBy(last.note, signer)) {
      throw new Error('the public log was signed with another key: FAIRNESS_KEY has to be the one it began with')
    }
    const { writes, root } = await growth(tx, size, lines.map(leafHash))
    const end = size + lines.length
    const note = signer.checkpoint(end, root)
    await writeAll(tx, [
      ...writes,
      ...placed(size),
      ...insertCheckpoint([{ size: end, note, created_at: sqlTime(uow.now) }])
    ])
  }
  return { isHeld: true, entries: lines.length, isAll }
}

interface CheckpointRow {
  readonly size: number | bigint
  readonly note: string
  readonly createdAt: Date
}

const toCheckpoint = ({ size, note, createdAt }: CheckpointRow): Checkpoint => ({ size: Number(size), note, createdAt })

/** The newest checkpoint; undefined before the first. */
export async function lastCheckpoint(db: RawDb): Promise<Checkpoint | undefined> {
  const [row] = await db.$queryRaw<CheckpointRow[]>`
    SELECT size, note, created_at AS createdAt FROM fairness_checkpoints ORDER BY size DESC LIMIT 1`
  return row === undefined ? undefined : toCheckpoint(row)
}

/** Checkpoints from the newest on, below a size where one is given. */
export async function listCheckpoints(db: RawDb, limit: number, below?: number): Promise<Checkpoint[]> {
  const rows = await db.$queryRaw<CheckpointRow[]>`
    SELECT size, note, created_at AS createdAt FROM fairness_checkpoints
    WHERE size < ${below ?? Number.MAX_SAFE_INTEGER} ORDER BY size DESC LIMIT ${limit}`
  return rows.map(toCheckpoint)
}

/** What is shown before anything was logged. */
export const emptyCheckpoint = (signer: Signer, now: Date): Checkpoint => ({
  size: 0,
  note: signer.checkpoint(0, EMPTY_ROOT),
  createdAt: now
})
