import type { Data } from '../../client/index.js'

/** A receipt with what it has in common with others, as reviewers get it. */
export type EvidencedReceipt = Data<'get', '/api/merchant/reviews/{id}'>

/** Reasons by their keys, 1 to 7. */
export const REASONS = [
  'unreadable',
  'not_a_receipt',
  'other_store',
  'too_old',
  'already_used',
  'amount_mismatch',
  'other'
] as const
export type Reason = (typeof REASONS)[number]

const MOST_CENTS = 1_000_000

/** An amount as it is written, in cents; undefined where it is none that a receipt may have. */
export function centsOf(text: string): number | undefined {
  const match = /^(\d{1,5})(?:\.(\d{1,2}))?$/.exec(text.trim())
  if (match === null) return undefined
  const cents = Number(match[1]) * 100 + Number((match[2] ?? '').padEnd(2, '0'))
  return cents > 0 && cents <= MOST_CENTS ? cents : undefined
}

/** The points that an amount comes to, by what was promised at upload. */
export function pointsOf(cents: number, { rate, min, max }: EvidencedReceipt['points_terms']): number {
  return Math.min(max, Math.max(min, Math.floor((cents * rate) / 100)))
}
