import sharp from 'sharp'
import { hashOf } from '../../src/adapters/images/likeness.js'
import { bandsOf, hashColumn, MAX_DISTANCE } from '../../src/domains/receipt/evidence/bands.js'
import { findMatches, nearSql } from '../../src/domains/receipt/evidence/compare.js'
import { withPrisma } from '../lib/prisma.js'
import { numbersFrom, REPHOTOGRAPHS, restaurantReceipt } from '../lib/rephotograph.js'
import type { BenchOptions } from './index.js'
import { difference, Meter } from './lib/meter.js'
import { type Bar, figure, printBars, printTable, startSteps, writeResults } from './lib/report.js'
import type { World } from './lib/world.js'

/** Contract section 15: what one comparison may cost the database, among a million receipts. */
const BOUND_MS = 50
const RECEIPTS = 1_000_000
const ROWS_AT_A_TIME = 20_000
const RUNS = 40
/** The share of the bits that differ between two receipts that were photographed by somebody else. */
const FLIPPED = 0.15

type Hash = (picture: Buffer) => Promise<string>

/** What receipts were compared by before: whether each of 8×8 grey cells is brighter than its right neighbour. */
const differenceHash: Hash = async (picture) => {
  const cells = await sharp(picture).greyscale().resize({ width: 9, height: 8, fit: 'fill' }).raw().toBuffer()
  let hash = 0n
  for (let place = 0; place < 64; place += 1) {
    const at = Math.floor(place / 8) * 9 + (place % 8)
    hash = (hash << 1n) | ((cells[at] ?? 0) > (cells[at + 1] ?? 0) ? 1n : 0n)
  }
  return hash.toString(16).padStart(16, '0')
}

const HASHES: Readonly<Record<string, Hash>> = { 'difference hash': differenceHash, 'low frequencies': hashOf }

/** As an upload's thumbnail is made. */
const thumbnailOf = (picture: Buffer) =>
  sharp(picture).resize({ width: 400, height: 400, fit: 'inside' }).jpeg({ quality: 80 }).toBuffer()

function distanceOf(one: string, other: string): number {
  return [...(BigInt(`0x${one}`) ^ BigInt(`0x${other}`)).toString(2)].filter((bit) => bit === '1').length
}

/**
 * How well pictures of receipts are told apart, and what it costs to compare one with a million. The pictures are made
 * in code (scripts/lib/rephotograph.ts), as receipts of one restaurant: alike, and the hardest to tell apart.
 */
export async function main(world: World, { quick }: BenchOptions): Promise<Bar[]> {
  const likeness = await measureLikeness(quick ? 20 : 60)
  const cost = await measureCost(world, quick ? RECEIPTS / 10 : RECEIPTS, likeness.hashes)
  const bars: Bar[] = [
    {
      name: 'processor time of the database, a comparison, ms',
      value: cost.databaseMs,
      bound: BOUND_MS,
      kind: 'at most'
    },
    { name: 'a comparison from outside, median, ms', value: cost.medianMs, bound: BOUND_MS, kind: 'at most' }
  ]
  printBars(bars)
  await writeResults('evidence', { likeness: likeness.figures, cost })
  return bars
}

async function measureLikeness(receipts: number) {
  const kinds = Object.entries(REPHOTOGRAPHS)
  const steps = startSteps('pictures', receipts)
  const pictures: { name: string; bytes: Buffer; of: number }[] = []
  for (let seed = 0; seed < receipts; seed += 1) {
    const original = await restaurantReceipt(seed)
    pictures.push({ name: 'original', bytes: await thumbnailOf(original), of: seed })
    for (const [name, photographed] of kinds) {
      pictures.push({ name, bytes: await thumbnailOf(await photographed(original)), of: seed })
    }
    steps.step()
  }
  steps.stop()
  const figures: Record<string, { falseAlarms: number; recall: Record<string, number> }> = {}
  let hashes: string[] = []
  for (const [label, hash] of Object.entries(HASHES)) {
    const hashed = await Promise.all(pictures.map(async (each) => ({ ...each, hash: await hash(each.bytes) })))
    const originals = hashed.filter(({ name }) => name === 'original')
    const pairs = originals.flatMap((one, place) =>
      originals.slice(0, place).map((two) => distanceOf(one.hash, two.hash))
    )
    const found = (name: string) => {
      const again = hashed.filter((each) => each.name === name)
      return again.filter((each) => distanceOf(each.hash, originals[each.of]?.hash ?? '0') <= MAX_DISTANCE).length
    }
    const recall = Object.fromEntries(kinds.map(([name]) => [name, found(name) / receipts]))
    figures[label] = { falseAlarms: pairs.filter((bits) => bits <= MAX_DISTANCE).length / pairs.length, recall }
    hashes = originals.map((each) => each.hash)
  }
  const labels = Object.keys(figures)
  const percent = (value: number | undefined) => `${((value ?? 0) * 100).toFixed(2)} %`
  printTable(
    `${receipts} receipts of one restaurant: how many are found again, within ${MAX_DISTANCE} of 64 bits`,
    ['photographed again', ...labels],
    [
      ...kinds.map(([name]) => [name, ...labels.map((label) => percent(figures[label]?.recall[name]))]),
      ['pairs of others that are taken for one', ...labels.map((label) => percent(figures[label]?.falseAlarms))]
    ]
  )
  return { figures, hashes }
}

