import { createHash } from 'node:crypto'
import { readdir, readFile } from 'node:fs/promises'
import internals from '@prisma/internals'
import { expect, onTestFinished, test } from 'vitest'
import { type Migration, migrate, readMigrations } from '../scripts/lib/migrations.js'
import { createSchema, databaseUrl, dropSchema, sql } from './helpers/app.js'

/** schema.prisma as Prisma itself reads it. */
async function readSchema() {
  const datamodel = await readFile('prisma/schema.prisma', 'utf8')
  return (await internals.getDMMF({ datamodel })).datamodel
}
type Datamodel = Awaited<ReturnType<typeof readSchema>>
type Model = Datamodel['models'][number]
type Field = Model['fields'][number]

const column = (field: Field) => field.dbName ?? field.name
const table = (model: Model) => model.dbName ?? model.name
const fieldNamed = (model: Model, name: string) => {
  const field = model.fields.find((candidate) => candidate.name === name)
  if (field === undefined) throw new Error(`${model.name} has no field ${name}`)
  return field
}
const columnsOf = (model: Model, names: readonly string[]) => names.map((name) => column(fieldNamed(model, name)))

const SCALARS: Record<string, string> = { Int: 'int', BigInt: 'bigint', Boolean: 'tinyint(1)' }

function expectedType(field: Field, { enums }: Datamodel): string {
  if (field.kind === 'enum') {
    const values = enums.find((candidate) => candidate.name === field.type)?.values ?? []
    return `enum(${values.map((value) => `'${value.name}'`).join(',')})`
  }
  if (!field.nativeType) return SCALARS[field.type] ?? `unknown ${field.type}`
  const [name, args] = field.nativeType as [string, string[]]
  return args.length > 0 ? `${name.toLowerCase()}(${args.join(',')})` : name.toLowerCase()
}

function expectedDefault(field: Field): string | null {
  const value = field.default
  if (value === undefined) return null
  if (typeof value === 'object' && 'name' in value) return value.name === 'now' ? 'now' : null
  return field.type === 'Decimal' ? String(Number(value)) : String(value)
}

/** Both servers' ways to write a default, and MariaDB's display widths, brought to one. */
function foundDefault(text: string | null, type: string): string | null {
  if (text === null || text === 'NULL') return null
  const plain = text.replace(/^'(.*)'$/s, '$1')
  if (/^current_timestamp/i.test(plain)) return 'now'
  if (type === 'tinyint(1)') return plain === '1' ? 'true' : 'false'
  return type.startsWith('decimal') ? String(Number(plain)) : plain
}
const foundType = (type: string) =>
  type === 'tinyint(1)' ? type : type.replace(/^(tinyint|smallint|int|bigint)\(\d+\)/, '$1')

test('every table and column of schema.prisma is in the migrated database as it says, and nothing else is', async () => {
  const schema = await readSchema()
  const found = await sql<Record<string, string>>(
    `SELECT TABLE_NAME AS t, COLUMN_NAME AS c, COLUMN_TYPE AS type, IS_NULLABLE AS nullable, COLUMN_DEFAULT AS value,
       EXTRA AS extra
     FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME NOT LIKE '\\_%'
     ORDER BY TABLE_NAME, ORDINAL_POSITION`
  )
  const inDatabase = found.map((row) => {
    const type = foundType(row.type ?? '')
    const extra = (row.extra ?? '').toLowerCase()
    return [
      `${row.t}.${row.c}`,
      type,
      row.nullable === 'YES' ? 'null' : 'not null',
      `default ${foundDefault(row.value ?? null, type)}`,
      extra.includes('auto_increment') ? 'auto_increment' : '',
      extra.includes('on update') ? 'on update' : ''
    ].join(' ')
  })
  const inSchema = schema.models.flatMap((model) =>
    model.fields
      .filter((field) => field.kind !== 'object')
      .map((field) =>
        [
          `${table(model)}.${column(field)}`,
          expectedType(field, schema),
          field.isRequired ? 'not null' : 'null',
          `default ${expectedDefault(field)}`,
          typeof field.default === 'object' && 'name' in field.default && field.default.name === 'autoincrement'
            ? 'auto_increment'
            : '',
          field.isUpdatedAt ? 'on update' : ''
        ].join(' ')
      )
  )
  expect(schema.models).toHaveLength(33)
  expect(inDatabase.sort()).toEqual(inSchema.sort())
})

test('every index and unique key is as schema.prisma says, by name and by columns, and there is no other', async () => {
  const schema = await readSchema()
  const found = await sql<{ t: string; name: string; uniq: number; columns: string }>(
    `SELECT TABLE_NAME AS t, INDEX_NAME AS name, MAX(NON_UNIQUE) = 0 AS uniq,
       GROUP_CONCAT(COLUMN_NAME ORDER BY SEQ_IN_INDEX) AS columns
     FROM information_schema.STATISTICS
     WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME NOT LIKE '\\_%' GROUP BY TABLE_NAME, INDEX_NAME`
  )
  const inDatabase = found.map(
    (row) => `${row.t} ${row.name} ${Number(row.uniq) ? 'unique' : 'plain'} (${row.columns})`
  )
  const inSchema = schema.indexes.map((index) => {
    const model = schema.models.find((candidate) => candidate.name === index.model)
    if (model === undefined) throw new Error(`no model ${index.model}`)
    const columns = columnsOf(
      model,
      index.fields.map((field) => field.name)
    )
    const suffix = index.type === 'unique' ? 'key' : 'idx'
    const name = index.type === 'id' ? 'PRIMARY' : `${table(model)}_${columns.join('_')}_${suffix}`
    return `${table(model)} ${name} ${index.type === 'normal' ? 'plain' : 'unique'} (${columns.join(',')})`
  })
  expect(inDatabase.sort()).toEqual(inSchema.sort())
})

