import { randomUUID } from 'node:crypto'
import * as mariadb from 'mariadb'
import { connectionOptions, SESSION_SQL } from '../../src/engine/connection.js'
import type { BenchOptions } from './index.js'
import { type Contender, measure, type Result, ratio } from './lib/harness.js'
import { Meter } from './lib/meter.js'
import { type Bar, figure, printTable, startSteps, writeResults } from './lib/report.js'
import type { World } from './lib/world.js'

const SIZES = [1, 8, 64]
const HASH = 'ab'.repeat(32)
const ACCOUNTS = 64

/**
 * Rows of a batch in the forms that a statement can have: one JSON parameter, `VALUES` of a length that is prepared, a
 * derived table of as many rows, and one row prepared with all of them in binary beside it. As the ledger is written
 * (INSERT), the balances (UPDATE), and balances and pity rows together (DRAW: in one statement or in two).
 */
export async function main(world: World, { quick }: BenchOptions): Promise<Bar[]> {
  await world.sql('CREATE TABLE bench_rows LIKE points_records')
  await world.sql('CREATE TABLE bench_accounts (id INT PRIMARY KEY, balance INT NOT NULL, hash CHAR(64) NOT NULL)')
  await world.sql('CREATE TABLE bench_pity (id INT PRIMARY KEY, cnt INT NOT NULL, day DATE NULL)')
  for (let id = 1; id <= ACCOUNTS; id += 1) await world.sql('INSERT INTO bench_pity VALUES (?, 0, NULL)', [id])
  for (let id = 1; id <= ACCOUNTS; id += 1) await world.sql('INSERT INTO bench_accounts VALUES (?, 0, ?)', [id, HASH])
  const meter = await Meter.open(world.config.DATABASE_URL)
  const connection = await mariadb.createConnection({
    ...connectionOptions(world.config.DATABASE_URL),
    initSql: [...SESSION_SQL, 'SET SESSION autocommit = 0']
  })
  const [rounds, sliceMs] = quick ? ([3, 300] as const) : ([10, 500] as const)
  const forms = { ...insertForms(connection), ...updateForms(connection) }
  const bar = startSteps('batches', SIZES.length * (rounds + 1) * Object.keys(forms).length)
  const results: (Result & { readonly size: number })[] = []
  for (const size of SIZES) {
    const contenders: Contender[] = Object.entries(forms).map(([name, form]) => ({
      name,
      async work() {
        await form(size)()
        await connection.query('COMMIT')
      }
    }))
    const measured = await measure({ contenders, inFlight: 1, rounds, sliceMs, meter, tick: bar.step })
    results.push(...measured.map((result) => ({ ...result, size })))
  }
  bar.stop()
  await connection.end()
  await meter.close()
  printTable(
    'A batch in one statement',
    ['', 'rows', 'db µs a row', 'node µs a row', 'a second, × JSON'],
    results.map((result) => {
      const json = results.find(
        ({ size, name }) => size === result.size && name === `${result.name.split(' ')[0]} JSON`
      )
      return [
        result.name,
        ...[
          result.size,
          (result.databaseMs / result.size) * 1000,
          (result.nodeMs / result.size) * 1000,
          json === undefined ? Number.NaN : ratio(result, json)
        ].map(figure)
      ]
    })
  )
  await writeResults('batches', { rounds, sliceMs, results })
  return []
}

type Form = (size: number) => () => Promise<void>

const COLUMNS = 'user_id, seq, points, balance_after, type, source, description, related_id, hash, created_at'
const WIDTH = COLUMNS.split(', ').length

