import { createHash, randomBytes, randomInt } from 'node:crypto'
import { rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import bcrypt from 'bcrypt'
import type { FastifyInstance, InjectOptions, LightMyRequestResponse } from 'fastify'
import { afterAll, beforeAll, inject, onTestFinished } from 'vitest'
import { plantFirstData } from '../../scripts/lib/first-data.js'
import { migrate } from '../../scripts/lib/migrations.js'
import { withPrisma } from '../../scripts/lib/prisma.js'
import { type AppOptions, buildApp } from '../../src/app.js'
import { type Config, loadConfig } from '../../src/config.js'
import { createAdmin } from '../../src/domains/auth/admin-login.js'
import type { DrawTools } from '../../src/domains/lottery/draw-request.js'
import { rollOf } from '../../src/domains/lottery/fairness/dice.js'
import { pickPrize } from '../../src/domains/lottery/rules.js'
import { standardRules } from '../../src/domains/lottery/standard-wheel.js'
import { RuleBook } from '../../src/domains/lottery/versions.js'
import { createUser } from '../../src/domains/user/accounts.js'
import { openConnection } from '../../src/engine/connection.js'
import { checkTotals } from '../../src/engine/totals.js'
import { TOTALS } from '../../src/registry.js'

/** The schema of the test file that runs now, and its folder for files. */
let schema = ''
let dataDir = ''

export function databaseUrl(name = schema): string {
  const url = new URL(inject('serverUrl'))
  url.pathname = `/${name}`
  return url.toString()
}

/** Runs statements on the test server, by default in the file's schema. */
export async function sql<T = unknown>(text: string, values: unknown[] = [], url = databaseUrl()): Promise<T[]> {
  const connection = await openConnection(url)
  try {
    return (await connection.query(text, values)) as T[]
  } finally {
    await connection.end()
  }
}

export async function createSchema(name: string): Promise<void> {
  const collation = 'CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci'
  await sql(`CREATE DATABASE \`${name}\` ${collation}`, [], inject('serverUrl'))
}

export async function dropSchema(name: string): Promise<void> {
  await sql(`DROP DATABASE IF EXISTS \`${name}\``, [], inject('serverUrl'))
}

/**
 * Gives a test file a schema of its own, made before its tests and dropped after, and a folder. Files share the modules
 * of their worker, so `setup.ts` calls this for each.
 */
export function useOwnSchema(): void {
  schema = `test_${randomBytes(6).toString('hex')}`
  dataDir = path.join(tmpdir(), schema)
  beforeAll(async () => {
    await createSchema(schema)
    await migrate(databaseUrl())
    await plant(databaseUrl())
  })
  afterAll(async () => {
    await dropSchema(schema)
    await rm(dataDir, { recursive: true, force: true })
  })
}

export async function plant(url: string): Promise<void> {
  await withPrisma(url, (db) => plantFirstData(db, { dailyLimit: 50, newUserPoints: 1000, samples: false }))
}

/** The settings of a test: no limits, no log. */
export function testConfig(changes: Partial<Config> = {}): Config & { DATABASE_URL: string } {
  const env = {
    NODE_ENV: 'test',
    LOG_LEVEL: 'silent',
    RATE_LIMIT: 'off',
    DB_POOL: '10',
    // Those of the tests and their tools count too.
    MEMORY_LIMIT_MB: '16000',
    JWT_SECRET: 'a test secret of more than thirty-two characters',
    ENCRYPTION_KEY: '00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff'
  }
  return { ...loadConfig(env), DATABASE_URL: databaseUrl(), DATA_DIR: dataDir, ...changes }
}

export type TestAppOptions = Omit<AppOptions, 'config'> & { config?: Partial<Config> }

/**
 * The service as production builds it, on the file's schema; closed when the test ends. That a loaded machine is late
 * is no fault of it. The public log goes on when a test asks for it.
 */
export async function createApp({ config, ...options }: TestAppOptions = {}): Promise<FastifyInstance> {
  const app = await buildApp({
    overload: { maxEventLoopDelayMs: 0 },
    publicLog: { everyMs: 0 },
    evidence: { everyMs: 0 },
    ...options,
    config: testConfig(config)
  })
  onTestFinished(() => app.close())
  await app.ready()
  return app
}

/** Mobiles that no other test of the file has. */
let lastMobile = 13_100_000_000 + randomInt(10_000_000)
export const newMobile = () => String(++lastMobile)

/** A diner who is logged in. */
export interface Diner {
  readonly userId: number
  readonly mobile: string
  readonly access: string
  readonly refresh: string
  get(url: string): Promise<LightMyRequestResponse>
  post(url: string, payload?: object, headers?: Record<string, string>): Promise<LightMyRequestResponse>
  put(url: string, payload: object): Promise<LightMyRequestResponse>
  delete(url: string): Promise<LightMyRequestResponse>
  /** Any other request of theirs. */
  send(options: InjectOptions): Promise<LightMyRequestResponse>
}

/** Logs a mobile in by the routes a mini-program uses. */
export async function login(app: FastifyInstance, mobile: string): Promise<LightMyRequestResponse> {
  const sent = await app.inject({ method: 'POST', url: '/api/auth/send-code', payload: { mobile } })
  const code = sent.json().data.code_hint as string
  return app.inject({ method: 'POST', url: '/api/auth/login', payload: { mobile, code } })
}

/** Makes a diner with that many points, and logs them in. */
export async function newDiner(app: FastifyInstance, { points = 1000 } = {}): Promise<Diner> {
  const mobile = newMobile()
  await app.tx((uow) => createUser(uow, { mobile, points }))
  return signIn(app, mobile)
}

export async function signIn(app: FastifyInstance, mobile: string): Promise<Diner> {
  const { data } = (await login(app, mobile)).json()
  return asDiner(app, {
    userId: data.user_info.user_id,
    mobile,
    access: data.access_token,
    refresh: data.refresh_token
  })
}

function asDiner(app: FastifyInstance, who: Pick<Diner, 'userId' | 'mobile' | 'access' | 'refresh'>): Diner {
  const send = (options: InjectOptions) =>
    app.inject({ ...options, headers: { authorization: `Bearer ${who.access}`, ...options.headers } })
  return {
    ...who,
    get: (url) => send({ method: 'GET', url }),
    post: (url, payload, headers = {}) =>
      send({ method: 'POST', url, headers, ...(payload === undefined ? {} : { payload }) }),
    put: (url, payload) => send({ method: 'PUT', url, payload }),
    delete: (url) => send({ method: 'DELETE', url }),
    send
  }
}

/** Makes a diner who is a merchant, and logs them in. */
export async function newMerchant(app: FastifyInstance): Promise<Diner> {
  const merchant = await newDiner(app)
  await app.db.user.update({ where: { userId: merchant.userId }, data: { isMerchant: true } })
  app.bus.publish({ kind: 'user_changed', userId: merchant.userId })
  return merchant
}

/** Makes an admin, and logs them in. */
export async function newAdmin(app: FastifyInstance): Promise<Diner> {
  const [username, mobile] = [`admin${newMobile()}`, newMobile()]
  const passwordHash = await bcrypt.hash('right password', 4)
  await app.tx((uow) => createAdmin(uow, { username, passwordHash, mobile, newUserPoints: 1000 }))
  const payload = { username, password: 'right password' }
  const { data } = (await app.inject({ method: 'POST', url: '/api/auth/admin-login', payload })).json()
  return asDiner(app, {
    userId: data.user_info.user_id,
    mobile,
    access: data.access_token,
    refresh: data.refresh_token
  })
}

/** What a draw needs besides the database, for tests that call the core itself. */
export function drawTools(app: FastifyInstance, changes: Partial<DrawTools> = {}): DrawTools {
  const { randomInt } = app
  const fixed = { ruleBook: new RuleBook(), timeZone: 'Asia/Shanghai', voucherDays: 30 }
  return { ...fixed, randomInt: (below) => randomInt(below), ...changes }
}

/** Every breach of the ledger's promises among these users (contract section 2); empty when all is well. */
export async function ledgerFaults(app: FastifyInstance, userIds: readonly number[]): Promise<string[]> {
  const faults: string[] = []
  for (const userId of userIds) {
    const user = await app.db.user.findUniqueOrThrow({ where: { userId } })
    const rows = await app.db.pointsRecord.findMany({ where: { userId }, orderBy: { seq: 'asc' } })
    let balance = 0
    let hash = '0'.repeat(64)
    for (const [index, row] of rows.entries()) {
      const { points, balanceAfter, source, relatedId, createdAt, description } = row
      const fields = [hash, userId, index + 1, points, balanceAfter, source, relatedId ?? '', createdAt.toISOString()]
      hash = createHash('sha256')
        .update([...fields, description].join('\n'))
        .digest('hex')
      if (row.seq !== index + 1) faults.push(`row ${row.id}: ${row.seq}, not ${index + 1}`)
      if (row.hash !== hash) faults.push(`row ${row.id}: ${row.hash}, not ${hash}`)
      balance += row.points
      if (row.balanceAfter !== balance) faults.push(`row ${row.id}: ${row.balanceAfter}, not ${balance}`)
      if (row.balanceAfter < 0) faults.push(`row ${row.id} is below zero`)
    }
    if (user.ledgerSeq !== rows.length || user.ledgerHash !== hash) faults.push(`user ${userId}: the chain's end`)
    for (const fault of await checkTotals(app.db, TOTALS, userId, userId)) faults.push(JSON.stringify(fault))
    if (user.totalPoints !== balance) faults.push(`user ${userId}: ${user.totalPoints}, not ${balance}`)
  }
  return faults
}

/** Waits until `condition` holds; there is no waiting for luck in these tests. */
export async function until(condition: () => boolean | Promise<boolean>, withinMs = 60_000): Promise<void> {
  const deadline = Date.now() + withinMs
  while (!(await condition())) {
    if (Date.now() > deadline) throw new Error(`not within ${withinMs} ms: ${condition}`)
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
}

/** A client seed by which a diner's next draws fall on these prizes of the standard wheel, found by trying. */
export async function luckyWord(app: FastifyInstance, userId: number, prizeIds: readonly number[]): Promise<string> {
  const { epoch, nonce } = await app.db.lotteryPity.findUniqueOrThrow({ where: { userId } })
  const row = await app.db.fairnessEpoch.findUniqueOrThrow({ where: { userId_epoch: { userId, epoch } } })
  const seed = Buffer.from(app.cipher.decrypt(row.serverSeed), 'hex')
  const { prizes } = standardRules(50)
  for (let word = 0; ; word += 1) {
    const fits = prizeIds.every((id, n) => pickPrize(prizes, rollOf(seed, `word ${word}`, nonce + n)).id === id)
    if (fits) return `word ${word}`
  }
}
