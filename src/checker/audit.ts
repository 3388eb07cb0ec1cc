import { fromHex, toHex } from './bytes.js'
import { sha256, utf8 } from './platform.js'
import { counted, isForced, prizeOf, readWheel, throwDice, type Wheel } from './wheel.js'

/** What the log has told of an epoch whose seed is not public yet. */
interface OpenEpoch {
  /** Nonces it has used. */
  draws: number
  /** Draws since the guarantee's prize. */
  before: number
  /** Each draw, to be thrown again once the seed is told: client seed, first nonce, rolls. */
  readonly thrown: [seed: string, nonce: number, rolls: number[]][]
}

/** How often each prize came under a version: by chance, and by the guarantee. */
type Tally = Record<string, { chance: number; forced: number }>

/** What an audit has to remember from one time to the next; plain JSON. */
export interface AuditMemory {
  versions: Record<string, { sha256: string; tally: Tally }>
  open: Record<string, OpenEpoch>
  /** Commitments whose seeds are told: they never draw again. */
  closed: string[]
  /** Ids of draws from before there were seeds, which no nonce tells apart. */
  old: string[]
}

const emptyMemory = (): AuditMemory => ({ versions: {}, open: {}, closed: [], old: [] })

/** Fetches the snapshot of a rules version, as it is published. */
type Rules = (version: number) => Promise<string>

interface DrawEntry {
  readonly id: string
  readonly v: number
  readonly c: string
  readonly s: string
  readonly n: number
  readonly b: number
  readonly r: number[]
  readonly p: number[]
  readonly f: number[]
}

/**
 * Reads the public log from its beginning, line by line, and finds every contradiction in it: it needs nothing but the
 * lines and the published rules. What a seed decides is judged when the seed is told; all else at once.
 */
export class LogAudit {
  readonly #closed: Set<string>
  readonly #old: Set<string>
  readonly #wheels = new Map<number, Wheel>()

  constructor(
    private readonly rules: Rules,
    readonly memory: AuditMemory = emptyMemory()
  ) {
    this.#closed = new Set(memory.closed)
    this.#old = new Set(memory.old)
  }

