import { setTimeout as pause } from 'node:timers/promises'
import { Fault } from './print.js'

const TIMEOUT_MS = 30_000
/** What is worth waiting for: a limit, a database that is away for a moment. */
const PATIENT: ReadonlySet<number> = new Set([429, 503])
const LONGEST_WAIT_SECONDS = 900
const ENTRIES_AT_A_TIME = 1000
const CHECKPOINTS_AT_A_TIME = 100

/** The public log of a service, as anybody may read it. Each throws a Fault where the service does not answer. */
export interface LogClient {
  /** `<name>+<key id>+<base64>`. */
  key(): Promise<string>
  checkpoint(): Promise<string>
  /** Those of a larger size than that, in the order of their sizes. */
  checkpointsAbove(size: number): Promise<{ size: number; note: string }[]>
  entries(start: number, end: number): Promise<string[]>
  consistency(from: number, to: number): Promise<string[]>
  rules(version: number): Promise<string>
}

/** @param url where the service is, such as `https://api.example.com` */
export function logClient(url: string): LogClient {
  const base = `${url.replace(/\/+$/, '')}/api/fairness`
  async function ask(path: string): Promise<string> {
    let answer: Response
    try {
      answer = await fetch(`${base}/${path}`, { signal: AbortSignal.timeout(TIMEOUT_MS) })
    } catch (err) {
      throw new Fault(`${base}/${path} does not answer: ${(err as Error).message}`)
    }
    const body = await answer.text()
    const wait = Number(answer.headers.get('retry-after') ?? Number.NaN)
    if (PATIENT.has(answer.status) && wait <= LONGEST_WAIT_SECONDS) {
      await pause(wait * 1000)
      return ask(path)
    }
    if (!answer.ok) throw new Fault(`${base}/${path} answers ${answer.status}: ${body.slice(0, 300)}`)
    return body
  }
  const data = async (path: string) => JSON.parse(await ask(path)).data
  return {
    key: async () => (await data('key')).verifier_key,
    checkpoint: () => ask('checkpoint'),
    async checkpointsAbove(size) {
      const found: { size: number; note: string }[] = []
      let before = Number.MAX_SAFE_INTEGER
      for (;;) {
        const { checkpoints } = await data(`checkpoints?limit=${CHECKPOINTS_AT_A_TIME}&before=${before}`)
        const above = (checkpoints as typeof found).filter((one) => one.size > size)
        found.push(...above)
        const last = above.at(-1)
        if (last === undefined || above.length < checkpoints.length) return found.reverse()
        before = last.size
      }
    },
    async entries(start, end) {
      const lines: string[] = []
      while (start + lines.length < end) {
        const from = start + lines.length
        const to = Math.min(from + ENTRIES_AT_A_TIME, end)
        const more = (await ask(`entries?start=${from}&end=${to}`)).split('\n').filter((line) => line !== '')
        if (more.length === 0) throw new Fault(`${base} gives no entry ${from}, and signed ${end}`)
        lines.push(...more)
      }
      return lines
    },
    consistency: async (from, to) => (await data(`consistency?from=${from}&to=${to}`)).hashes,
    rules: (version) => ask(`rules/${version}`)
  }
}
