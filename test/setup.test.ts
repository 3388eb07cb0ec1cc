import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { claimInstance, findInstance } from '../scripts/lib/instance.js'
import { startPrivateServer } from '../scripts/lib/mariadb.js'
import { initialise } from '../scripts/lib/mariadbd.js'
import { createSchema, databaseUrl, dropSchema, sql, until } from './helpers/app.js'
import { runScript, type ScriptRun, startNode, startScript } from './helpers/script.js'

/** An empty data folder, removed with all that was started on it. */
async function dataFolder(): Promise<string> {
  const dir = await mkdtemp(path.join(tmpdir(), 'lottery-setup-'))
  onTestFinished(async () => {
    const owner = await findInstance(dir)
    if (owner !== undefined && owner.pid !== process.pid) process.kill(owner.pid, 'SIGKILL')
    await until(() => !databaseRuns(dir))
    await rm(dir, { recursive: true, force: true })
  })
  return dir
}

/** Whether the private server of a data folder is alive. */
function databaseRuns(dir: string): boolean {
  try {
    const pid = readFileSync(path.join(dir, 'mariadb/mariadbd.pid'), 'utf8').trim()
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes(dir)
  } catch {
    return false
  }
}

const addressIn = (run: ScriptRun) => /Service\s+(http:\/\/\S+)/.exec(run.stdout)?.[1]
async function started(env: Record<string, string>): Promise<ScriptRun & { address: string }> {
  const run = startScript('start', env)
  onTestFinished(() => {
    run.child.kill('SIGKILL')
  })
  await until(() => addressIn(run) !== undefined || run.code !== null)
  expect(run.code, run.stderr).toBeNull()
  return Object.assign(run, { address: addressIn(run) ?? '' })
}

test('no package is overridden by another name: npm 9, which Debian 13 has, takes that for a lock file it cannot read', () => {
  const { overrides, ...manifest } = JSON.parse(readFileSync('package.json', 'utf8'))
  const specs: Record<string, string> = { ...manifest.dependencies, ...manifest.devDependencies }
  const rules = Object.values<Record<string, string>>(overrides).flatMap((rule) => Object.entries(rule))
  expect(rules.length).toBeGreaterThan(0)
  for (const [name, rule] of rules) {
    const spec = rule.startsWith('$') ? specs[rule.slice(1)] : rule
    expect(spec, name).toMatch(/^[\^~>=\d.\s|]+$/)
  }
})

test('npm start makes everything ready, a second one beside it says so, SIGINT stops both, and a kill leaves nothing in the way', async () => {
  const dir = await dataFolder()
  const env = { DATA_DIR: dir, PORT: '0' }

  const first = await started(env)
  expect(first.stderr).toContain('applied migration 20261122000000_init')
  expect(first.stdout).toContain('/api/docs')
  expect(first.stdout).toContain('13900000001')
  expect(first.stdout).toContain('admin:create')
  expect((await fetch(`${first.address}/health`)).status).toBe(200)

  const second = await runScript('start', env)
  expect(second.code).toBe(1)
  expect(second.stderr).toContain(`already runs at ${first.address}`)
  expect(second.stderr).toContain(`process ${first.child.pid}`)

  const admin = await runScript('admin-create', env, [
    '--username',
    'boss',
    '--password',
    'long enough',
    '--mobile',
    '13900000002'
  ])
  expect(admin.code, admin.stderr).toBe(0)
  const entered = await fetch(`${first.address}/api/auth/admin-login`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ username: 'boss', password: 'long enough' })
  })
  const { data: session } = (await entered.json()) as { data: { access_token: string } }
  const tour = await runScript('demo', env)
  expect(tour.code, tour.stderr + tour.stdout).toBe(0)
  expect(tour.stdout).toContain('Everything agrees')
  expect(tour.stdout).toContain(`${first.address}/console`)

  first.child.kill('SIGINT')
  await until(() => first.code !== null)
  expect(first.code).toBe(0)
  expect(databaseRuns(dir)).toBe(false)

  const third = await started(env)
  expect(third.stderr).not.toContain('applied migration')
  // Secrets and data are those of the first start: its token still holds.
  const info = await fetch(`${third.address}/api/user/info`, {
    headers: { authorization: `Bearer ${session.access_token}` }
  })
  expect(info.status).toBe(200)
  third.child.kill('SIGKILL')
  await until(() => third.code !== null)

  const fourth = await started(env)
  expect((await fetch(`${fourth.address}/health`)).status).toBe(200)
  fourth.child.kill('SIGTERM')
  await until(() => fourth.code !== null)
  expect(fourth.code).toBe(0)
})

