import sharp, { type Metadata, type Sharp } from 'sharp'
import { HeicDecoder, isHeic, type Pixels } from './heif.js'

/** What a picture may have (contract section 7): a JPEG shrinks as it is read, all else is decoded whole. */
const MAX_PIXELS = 40_000_000
const MAX_JPEG_PIXELS = 200_000_000
/** How long one step of the work on a picture may take. */
const MAX_SECONDS = 20

const FORMATS = new Set(['jpeg', 'png', 'gif', 'webp'])
const END_OF_JPEG = Buffer.from([0xff, 0xd9])
/** What libjpeg says where a part of the picture is not there. */
const LACKS_A_PART = /premature end/

const heic = new HeicDecoder({ pixels: MAX_PIXELS, ms: MAX_SECONDS * 1000 })

/** A picture to be worked on; its sides as it stands upright. */
interface Picture {
  readonly width: number
  readonly height: number
  /** Upright once it is read. */
  readonly image: Sharp
}

/**
 * Opens what was uploaded as a picture, whatever its name says, and works on it. Of an animation the first frame is
 * taken. A JPEG is taken when its picture is whole, its end marker or what a phone writes around it set aside.
 * @throws Error when the bytes are none of the formats that are taken, too many pixels, or a part is not there
 */
export async function withPicture<T>(upload: Buffer, work: (picture: Picture) => Promise<T>): Promise<T> {
  if (isHeic(upload)) return work(fromPixels(await heic.decode(upload)))
  const metadata = await sharp(upload, { limitInputPixels: MAX_JPEG_PIXELS, animated: false }).metadata()
  if (!FORMATS.has(metadata.format ?? '')) throw new Error(`${metadata.format} is none of ours`)
  if (metadata.format !== 'jpeg') return work(open(upload, metadata, 'error'))
  // With an end marker a scan that breaks off is told from one that is whole: its data end before it.
  const jpeg = upload.subarray(-END_OF_JPEG.length).equals(END_OF_JPEG) ? upload : Buffer.concat([upload, END_OF_JPEG])
  try {
    return await work(open(jpeg, metadata, 'warning'))
  } catch (err) {
    if (LACKS_A_PART.test(String(err))) throw err
    return work(open(jpeg, metadata, 'error'))
  }
}

function open(bytes: Buffer, metadata: Metadata, failOn: 'warning' | 'error'): Picture {
  const { width, height } = metadata.autoOrient
  // The scans of a progressive JPEG are gathered whole before any of it can be shown.
  const shrinks = metadata.format === 'jpeg' && metadata.isProgressive !== true
  const limitInputPixels = shrinks ? MAX_JPEG_PIXELS : MAX_PIXELS
  return {
    width,
    height,
    image: sharp(bytes, { limitInputPixels, failOn, animated: false }).timeout(LIMIT).autoOrient()
  }
}

const LIMIT = { seconds: MAX_SECONDS }

function fromPixels({ width, height, data }: Pixels): Picture {
  return { width, height, image: sharp(data, { raw: { width, height, channels: 4 } }).timeout(LIMIT) }
}
