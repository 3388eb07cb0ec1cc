import type { Static } from '@sinclair/typebox'
import type { FastifyInstance } from 'fastify'
import type { RawDb } from '../../../engine/tx.js'
import { refuse } from '../../../shared/refusal.js'
import { type Checkpoint, emptyCheckpoint, lastCheckpoint } from '../../../transparency/log.js'
import { consistencySpans, inclusionSpans, leafHash } from '../../../transparency/merkle.js'
import { hashesOf } from '../../../transparency/tree.js'
import { type ConsistencyProof, type InclusionProof, type InclusionQuery, MOST_ENTRIES } from './public-schemas.js'

type LogApp = Pick<FastifyInstance, 'db' | 'publicLog' | 'clock'>

const fault = (field: string, message: string) => refuse('VALIDATION_FAILED', [{ field, message }])

/** The log as it was last signed; an empty one before that. */
export async function newestCheckpoint({ db, publicLog, clock }: LogApp): Promise<Checkpoint> {
  return (await lastCheckpoint(db)) ?? emptyCheckpoint(publicLog.signer, clock())
}

/**
 * Lines of the log from one place to below another, as far as it is signed.
 * @returns whether they can never become more
 * @throws Refusal VALIDATION_FAILED for a range that is none, or too long
 */
export async function readEntries(
  app: LogApp,
  { start, end }: { start: number; end: number }
): Promise<{ lines: string[]; isWhole: boolean }> {
  if (end <= start) throw fault('end', 'must be above start')
  if (end - start > MOST_ENTRIES) throw fault('end', `must be at most ${MOST_ENTRIES} above start`)
  const { size } = await newestCheckpoint(app)
  if (start >= size) return { lines: [], isWhole: false }
  const lines = await app.publicLog.source.told(app.db, start, Math.min(end, size))
  return { lines, isWhole: end <= size }
}

/**
 * How the root of the log at a size covers one of its leaves.
 * @throws Refusal VALIDATION_FAILED, and NOT_FOUND for a draw that is not logged, or not in a log of that size
 */
export async function proveInclusion(
  app: LogApp,
  query: Static<typeof InclusionQuery>
): Promise<Static<typeof InclusionProof>> {
  const { draw_id: drawId, index: given } = query
  if ((drawId === undefined) === (given === undefined)) throw fault('index', 'either index or draw_id is needed')
  const signed = (await newestCheckpoint(app)).size
  const size = query.size ?? signed
  if (size > signed) throw fault('size', `the log has ${signed} entries`)
  const index = given ?? (drawId === undefined ? undefined : await placeOfDraw(app.db, drawId))
  if (index === undefined || index >= size) throw refuse('NOT_FOUND')
  const [[leaf = ''], hashes] = [
    await app.publicLog.source.told(app.db, index, index + 1),
    await hashesOf(app.db, inclusionSpans(index, [0, size]))
  ]
  return { index, size, leaf, leaf_hash: leafHash(leaf).toString('hex'), hashes: inHex(hashes) }
}

async function placeOfDraw(db: RawDb, drawId: string): Promise<number | undefined> {
  const [row] = await db.$queryRaw<{ log_index: number | bigint | null }[]>`
    SELECT log_index FROM lottery_draws WHERE draw_id = ${drawId}`
  return row?.log_index == null ? undefined : Number(row.log_index)
}

/** That the log at one size is the beginning of the log at another. @throws Refusal VALIDATION_FAILED */
export async function proveConsistency(
  app: LogApp,
  { from, to }: { from: number; to?: number }
): Promise<Static<typeof ConsistencyProof>> {
  const { size } = await newestCheckpoint(app)
  const end = to ?? size
  if (end > size) throw fault('to', `the log has ${size} entries`)
  if (from > end) throw fault('from', 'must not be above to')
  return { from, to: end, hashes: inHex(await hashesOf(app.db, consistencySpans(from, end))) }
}

const inHex = (hashes: readonly Buffer[]) => hashes.map((hash) => hash.toString('hex'))