test('with DATABASE_URL it uses that server and starts none; a port that is taken is named', async () => {
  const dir = await dataFolder()
  const env = { DATA_DIR: dir, DATABASE_URL: databaseUrl() }
  const run = await started({ ...env, PORT: '0' })
  expect(run.stderr).toContain('using the database')
  expect(databaseRuns(dir)).toBe(false)
  const { port } = new URL(run.address)
  const other = await runScript('start', { ...env, PORT: port })
  expect(other.code).toBe(1)
  expect(other.stderr).toContain(`Port ${port} on 127.0.0.1 is taken`)
})

test('SIGTERM ends the service within ten seconds, whatever a client leaves open', async () => {
  const dir = await dataFolder()
  const run = await started({ DATA_DIR: dir, DATABASE_URL: databaseUrl(), PORT: '0' })
  const silent = connect(Number(new URL(run.address).port), '127.0.0.1')
  silent.on('error', () => {})
  await once(silent, 'connect')
  expect((await fetch(`${run.address}/health/live`)).status).toBe(200)
  const start = Date.now()
  run.child.kill('SIGTERM')
  await until(() => run.code !== null)
  expect(run.code).toBe(0)
  // Ten seconds, and what a loaded machine needs to notice.
  expect(Date.now() - start).toBeLessThan(15_000)
})

test('TERM to npm start reaches the service: nothing is left of it', async () => {
  const { PATH = '', HOME = '' } = process.env
  const env = { PATH, HOME, LOG_LEVEL: 'warn', DATABASE_URL: databaseUrl(), PORT: '0' }
  const npm = spawn('npm', ['start'], { env, stdio: ['ignore', 'pipe', 'ignore'] })
  let stdout = ''
  npm.stdout.on('data', (chunk) => {
    stdout += chunk
  })
  await until(() => /Service/.test(stdout))
  const address = /(http:\/\/[\d.:]+)/.exec(stdout)?.[1] ?? ''
  expect((await fetch(`${address}/health/live`)).ok).toBe(true)
  npm.kill('SIGTERM')
  await until(() =>
    fetch(`${address}/health/live`).then(
      () => false,
      () => true
    )
  )
})

test('settings that do not hold are all named, and nothing starts', async () => {
  const dir = await dataFolder()
  const run = await runScript('start', { DATA_DIR: dir, NODE_ENV: 'production', PORT: 'x' })
  expect(run.code).toBe(1)
  for (const name of ['PORT', 'JWT_SECRET', 'ENCRYPTION_KEY', 'DATABASE_URL', 'SMS_PROVIDER'])
    expect(run.stderr).toContain(name)
  expect(databaseRuns(dir)).toBe(false)
})

test('what the image runs refuses a database that is behind or ahead of it, names what is missing, and says the way out', async () => {
  const dir = await dataFolder()
  const schema = `test_boot_${process.pid}`
  await createSchema(schema)
  onTestFinished(() => dropSchema(schema))
  const url = databaseUrl(schema)
  const env = {
    DATA_DIR: dir,
    DATABASE_URL: url,
    PORT: '0',
    LOG_LEVEL: 'info',
    JWT_SECRET: 'a secret of more than thirty-two characters',
    ENCRYPTION_KEY: 'ab'.repeat(32)
  }
  const build = await runScript('build', {})
  expect(build.code, build.stderr).toBe(0)
  const refused = async () => {
    const run = startNode(['dist/src/server.js'], env)
    await until(() => run.code !== null)
    expect(run.code).toBe(1)
    expect(run.stderr).not.toMatch(/\n\s+at /)
    return run.stderr
  }
  const names = (await readdir('prisma/migrations', { withFileTypes: true }))
    .filter((entry) => entry.isDirectory())
    .map((entry) => entry.name)

  const empty = await refused()
  for (const name of names) expect(empty).toContain(name)
  expect(empty).toContain('npm run migrate')

  expect((await runScript('migrate', env)).code).toBe(0)
  const run = startNode(['dist/src/server.js'], env)
  onTestFinished(() => {
    run.child.kill('SIGKILL')
  })
  await until(() => run.stdout.includes('Server listening') || run.code !== null)
  expect(run.code, run.stderr).toBeNull()
  run.child.kill('SIGTERM')
  await until(() => run.code !== null)

  await sql(
    `INSERT INTO _prisma_migrations (id, checksum, migration_name, finished_at)
     VALUES (UUID(), '', '29990101000000_later', NOW())`,
    [],
    url
  )
  const ahead = await refused()
  expect(ahead).toContain('29990101000000_later')
  expect(ahead).toContain('Deploy the newer version')
  expect((await runScript('start', env)).stderr).toContain('29990101000000_later')

  await sql("DELETE FROM _prisma_migrations WHERE migration_name LIKE '2999%'", [], url)
  await sql('UPDATE _prisma_migrations SET finished_at = NULL WHERE migration_name = ?', [names[0]], url)
  expect(await refused()).toContain('failed half way')
})

