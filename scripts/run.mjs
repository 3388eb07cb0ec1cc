// The one door to every task: `npm start`, `npm test`, `npm run demo` and the rest come through here.
// It runs on a bare machine (Node alone, no packages), so it is plain JavaScript and imports only Node.
// Each step is skipped when its inputs have not changed, so a second run starts at once.
// @ts-check
import { spawn, spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { parseArgs } from 'node:util'
import { aptCommand, findMariadb, MARIADB_PACKAGES } from './lib/apt.mjs'

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '..')
process.chdir(root)

/** @param {string} message */
const say = (message) => process.stderr.write(`\u001b[2m·\u001b[22m ${message}\n`)

/** @param {string} message @returns {never} */
function fail(message) {
  process.stderr.write(`\n${message}\n`)
  process.exit(1)
}

/**
 * Runs a command to its end, with our terminal; a failure ends the task.
 * @param {string} command @param {string[]} args @param {NodeJS.ProcessEnv} [env]
 */
function run(command, args, env) {
  const { status, error } = spawnSync(command, args, { stdio: 'inherit', env: { ...process.env, ...env } })
  if (error) fail(`${command} could not be started: ${error.message}`)
  if (status !== 0) process.exit(status ?? 1)
}

/**
 * Starts a command beside whatever goes on; its exit code.
 * @param {string} command @param {readonly string[]} args @param {'inherit' | 'ignore'} stdio
 * @returns {Promise<number | null>}
 */
function beside(command, args, stdio) {
  return new Promise((resolve) => {
    spawn(command, args, { stdio })
      .once('error', () => resolve(null))
      .once('exit', resolve)
  })
}

/** @param {string} name */
const binary = (name) => path.join(root, 'node_modules', '.bin', name)

/** Every file at or below the given paths, in a steady order. @param {string[]} paths @returns {string[]} */
function filesBelow(paths) {
  return paths.flatMap((entry) => {
    if (!existsSync(entry)) return []
    if (!statSync(entry).isDirectory()) return [entry]
    return filesBelow(
      readdirSync(entry)
        .sort()
        .map((name) => path.join(entry, name))
    )
  })
}

/**
 * Does `step` unless its inputs are those of the last time; `stamp` remembers them.
 * @param {string} stamp @param {string[]} inputs @param {() => void | Promise<void>} step
 */
async function whenChanged(stamp, inputs, step) {
  const hash = createHash('sha256')
  for (const file of filesBelow(inputs)) hash.update(`${file}\0`).update(readFileSync(file))
  const digest = hash.digest('hex')
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === digest) return
  await step()
  mkdirSync(path.dirname(stamp), { recursive: true })
  writeFileSync(stamp, digest)
}

function checkNode() {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number)
  if (major < 20 || (major === 20 && minor < 19)) {
    fail(`Node ${process.versions.node} is too old: this project needs 20.19 or newer.`)
  }
}

/** npm keeps a copy of the lock file it installed from; it is as new as ours after an install. */
function installPackages() {
  const installed = 'node_modules/.package-lock.json'
  if (existsSync(installed) && statSync(installed).mtimeMs >= statSync('package-lock.json').mtimeMs) return
  say('installing npm packages (npm ci)')
  run('npm', ['ci', '--no-audit', '--no-fund', '--loglevel=error'])
}

/**
 * On a bare machine a database server is installed while npm works: one after the other they take long. Where that
 * fails, whoever starts the server tries again, and says what is wrong.
 */
async function installMariadb() {
  if (process.env.DATABASE_URL !== undefined || existsSync('.env') || findMariadb() !== undefined) return
  const [command, ...args] = aptCommand(MARIADB_PACKAGES) ?? []
  if (command === undefined) return
  say(`installing MariaDB beside (apt-get install ${MARIADB_PACKAGES.join(' ')})`)
  await beside(command, args, 'ignore')
}

/**
 * Prisma's CLI wants a schema engine that it would download; generating and Studio never call it,
 * so any executable does in its place.
 */
const prismaEnv = {
  PRISMA_SCHEMA_ENGINE_BINARY: process.execPath,
  PRISMA_HIDE_UPDATE_MESSAGE: '1',
  CHECKPOINT_DISABLE: '1'
}

async function generateClient() {
  await whenChanged('src/generated/.stamp', ['prisma/schema.prisma', 'node_modules/prisma/package.json'], () => {
    say('generating the Prisma client')
    const { status, stdout, stderr } = spawnSync(binary('prisma'), ['generate'], {
      env: { ...process.env, ...prismaEnv },
      encoding: 'utf8'
    })
    if (status !== 0) fail(`prisma generate failed:\n${stdout}${stderr}`)
  })
}

