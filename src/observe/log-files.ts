import { mkdir, readdir, rm } from 'node:fs/promises'
import path from 'node:path'
import type { StreamEntry } from 'pino'
import roll from 'pino-roll'
import { DAY_MS } from '../shared/time.js'

/** What is kept in LOG_DIR, and for how many days (contract section 11). */
const KEPT = [
  { name: 'application', level: 'trace', days: 30 },
  { name: 'error', level: 'error', days: 90 }
] as const
const MAX_SIZE = '20m'
const FILE = /^(application|error)\.(\d{4}-\d{2}-\d{2})\.\d+\.log$/

/**
 * Files such as `application.2026-11-22.1.log`: a new one each day, and after 20 MB. What is past its time is removed
 * now and each day; the package itself can only count files, not days. Several processes may share the folder: each
 * line is appended by one write, so that it stays whole, and each process counts its own 20 MB.
 */
export async function openLogFiles(dir: string): Promise<StreamEntry[]> {
  await mkdir(dir, { recursive: true })
  await removeOldLogs(dir, new Date())
  const sweep = setInterval(() => {
    removeOldLogs(dir, new Date()).catch(complain)
  }, DAY_MS)
  sweep.unref()
  return Promise.all(
    KEPT.map(async ({ name, level }) => {
      const file = path.join(dir, name)
      const stream = await roll({
        file,
        frequency: 'daily',
        dateFormat: 'yyyy-MM-dd',
        extension: '.log',
        size: MAX_SIZE,
        // A line is in the file when the call returns, so that none is lost with the process.
        sync: true,
        mode: 0o640
      })
      // A full disk must not end the service.
      stream.on('error', complain)
      return { stream, level }
    })
  )
}

function complain(err: unknown): void {
  process.stderr.write(`the log files: ${err instanceof Error ? err.message : String(err)}\n`)
}

/** Removes the files whose day is longer ago than they are kept; whatever else lies there is left alone. */
export async function removeOldLogs(dir: string, now: Date): Promise<void> {
  for (const entry of await readdir(dir)) {
    const [, name, day] = FILE.exec(entry) ?? []
    const days = KEPT.find((kept) => kept.name === name)?.days
    if (day === undefined || days === undefined) continue
    if (now.getTime() - Date.parse(day) > (days + 1) * DAY_MS) await rm(path.join(dir, entry), { force: true })
  }
}
