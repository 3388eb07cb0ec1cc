import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { parseArgs } from 'node:util'
import { SingleBar } from 'cli-progress'
import * as mariadb from 'mariadb'
import { listPending, listReviews } from '../../src/domains/receipt/merchant-queries.js'
import { listUploads, photoStatistics } from '../../src/domains/receipt/queries.js'
import { watchPlaces } from '../../src/domains/receipt/queue-places.js'
import { merchantStatistics } from '../../src/domains/receipt/statistics.js'
import { watchWaits } from '../../src/domains/receipt/waiting.js'
import { connectionOptions, openConnection } from '../../src/engine/connection.js'
import { createReads, type Reads } from '../../src/engine/reads.js'
import type { PrismaClient } from '../../src/generated/prisma/client.js'
import { startPrivateServer } from '../lib/mariadb.js'
import { migrate } from '../lib/migrations.js'
import { Fault, guarded, say } from '../lib/print.js'
import { withPrisma } from '../lib/prisma.js'

const TIME_ZONE = 'Asia/Shanghai'
const USERS = 20_000
const ROWS_AT_A_TIME = 50_000
const RUNS = 5
/** The promise: each page of figures within this much time of the database. */
const BOUND_MS = 300

/**
 * `npm run bench:receipts`: seeds receipts, a million unless `--rows` says otherwise, over three years and 20,000
 * users, and measures what the pages of figures and lists cost the database. `--explain` shows the plans.
 */
export async function main(args: string[]): Promise<void> {
  await guarded(async () => {
    const { values } = parseArgs({
      args,
      options: { rows: { type: 'string', default: '1000000' }, explain: { type: 'boolean', default: false } }
    })
    const rows = Number(values.rows)
    if (!Number.isInteger(rows) || rows < ROWS_AT_A_TIME) throw new Fault(`--rows: ${ROWS_AT_A_TIME} or more`)
    const dir = await mkdtemp(path.join(tmpdir(), 'lottery-bench-'))
    const settings = ['--innodb-flush-log-at-trx-commit=0', '--innodb-buffer-pool-size=1G']
    const server = await startPrivateServer({ dir, database: 'bench', args: settings })
    try {
      await migrate(server.url)
      await seed(server.url, rows)
      const pool = mariadb.createPool({ ...connectionOptions(server.url), connectionLimit: 2 })
      const reads = createReads(pool, { statement: () => {} })
      const worst = await withPrisma(server.url, (db) => measure(db, reads)).finally(() => pool.end())
      if (values.explain) await explain(server.url)
      process.stdout.write(`\nworst: ${worst.toFixed(1)} ms, bound: ${BOUND_MS} ms\n`)
      return worst <= BOUND_MS ? 0 : 1
    } finally {
      await server.stop()
      await rm(dir, { recursive: true, force: true })
    }
  })
}

async function seed(url: string, rows: number): Promise<void> {
  const connection = await openConnection(url)
  const numbers = (count: number) =>
    `(SELECT a.d + 10 * b.d + 100 * c.d + 1000 * e.d + 10000 * f.d AS n FROM ${['a', 'b', 'c', 'e', 'f']
      .map((name) => `(${Array.from({ length: 10 }, (_, d) => `SELECT ${d} AS d`).join(' UNION ALL ')}) AS ${name}`)
      .join(', ')} ORDER BY n LIMIT ${count}) AS s`
  const bar = new SingleBar({
    format: 'seeding {bar} {value} of {total} | {eta_formatted} to go',
    stream: process.stderr
  })
  try {
    say(`seeding ${USERS} users and ${rows} receipts`)
    await connection.query(
      `INSERT INTO users (mobile, nickname, is_merchant)
       SELECT 13000000000 + s.n, 'bench', s.n < 10 FROM ${numbers(USERS)}`
    )
    await connection.query('SET SESSION foreign_key_checks = 0')
    bar.start(rows, 0)
    for (let done = 0; done < rows; done += ROWS_AT_A_TIME) {
      const count = Math.min(ROWS_AT_A_TIME, rows - done)
      // Of a thousand receipts one waits; of the others nine in ten were approved, after some hours.
      await connection.query(
        `INSERT INTO photo_reviews (upload_id, user_id, image_url, thumbnail_url, image_key, thumbnail_key, amount,
           actual_amount, review_status, reviewer_id, review_time, points_awarded, points_rate, points_min, points_max,
           file_size, sha256, phash, created_at)
         SELECT CONCAT('bench-', ${done} + s.n), 1 + (s.n * 7919 + ${done}) % ${USERS}, '', '',
           CONCAT('photos/', ${done} + s.n, '.jpg'), CONCAT('photos/', ${done} + s.n, '_t.jpg'), 58.5,
           IF(s.n % 1000 = 0, NULL, 58.5), IF(s.n % 1000 = 0, 'pending', IF(s.n % 10 = 1, 'rejected', 'approved')),
           IF(s.n % 1000 = 0, NULL, 1 + s.n % 10),
           IF(s.n % 1000 = 0, NULL, NOW(3) - INTERVAL (${done} + s.n) * 90 SECOND + INTERVAL s.n % 300 MINUTE),
           IF(s.n % 1000 = 0 OR s.n % 10 = 1, 0, 585), 10, 50, 2000, 200000, REPEAT('0', 64), REPEAT('0', 16),
           NOW(3) - INTERVAL (${done} + s.n) * 90 SECOND
         FROM ${numbers(count)}`
      )
      bar.update(done + count)
    }
    bar.stop()
    await connection.query(
      `INSERT INTO review_days (day, uploads)
       SELECT DATE(created_at + INTERVAL 8 HOUR), COUNT(*) FROM photo_reviews GROUP BY 1`
    )
    await connection.query(
      `INSERT INTO review_days (day, approved, rejected, points_awarded, wait_seconds)
       SELECT DATE(review_time + INTERVAL 8 HOUR), SUM(review_status = 'approved'), SUM(review_status = 'rejected'),
         SUM(points_awarded), SUM(TIMESTAMPDIFF(SECOND, created_at, review_time))
       FROM photo_reviews WHERE review_time IS NOT NULL GROUP BY 1
       ON DUPLICATE KEY UPDATE approved = VALUES(approved), rejected = VALUES(rejected),
         points_awarded = VALUES(points_awarded), wait_seconds = VALUES(wait_seconds)`
    )
    await connection.query('ANALYZE TABLE users, photo_reviews, review_days')
  } finally {
    await connection.end()
  }
}