/**
 * The client library has types of every route, made from the routes themselves: so this runs ahead of the compiler,
 * bundled, since Node 20 reads no TypeScript.
 */
async function generateClientSource() {
  const inputs = ['src', 'scripts/client-source.ts', 'scripts/lib/client-source.ts', 'package-lock.json']
  const own = filesBelow(inputs).filter((file) => !/generated|src\/(client|fair-page|console)\//.test(file))
  if (!existsSync('src/client/generated/routes.ts')) rmSync('src/generated/.client-stamp', { force: true })
  await whenChanged('src/generated/.client-stamp', own, async () => {
    say('making the types of the client library')
    const { rolldown } = await import('rolldown')
    const file = 'src/generated/client-source.mjs'
    const bundle = await rolldown({
      input: 'scripts/client-source.ts',
      platform: 'node',
      external: (id) => !/^[./]/.test(id),
      resolve: { extensionAlias: { '.js': ['.ts', '.js'] } }
    })
    await bundle.write({ file, format: 'esm', codeSplitting: false })
    await bundle.close()
    run(process.execPath, [file])
  })
}

async function build() {
  await whenChanged(
    'dist/.stamp',
    ['src', 'scripts', 'tsconfig.json', 'tsconfig.build.json', 'package-lock.json'],
    async () => {
      say('compiling (tsc)')
      rmSync('dist', { recursive: true, force: true })
      run(binary('tsc'), ['-p', 'tsconfig.build.json'])
      const pages = ['fair-page', 'client-package', 'console'].map((name) => `dist/scripts/${name}.js`)
      const codes = await Promise.all(pages.map((file) => beside(process.execPath, [file], 'inherit')))
      if (codes.some((code) => code !== 0)) process.exit(1)
    }
  )
}

async function prepare() {
  checkNode()
  installPackages()
  await generateClient()
  await generateClientSource()
}

/**
 * Runs a compiled script in this very process, so that signals reach it.
 * @param {string} name @param {Promise<void>} [ready] what it has to wait for
 */
async function script(name, ready) {
  await prepare()
  await build()
  await ready
  if (existsSync('.env')) process.loadEnvFile('.env')
  const { runTask } = await import(pathToFileURL(path.join(root, 'dist/scripts/cli.js')).href)
  await runTask(name, process.argv.slice(3))
}

const task = process.argv[2] ?? ''

switch (task) {
  case 'setup':
    // What CI and a Docker build want before anything else; the database server comes with the tasks that need one.
    await prepare()
    break
  case 'build':
    await prepare()
    await build()
    break
  case 'test':
    await prepare()
    // Some tests start the compiled service; two of them must not compile it at the same time.
    await build()
    run(binary('vitest'), ['run', ...process.argv.slice(3)])
    break
  case 'fuzz': {
    const [flag, minutes = ''] = process.argv.slice(3)
    if (flag !== undefined && (flag !== '--minutes' || !/^\d+$/.test(minutes)))
      fail('Usage: npm run fuzz -- --minutes 10')
    await prepare()
    run(binary('vitest'), ['run', 'test/fuzz.test.ts'], { FUZZ_MINUTES: minutes || '1' })
    break
  }
  case 'chaos': {
    const options = /** @type {const} */ ({ seconds: { type: 'string', default: '120' }, seed: { type: 'string' } })
    const { seconds, seed } = parseArgs({ args: process.argv.slice(3), options }).values
    await prepare()
    await build()
    const env = { CHAOS_SECONDS: seconds, ...(seed === undefined ? {} : { CHAOS_SEED: seed }) }
    run(binary('vitest'), ['run', 'test/cluster.test.ts'], env)
    break
  }
  case 'start':
    await script(task, installMariadb())
    break
  case 'cluster':
  case 'demo':
  case 'migrate':
  case 'reconcile':
  case 'fairness-verify':
  case 'fairness-audit':
  case 'compliance-pack':
  case 'evidence-fill':
  case 'storage-sweep':
  case 'admin-create':
  case 'storage-bucket':
  case 'keys-rotate':
  case 'backup':
  case 'restore':
  case 'studio':
  case 'bench':
  case 'bench-receipts':
    Object.assign(process.env, task === 'studio' ? prismaEnv : {})
    await script(task)
    break
  default:
    fail(`Unknown task "${task}". See "scripts" in package.json.`)
}
