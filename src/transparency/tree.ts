import { insertInto } from '../engine/sql.js'
import type { RawDb, Write } from '../engine/tx.js'
import { Prisma } from '../generated/prisma/client.js'
import { type FullNode, fullNodesOf, nodeHash, type Span, spanHash } from './merkle.js'

/**
 * Hashes of full subtrees from this level up are kept; those below are computed from their leaves, 2^8 at the most:
 * quick enough, and kept they would take as much room again as the leaves.
 */
const KEPT_LEVEL = 8

const insertLeaves = insertBytes('fairness_leaves', ['idx'])
const insertNodes = insertBytes('fairness_nodes', ['level', 'idx'])

/** {@link insertInto} for rows that end with a hash, which is written as its bytes. */
function insertBytes(table: string, keys: readonly string[]) {
  const insert = insertInto(table, [...keys, 'hash'])
  return (rows: readonly (readonly [...number[], Buffer])[]): Write[] =>
    insert(rows.map((row) => Object.fromEntries([...keys, 'hash'].map((name, at) => [name, row[at] as never]))))
}

type Hashes = Map<string, Buffer>
const nameOf = ({ level, index }: FullNode) => `${level} ${index}`

/** The hash of each span of a log, in the order of the spans; all of their leaves are there. */
export async function hashesOf(db: RawDb, spans: readonly Span[]): Promise<Buffer[]> {
  const known = await loadNodes(db, spans.flatMap(fullNodesOf))
  return spans.map((span) => spanHash(span, (node) => found(known, node)))
}

/**
 * What makes a log longer.
 * @param size how many leaves it has
 * @returns the writes, and the root it has then
 */
export async function growth(
  db: RawDb,
  size: number,
  leaves: readonly Buffer[]
): Promise<{ writes: Write[]; root: Buffer }> {
  const before = fullNodesOf([0, size])
  const known = await loadNodes(db, before)
  /** The full subtrees that it ends with, from the largest. */
  const peaks = before.map((node) => ({ ...node, hash: found(known, node) }))
  const made: [level: number, index: number, hash: Buffer][] = []
  for (const [offset, leaf] of leaves.entries()) {
    let [level, index, hash] = [0, size + offset, leaf]
    // A right child completes its parent, whose left half is the last peak.
    for (; index % 2 === 1; level += 1, index = (index - 1) / 2) {
      hash = nodeHash(peaks.pop()?.hash ?? missing(level, index), hash)
      if (level + 1 >= KEPT_LEVEL) made.push([level + 1, (index - 1) / 2, hash])
    }
    peaks.push({ level, index, hash })
  }
  return {
    writes: [...insertLeaves(leaves.map((hash, offset) => [size + offset, hash])), ...insertNodes(made)],
    root: peaks.map(({ hash }) => hash).reduceRight((right, left) => nodeHash(left, right))
  }
}

function missing(level: number, index: number): never {
  throw new Error(`the log lacks what is left of ${level} ${index}`)
}

function found(known: Hashes, node: FullNode): Buffer {
  const hash = known.get(nameOf(node))
  if (hash === undefined) throw new Error(`the log lacks the subtree ${nameOf(node)}`)
  return hash
}

/** Reads full subtrees: kept ones as they are, small ones from their leaves. */
async function loadNodes(db: RawDb, nodes: readonly FullNode[]): Promise<Hashes> {
  const known: Hashes = new Map()
  const [kept, small] = [nodes.filter(isKept), nodes.filter((node) => !isKept(node))]
  if (kept.length > 0) {
    const keys = kept.map(({ level, index }) => Prisma.sql`(level = ${level} AND idx = ${index})`)
    const rows = await db.$queryRaw<{ level: number; idx: number | bigint; hash: Uint8Array }[]>`
      SELECT level, idx, hash FROM fairness_nodes WHERE ${Prisma.join(keys, ' OR ')}`
    for (const { level, idx, hash } of rows) known.set(nameOf({ level, index: Number(idx) }), Buffer.from(hash))
  }
  if (small.length > 0) {
    const spans = small.map(({ level, index }) => [index * 2 ** level, (index + 1) * 2 ** level] as const)
    const ranges = spans.map(([from, to]) => Prisma.sql`(idx >= ${from} AND idx < ${to})`)
    const rows = await db.$queryRaw<{ idx: number | bigint; hash: Uint8Array }[]>`
      SELECT idx, hash FROM fairness_leaves WHERE ${Prisma.join(ranges, ' OR ')}`
    for (const { idx, hash } of rows) known.set(nameOf({ level: 0, index: Number(idx) }), Buffer.from(hash))
    for (const node of small) known.set(nameOf(node), fromLeaves(known, node))
  }
  return known
}

const isKept = ({ level }: FullNode) => level >= KEPT_LEVEL

function fromLeaves(known: Hashes, node: FullNode): Buffer {
  const { level, index } = node
  if (level === 0) return found(known, node)
  const half = (side: number) => fromLeaves(known, { level: level - 1, index: index * 2 + side })
  return nodeHash(half(0), half(1))
}
