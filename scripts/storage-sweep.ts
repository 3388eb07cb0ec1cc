import { parseArgs } from 'node:util'
import PQueue from 'p-queue'
import pc from 'picocolors'
import { isKey } from '../src/adapters/storage/local.js'
import { openStorage } from '../src/adapters/storage/plugin.js'
import type { ObjectStorage, StoredObject } from '../src/adapters/storage/storage.js'
import type { PrismaClient } from '../src/generated/prisma/client.js'
import { openDatabase } from './lib/database.js'
import { PICTURE_KINDS } from './lib/picture-kinds.js'
import { Fault, guarded } from './lib/print.js'
import { withPrisma } from './lib/prisma.js'
import { startBar } from './lib/progress.js'
import { readSettings } from './lib/settings.js'

const USAGE = 'npm run storage:sweep -- [--delete] [--older-than-minutes 1440]'
/** A day: a picture of a product is uploaded before its product is saved, and forms are left open over night. */
const GRACE_MINUTES = '1440'
const ROWS_AT_A_TIME = 200
const LOOKUPS_AT_ONCE = 16

interface Sweep {
  readonly db: PrismaClient
  readonly storage: ObjectStorage
  readonly remove: boolean
  /** What was stored later may be an upload that is under way, or a picture that is to be used. */
  readonly before: Date
}

/**
 * `npm run storage:sweep`: finds pictures that no row refers to, of receipts, avatars and products, and receipts whose
 * photographs are missing. With `--delete` it removes the former; it never touches a row. This is also how an avatar
 * goes that was replaced, a picture that was uploaded for a product and not used, and a former one of a product, unless
 * an order kept it. Exits 1 if a photograph is missing; avatars and pictures of products may lie elsewhere.
 */
export async function main(args: string[]): Promise<void> {
  await guarded(async () => {
    const { remove, minutes } = readArguments(args)
    const config = readSettings()
    const storage = await openStorage(config)
    await storage.check().catch((err: Error) => {
      throw new Fault(`The storage cannot be used: ${err.message || err.name}`)
    })
    const database = await openDatabase(config)
    try {
      const before = new Date(Date.now() - minutes * 60_000)
      const missing = await withPrisma(database.url, (db) => sweep({ db, storage, remove, before }))
      return missing === 0 ? 0 : 1
    } finally {
      await database.close()
    }
  })
}

function readArguments(args: string[]): { remove: boolean; minutes: number } {
  const options = {
    delete: { type: 'boolean' },
    'older-than-minutes': { type: 'string', default: GRACE_MINUTES }
  } as const
  try {
    const { values } = parseArgs({ args, options })
    const minutes = values['older-than-minutes']
    if (!/^\d{1,7}$/.test(minutes)) throw new Error('--older-than-minutes is no whole number')
    return { remove: values.delete ?? false, minutes: Number(minutes) }
  } catch (err) {
    throw new Fault(`${(err as Error).message}\n${USAGE}`)
  }
}

async function sweep(task: Sweep): Promise<number> {
  const { rows, missing } = await findMissing(task)
  const { objects, orphans } = await findOrphans(task, rows * 2)
  const faults = [
    ...(missing === 0 ? [] : [pc.red(`${missing} photographs are missing.`)]),
    ...(orphans === 0 ? [] : [pc.yellow(`${orphans} objects belong to no row${task.remove ? ': removed' : ''}.`)])
  ]
  const verdict = faults.length === 0 ? pc.green('The storage agrees.') : faults.join(' ')
  process.stderr.write(`${verdict} ${rows} rows, ${objects} objects.\n`)
  return missing
}

/** Looks up the photographs of every row, a batch of rows after the other. */
async function findMissing({ db, storage }: Sweep): Promise<{ rows: number; missing: number }> {
  const bar = startBar('row', await db.receipt.count(), 'missing')
  const queue = new PQueue({ concurrency: LOOKUPS_AT_ONCE })
  let rows = 0
  let missing = 0
  let last = ''
  for (;;) {
    const batch = await db.receipt.findMany({
      where: { uploadId: { gt: last } },
      orderBy: { uploadId: 'asc' },
      take: ROWS_AT_A_TIME,
      select: { uploadId: true, imageKey: true, thumbnailKey: true }
    })
    last = batch.at(-1)?.uploadId ?? ''
    if (last === '') break
    const wanted = batch.flatMap(({ uploadId, imageKey, thumbnailKey }) => [
      { uploadId, what: 'image', key: imageKey },
      { uploadId, what: 'thumbnail', key: thumbnailKey }
    ])
    const lookUps = wanted.map(
      ({ key }) =>
        async () =>
          isKey(key) && storage.exists(key)
    )
    const found = await queue.addAll(lookUps)
    const absent = wanted.filter((_, index) => !found[index])
    // A diner may have taken the photograph back since the row was read.
    const still = await rowsAmong(db, new Set(absent.map(({ uploadId }) => uploadId)))
    for (const { uploadId, what, key } of absent.filter((entry) => still.has(entry.uploadId))) {
      missing += 1
      process.stdout.write(`missing ${key}: ${what} of upload ${uploadId}\n`)
    }
    rows += batch.length
    bar.update(rows, { faults: missing })
  }
  bar.stop()
  return { rows, missing }
}

async function rowsAmong(db: PrismaClient, uploadIds: ReadonlySet<string>): Promise<ReadonlySet<string>> {
  if (uploadIds.size === 0) return uploadIds
  const rows = await db.receipt.findMany({
    where: { uploadId: { in: [...uploadIds] } },
    select: { uploadId: true }
  })
  return new Set(rows.map(({ uploadId }) => uploadId))
}

/** Looks up who refers to each object that is old enough, a batch of objects after the other. */
async function findOrphans(task: Sweep, expected: number): Promise<{ objects: number; orphans: number }> {
  const { db, storage, remove, before } = task
  const bar = startBar('object', expected, 'orphans')
  let objects = 0
  let orphans = 0
  for (const kind of PICTURE_KINDS) {
    for await (const batch of batchesOf(storage.list(kind.prefix), kind.atATime)) {
      const ours = batch.filter(({ key }) => kind.isOurs(key))
      const old = ours.filter(({ storedAt }) => storedAt <= before)
      const keys = old.map(({ key }) => key)
      const used = keys.length === 0 ? new Set() : await kind.usedAmong(db, keys)
      for (const { key, storedAt } of old) {
        if (used.has(key)) continue
        if (remove) await storage.remove(key)
        orphans += 1
        process.stdout.write(`${remove ? 'removed' : 'orphan'} ${key}: stored ${storedAt.toISOString()}, in no row\n`)
      }
      objects += ours.length
      // How many there are is not known before the end.
      bar.setTotal(Math.max(expected, objects))
      bar.update(objects, { faults: orphans })
    }
  }
  bar.stop()
  return { objects, orphans }
}

async function* batchesOf(objects: AsyncIterable<StoredObject>, size: number): AsyncGenerator<StoredObject[]> {
  let batch: StoredObject[] = []
  for await (const object of objects) {
    batch.push(object)
    if (batch.length < size) continue
    yield batch
    batch = []
  }
  if (batch.length > 0) yield batch
}
