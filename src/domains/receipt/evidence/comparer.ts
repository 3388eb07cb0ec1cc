import type { FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'
import PQueue from 'p-queue'
import { HASH_VERSION, hashOf } from '../../../adapters/images/likeness.js'
import { readOf } from '../../../engine/reads.js'
import { sqlTime } from '../../../engine/sql.js'
import { DAY_MS } from '../../../shared/time.js'
import { COMPARED_DAYS, type Compared, findMatches, writeBands } from './compare.js'

declare module 'fastify' {
  interface FastifyInstance {
    /** Compares receipts with others, off the requests. */
    readonly comparer: Comparer
  }
}

interface Comparer {
  /** Compares a receipt soon; whoever calls does not wait, and is told of no failure: it is tried again. */
  readonly wake: (uploadId: string) => void
  /**
   * Compares what waits longer than it should: after a crash, a failure, or because it is older than comparison is.
   * Those first that wait for a reviewer. @returns how many it compared
   */
  readonly catchUp: (limit?: number) => Promise<number>
  /** Until nothing waits that it was woken for. */
  readonly idle: () => Promise<void>
}

interface ComparerOptions {
  /** How often it looks for what was left over, in milliseconds; 0: only when it is asked to. */
  readonly everyMs?: number
}

const EVERY_MS = 10_000
/** Left to whoever was woken for it. */
const PATIENCE_MS = 10_000
const AT_A_TIME = 50

interface Waiting extends Compared {
  readonly thumbnail_key: string
  readonly phash: string
  readonly phash_version: number
}

const COLUMNS = 'upload_id, user_id, amount, sha256, created_at, thumbnail_key, phash, phash_version'
const ONE = readOf<Waiting, [uploadId: string]>(
  `SELECT ${COLUMNS} FROM photo_reviews WHERE upload_id = ? AND compared_at IS NULL`
)
/** Both by the index on `compared_at`, where those that are not compared lie together. */
const LEFT_OVER = readOf<Waiting, [since: string, before: string, limit: number]>(`
  SELECT ${COLUMNS} FROM photo_reviews
  WHERE compared_at IS NULL AND created_at >= ? AND created_at < ?
  ORDER BY created_at LIMIT ?`)
const PENDING = readOf<Waiting, [before: string, limit: number]>(`
  SELECT ${COLUMNS} FROM photo_reviews
  WHERE review_status = 'pending' AND compared_at IS NULL AND created_at < ?
  ORDER BY created_at LIMIT ?`)

/**
 * Compares one receipt; see compare.ts. What it looks like is computed anew from its thumbnail where the row has a hash
 * of old.
 */
async function compare(app: FastifyInstance, receipt: Waiting): Promise<void> {
  const hash = receipt.phash_version === HASH_VERSION ? receipt.phash : await hashAgain(app, receipt)
  if (hash !== undefined && !(await app.tx((uow) => writeBands(uow.tx, receipt, hash)))) return
  await app.tx((uow) => findMatches(uow.tx, receipt, hash, uow.now))
}

/** @returns undefined where the picture is gone, or none */
async function hashAgain(app: FastifyInstance, { upload_id: uploadId, thumbnail_key: key }: Waiting) {
  const picture = await app.storage.get(key)
  const phash = picture === undefined ? undefined : await hashOf(picture).catch(() => undefined)
  if (phash === undefined) return undefined
  await app.db.receipt.updateMany({ where: { uploadId }, data: { phash, phashVersion: HASH_VERSION } })
  return phash
}

/**
 * Compares each upload after its commit, one at a time, and what was left over every ten seconds: all instances may, as
 * to compare twice changes nothing (contract section 15).
 */
export default fp<ComparerOptions>(
  async (app, { everyMs = EVERY_MS }) => {
    const queue = new PQueue({ concurrency: 1 })
    let running: Promise<number> | undefined

    async function run(limit: number): Promise<number> {
      const now = app.clock()
      const before = sqlTime(new Date(now.getTime() - PATIENCE_MS))
      const since = sqlTime(new Date(now.getTime() - COMPARED_DAYS * DAY_MS))
      const [pending] = await app.reads(PENDING(before, limit))
      const left = pending.length > 0 ? pending : (await app.reads(LEFT_OVER(since, before, limit)))[0]
      for (const receipt of left) await queue.add(() => compare(app, receipt))
      return left.length
    }

    const comparer: Comparer = {
      wake(uploadId) {
        queue
          .add(async () => {
            const [[receipt]] = await app.reads(ONE(uploadId))
            if (receipt !== undefined) await compare(app, receipt)
          })
          .catch((err: unknown) => app.log.warn({ err, uploadId }, 'a receipt could not be compared; it will be'))
      },
      catchUp(limit = AT_A_TIME) {
        running ??= run(limit).finally(() => {
          running = undefined
        })
        return running
      },
      idle: () => queue.onIdle()
    }

    app.decorate('comparer', comparer)
    const look = () =>
      comparer.catchUp().catch((err: unknown) => app.log.warn({ err }, 'receipts wait to be compared; they will be'))
    const timer = everyMs === 0 ? undefined : setInterval(look, everyMs).unref()
    app.addHook('onClose', async () => {
      clearInterval(timer)
      queue.clear()
      await running?.catch(() => {})
      await queue.onIdle()
    })
  },
  { name: 'comparer', dependencies: ['database', 'storage'] }
)