async function measure(db: PrismaClient, reads: Reads): Promise<number> {
  const urlOf = (key: string) => key
  const page = { page: 1 }
  const all = { ...page, status: 'all', format: 'json' } as const
  const now = new Date()
  const [waits, places] = [watchWaits(reads, () => now), watchPlaces(reads)]
  const pages: Record<string, () => Promise<unknown>> = {
    'merchant statistics': () => merchantStatistics(db, now, TIME_ZONE),
    'photo statistics of a diner': () => photoStatistics(reads, 4711),
    'history of a diner': () => listUploads({ reads, waits, places, urlOf }, 4711, { ...page, status: 'all' }),
    'pending reviews': () => listPending(db, page, urlOf, now),
    'all reviews': () => listReviews(db, all, urlOf, now, TIME_ZONE),
    'reviews of a merchant': () => listReviews(db, { ...all, reviewer_id: 3 }, urlOf, now, TIME_ZONE)
  }
  let worst = 0
  for (const [name, read] of Object.entries(pages)) {
    await read()
    const times: number[] = []
    for (let run = 0; run < RUNS; run += 1) {
      const start = performance.now()
      await read()
      times.push(performance.now() - start)
    }
    const median = times.sort((a, b) => a - b)[Math.floor(RUNS / 2)] ?? 0
    const bounded = name.includes('statistics')
    if (bounded) worst = Math.max(worst, median)
    process.stdout.write(`${name.padEnd(30)} ${median.toFixed(1).padStart(8)} ms${bounded ? '  (bounded)' : ''}\n`)
  }
  return worst
}

const PLANS = [
  'SELECT SUM(uploads), SUM(approved), SUM(rejected), SUM(points_awarded), SUM(wait_seconds) FROM review_days',
  "SELECT COUNT(*) FROM photo_reviews WHERE review_status = 'pending'",
  "SELECT COUNT(*) FROM photo_reviews WHERE review_status = 'pending' AND created_at >= NOW() - INTERVAL 1 DAY",
  "SELECT created_at FROM photo_reviews WHERE review_status = 'pending' ORDER BY created_at LIMIT 1",
  'SELECT review_status, COUNT(*), SUM(points_awarded) FROM photo_reviews WHERE user_id = 4711 GROUP BY review_status',
  "SELECT upload_id FROM photo_reviews WHERE review_status = 'pending' ORDER BY created_at, upload_id LIMIT 20",
  'SELECT upload_id FROM photo_reviews ORDER BY created_at DESC, upload_id DESC LIMIT 20'
]

async function explain(url: string): Promise<void> {
  const connection = await openConnection(url)
  try {
    for (const statement of PLANS) {
      process.stdout.write(`\n${statement}\n`)
      for (const row of await connection.query<Record<string, unknown>[]>(`EXPLAIN ${statement}`)) {
        process.stdout.write(`  ${row.table}: ${row.type} key=${row.key} rows=${row.rows} ${row.Extra}\n`)
      }
    }
  } finally {
    await connection.end()
  }
}
