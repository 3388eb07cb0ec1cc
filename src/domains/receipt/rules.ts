import type { ReviewStatus } from './schemas.js'

/** The least and the most of a receipt, in cents (contract section 7). */
const MIN_CENTS = 1
export const MAX_CENTS = 10_000_00

/**
 * What can be done with a receipt: a merchant decides it, its diner takes it back, another merchant
 * overturns the decision on appeal, an admin revokes it.
 */
export type ReceiptStep = 'approve' | 'reject' | 'withdraw' | 'overturn' | 'revoke'

interface StepRule {
  readonly from: readonly ReviewStatus[]
  /** null: it is gone */
  readonly to: ReviewStatus | null
}

/** The states of a receipt and the steps between them, whole (contract sections 7, 8 and 15). */
export const RECEIPT_STEPS = {
  approve: { from: ['pending'], to: 'approved' },
  reject: { from: ['pending'], to: 'rejected' },
  withdraw: { from: ['pending'], to: null },
  overturn: { from: ['rejected', 'approved'], to: 'approved' },
  revoke: { from: ['approved'], to: 'revoked' }
} as const satisfies Readonly<Record<ReceiptStep, StepRule>>

/** Whether a state allows a step. */
export function receiptAllows(status: ReviewStatus, step: ReceiptStep): boolean {
  const from: readonly ReviewStatus[] = RECEIPT_STEPS[step].from
  return from.includes(status)
}

/** What a receipt promises its uploader, fixed in its row when it is uploaded. */
export interface PointsTerms {
  /** Points for one yuan. */
  readonly rate: number
  readonly min: number
  readonly max: number
}

/**
 * Points for an amount: the whole part of yuan × rate, at least `min`, at most `max` (contract section 8). Computed in
 * integer cents: 58.5 × 10 in fractions of two is not always 585.
 */
export function pointsFor(cents: number, { rate, min, max }: PointsTerms): number {
  return Math.min(max, Math.max(min, Math.floor((cents * rate) / 100)))
}

/** An amount as a form has it, in cents; undefined when it is no number above 0 with at most two decimals. */
export function centsOfText(text: string): number | undefined {
  const match = /^(\d{1,9})(?:\.(\d{1,2}))?$/.exec(text.trim())
  if (match === null) return undefined
  const cents = Number(match[1]) * 100 + Number((match[2] ?? '').padEnd(2, '0'))
  return cents >= MIN_CENTS ? cents : undefined
}

/** An amount as JSON has it, in cents; undefined when it is none from 0.01 to 10000 with at most two decimals. */
export function centsOfNumber(yuan: number): number | undefined {
  const cents = Math.round(yuan * 100)
  // The nearest number to some cents and a hundredth is not a whole number of them, but very near.
  const exact = Math.abs(yuan * 100 - cents) < 1e-6
  return exact && cents >= MIN_CENTS && cents <= MAX_CENTS ? cents : undefined
}

/** What a diner is told of a decision (contract section 10). */
export function reviewMessage(status: ReviewStatus, points: number): string {
  if (status === 'approved') return `恭喜！您的消费凭证审核通过，获得${points}积分奖励`
  if (status === 'rejected') return '很抱歉，您的消费凭证审核未通过，请重新上传'
  if (status === 'revoked') return '您的消费凭证审核结果已被撤销'
  return '您的消费凭证正在审核中，请耐心等待'
}
