import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import type * as mariadb from 'mariadb'
import { type Config, loadConfig } from '../../../src/config.js'
import { openConnection } from '../../../src/engine/connection.js'
import { plantFirstData } from '../../lib/first-data.js'
import { startPrivateServer } from '../../lib/mariadb.js'
import { migrate } from '../../lib/migrations.js'
import { say } from '../../lib/print.js'
import { withPrisma } from '../../lib/prisma.js'

/** What all benchmarks run in: a private server that is as durable as a real one, and a migrated schema. */
export interface World {
  readonly config: Config & { DATABASE_URL: string }
  /** Runs statements in the schema. */
  sql<T = unknown>(text: string, values?: unknown[]): Promise<T[]>
  /** Another migrated and planted schema on the same server. */
  sibling(name: string): Promise<Pick<World, 'config' | 'sql'>>
  close(): Promise<void>
}

/** Enough for any number of draws that a benchmark makes; the limit is the highest there may be. */
const POINTS = 2_000_000_000
export const DAILY_LIMIT = 100_000
const ROWS_AT_A_TIME = 100_000

export async function createWorld(): Promise<World> {
  const dir = await mkdtemp(path.join(tmpdir(), 'lottery-bench-'))
  const given = process.env.BENCH_DATABASE_URL
  // Every commit reaches the disk, as it does by default.
  const args = ['--innodb-flush-log-at-trx-commit=1', '--innodb-buffer-pool-size=1G', '--innodb-log-file-size=512M']
  const server = given ? undefined : await startPrivateServer({ dir, database: 'bench', args })
  const url = given ?? server?.url ?? ''
  const connections: mariadb.Connection[] = []
  const env = {
    NODE_ENV: 'test',
    LOG_LEVEL: 'silent',
    RATE_LIMIT: 'off',
    // The contenders are one process: what they take together is no overload of the service.
    MEMORY_LIMIT_MB: '16000',
    PORT: '0',
    JWT_SECRET: 'a secret for benchmarks of more than thirty-two characters',
    ENCRYPTION_KEY: '00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff'
  }
  async function open(address: string) {
    await migrate(address)
    await withPrisma(address, (db) => plantFirstData(db, { dailyLimit: DAILY_LIMIT, newUserPoints: 0, samples: false }))
    const connection = await openConnection(address)
    connections.push(connection)
    return {
      config: { ...loadConfig(env), DATABASE_URL: address, DATA_DIR: dir },
      sql: async <T>(text: string, values: unknown[] = []) => (await connection.query(text, values)) as T[]
    }
  }
  const main = await open(url)
  return {
    ...main,
    async sibling(name) {
      await main.sql(`CREATE DATABASE ${name} CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci`)
      const address = new URL(url)
      address.pathname = `/${name}`
      return open(address.toString())
    },
    async close() {
      for (const connection of connections) await connection.end()
      await server?.stop()
      await rm(dir, { recursive: true, force: true })
    }
  }
}

/** Makes diners with points, a pity row and a first ledger row each. @returns the first and last of their ids */
export async function makeDiners(world: Pick<World, 'sql'>, count: number): Promise<{ first: number; last: number }> {
  const [row] = await world.sql<{ last: number | null }>('SELECT MAX(user_id) AS last FROM users')
  const first = (row?.last ?? 0) + 1
  const last = first + count - 1
  if (count >= ROWS_AT_A_TIME) say(`making ${count} diners`)
  for (let from = first; from <= last; from += ROWS_AT_A_TIME) {
    const ids = Array.from({ length: Math.min(ROWS_AT_A_TIME, last - from + 1) }, (_, index) => from + index)
    const rows = `JSON_TABLE(?, '$[*]' COLUMNS (id INT PATH '$')) AS j`
    const list = JSON.stringify(ids)
    await world.sql(
      `INSERT INTO users (user_id, mobile, nickname, total_points, ledger_seq)
       SELECT j.id, 13000000000 + j.id, 'bench', ${POINTS}, 1 FROM ${rows}`,
      [list]
    )
    await world.sql(`INSERT INTO lottery_pity (user_id) SELECT j.id FROM ${rows}`, [list])
    await world.sql(
      `INSERT INTO points_records (user_id, seq, points, balance_after, type, source, hash)
       SELECT j.id, 1, ${POINTS}, ${POINTS}, 'earn', 'register', '' FROM ${rows}`,
      [list]
    )
  }
  return { first, last }
}