  /** What is to be kept until the next time. */
  remember(): AuditMemory {
    return { ...this.memory, closed: [...this.#closed], old: [...this.#old] }
  }

  /** @returns what is wrong with the next line; nothing where all is well */
  async add(line: string): Promise<string[]> {
    try {
      const entry = JSON.parse(line)
      const wrong = isCanonical(entry, line) ? [] : ['it is not canonical JSON']
      if (entry.t === 'rules') return [...wrong, ...(await this.#addRules(entry))]
      if (entry.t === 'draw') return [...wrong, ...(await this.#addDraw(entry))]
      if (entry.t === 'draw0') return [...wrong, ...(await this.#addOldDraw(entry))]
      if (entry.t === 'seed') return [...wrong, ...(await this.#addSeed(entry))]
      return [...wrong, `there is no such kind of entry: ${entry.t}`]
    } catch (err) {
      return [`it cannot be read: ${err instanceof Error ? err.message : String(err)}`]
    }
  }

  async #addRules({ v, sha256: hash }: { v: number; sha256: string }): Promise<string[]> {
    if (this.memory.versions[v] !== undefined) return [`rules version ${v} is told twice`]
    this.memory.versions[v] = { sha256: hash, tally: {} }
    const published = toHex(await sha256(utf8(await this.rules(v))))
    return published === hash ? [] : [`rules version ${v} is not what is published under its number`]
  }

  /** The wheel of a version; read when first asked for, and checked again then. */
  async #wheelOf(version: number): Promise<Wheel | string> {
    const known = this.#wheels.get(version)
    if (known !== undefined) return known
    const told = this.memory.versions[version]
    if (told === undefined) return `rules version ${version} was not told before the first draw under it`
    const snapshot = await this.rules(version)
    if (toHex(await sha256(utf8(snapshot))) !== told.sha256) return `the published rules version ${version} has changed`
    const wheel = readWheel(snapshot)
    this.#wheels.set(version, wheel)
    return wheel
  }

  async #addDraw({ id, v, c, s, n, b, r, p, f }: DrawEntry): Promise<string[]> {
    const wheel = await this.#wheelOf(v)
    if (typeof wheel === 'string') return [wheel]
    if (this.#closed.has(c)) return [`draw ${id} is of an epoch whose seed was told before`]
    if (r.length === 0 || r.length !== p.length || r.length !== f.length) return [`draw ${id} is not whole`]
    const wrong: string[] = []
    const told = this.memory.open[c]
    const epoch: OpenEpoch = told ?? { draws: 0, before: b, thrown: [] }
    this.memory.open[c] = epoch
    if (n !== epoch.draws) wrong.push(`draw ${id} has the nonce ${n}, where ${epoch.draws} is next`)
    if (told !== undefined && b !== epoch.before)
      wrong.push(`draw ${id} counts ${b} before it, where ${epoch.before} is right`)
    epoch.draws = n + r.length
    epoch.thrown.push([s, n, r])
    let before = b
    for (const [place, roll] of r.entries()) {
      const [prize, forced] = [p[place] ?? 0, f[place] === 1]
      if (forced !== isForced(wheel, before)) {
        wrong.push(`draw ${id}, result ${place + 1}: the guarantee was ${forced ? 'not ' : ''}due after ${before}`)
      }
      const right = prizeOf(wheel, roll, before)
      if (prize !== right) wrong.push(`draw ${id}, result ${place + 1}: the prize is ${prize}, where ${right} is right`)
      this.#count(v, prize, forced)
      before = counted(wheel, before, prize)
    }
    epoch.before = before
    return wrong
  }

  async #addOldDraw({ id, v, p, f }: Pick<DrawEntry, 'id' | 'v' | 'p' | 'f'>): Promise<string[]> {
    const wheel = await this.#wheelOf(v)
    if (typeof wheel === 'string') return [wheel]
    if (this.#old.has(id)) return [`draw ${id} is told twice`]
    this.#old.add(id)
    for (const [place, prize] of p.entries()) this.#count(v, prize, f[place] === 1)
    return []
  }

  async #addSeed({ c, k, n }: { c: string; k: string; n: number }): Promise<string[]> {
    if (this.#closed.has(c)) return [`the seed of ${c} is told twice`]
    this.#closed.add(c)
    const epoch = this.memory.open[c] ?? { draws: 0, before: 0, thrown: [] }
    delete this.memory.open[c]
    const seed = fromHex(k)
    if (toHex(await sha256(seed)) !== c) return [`the seed told for ${c} is not the one that was committed to`]
    const wrong = n === epoch.draws ? [] : [`the epoch ${c} ended after ${n} draws, of which ${epoch.draws} were told`]
    for (const [word, first, rolls] of epoch.thrown) {
      for (const [offset, roll] of rolls.entries()) {
        const right = await throwDice(seed, word, first + offset)
        if (roll !== right)
          wrong.push(`the epoch ${c}, nonce ${first + offset}: the roll is ${roll}, where ${right} is right`)
      }
    }
    return wrong
  }

  #count(version: number, prize: number, forced: boolean): void {
    const tally = this.memory.versions[version]?.tally
    if (tally === undefined) return
    const sum = tally[prize] ?? { chance: 0, forced: 0 }
    tally[prize] = sum
    if (forced) sum.forced += 1
    else sum.chance += 1
  }
}

/** Whether a line is its content as RFC 8785 writes it: the same content has one line. */
function isCanonical(entry: Readonly<Record<string, unknown>>, line: string): boolean {
  const names = Object.keys(entry)
  const sorted = [...names].sort((a, b) => (a < b ? -1 : 1))
  return sorted.every((name, at) => name === names[at]) && JSON.stringify(entry) === line
}
