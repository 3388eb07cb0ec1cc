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
  const end = size + leaves.length
  const before = fullNodesOf([0, size])
  const known = await loadNodes(db, before)
  const made: FullNode[] = []
  for (const [offset, hash] of leaves.entries()) {
    let node: FullNode = { level: 0, index: size + offset }
    known.set(nameOf(node), hash)
    // A right child completes its parent, whose left half is full: made here, or one of those the log ended with.
    while (node.index % 2 === 1) {
      const parent = { level: node.level + 1, index: (node.index - 1) / 2 }
      const left = found(known, { level: node.level, index: node.index - 1 })
      known.set(nameOf(parent), nodeHash(left, found(known, node)))
      if (parent.level >= KEPT_LEVEL) made.push(parent)
      node = parent
    }
  }
  return {
    writes: [
      ...insertLeaves(leaves.map((hash, offset) => [size + offset, hash])),
      ...insertNodes(made.map((node) => [node.level, node.index, found(known, node)]))
    ],
    root: spanHash([0, end], (node) => found(known, node))
  }
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
