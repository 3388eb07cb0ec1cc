import path from 'node:path'
import { parseArgs } from 'node:util'
import pc from 'picocolors'
import { auditLog } from './lib/audit-log.js'
import { logClient } from './lib/log-client.js'
import { Fault, guarded } from './lib/print.js'
import { startBar } from './lib/progress.js'

const USAGE = 'npm run fairness:audit -- --url URL [--state FOLDER]'

/**
 * `npm run fairness:audit -- --url URL`: reads the public log of a service, as anybody may, and holds all of it against
 * the rest and against the last audit, which it remembers in a folder. Exits 1 with what is wrong.
 */
export async function main(args: string[]): Promise<void> {
  await guarded(async () => {
    const { url, folder } = readArguments(args)
    const { faults, size, root, entries, versions } = await auditWithBar(url, folder)
    for (const fault of faults) process.stdout.write(`${fault}\n`)
    for (const { version, draws, pValue } of versions) {
      const p = pValue === null ? 'too few to judge' : `p = ${pValue.toFixed(4)}`
      process.stdout.write(`rules version ${version}: ${draws} results, odds against what was drawn: ${p}\n`)
    }
    process.stdout.write(`${entries} new entries, ${size} in all, root ${root}\n`)
    const verdict = faults.length === 0 ? pc.green('Everything agrees.') : pc.red(`${faults.length} contradictions.`)
    process.stdout.write(`${verdict}\n`)
    return faults.length === 0 ? 0 : 1
  })
}

/** Audits a log, with a bar on a terminal. */
export async function auditWithBar(url: string, folder: string) {
  let bar: ReturnType<typeof startBar> | undefined
  const report = await auditLog(logClient(url), folder, {
    start: (total) => {
      bar = startBar('entry', total, 'contradictions')
    },
    done: (entries, faults) => bar?.update(entries, { faults })
  })
  bar?.stop()
  return report
}

function readArguments(args: string[]): { url: string; folder: string } {
  const options = { url: { type: 'string' }, state: { type: 'string' } } as const
  let values: { url?: string | undefined; state?: string | undefined }
  try {
    values = parseArgs({ args, options }).values
  } catch (err) {
    throw new Fault(`${(err as Error).message}. Usage: ${USAGE}`)
  }
  const { url } = values
  if (url === undefined || !URL.canParse(url)) throw new Fault(`Which service? Usage: ${USAGE}`)
  return { url, folder: values.state ?? path.join('.data', 'audit', new URL(url).host.replace(':', '-')) }
}