function insertForms(connection: mariadb.Connection): Record<string, Form> {
  let seq = 0
  const rows = (size: number): unknown[][] =>
    Array.from({ length: size }, (_, index) => {
      seq += 1
      const [id, at] = [randomUUID(), '2026-11-29 12:00:00.000']
      return [index + 1, seq, -100, 900, 'spend', 'lottery', '抽奖1次', id, HASH, at]
    })
  const one = `(${Array(WIDTH).fill('?').join(', ')})`
  const json = `INSERT INTO bench_rows (${COLUMNS}) SELECT j.* FROM JSON_TABLE(?, '$[*]' COLUMNS (
    a INT PATH '$[0]', b INT PATH '$[1]', c INT PATH '$[2]', d INT PATH '$[3]', e VARCHAR(10) PATH '$[4]',
    f VARCHAR(20) PATH '$[5]', g VARCHAR(255) PATH '$[6]', h VARCHAR(64) PATH '$[7]', i CHAR(64) PATH '$[8]',
    k DATETIME(3) PATH '$[9]')) AS j`
  const values = (size: number) => `INSERT INTO bench_rows (${COLUMNS}) VALUES ${Array(size).fill(one).join(', ')}`
  return {
    'INSERT JSON': (size) => async () => void (await connection.execute(json, [JSON.stringify(rows(size))])),
    'INSERT VALUES': (size) => async () => void (await connection.execute(values(size), rows(size).flat())),
    'INSERT binary': (size) => async () => void (await connection.batch(values(1), rows(size)))
  }
}

function updateForms(connection: mariadb.Connection): Record<string, Form> {
  const rows = (size: number): unknown[][] => Array.from({ length: size }, (_, index) => [index + 1, 1, HASH])
  const set = 'SET a.balance = a.balance + j.points, a.hash = j.hash'
  const join = 'STRAIGHT_JOIN bench_accounts AS a FORCE INDEX (PRIMARY) ON a.id = j.id'
  const json = `UPDATE JSON_TABLE(?, '$[*]' COLUMNS (
    id INT PATH '$[0]', points INT PATH '$[1]', hash CHAR(64) PATH '$[2]')) AS j ${join} ${set}`
  const derived = (size: number) => {
    const more = Array(size - 1).fill('UNION ALL SELECT ?, ?, ?')
    return `UPDATE (SELECT ? AS id, ? AS points, ? AS hash ${more.join(' ')}) AS j ${join} ${set}`
  }
  const single = 'UPDATE bench_accounts SET balance = balance + ?, hash = ? WHERE id = ?'
  const two = `UPDATE JSON_TABLE(?, '$[*]' COLUMNS (
    id INT PATH '$[0]', points INT PATH '$[1]', hash CHAR(64) PATH '$[2]')) AS j ${join}
    STRAIGHT_JOIN bench_pity AS p FORCE INDEX (PRIMARY) ON p.id = j.id ${set}, p.cnt = p.cnt + 1, p.day = '2026-11-29'`
  const twoOne = `UPDATE bench_accounts AS a STRAIGHT_JOIN bench_pity AS p FORCE INDEX (PRIMARY) ON p.id = a.id
    SET a.balance = a.balance + ?, a.hash = ?, p.cnt = p.cnt + 1, p.day = '2026-11-29' WHERE a.id = ?`
  const pity = "UPDATE bench_pity AS p SET p.cnt = p.cnt + 1, p.day = '2026-11-29' WHERE p.id = ?"
  const turned = (size: number) => rows(size).map(([id, points, hash]) => [points, hash, id])
  return {
    'DRAW JSON': (size) => async () => void (await connection.execute(two, [JSON.stringify(rows(size))])),
    'DRAW joined': (size) => async () => void (await connection.batch(twoOne, turned(size))),
    'DRAW apart': (size) => async () => {
      const first = connection.batch(single, turned(size))
      await connection.batch(
        pity,
        rows(size).map(([id]) => [id])
      )
      await first
    },
    'UPDATE JSON': (size) => async () => void (await connection.execute(json, [JSON.stringify(rows(size))])),
    'UPDATE derived': (size) => async () => void (await connection.execute(derived(size), rows(size).flat())),
    'UPDATE binary': (size) => async () =>
      void (await connection.batch(
        single,
        rows(size).map(([id, points, hash]) => [points, hash, id])
      ))
  }
}
