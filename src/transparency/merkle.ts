import { createHash } from 'node:crypto'

/** Hashes of a Merkle tree as RFC 9162 section 2.1 has them: a leaf can never be taken for a node. */
export function leafHash(data: string): Buffer {
  return createHash('sha256').update('\x00').update(data).digest()
}

export function nodeHash(left: Buffer, right: Buffer): Buffer {
  return createHash('sha256').update('\x01').update(left).update(right).digest()
}

/** Of a tree without a leaf. */
export const EMPTY_ROOT = createHash('sha256').digest()

/** Leaves `from` to below `to`: a subtree of the log. */
export type Span = readonly [from: number, to: number]

/** The largest power of two below `size`, which is at least 2: how many leaves the left half has. */
function leftHalf(size: number): number {
  let half = 1
  while (half * 2 < size) half *= 2
  return half
}

/** The siblings on a leaf's way to the root of a log of that size, from the leaf up. */
export function inclusionSpans(index: number, [from, to]: Span): Span[] {
  if (to - from === 1) return []
  const middle = from + leftHalf(to - from)
  return index < middle
    ? [...inclusionSpans(index, [from, middle]), [middle, to]]
    : [...inclusionSpans(index, [middle, to]), [from, middle]]
}

/** What shows that a log of size `first` is the beginning of one of size `second` (RFC 9162, 2.1.4.1). */
export function consistencySpans(first: number, second: number): Span[] {
  const walk = (known: number, [from, to]: Span, isWhole: boolean): Span[] => {
    if (known === to) return isWhole ? [] : [[from, to]]
    const middle = from + leftHalf(to - from)
    return known <= middle
      ? [...walk(known, [from, middle], isWhole), [middle, to]]
      : [...walk(known, [middle, to], false), [from, middle]]
  }
  return first === 0 || first === second ? [] : walk(first, [0, second], true)
}

/** A subtree with 2^level leaves, all there: it never changes again. */
export interface FullNode {
  readonly level: number
  readonly index: number
}

/** The full subtrees that a span is made of, from its left. */
export function fullNodesOf([from, to]: Span): FullNode[] {
  const size = to - from
  if (size <= 0) return []
  const level = Math.log2(size)
  if (Number.isInteger(level) && from % size === 0) return [{ level, index: from / size }]
  const middle = from + leftHalf(size)
  return [...fullNodesOf([from, middle]), ...fullNodesOf([middle, to])]
}

/** The hash of a span, from those of the full subtrees it is made of. */
export function spanHash(span: Span, hashOf: (node: FullNode) => Buffer): Buffer {
  const parts = fullNodesOf(span).map(hashOf)
  // The last two are joined first: what is ragged is on the right.
  return parts.length === 0 ? EMPTY_ROOT : parts.reduceRight((right, left) => nodeHash(left, right))
}
