import { fromHex, isSame, join } from './bytes.js'
import { type Bytes, sha256, utf8 } from './platform.js'

const LEAF = Uint8Array.of(0)
const NODE = Uint8Array.of(1)

/** Hashes as RFC 9162 section 2.1 has them. */
export const hashLeaf = (line: string): Promise<Bytes> => sha256(join(LEAF, utf8(line)))
const hashNode = (left: Bytes, right: Bytes): Promise<Bytes> => sha256(join(NODE, left, right))

/** Whether a leaf is in the log of that size and root: the verification of RFC 9162 section 2.1.3.2. */
export async function isIncluded(
  leaf: Bytes,
  { index, size, hashes }: { readonly index: number; readonly size: number; readonly hashes: readonly string[] },
  root: Bytes
): Promise<boolean> {
  if (index >= size) return false
  let [place, last] = [BigInt(index), BigInt(size - 1)]
  let hash = leaf
  for (const sibling of hashes.map(fromHex)) {
    if (last === 0n) return false
    if ((place & 1n) === 1n || place === last) {
      hash = await hashNode(sibling, hash)
      while ((place & 1n) === 0n && place !== 0n) [place, last] = [place >> 1n, last >> 1n]
    } else {
      hash = await hashNode(hash, sibling)
    }
    ;[place, last] = [place >> 1n, last >> 1n]
  }
  return last === 0n && isSame(hash, root)
}

/** Whether a log with one root is the beginning of a log with another: RFC 9162 section 2.1.4.2. */
export async function isConsistent(
  before: { readonly size: number; readonly root: Bytes },
  after: { readonly size: number; readonly root: Bytes },
  proof: readonly string[]
): Promise<boolean> {
  if (before.size > after.size) return false
  if (before.size === after.size) return proof.length === 0 && isSame(before.root, after.root)
  if (before.size === 0) return proof.length === 0
  const given = proof.map(fromHex)
  // A full tree is a node of the other, and is not sent: whoever asks has it.
  const path = Number.isInteger(Math.log2(before.size)) ? [before.root, ...given] : given
  const [start, ...rest] = path
  if (start === undefined) return false
  let [place, last] = [BigInt(before.size - 1), BigInt(after.size - 1)]
  while ((place & 1n) === 1n) [place, last] = [place >> 1n, last >> 1n]
  let [older, newer] = [start, start]
  for (const hash of rest) {
    if (last === 0n) return false
    if ((place & 1n) === 1n || place === last) {
      older = await hashNode(hash, older)
      newer = await hashNode(hash, newer)
      while ((place & 1n) === 0n && place !== 0n) [place, last] = [place >> 1n, last >> 1n]
    } else {
      newer = await hashNode(newer, hash)
    }
    ;[place, last] = [place >> 1n, last >> 1n]
  }
  return last === 0n && isSame(older, before.root) && isSame(newer, after.root)
}

/** A log that grows, of which only the peaks are kept: enough for its root. */
export class GrowingLog {
  /** Hashes of its full subtrees, from the largest. */
  #peaks: { readonly size: number; readonly hash: Bytes }[]

  constructor(peaks: readonly { readonly size: number; readonly hash: Bytes }[] = []) {
    this.#peaks = [...peaks]
  }

  get size(): number {
    return this.#peaks.reduce((sum, peak) => sum + peak.size, 0)
  }

  get peaks(): readonly { readonly size: number; readonly hash: Bytes }[] {
    return this.#peaks
  }

  async add(line: string): Promise<void> {
    const last = () => this.#peaks[this.#peaks.length - 1]
    let peak = { size: 1, hash: await hashLeaf(line) }
    for (let left = last(); left?.size === peak.size; left = last()) {
      this.#peaks.pop()
      peak = { size: peak.size * 2, hash: await hashNode(left.hash, peak.hash) }
    }
    this.#peaks.push(peak)
  }

  async root(): Promise<Bytes> {
    const [last, ...others] = this.#peaks.map(({ hash }) => hash).reverse()
    let root = last ?? (await sha256(new Uint8Array()))
    for (const left of others) root = await hashNode(left, root)
    return root
  }
}