test('every foreign key is as schema.prisma says, and refuses to orphan a row', async () => {
  const schema = await readSchema()
  const found = await sql<Record<string, string>>(
    `SELECT k.TABLE_NAME AS t, k.COLUMN_NAME AS c, k.REFERENCED_TABLE_NAME AS rt, k.REFERENCED_COLUMN_NAME AS rc,
       k.CONSTRAINT_NAME AS name, r.DELETE_RULE AS d, r.UPDATE_RULE AS u
     FROM information_schema.KEY_COLUMN_USAGE AS k JOIN information_schema.REFERENTIAL_CONSTRAINTS AS r
       ON r.CONSTRAINT_SCHEMA = k.CONSTRAINT_SCHEMA AND r.CONSTRAINT_NAME = k.CONSTRAINT_NAME
     WHERE k.TABLE_SCHEMA = DATABASE()`
  )
  const inDatabase = found.map(({ t, c, rt, rc, name, d, u }) => `${name}: ${t}.${c} -> ${rt}.${rc} ${d} ${u}`)
  const inSchema = schema.models.flatMap((model) =>
    model.fields
      .filter((field) => (field.relationFromFields?.length ?? 0) > 0)
      .map((field) => {
        const target = schema.models.find((candidate) => candidate.name === field.type)
        if (target === undefined) throw new Error(`no model ${field.type}`)
        const [from] = columnsOf(model, field.relationFromFields ?? [])
        const [to] = columnsOf(target, field.relationToFields ?? [])
        return `${table(model)}_${from}_fkey: ${table(model)}.${from} -> ${table(target)}.${to} RESTRICT RESTRICT`
      })
  )
  expect(inDatabase.sort()).toEqual(inSchema.sort())
})

test.each([
  ['a balance below zero', "INSERT INTO users (mobile, total_points) VALUES ('13000000001', -1)"],
  [
    'stock below zero',
    "INSERT INTO commodity_pool (name, description, category, exchange_points, stock) VALUES ('a', '', 'b', 1, -1)"
  ],
  ['odds over 1', 'UPDATE lottery_settings SET probability = 1.0001 WHERE prize_id = 1'],
  ['odds below 0', 'UPDATE lottery_settings SET probability = -0.0001 WHERE prize_id = 1'],
  ['a second row of rules', 'INSERT INTO lottery_config (id, version, pity_prize_id) VALUES (2, 1, 2)'],
  [
    'a voucher without a cause',
    "INSERT INTO vouchers (user_id, code_hmac, code_enc, title, kind, source, issued_at, expires_at) SELECT user_id, 'x', '', '', 'coupon', 'lottery', NOW(), NOW() FROM users"
  ]
])('the database itself refuses %s', async (_what, statement) => {
  await sql("INSERT IGNORE INTO users (mobile) VALUES ('13000000009')")
  await expect(sql(statement)).rejects.toMatchObject({
    errno: expect.toSatisfy((errno) => [4025, 3819].includes(errno))
  })
})

test('applied migrations are recorded with the checksums that Prisma computes, and are not applied twice', async () => {
  const rows = await sql<{ migration_name: string; checksum: string; finished_at: Date; applied_steps_count: number }>(
    `SELECT migration_name, checksum, finished_at, applied_steps_count FROM _prisma_migrations ORDER BY migration_name`
  )
  const names = (await readdir('prisma/migrations', { withFileTypes: true }))
    .filter((entry) => entry.isDirectory())
    .map((entry) => entry.name)
  expect(rows.map((row) => row.migration_name)).toEqual(names.sort())
  for (const row of rows) {
    const file = await readFile(`prisma/migrations/${row.migration_name}/migration.sql`)
    const checksum = createHash('sha256').update(file).digest('hex')
    expect(row).toMatchObject({ checksum, finished_at: expect.any(Date), applied_steps_count: 1 })
  }
  expect(await migrate(databaseUrl())).toEqual([])
})

const asMigration = (name: string, text: string): Migration => ({
  name,
  sql: text,
  checksum: createHash('sha256').update(text).digest('hex')
})

test('processes that migrate at once apply each migration once', async () => {
  const name = `test_migrate_${process.pid}`
  await createSchema(name)
  onTestFinished(() => dropSchema(name))
  const migrations = await readMigrations()
  const applied = await Promise.all(Array.from({ length: 4 }, () => migrate(databaseUrl(name), migrations)))
  expect(applied.flat()).toEqual(migrations.map((migration) => migration.name))
})

test('a history that does not fit is refused, with the way out', async () => {
  const name = `test_history_${process.pid}`
  await createSchema(name)
  onTestFinished(() => dropSchema(name))
  const url = databaseUrl(name)
  const first = asMigration('1_first', 'CREATE TABLE a (id INT PRIMARY KEY);')
  const second = asMigration('2_second', 'CREATE TABLE b (id INT PRIMARY KEY); CREATE TABLE a (id INT PRIMARY KEY);')
  expect(await migrate(url, [first])).toEqual(['1_first'])
  await expect(migrate(url, [asMigration('1_first', 'CREATE TABLE z (id INT);')])).rejects.toThrow(/was edited after/)
  await expect(migrate(url, [])).rejects.toThrow(/older than the database/)
  await expect(migrate(url, [first, second])).rejects.toThrow(/2_second failed/)
  await expect(migrate(url, [first, second])).rejects.toThrow(/failed half way/)
  const [row] = await sql<{ logs: string }>(
    "SELECT logs FROM _prisma_migrations WHERE migration_name = '2_second'",
    [],
    url
  )
  expect(row?.logs).toMatch(/already exists/)
})
