import type { Tx } from '../../engine/tx.js'
import type { Prisma } from '../../generated/prisma/client.js'
import { refuse } from '../../shared/refusal.js'
import { DAY_MS } from '../../shared/time.js'
import { type ReceiptStep, receiptAllows } from './rules.js'
import type { AppealStatus } from './schemas.js'

/** A row of `photo_reviews` as Prisma gives it. */
export type ReceiptRow = Prisma.ReceiptGetPayload<object>

const APPEAL_DAYS = 7

/** Locks a receipt and reads it as it is once the lock is held. @throws Refusal REVIEW_NOT_FOUND */
export async function lockReceipt(tx: Tx, uploadId: string): Promise<ReceiptRow> {
  await tx.$queryRaw`SELECT upload_id FROM photo_reviews WHERE upload_id = ${uploadId} FOR UPDATE`
  const row = await tx.receipt.findUnique({ where: { uploadId } })
  if (row === null) throw refuse('REVIEW_NOT_FOUND')
  return row
}

/** @throws Refusal REVIEW_ALREADY_DONE when the state of a receipt does not allow that step */
export function assertAllows({ reviewStatus: status }: Pick<ReceiptRow, 'reviewStatus'>, step: ReceiptStep): void {
  if (!receiptAllows(status, step)) throw refuse('REVIEW_ALREADY_DONE', { status })
}

/** A number, or one of Prisma's. */
export type Yuan = number | { toNumber(): number }

export const yuan = (amount: Yuan): number => (typeof amount === 'number' ? amount : amount.toNumber())

export const yuanOrNull = (amount: Yuan | null): number | null => (amount === null ? null : yuan(amount))

/** What tells whether a decision may be appealed. */
type Appealable = Pick<ReceiptRow, 'reviewStatus' | 'reviewTime'> & {
  readonly amount: Yuan
  readonly actualAmount: Yuan | null
  readonly appeal: { readonly status: AppealStatus } | null
}

/**
 * Until when an appeal against a decision is taken; null where none is: nothing was decided, or as the diner wanted, or
 * there was an appeal (contract section 15).
 */
export function appealUntil({ reviewStatus, reviewTime, amount, actualAmount, appeal }: Appealable): Date | null {
  if (reviewTime === null || appeal !== null) return null
  const isLess = reviewStatus === 'approved' && actualAmount !== null && yuan(actualAmount) < yuan(amount)
  return reviewStatus === 'rejected' || isLess ? new Date(reviewTime.getTime() + APPEAL_DAYS * DAY_MS) : null
}
