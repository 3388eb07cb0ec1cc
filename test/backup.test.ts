import { randomBytes } from 'node:crypto'
import { mkdtemp, readdir, readFile, rm, stat, truncate, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { gunzipSync } from 'node:zlib'
import { expect, onTestFinished, test } from 'vitest'
import { backUp } from '../scripts/backup.js'
import { manifestOf } from '../scripts/lib/backup-manifest.js'
import { tableNames, withConnection } from '../scripts/lib/connection.js'
import { clientSection } from '../scripts/lib/dump-programs.js'
import { DumpReader } from '../scripts/lib/dump-stream.js'
import { restore } from '../scripts/restore.js'
import {
  createApp,
  createSchema,
  databaseUrl,
  dropSchema,
  ledgerFaults,
  newDiner,
  sql,
  testConfig
} from './helpers/app.js'
import { runScript } from './helpers/script.js'
import { tellStory } from './helpers/story.js'

async function folder(): Promise<string> {
  const dir = await mkdtemp(path.join(tmpdir(), 'lottery-backup-'))
  onTestFinished(() => rm(dir, { recursive: true, force: true }))
  return dir
}

/** The name of a schema that is not there yet, and is gone after the test. */
function otherSchema(): string {
  const name = `test_${randomBytes(6).toString('hex')}`
  onTestFinished(() => dropSchema(name))
  return name
}

/** Every row of every table, in the order of its own text. */
async function contents(url: string): Promise<Record<string, string[]>> {
  return withConnection(url, async (connection) => {
    const all: Record<string, string[]> = {}
    for (const table of await tableNames(connection)) {
      const rows = await connection.query<object[]>(`SELECT * FROM \`${table}\``)
      const text = (row: object) => JSON.stringify(row, (_, value) => (typeof value === 'bigint' ? `${value}` : value))
      all[table] = rows.map(text).sort()
    }
    return all
  })
}

test('a story is backed up and restored into another database, where every row is the same and the ledger agrees', async () => {
  const app = await createApp()
  const { diner, merchant, order } = await tellStory(app)
  const dir = path.join(await folder(), 'made by the backup')
  const env = { DATABASE_URL: databaseUrl(), DATA_DIR: testConfig().DATA_DIR }
  const run = await runScript('backup', env, ['--to', dir])
  expect(run.code, run.stderr).toBe(0)
  const file = run.stdout.trim()
  expect((await readdir(dir)).sort()).toEqual([path.basename(manifestOf(file)), path.basename(file)].sort())
  for (const name of [file, manifestOf(file)]) expect((await stat(name)).mode & 0o777).toBe(0o600)

  const before = await contents(databaseUrl())
  const manifest = JSON.parse(await readFile(manifestOf(file), 'utf8'))
  expect(manifest.rows).toEqual(Object.fromEntries(Object.entries(before).map(([table, rows]) => [table, rows.length])))
  expect(manifest.migrations.map(({ name }: { name: string }) => name)).toContain('20261122000000_init')
  const password = new URL(databaseUrl()).password
  // In the ways it is written: a test server's password may be a word that belongs there.
  for (const secret of [`:${password}`, `-p${password}`, `=${password}`, `"${password}"`]) {
    expect(JSON.stringify(manifest) + run.stdout + run.stderr).not.toContain(secret)
  }

  const name = otherSchema()
  const restored = await runScript('restore', env, ['--from', file, '--database-url', databaseUrl(name)])
  expect([restored.code, restored.stdout], restored.stderr).toEqual([0, ''])
  expect(restored.stderr).toContain('The ledger and all figures agree.')
  expect(await contents(databaseUrl(name))).toEqual(before)

  // A service on it takes up where the other was.
  const other = await createApp({ config: { DATABASE_URL: databaseUrl(name) } })
  const get = async (who: { access: string }, url: string) =>
    (await other.inject({ method: 'GET', url, headers: { authorization: `Bearer ${who.access}` } })).json()
  expect((await get(diner, '/api/user/vouchers')).data.pagination.total).toBe(11)
  expect((await get(merchant, `/api/merchant/vouchers/${order.exchange_code}`)).data.valid).toBe(true)
  expect(await ledgerFaults(other, [diner.userId])).toEqual([])
  const reply = await other.inject({
    method: 'POST',
    url: `/api/lottery/draw`,
    headers: { authorization: `Bearer ${diner.access}` },
    payload: { draw_type: 'single' }
  })
  expect(reply.json().code).toBe(0)
})

test('a backup that was cut or changed, or is not whole, is refused before anything is changed', async () => {
  const dir = await folder()
  const { file } = await backUp(databaseUrl(), dir)
  const whole = await readFile(file)
  const name = otherSchema()
  await createSchema(name)
  await sql('CREATE TABLE kept (id INT PRIMARY KEY)', [], databaseUrl(name))
  const refused = async (message: RegExp) => {
    await expect(restore(databaseUrl(name), file, { force: true })).rejects.toThrow(message)
    expect(await withConnection(databaseUrl(name), tableNames)).toEqual(['kept'])
  }
  await truncate(file, whole.length - 1)
  await refused(/was cut or changed/)
  const changed = Buffer.from(whole)
  changed[whole.length - 20] = (changed[whole.length - 20] ?? 0) ^ 1
  await writeFile(file, changed)
  await refused(/SHA-256 differs/)
  await writeFile(file, whole)
  const manifest = await readFile(manifestOf(file), 'utf8')
  await writeFile(manifestOf(file), manifest.replace('20261122000000_init', '29991231000000_later'))
  await refused(/does not know 29991231000000_later/)
  await writeFile(manifestOf(file), manifest.slice(0, -20))
  await refused(/no manifest/)
  await rm(manifestOf(file))
  await refused(/it is not whole/)
})

test('a database that is not empty is left alone, unless it is said to be emptied', async () => {
  const app = await createApp()
  const diner = await newDiner(app)
  const { file } = await backUp(databaseUrl(), await folder())
  const name = otherSchema()
  expect(await restore(databaseUrl(name), file)).toEqual([])
  await sql('DELETE FROM points_records', [], databaseUrl(name))
  await expect(restore(databaseUrl(name), file)).rejects.toThrow(/tables already, and nothing was changed/)
  expect(await sql('SELECT 1 FROM points_records', [], databaseUrl(name))).toEqual([])
  expect(await restore(databaseUrl(name), file, { force: true })).toEqual([])
  const rows = await sql('SELECT 1 FROM points_records WHERE user_id = ?', [diner.userId], databaseUrl(name))
  expect(rows).toHaveLength(1)
})

test('what does not agree after a restore is named', async () => {
  const app = await createApp()
  const diner = await newDiner(app)
  await app.db.user.update({ where: { userId: diner.userId }, data: { totalPoints: 1 } })
  const dir = await folder()
  const { file, manifest } = await backUp(databaseUrl(), dir)
  await app.db.user.update({ where: { userId: diner.userId }, data: { totalPoints: 1000 } })
  const rows = { ...manifest.rows, users: (manifest.rows.users ?? 0) + 1, gone: 0 }
  await writeFile(manifestOf(file), JSON.stringify({ ...manifest, rows }))
  const faults = await restore(databaseUrl(otherSchema()), file)
  expect(faults).toEqual([
    `users: ${manifest.rows.users} rows, but ${rows.users} were written`,
    'gone: the table is missing',
    '1 faults in the ledger'
  ])
})

test('a dump that fails leaves nothing behind, and says why without the password', async () => {
  const dir = await folder()
  const url = new URL(databaseUrl())
  url.pathname = '/there_is_no_such_schema'
  await expect(backUp(url.toString(), dir)).rejects.toThrow()
  expect(await readdir(dir)).toEqual([])
  const run = await runScript('backup', { DATABASE_URL: databaseUrl(), DATA_DIR: dir }, [])
  expect([run.code, run.stderr]).toEqual([1, expect.stringContaining('--to is missing')])
  const bad = await runScript('restore', { DATABASE_URL: databaseUrl(), DATA_DIR: dir }, ['--from', 'nothing.sql.gz'])
  expect([bad.code, bad.stderr]).toEqual([1, expect.stringContaining('no nothing.json')])
})

test('rows are counted whatever their texts hold, in pieces of any size', async () => {
  await sql('CREATE TABLE oddities (id INT PRIMARY KEY, t TEXT, n DECIMAL(4,1), b VARBINARY(20))')
  onTestFinished(async () => {
    await sql('DROP TABLE oddities')
  })
  const texts = [
    "'),('",
    '\\',
    "\\'",
    "');\nINSERT INTO `x` VALUES (1)",
    '-- Dump completed',
    '(((',
    '"`',
    '😀\u0000\n',
    null
  ]
  for (const [id, text] of texts.entries()) {
    await sql('INSERT INTO oddities VALUES (?, ?, ?, ?)', [id, text, -1.5, Buffer.from([39, 92, 0, 40, id])])
  }
  const { file, manifest } = await backUp(databaseUrl(), await folder())
  expect(manifest.rows.oddities).toBe(texts.length)
  const dump = gunzipSync(await readFile(file))
  for (const size of [1, 7, 1024]) {
    const reader = new DumpReader()
    const out: Buffer[] = []
    reader.on('data', (chunk) => out.push(chunk))
    for (let at = 0; at < dump.length; at += size) reader.write(dump.subarray(at, at + size))
    await new Promise((resolve) => reader.end(() => resolve(undefined)))
    const zeros = Object.keys(manifest.rows).filter((table) => manifest.rows[table] === 0)
    const counted = { ...Object.fromEntries(zeros.map((table) => [table, 0])), ...reader.rows }
    expect([size, counted, reader.complete]).toEqual([size, manifest.rows, true])
    expect(Buffer.concat(out).equals(dump)).toBe(true)
  }
  const cut = new DumpReader()
  cut.resume()
  cut.write(dump.subarray(0, dump.length - 60))
  await new Promise((resolve) => cut.end(() => resolve(undefined)))
  expect(cut.complete).toBe(false)
  const name = otherSchema()
  expect(await restore(databaseUrl(name), file)).toEqual([])
  expect(await sql('SELECT * FROM oddities', [], databaseUrl(name))).toEqual(await sql('SELECT * FROM oddities'))
})

test('a password goes to the programs as it is, by a file, whatever it holds', () => {
  const url = `mysql://us%22er:${encodeURIComponent('p"a\\s#s;=')}@[::1]:3307/db`
  expect(clientSection(url, 'mariadb').split('\n')).toEqual([
    '[client]',
    'host="::1"',
    'port=3307',
    'user="us\\"er"',
    'password="p\\"a\\\\s#s;="',
    'protocol=tcp',
    'ssl-verify-server-cert=0',
    ''
  ])
  expect(clientSection('mysql://u:p@db:3306/x?ssl=true', 'mysql')).toContain('ssl-mode=VERIFY_IDENTITY')
  expect(clientSection('mysql://u:p@db:3306/x?ssl=true', 'mariadb')).toContain('ssl-verify-server-cert=1')
  expect(clientSection('mysql://u:p@db/x?socketPath=/run/my.sock', 'mysql')).toContain('socket="/run/my.sock"')
})
