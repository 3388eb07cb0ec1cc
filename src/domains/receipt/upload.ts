import type { FastifyReply, FastifyRequest } from 'fastify'
import { type ImageJobs, newKey, processPhoto } from '../../adapters/images/images.js'
import { HASH_VERSION } from '../../adapters/images/likeness.js'
import type { UnitOfWork } from '../../engine/unit-of-work.js'
import { actOnce, keyOf } from '../../http/keyed.js'
import { PHOTO, readPictureForm } from '../../http/picture-form.js'
import { risingId } from '../../shared/ids.js'
import { refuse } from '../../shared/refusal.js'
import { businessDay } from '../../shared/time.js'
import { countDay } from './days.js'
import { NewReview } from './pushes.js'
import type { UrlOf } from './queries.js'
import { centsOfText, MAX_CENTS, type PointsTerms, pointsFor } from './rules.js'
import type { Uploaded } from './schemas.js'
import { uploadTotals } from './totals.js'
import type { Waits } from './waiting.js'

const MAX_DESCRIPTION = 500

/** A receipt whose pictures lie in the storage, to be written down. */
interface NewReceipt {
  readonly uploadId: string
  readonly userId: number
  readonly cents: number
  readonly description: string
  readonly filename: string
  readonly imageKey: string
  readonly thumbnailKey: string
  readonly fileSize: number
  readonly sha256: string
  readonly phash: string
}

/** What an upload needs besides its request. */
interface UploadTools {
  readonly imageJobs: ImageJobs
  readonly terms: PointsTerms
  readonly timeZone: string
  readonly waits: () => Promise<Waits>
  readonly urlOf: UrlOf
}

/**
 * Takes a receipt in: reads the form, makes the pictures, puts them into the storage, writes the row. There is no row
 * without its objects: they are stored before it; and no object without its row: a step that fails undoes those before.
 * @throws Refusal of the form's, PHOTO_STORE_FAILED, IDEMPOTENCY_CONFLICT or OVERLOADED; and then nothing is kept
 */
export async function uploadReceipt(
  request: FastifyRequest,
  reply: FastifyReply,
  { imageJobs, terms, timeZone, waits, urlOf }: UploadTools
): Promise<Uploaded> {
  const { bytes, filename, fields } = await readPictureForm(request, PHOTO)
  const { userId } = request.user
  const cents = readAmount(fields.get('amount'))
  const description = readDescription(fields.get('description'))
  const { image, thumbnail, sha256, phash } = await imageJobs.run(() => processPhoto(bytes))
  const keyed = keyOf(request, { sha256, cents, description })
  const keys = await storePictures(request, { image, thumbnail })
  const receipt: NewReceipt = {
    ...keys,
    uploadId: risingId(),
    userId,
    cents,
    description,
    filename,
    fileSize: image.length,
    sha256,
    phash
  }
  const estimate = (await waits()).inWords()
  try {
    const { answer, replayed } = await actOnce(request, reply, { keyed }, (uow) =>
      recordReceipt(uow, receipt, { terms, timeZone, urlOf, estimate })
    )
    if (replayed) await discardPictures(request, keys)
    else request.server.comparer.wake(answer.upload_id)
    return answer
  } catch (err) {
    // A connection lost at the commit leaves open whether the row is there; if it is, or may be, so are its objects.
    const { db } = request.server
    const kept = await db.receipt.count({ where: { uploadId: receipt.uploadId } }).catch(() => 1)
    if (kept === 0) await discardPictures(request, keys)
    throw err
  }
}

/** @throws Refusal AMOUNT_INVALID or AMOUNT_TOO_LARGE */
function readAmount(text: string | undefined): number {
  const cents = centsOfText(text ?? '')
  if (cents === undefined) throw refuse('AMOUNT_INVALID')
  if (cents > MAX_CENTS) throw refuse('AMOUNT_TOO_LARGE')
  return cents
}

function readDescription(text = ''): string {
  if (text.length <= MAX_DESCRIPTION) return text
  throw refuse('VALIDATION_FAILED', [
    { field: 'description', message: `must be at most ${MAX_DESCRIPTION} characters` }
  ])
}

/** Where the pictures of a receipt lie. */
export type PictureKeys = Pick<NewReceipt, 'imageKey' | 'thumbnailKey'>

/** @throws Refusal PHOTO_STORE_FAILED, and then nothing is kept */
async function storePictures(
  request: FastifyRequest,
  { image, thumbnail }: { image: Buffer; thumbnail: Buffer }
): Promise<PictureKeys> {
  const { storage, clock } = request.server
  const key = newKey('photos', clock())
  const keys = { imageKey: `${key}.jpg`, thumbnailKey: `${key}_t.jpg` }
  try {
    await storage.put(keys.imageKey, image, 'image/jpeg')
    await storage.put(keys.thumbnailKey, thumbnail, 'image/jpeg')
    return keys
  } catch (err) {
    request.log.error({ err }, 'the storage failed')
    await discardPictures(request, keys)
    throw refuse('PHOTO_STORE_FAILED')
  }
}

/** Removes what a failed, repeated or withdrawn upload leaves; what cannot be removed now, the sweep finds. */
export async function discardPictures(request: FastifyRequest, keys: PictureKeys): Promise<void> {
  for (const key of [keys.imageKey, keys.thumbnailKey]) {
    await request.server.storage
      .remove(key)
      .catch((err: unknown) => request.log.error({ err, key }, 'an object was left behind'))
  }
}

/** Writes the row of a receipt, with the terms that hold now, and pushes it to the merchants after the commit. */
async function recordReceipt(
  { tx, outbox, tallies, now }: UnitOfWork,
  receipt: NewReceipt,
  { terms, urlOf, timeZone, estimate }: Pick<UploadTools, 'terms' | 'urlOf' | 'timeZone'> & { estimate: string }
): Promise<Uploaded> {
  const { uploadId, userId, cents, imageKey, thumbnailKey, fileSize } = receipt
  const [imageUrl, thumbnailUrl] = [urlOf(imageKey), urlOf(thumbnailKey)]
  await tx.receipt.create({
    data: {
      uploadId,
      userId,
      imageUrl,
      thumbnailUrl,
      imageKey,
      thumbnailKey,
      amount: cents / 100,
      description: receipt.description,
      pointsRate: terms.rate,
      pointsMin: terms.min,
      pointsMax: terms.max,
      originalFilename: receipt.filename,
      fileSize,
      sha256: receipt.sha256,
      phash: receipt.phash,
      phashVersion: HASH_VERSION,
      createdAt: now
    }
  })
  tallies.add(uploadTotals, userId, 'pending', { total: 1 })
  await countDay(tx, businessDay(now, timeZone), { uploads: 1 })
  outbox.push('merchants', NewReview, {
    upload_id: uploadId,
    user_id: userId,
    amount: cents / 100,
    image_url: imageUrl,
    uploaded_at: now
  })
  return {
    upload_id: uploadId,
    status: 'pending',
    amount: cents / 100,
    image_url: imageUrl,
    thumbnail_url: thumbnailUrl,
    file_size: fileSize,
    expected_points: pointsFor(cents, terms),
    points_awarded: 0,
    message: '您的消费凭证已提交，商家将在24小时内完成审核',
    estimated_review_time: estimate,
    created_at: now
  }
}
