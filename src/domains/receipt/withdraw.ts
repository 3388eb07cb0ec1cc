import type { Tx } from '../../engine/tx.js'
import type { UnitOfWork } from '../../engine/unit-of-work.js'
import { refuse } from '../../shared/refusal.js'
import { businessDay } from '../../shared/time.js'
import { countDay } from './days.js'
import type { ReceiptRow } from './queries.js'
import { type ReceiptStep, receiptAllows } from './rules.js'
import { uploadTotals } from './totals.js'
import type { PictureKeys } from './upload.js'

/**
 * Takes back a pending receipt of one's own.
 * @returns where its pictures lie, to be removed after the commit
 * @throws Refusal REVIEW_NOT_FOUND or REVIEW_ALREADY_DONE
 */
export async function withdrawReceipt(
  { tx, tallies }: UnitOfWork,
  { userId, uploadId, timeZone }: { userId: number; uploadId: string; timeZone: string }
): Promise<PictureKeys> {
  const row = await lockReceipt(tx, uploadId)
  if (row.userId !== userId) throw refuse('REVIEW_NOT_FOUND')
  assertAllows(row, 'withdraw')
  await tx.receipt.delete({ where: { uploadId } })
  tallies.add(uploadTotals, userId, row.reviewStatus, { total: -1, earned: -row.pointsAwarded })
  await countDay(tx, businessDay(row.createdAt, timeZone), { uploads: -1 })
  return { imageKey: row.imageKey, thumbnailKey: row.thumbnailKey }
}

/** Locks a receipt and reads it as it is once the lock is held. @throws Refusal REVIEW_NOT_FOUND */
export async function lockReceipt(tx: Tx, uploadId: string): Promise<ReceiptRow> {
  await tx.$queryRaw`SELECT upload_id FROM photo_reviews WHERE upload_id = ${uploadId} FOR UPDATE`
  const row = await tx.receipt.findUnique({ where: { uploadId } })
  if (row === null) throw refuse('REVIEW_NOT_FOUND')
  return row
}

/** @throws Refusal REVIEW_ALREADY_DONE when the state of a receipt does not allow that step */
export function assertAllows({ reviewStatus: status }: ReceiptRow, step: ReceiptStep): void {
  if (!receiptAllows(status, step)) throw refuse('REVIEW_ALREADY_DONE', { status })
}