/** Fills the tables with receipts that look like those of one restaurant, and compares some with all of them. */
async function measureCost(world: World, receipts: number, hashes: readonly string[]) {
  const random = numbersFrom(7)
  const another = () => {
    let hash = BigInt(`0x${hashes[Math.floor(random() * hashes.length)] ?? '0'}`)
    for (let bit = 0n; bit < 64n; bit += 1n) if (random() < FLIPPED) hash ^= 1n << bit
    return hash.toString(16).padStart(16, '0')
  }
  await world.sql(`INSERT INTO users (mobile) VALUES ('13000000001')`)
  const [user] = await world.sql<{ id: number }>('SELECT MAX(user_id) AS id FROM users')
  const steps = startSteps('receipts', receipts / ROWS_AT_A_TIME)
  for (let done = 0; done < receipts; done += ROWS_AT_A_TIME) {
    const rows = Array.from({ length: ROWS_AT_A_TIME }, (_, place) => ({
      id: `bench-${done + place}`,
      hash: another()
    }))
    const list = `JSON_TABLE(?, '$[*]' COLUMNS (id VARCHAR(50) PATH '$.id', hash CHAR(16) PATH '$.hash')) AS j`
    await world.sql(
      `INSERT INTO photo_reviews (upload_id, user_id, image_url, thumbnail_url, image_key, thumbnail_key, amount,
         review_status, points_rate, points_min, points_max, file_size, sha256, phash, phash_version, compared_at,
         created_at)
       SELECT j.id, ?, '', '', j.id, j.id, 58.5, 'approved', 10, 50, 2000, 1, SHA2(j.id, 256), j.hash, 1, NOW(3),
         NOW(3) - INTERVAL RAND() * 179 DAY FROM ${list}`,
      [user?.id, JSON.stringify(rows)]
    )
    const bands = rows.flatMap(({ id, hash }) =>
      bandsOf(hash).map((part, band) => [band, part, id, String(hashColumn(hash))])
    )
    await world.sql(
      `INSERT INTO picture_bands (band, part, upload_id, hash, created_at)
       SELECT j.band, j.part, j.id, j.hash, NOW(3) FROM JSON_TABLE(?, '$[*]' COLUMNS (band INT PATH '$[0]',
         part INT PATH '$[1]', id VARCHAR(50) PATH '$[2]', hash BIGINT PATH '$[3]')) AS j`,
      [JSON.stringify(bands)]
    )
    steps.step()
  }
  steps.stop()
  await world.sql('ANALYZE TABLE photo_reviews, picture_bands')
  return withPrisma(world.config.DATABASE_URL, async (db) => {
    const { sql, values } = nearSql(another())
    const plan = await db.$queryRawUnsafe<Record<string, unknown>[]>(`EXPLAIN ${sql}`, ...values)
    printTable(
      `EXPLAIN of what is near a hash, among ${receipts} receipts`,
      ['table', 'type', 'key', 'rows', 'extra'],
      plan.map((row) => [row.table, row.type, row.key, row.rows, row.Extra].map((cell) => String(cell ?? '')))
    )
    const meter = await Meter.open(world.config.DATABASE_URL)
    const asked = Array.from({ length: RUNS }, another)
    const times: number[] = []
    const before = await meter.read()
    for (const [run, hash] of asked.entries()) {
      const receipt = {
        upload_id: `none-${run}`,
        user_id: 0,
        amount: 58.5,
        sha256: '0'.repeat(64),
        created_at: new Date()
      }
      const start = performance.now()
      await db.$transaction((tx) => findMatches(tx, receipt, hash, new Date()))
      times.push(performance.now() - start)
    }
    const databaseMs = difference(await meter.read(), before).databaseMs
    let matches = 0
    for (const hash of asked) matches += (await db.$queryRaw<unknown[]>(nearSql(hash))).length
    await meter.close()
    times.sort((one, other) => one - other)
    const [medianMs, worstMs] = [times[RUNS >> 1] ?? 0, times.at(-1) ?? 0]
    printTable(
      `One comparison among ${receipts} receipts, with all its statements`,
      ['', 'database ms', 'round trips, median ms', 'slowest ms', 'within ten bits'],
      [['', ...[databaseMs / RUNS, medianMs, worstMs, matches / RUNS].map(figure)]]
    )
    return { receipts, databaseMs: databaseMs / RUNS, medianMs, worstMs, near: matches / RUNS }
  })
}
