import type { UnitOfWork } from '../../engine/unit-of-work.js'
import { refuse } from '../../shared/refusal.js'
import { businessDay } from '../../shared/time.js'
import { countDay } from './days.js'
import { forgetPicture } from './evidence/matches.js'
import { ReviewDecided } from './pushes.js'
import { assertAllows, lockReceipt } from './states.js'
import { uploadTotals } from './totals.js'
import type { PictureKeys } from './upload.js'

/**
 * Takes back a pending receipt of one's own.
 * @returns where its pictures lie, to be removed after the commit
 * @throws Refusal REVIEW_NOT_FOUND or REVIEW_ALREADY_DONE
 */
export async function withdrawReceipt(
  { tx, tallies, outbox, now }: UnitOfWork,
  { userId, uploadId, timeZone }: { userId: number; uploadId: string; timeZone: string }
): Promise<PictureKeys> {
  const row = await lockReceipt(tx, uploadId)
  if (row.userId !== userId) throw refuse('REVIEW_NOT_FOUND')
  assertAllows(row, 'withdraw')
  await forgetPicture(tx, uploadId)
  await tx.receipt.delete({ where: { uploadId } })
  tallies.add(uploadTotals, userId, row.reviewStatus, { total: -1, earned: -row.pointsAwarded })
  await countDay(tx, businessDay(row.createdAt, timeZone), { uploads: -1 })
  outbox.push('merchants', ReviewDecided, {
    upload_id: uploadId,
    status: 'withdrawn',
    actual_amount: null,
    points_awarded: 0,
    appeal: null,
    reviewer: null,
    decided_at: now
  })
  return { imageKey: row.imageKey, thumbnailKey: row.thumbnailKey }
}
