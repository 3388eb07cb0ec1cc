import { createHash, randomBytes } from 'node:crypto'
import PQueue from 'p-queue'
import sharp from 'sharp'
import type { ErrorName } from '../../shared/catalogue.js'
import { refuse } from '../../shared/refusal.js'
import { hashOf } from './likeness.js'
import { withPicture } from './source.js'

/** The largest photograph that is taken, in bytes. */
export const MAX_PHOTO_BYTES = 5 * 1024 * 1024
/** What a receipt is kept within, lying or standing (contract section 7). */
const LONG_SIDE = 1920
const SHORT_SIDE = 1080
/** A receipt is long where it is so many times as long as wide: it keeps a width that can be read. */
const LONG_SHAPE = 2.5
const READABLE_WIDTH = 720
const MAX_KEPT_PIXELS = 12_000_000
const THUMBNAIL_SIDE = 400
const AVATAR_SIDE = 256
const PRODUCT_SIDE = 1080
const QUALITY = 80
const JOBS_AT_A_TIME = 2
const JOBS_WAITING = 8
const RETRY_AFTER_SECONDS = 3

// One thread a job: two jobs are two cores, whatever libvips would take. Its cache would keep what nobody asks again.
sharp.concurrency(1)
sharp.cache(false)

/** Image work of this process. Whoever finds the queue full is sent away, and not kept waiting with 5 MB in hand. */
export class ImageJobs {
  readonly #queue = new PQueue({ concurrency: JOBS_AT_A_TIME })

  /** @throws Refusal OVERLOADED, or what the job throws */
  async run<T>(job: () => Promise<T>): Promise<T> {
    if (this.#queue.size >= JOBS_WAITING) throw refuse('OVERLOADED', undefined, RETRY_AFTER_SECONDS)
    return this.#queue.add(job)
  }
}

interface Photo {
  readonly image: Buffer
  readonly thumbnail: Buffer
  /** Of the bytes as they were uploaded, in hexadecimal. */
  readonly sha256: string
  /** 64 bits in hexadecimal: like photographs have few bits that differ. */
  readonly phash: string
}

/**
 * What a receipt is scaled to, so that it can still be read: within 1920×1080 lying or 1080×1920 standing, but one that
 * is long keeps 720 pixels across, up to twelve megapixels in all. None is enlarged.
 */
export function receiptSize({ width, height }: { width: number; height: number }): { width: number; height: number } {
  const [short, long] = [Math.min(width, height), Math.max(width, height)]
  const scale =
    long > short * LONG_SHAPE
      ? Math.min(1, READABLE_WIDTH / short, Math.sqrt(MAX_KEPT_PIXELS / (width * height)))
      : Math.min(1, SHORT_SIDE / short, LONG_SIDE / long)
  return { width: Math.max(1, Math.round(width * scale)), height: Math.max(1, Math.round(height * scale)) }
}

/**
 * Makes of an upload what is kept: upright, of a size that can be read, JPEG, without metadata, and a thumbnail. The
 * type is told from the bytes; of an animation the first frame is taken.
 * @throws Refusal PHOTO_UNREADABLE
 */
export function processPhoto(upload: Buffer): Promise<Photo> {
  return orRefuse('PHOTO_UNREADABLE', async () => {
    const image = await withPicture(upload, (picture) =>
      picture.image
        .resize({ ...receiptSize(picture), fit: 'fill' })
        .flatten({ background: '#ffffff' })
        .jpeg({ quality: QUALITY })
        .toBuffer()
    )
    const thumbnail = await sharp(image)
      .resize({ width: THUMBNAIL_SIDE, height: THUMBNAIL_SIDE, fit: 'inside', withoutEnlargement: true })
      .jpeg({ quality: QUALITY })
      .toBuffer()
    return { image, thumbnail, sha256: sha256(upload), phash: await hashOf(thumbnail) }
  })
}

function sha256(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex')
}

/**
 * Makes of an upload what is shown beside a name: a square of 256 pixels, WebP, without metadata.
 * @throws Refusal AVATAR_UNREADABLE
 */
export function processAvatar(upload: Buffer): Promise<Buffer> {
  return orRefuse('AVATAR_UNREADABLE', () =>
    withPicture(upload, ({ image }) =>
      image.resize({ width: AVATAR_SIDE, height: AVATAR_SIDE, fit: 'cover' }).webp({ quality: QUALITY }).toBuffer()
    )
  )
}

/**
 * Makes of an upload the picture of a product: upright, within a square of 1080 pixels, WebP, without metadata.
 * @throws Refusal IMAGE_UNREADABLE
 */
export function processProductImage(upload: Buffer): Promise<Buffer> {
  return orRefuse('IMAGE_UNREADABLE', () =>
    withPicture(upload, ({ image }) =>
      image
        .resize({ width: PRODUCT_SIDE, height: PRODUCT_SIDE, fit: 'inside', withoutEnlargement: true })
        .webp({ quality: QUALITY })
        .toBuffer()
    )
  )
}

/** Whatever sharp cannot do with an upload is the fault of its bytes. @throws Refusal as `unreadable` names it */
async function orRefuse<T>(unreadable: ErrorName, work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch {
    throw refuse(unreadable)
  }
}

/** A key that nobody can guess, by month below `kind`, without its ending. */
export function newKey(kind: 'photos' | 'avatars' | 'products', now: Date): string {
  return `${kind}/${now.toISOString().slice(0, 7).replace('-', '/')}/${randomBytes(16).toString('hex')}`
}
