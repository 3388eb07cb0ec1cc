import { fromHex, toHex } from './bytes.js'
import { isSigned, readCheckpoint } from './checkpoint.js'
import { sha256, utf8 } from './platform.js'
import { hashLeaf, isIncluded } from './tree.js'
import { counted, isForced, prizeOf, readWheel, throwDice, type Wheel } from './wheel.js'

/** What was looked at, in words for the one who looks; `params` fill in the page's sentences. */
export interface Finding {
  /** `open`: it can be checked later, when the seed is told or the draw is logged. */
  readonly verdict: 'right' | 'wrong' | 'open'
  readonly check: Check
  readonly params: Readonly<Record<string, string | number>>
}

/** Every check there is, in the order in which they are made. */
export const CHECKS = [
  'format',
  'rules',
  'commitment',
  'nonce',
  'roll',
  'pity',
  'forced',
  'prize',
  'leaf',
  'signature',
  'inclusion'
] as const
type Check = (typeof CHECKS)[number]

interface Result {
  readonly nonce: number
  readonly roll: number
  readonly pity_before: number
  readonly prize_id: number
  readonly prize_name: string
  readonly forced: boolean
}

/** A proof as the service gives it (docs/FAIRNESS.md, "A proof"). */
interface Proof {
  readonly format: string
  readonly draw_id: string
  readonly drawn_at: string
  readonly rules_version: number
  readonly rules_sha256: string
  readonly rules: string
  readonly server_seed_hash: string
  readonly server_seed: string | null
  readonly client_seed: string
  readonly results: readonly Result[]
  readonly leaf: string
  readonly inclusion: {
    readonly index: number
    readonly size: number
    readonly hashes: string[]
    readonly checkpoint: string
  } | null
}

const FORMAT = 'restaurant-points-lottery/draw-proof/1'

/** What a proof is held against, where whoever checks has it. */
interface Known {
  /** The key of the log; without it the signature stays open. */
  readonly verifierKey?: string | undefined
  /** The commitment that the diner was shown before the draw. */
  readonly commitment?: string | undefined
}

/**
 * Checks a proof, whole: goes on after a wrong line, so that all that is wrong is told.
 * @param text the proof, or the service's answer that holds it
 */
export async function checkProof(text: string, known: Known = {}): Promise<Finding[]> {
  const findings: Finding[] = []
  const tell = (check: Check, verdict: Finding['verdict'] | boolean, params: Finding['params'] = {}) => {
    findings.push({ check, verdict: verdict === true ? 'right' : verdict === false ? 'wrong' : verdict, params })
  }
  const proof = readProof(text)
  if (typeof proof === 'string') {
    tell('format', false, { why: proof })
    return findings
  }
  tell('format', true, { draw: proof.draw_id })
  try {
    const isPublished = toHex(await sha256(utf8(proof.rules))) === proof.rules_sha256
    tell('rules', isPublished, { version: proof.rules_version })
    await checkSeed(proof, known, tell)
    await checkResults(proof, readWheel(proof.rules), tell)
    tell('leaf', isLeafOf(proof), {})
    await checkLog(proof, known, tell)
  } catch (err) {
    tell('format', false, { why: err instanceof Error ? err.message : String(err) })
  }
  return findings
}

type Tell = (check: Check, verdict: Finding['verdict'] | boolean, params?: Finding['params']) => void

function readProof(text: string): Proof | string {
  try {
    const told = JSON.parse(text)
    const proof = (told?.data ?? told) as Proof
    if (proof?.format !== FORMAT) return `it is not a ${FORMAT}`
    if (!Array.isArray(proof.results) || proof.results.length === 0) return 'it has no results'
    if (proof.results.some(({ nonce }) => nonce === null)) return 'the draw is from before there were seeds'
    return proof
  } catch {
    return 'it is not JSON'
  }
}

async function checkSeed({ server_seed_hash, server_seed }: Proof, { commitment }: Known, tell: Tell): Promise<void> {
  if (commitment !== undefined && commitment !== server_seed_hash) {
    tell('commitment', false, { told: server_seed_hash, shown: commitment })
  }
  if (server_seed === null) return tell('commitment', 'open', { told: server_seed_hash })
  tell('commitment', toHex(await sha256(fromHex(server_seed))) === server_seed_hash, { told: server_seed_hash })
}

async function checkResults(proof: Proof, wheel: Wheel, tell: Tell): Promise<void> {
  const [first] = proof.results
  let before = first?.pity_before ?? 0
  for (const [offset, result] of proof.results.entries()) {
    const { nonce, roll, prize_id: prize, forced, pity_before } = result
    const line = { number: offset + 1, nonce, roll, prize: result.prize_name }
    tell('nonce', nonce === (first?.nonce ?? 0) + offset, line)
    if (proof.server_seed === null) tell('roll', 'open', line)
    else {
      const thrown = await throwDice(fromHex(proof.server_seed), proof.client_seed, nonce)
      tell('roll', thrown === roll, { ...line, thrown })
    }
    tell('pity', pity_before === before, { ...line, told: pity_before, counted: before })
    tell('forced', forced === isForced(wheel, before), { ...line, before, limit: wheel.pityLimit })
    const right = prizeOf(wheel, roll, before)
    const name = wheel.prizes.find(({ id }) => id === right)?.name ?? ''
    tell('prize', prize === right, { ...line, right: name })
    before = counted(wheel, before, right)
  }
}

/** Whether the line of the log says what the proof says. */
function isLeafOf(proof: Proof): boolean {
  const { results } = proof
  const line = {
    at: Date.parse(proof.drawn_at),
    b: results[0]?.pity_before,
    c: proof.server_seed_hash,
    f: results.map(({ forced }) => (forced ? 1 : 0)),
    id: proof.draw_id,
    n: results[0]?.nonce,
    p: results.map(({ prize_id }) => prize_id),
    r: results.map(({ roll }) => roll),
    s: proof.client_seed,
    t: 'draw',
    v: proof.rules_version
  }
  return proof.leaf === JSON.stringify(line)
}

async function checkLog({ leaf, inclusion }: Proof, { verifierKey }: Known, tell: Tell): Promise<void> {
  if (inclusion === null) return tell('inclusion', 'open')
  const checkpoint = readCheckpoint(inclusion.checkpoint)
  const params = { index: inclusion.index, size: inclusion.size, origin: checkpoint.origin }
  const signed = verifierKey === undefined ? null : await isSigned(checkpoint, verifierKey)
  tell('signature', signed ?? 'open', params)
  const isThere = await isIncluded(await hashLeaf(leaf), inclusion, checkpoint.root)
  tell('inclusion', isThere && checkpoint.size === inclusion.size, params)
}
