import { createHash } from 'node:crypto'
import { createReadStream, createWriteStream, existsSync } from 'node:fs'
import { mkdir, mkdtemp, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { pipeline } from 'node:stream/promises'
import { parseArgs } from 'node:util'
import pc from 'picocolors'
import type { Config } from '../src/config.js'
import type { PrismaClient } from '../src/generated/prisma/client.js'
import { createCipher } from '../src/shared/cipher.js'
import { csvStream } from '../src/shared/csv.js'
import { dayRange } from '../src/shared/time.js'
import { signerOf } from '../src/transparency/sequencer.js'
import { auditLog } from './lib/audit-log.js'
import { type Period, packTables } from './lib/compliance-tables.js'
import { openDatabase } from './lib/database.js'
import type { LogClient } from './lib/log-client.js'
import { ownLog } from './lib/own-log.js'
import { Fault, guarded, say } from './lib/print.js'
import { withPrisma } from './lib/prisma.js'
import { readSettings } from './lib/settings.js'

const USAGE = 'npm run compliance:pack -- --from 2026-11-01 --to 2026-11-30 --out FOLDER'
const DAY = /^\d{4}-\d{2}-\d{2}$/
const ENTRIES_A_PAGE = 500
const VERDICT = 'verdict.json'

/**
 * `npm run compliance:pack`: what a promotion with prizes has to keep for two years (SAMR order 32 of 2020, art. 19),
 * of some business days, in one folder: rules versions, draws, redemptions and orders, without names and with masked
 * mobiles; the whole public log and its checkpoints; what an audit of it found; and a manifest with the SHA-256 of each
 * file. Exits 1 when the audit found a contradiction, with the pack written all the same.
 */
export async function main(args: string[]): Promise<void> {
  await guarded(async () => {
    const { from, to, out } = readArguments(args)
    const config = readSettings()
    const database = await openDatabase(config)
    try {
      return await withPrisma(database.url, (db) => pack(db, config, { from, to, out }))
    } finally {
      await database.close()
    }
  })
}

interface Order {
  readonly from: string
  readonly to: string
  readonly out: string
}

async function pack(db: PrismaClient, config: Config, { from, to, out }: Order): Promise<number> {
  const period = dayRange(from, to, config.BUSINESS_TZ) as Period
  const log = ownLog(db, createCipher(config.ENCRYPTION_KEY, config.ENCRYPTION_KEY_PREVIOUS), signerOf(config))
  await mkdir(out, { recursive: true })
  const names: string[] = []
  for (const [name, { columns, pages }] of Object.entries(packTables(db, period))) {
    say(`writing ${name}.csv`)
    await pipeline(await csvStream(columns, pages), createWriteStream(path.join(out, `${name}.csv`)))
    names.push(`${name}.csv`)
  }
  names.push(...(await writeLog(log, out)))
  const { faults } = await writeVerdict(log, path.join(out, VERDICT))
  names.push(VERDICT)
  const files = await Promise.all(names.map((name) => describe(path.join(out, name))))
  const manifest = {
    format: 1,
    from,
    to,
    time_zone: config.BUSINESS_TZ,
    made_at: new Date(),
    verifier_key: await log.key(),
    files
  }
  await writeFile(path.join(out, 'manifest.json'), `${JSON.stringify(manifest, null, 2)}\n`)
  process.stdout.write(`${out}: ${names.length} files and manifest.json\n`)
  process.stdout.write(
    faults.length === 0 ? `${pc.green('The audit found no contradiction.')}\n` : `${faults.join('\n')}\n`
  )
  return faults.length === 0 ? 0 : 1
}

/** The log whole: what is told of a day can only be judged with all that came before. */
async function writeLog(log: LogClient, out: string): Promise<string[]> {
  say('writing log.csv and checkpoints.csv')
  const checkpoints = await log.checkpointsAbove(0)
  const size = checkpoints.at(-1)?.size ?? 0
  async function* entries() {
    for (let at = 0; at < size; at += ENTRIES_A_PAGE) {
      const lines = await log.entries(at, Math.min(at + ENTRIES_A_PAGE, size))
      yield lines.map((line, offset) => ({ index: at + offset, line }))
    }
  }
  async function* notes() {
    yield checkpoints
  }
  await pipeline(await csvStream(['index', 'line'], entries()), createWriteStream(path.join(out, 'log.csv')))
  await pipeline(await csvStream(['size', 'note'], notes()), createWriteStream(path.join(out, 'checkpoints.csv')))
  return ['log.csv', 'checkpoints.csv']
}

/** An audit from the log's beginning: nothing that was remembered has a say in it. */
async function writeVerdict(log: LogClient, file: string): ReturnType<typeof auditLog> {
  say('auditing the log')
  const folder = await mkdtemp(path.join(tmpdir(), 'compliance-'))
  try {
    const report = await auditLog(log, folder, { start() {}, done() {} })
    await writeFile(file, `${JSON.stringify(report, null, 2)}\n`)
    return report
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

async function describe(file: string) {
  const hash = createHash('sha256')
  for await (const chunk of createReadStream(file)) hash.update(chunk as Buffer)
  return { name: path.basename(file), bytes: (await stat(file)).size, sha256: hash.digest('hex') }
}

function readArguments(args: string[]): Order {
  const text = { type: 'string' } as const
  let values: { from?: string | undefined; to?: string | undefined; out?: string | undefined }
  try {
    values = parseArgs({ args, options: { from: text, to: text, out: text } }).values
  } catch (err) {
    throw new Fault(`${(err as Error).message}. Usage: ${USAGE}`)
  }
  const { from = '', to = '', out = '' } = values
  if (![from, to].every((day) => DAY.test(day) && !Number.isNaN(Date.parse(day))) || from > to || out === '') {
    throw new Fault(`Which days, and where to? Usage: ${USAGE}`)
  }
  if (existsSync(path.join(out, 'manifest.json'))) throw new Fault(`${out} holds a pack already.`)
  return { from, to, out }
}
