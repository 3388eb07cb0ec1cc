import { createClient, type Data, fetchTransport, Refused } from '../../src/client/index.js'
import { patient } from './patient.js'
import { Fault } from './print.js'

const TIMEOUT_MS = 30_000
const LONGEST_WAIT_SECONDS = 900
const ENTRIES_AT_A_TIME = 1000
const A_PAGE = 100

/** The public log of a service, as anybody may read it. Each throws a Fault where the service does not answer. */
export interface LogClient {
  /** `<name>+<key id>+<base64>`. */
  key(): Promise<string>
  checkpoint(): Promise<string>
  /** Those of a larger size than that, in the order of their sizes. */
  checkpointsAbove(size: number): Promise<{ size: number; note: string }[]>
  entries(start: number, end: number): Promise<string[]>
  consistency(from: number, to: number): Promise<string[]>
  /** The snapshot of a version, as it was written; all are read when one is asked for that was not read yet. */
  rules(version: number): Promise<string>
}

/**
 * Reads it with the client library, but waits for as long as a limit or a database that is away says.
 * @param url where the service is, such as `https://api.example.com`
 */
export function logClient(url: string): LogClient {
  const transport = patient(fetchTransport(), { statuses: [429, 503], longestSeconds: LONGEST_WAIT_SECONDS })
  const { fairness } = createClient({ baseUrl: url, transport })
  const patience = { timeoutMs: TIMEOUT_MS }
  const snapshots = new Map<number, string>()

  async function told<T>(work: Promise<T>): Promise<T> {
    try {
      return await work
    } catch (err) {
      if (!(err instanceof Refused)) throw new Fault(`${url} does not answer: ${reasonOf(err as Error)}`)
      throw new Fault(`${url} answers ${err.status}: ${typeof err.details === 'string' ? err.details : err.message}`)
    }
  }
  async function readRules(): Promise<void> {
    let cursor: string | null = null
    do {
      const page: RulesPage = await told(
        fairness.rules({ limit: A_PAGE, ...(cursor === null ? {} : { cursor }) }, patience)
      )
      for (const { version, snapshot } of page.versions) snapshots.set(version, snapshot)
      cursor = page.next_cursor
    } while (cursor !== null)
  }

  return {
    key: async () => (await told(fairness.key({}, patience))).verifier_key,
    checkpoint: () => told(fairness.checkpoint({}, patience)),
    checkpointsAbove: (size) =>
      above(size, async (before = Number.MAX_SAFE_INTEGER) => {
        const { checkpoints } = await told(fairness.checkpoints({ limit: A_PAGE, before }, patience))
        return checkpoints
      }),
    async entries(start, end) {
      const lines: string[] = []
      while (start + lines.length < end) {
        const from = start + lines.length
        const to = Math.min(from + ENTRIES_AT_A_TIME, end)
        const text = await told(fairness.entries({ start: from, end: to }, patience))
        const more = text.split('\n').filter((line) => line !== '')
        if (more.length === 0) throw new Fault(`${url} gives no entry ${from}, and signed ${end}`)
        lines.push(...more)
      }
      return lines
    },
    consistency: async (from, to) => (await told(fairness.consistency({ from, to }, patience))).hashes,
    async rules(version) {
      if (!snapshots.has(version)) await readRules()
      const snapshot = snapshots.get(version)
      if (snapshot === undefined) throw new Fault(`${url} has no version ${version} of the rules`)
      return snapshot
    }
  }
}

/**
 * Checkpoints of a larger size than that, in the order of their sizes.
 * @param page some of those below a size, newest first; none where there are no more
 */
export async function above<One extends { readonly size: number }>(
  size: number,
  page: (below?: number) => Promise<readonly One[]>
): Promise<One[]> {
  const found: One[] = []
  for (;;) {
    const more = await page(found.at(-1)?.size)
    const larger = more.filter((one) => one.size > size)
    found.push(...larger)
    if (larger.length === 0 || larger.length < more.length) return found.reverse()
  }
}

type RulesPage = Data<'get', '/api/fairness/rules'>

/** The innermost cause: which host, which fault of the network. */
function reasonOf(err: Error): string {
  return err.cause instanceof Error ? reasonOf(err.cause) : err.message
}
