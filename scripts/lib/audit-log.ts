import { existsSync } from 'node:fs'
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises'
import path from 'node:path'
import jStat from 'jstat'
import { type AuditMemory, LogAudit } from '../../src/checker/audit.js'
import { fromHex, isSame, toHex } from '../../src/checker/bytes.js'
import { isSigned, readCheckpoint } from '../../src/checker/checkpoint.js'
import { GrowingLog, isConsistent } from '../../src/checker/tree.js'
import { readWheel } from '../../src/checker/wheel.js'
import type { LogClient } from './log-client.js'

/** What an audit keeps in its folder. */
interface Kept {
  readonly verifierKey: string
  readonly peaks: readonly { readonly size: number; readonly hash: string }[]
  readonly memory: AuditMemory
}

interface AuditReport {
  /** Every contradiction; empty when all is well. */
  readonly faults: readonly string[]
  readonly size: number
  readonly root: string
  readonly entries: number
  readonly versions: readonly { readonly version: number; readonly draws: number; readonly pValue: number | null }[]
}

/** Told as it goes, for a bar. */
interface Progress {
  start(total: number): void
  done(entries: number, faults: number): void
}

const ENTRIES_A_STEP = 1000
/** Fair dice stray so far once in a million audits. */
const LEAST_P = 1e-6
/** Below this in any cell, chi-square says nothing. */
const LEAST_EXPECTED = 5

/**
 * Reads what the log has told since the last audit and holds all of it against the rest: the signature and root of
 * every checkpoint, that it only grew, and what {@link LogAudit} finds. Nothing is remembered of an audit that found a
 * fault, so that it is found again.
 * @param folder where it remembers; made where it is not there
 */
export async function auditLog(log: LogClient, folder: string, progress: Progress): Promise<AuditReport> {
  const file = path.join(folder, 'audit.json')
  const kept = existsSync(file) ? (JSON.parse(await readFile(file, 'utf8')) as Kept) : undefined
  const faults: string[] = []
  const verifierKey = await log.key()
  if (kept !== undefined && kept.verifierKey !== verifierKey) {
    faults.push(`the key of the log has changed: it was ${kept.verifierKey}, and is ${verifierKey}`)
  }
  const grown = new GrowingLog(kept?.peaks.map(({ size, hash }) => ({ size, hash: fromHex(hash) })))
  const audit = new LogAudit((version) => log.rules(version), kept?.memory)
  const last = readCheckpoint(await log.checkpoint())
  const entries = last.size - grown.size
  faults.push(...(await checkGrowth(log, grown, last)))
  if (faults.length === 0) {
    progress.start(entries)
    await readEntries(log, { grown, audit, verifierKey, end: last.size, faults, progress })
    if (!isSame(await grown.root(), last.root))
      faults.push(`the root of checkpoint ${last.size} is not that of its entries`)
  }
  if ((await isSigned(last, verifierKey)) !== true)
    faults.push(`checkpoint ${last.size} is not signed by the log's key`)
  const versions = await judgeOdds(log, audit, faults)
  if (faults.length === 0) {
    const peaks = grown.peaks.map(({ size, hash }) => ({ size, hash: toHex(hash) }))
    await keep(file, { verifierKey, peaks, memory: audit.remember() })
  }
  return { faults, size: last.size, root: toHex(last.root), entries: Math.max(0, entries), versions }
}

async function checkGrowth(
  log: LogClient,
  grown: GrowingLog,
  last: ReturnType<typeof readCheckpoint>
): Promise<string[]> {
  const before = { size: grown.size, root: await grown.root() }
  if (last.size < before.size) {
    return [
      `the log is shorter than it was: ${last.size} entries, where ${before.size} were signed. ` +
        'Its database was restored from an older backup, or this is another history'
    ]
  }
  if (before.size === 0) return []
  const proof = await log.consistency(before.size, last.size)
  return (await isConsistent(before, last, proof))
    ? []
    : [`the log is another: what was told up to ${before.size} is not the beginning of what is told now`]
}

interface Reading {
  readonly grown: GrowingLog
  readonly audit: LogAudit
  readonly verifierKey: string
  readonly end: number
  readonly faults: string[]
  readonly progress: Progress
}

async function readEntries(
  log: LogClient,
  { grown, audit, verifierKey, end, faults, progress }: Reading
): Promise<void> {
  const signed = new Map((await log.checkpointsAbove(grown.size)).map(({ size, note }) => [size, note]))
  while (grown.size < end) {
    for (const line of await log.entries(grown.size, Math.min(grown.size + ENTRIES_A_STEP, end))) {
      for (const fault of await audit.add(line)) faults.push(`entry ${grown.size}: ${fault}`)
      await grown.add(line)
      const note = signed.get(grown.size)
      if (note === undefined) continue
      const checkpoint = readCheckpoint(note)
      if ((await isSigned(checkpoint, verifierKey)) !== true) faults.push(`checkpoint ${grown.size} is not signed`)
      if (!isSame(checkpoint.root, await grown.root())) faults.push(`the root of checkpoint ${grown.size} is another`)
    }
    progress.done(grown.size, faults.length)
  }
}

/** Holds what chance decided under each version against the odds it published. */
async function judgeOdds(log: LogClient, audit: LogAudit, faults: string[]): Promise<AuditReport['versions']> {
  const versions: AuditReport['versions'][number][] = []
  for (const [version, { tally }] of Object.entries(audit.memory.versions)) {
    const sums = Object.values(tally)
    const chance = sums.reduce((sum, one) => sum + one.chance, 0)
    const draws = chance + sums.reduce((sum, one) => sum + one.forced, 0)
    const { prizes } = readWheel(await log.rules(Number(version)))
    const cells = prizes.map(({ id, rolls }) => ({ won: tally[id]?.chance ?? 0, due: (chance * rolls) / 10_000 }))
    const isEnough = cells.every(({ due }) => due >= LEAST_EXPECTED)
    const strayed = cells.reduce((sum, { won, due }) => sum + (won - due) ** 2 / due, 0)
    const pValue = isEnough ? 1 - jStat.chisquare.cdf(strayed, cells.length - 1) : null
    if (pValue !== null && pValue < LEAST_P)
      faults.push(`rules version ${version}: the odds are not those published (p = ${pValue})`)
    versions.push({ version: Number(version), draws, pValue })
  }
  return versions
}

async function keep(file: string, kept: Kept): Promise<void> {
  await mkdir(path.dirname(file), { recursive: true })
  await writeFile(`${file}.new`, JSON.stringify(kept))
  await rename(`${file}.new`, file)
}