test('where there is no database, or none that lets us in, what is started says where and why, and not the password', async () => {
  const env = { DATA_DIR: await dataFolder(), PORT: '0', DATABASE_URL: 'mysql://root:a-wrong-one@127.0.0.1:1/nowhere' }
  for (const script of ['start', 'migrate', 'reconcile']) {
    const { code, stderr } = await runScript(script, env)
    expect([script, code]).toEqual([script, 1])
    expect(stderr).toContain('No way to the database nowhere on 127.0.0.1:1: connect ECONNREFUSED')
    expect(stderr).not.toMatch(/\n\s+at |a-wrong-one/)
  }
  const url = new URL(databaseUrl())
  Object.assign(url, { username: 'nobody', password: 'a-wrong-one' })
  const secrets = { JWT_SECRET: 'a secret of more than thirty-two characters', ENCRYPTION_KEY: 'ab'.repeat(32) }
  const run = startNode(['dist/src/server.js'], { ...env, ...secrets, DATABASE_URL: String(url) })
  await until(() => run.code !== null)
  expect(run.stderr).toMatch(/^No way to the database \w+ on [\w.]+:\d+: Access denied for user 'nobody'/)
  expect(run.stderr).not.toMatch(/\n\s+at |a-wrong-one/)
})

test('with LOG_DIR the service writes its files, and says so when it cannot', async () => {
  const dir = await dataFolder()
  const env = { DATA_DIR: dir, DATABASE_URL: databaseUrl(), PORT: '0', LOG_LEVEL: 'info' }
  const run = await started({ ...env, LOG_DIR: path.join(dir, 'logs') })
  const [file = ''] = (await readdir(path.join(dir, 'logs'))).filter((name) => name.startsWith('application.'))
  expect(await readFile(path.join(dir, 'logs', file), 'utf8')).toContain('Server listening')
  run.child.kill('SIGTERM')
  await until(() => run.code !== null)
  const failed = await runScript('start', { ...env, LOG_DIR: path.join(dir, 'secrets.json') })
  expect(failed.code).toBe(1)
  expect(failed.stderr).toMatch(/LOG_DIR is .* cannot be written/)
})

test('a data folder has one owner; its claim ends with the process, and a leftover does not block', async () => {
  const dir = await dataFolder()
  const first = await claimInstance(dir)
  if (!('claim' in first)) throw new Error('the folder is ours')
  first.claim.publish({ address: 'http://somewhere' })
  expect(await claimInstance(dir)).toEqual({ owner: { pid: process.pid, address: 'http://somewhere' } })
  await first.claim.release()
  expect(await findInstance(dir)).toBeUndefined()
  const again = await claimInstance(dir)
  expect('claim' in again).toBe(true)
  if ('claim' in again) await again.claim.release()
})

test('a private database keeps temporary tables to itself: a server that starts clears away what lies in a shared folder', async () => {
  const dir = await mkdtemp(path.join(tmpdir(), 'lottery-tables-'))
  const server = await startPrivateServer({ dir, database: 'tables', args: ['--innodb-flush-log-at-trx-commit=0'] })
  onTestFinished(async () => {
    await server.stop()
    await rm(dir, { recursive: true, force: true })
  })
  expect(await sql('SELECT @@tmpdir AS place', [], server.url)).toEqual([{ place: path.join(dir, 'tmp') }])
  // So does the one that makes the system tables, of which several may be made at once.
  const installer = path.join(dir, 'installer')
  await writeFile(installer, '#!/bin/sh\necho "$TMPDIR" >&2\nexit 1\n', { mode: 0o700 })
  await expect(initialise(installer, path.join(dir, 'other/data'))).rejects.toThrow(path.join(dir, 'other/tmp'))
})
