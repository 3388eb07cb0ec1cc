import { execFile } from 'node:child_process'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { promisify } from 'node:util'
import fc from 'fast-check'
import sharp from 'sharp'
import { describe, expect, onTestFinished, test } from 'vitest'
import { isHeic } from '../src/adapters/images/heif.js'
import { processPhoto, receiptSize } from '../src/adapters/images/images.js'
import { createApp, newMerchant } from './helpers/app.js'
import { multipart, picture } from './helpers/upload.js'

const END_OF_JPEG = Buffer.from([0xff, 0xd9])
const blank = (width: number, height: number, channels: 3 | 4 = 3) =>
  sharp({ create: { width, height, channels, background: '#eeeeee' }, limitInputPixels: false })
const sizeOf = async (bytes: Buffer) => {
  const { width, height } = await sharp(bytes).metadata()
  return [width, height]
}
const unreadable = (bytes: Buffer) => expect(processPhoto(bytes)).rejects.toMatchObject({ error: 'PHOTO_UNREADABLE' })

describe('the size that a receipt is kept in', () => {
  test.each([
    ['lying', [4000, 3000], [1440, 1080]],
    ['standing', [3000, 4000], [1080, 1440]],
    ['a narrow one that stands', [1500, 3000], [960, 1920]],
    ['small', [640, 480], [640, 480]],
    ['long', [600, 12_000], [600, 12_000]],
    ['long and wide', [1440, 12_000], [720, 6000]],
    ['long beyond twelve megapixels', [2000, 60_000], [632, 18_974]],
    ['long and lying', [12_000, 600], [12_000, 600]],
    ['just not long', [1000, 2500], [768, 1920]],
    ['one pixel across', [1, 9000], [1, 9000]]
  ])('%s', (_kind, [width = 0, height = 0], expected) => {
    const size = receiptSize({ width, height })
    expect([size.width, size.height]).toEqual(expected)
  })

  test('keeps its shape, is never larger than it was, and never past its bounds', () => {
    const side = fc.integer({ min: 1, max: 20_000 })
    fc.assert(
      fc.property(side, side, (width, height) => {
        const kept = receiptSize({ width, height })
        expect(kept.width).toBeLessThanOrEqual(width)
        expect(kept.height).toBeLessThanOrEqual(height)
        expect(kept.width * kept.height).toBeLessThanOrEqual(12_000_000 * 1.01)
        const [short, long] = [Math.min(width, height), Math.max(width, height)]
        const [keptShort, keptLong] = [Math.min(kept.width, kept.height), Math.max(kept.width, kept.height)]
        if (long > 2.5 * short) expect(keptShort).toBeLessThanOrEqual(720)
        else expect([keptLong <= 1920, keptShort <= 1080]).toEqual([true, true])
        // To the pixel, as far as whole pixels allow.
        expect(Math.abs(kept.width - (kept.height * width) / height)).toBeLessThanOrEqual(1 + width / height)
        // A long one loses no width that the megapixels do not cost it.
        const whole = Math.min(short, 720)
        if (long > 2.5 * short && whole * whole * (long / short) < 12_000_000) expect(keptShort).toBe(whole)
      })
    )
  })

  test('is what is stored: standing as it was photographed, whatever the camera says of its orientation', async () => {
    expect(await sizeOf((await processPhoto(await blank(3000, 4000).jpeg().toBuffer())).image)).toEqual([1080, 1440])
    expect(await sizeOf((await processPhoto(await blank(600, 12_000).jpeg().toBuffer())).image)).toEqual([600, 12_000])
    // Its right half is dark; turned upright, its lower half is.
    const dark = await sharp({ create: { width: 2000, height: 3000, channels: 3, background: '#000000' } })
      .png()
      .toBuffer()
    const turned = blank(4000, 3000).composite([{ input: dark, left: 2000, top: 0 }])
    const { image } = await processPhoto(await turned.withMetadata({ orientation: 6 }).jpeg().toBuffer())
    expect(await sizeOf(image)).toEqual([1080, 1440])
    const greyAt = async (left: number, top: number) =>
      (await sharp(image).extract({ left, top, width: 1, height: 1 }).greyscale().raw().toBuffer())[0] ?? 0
    expect([(await greyAt(50, 100)) > 200, (await greyAt(1030, 100)) > 200]).toEqual([true, true])
    expect([(await greyAt(50, 1340)) < 50, (await greyAt(1030, 1340)) < 50]).toEqual([true, true])
    const { thumbnail } = await processPhoto(await blank(600, 12_000).png().toBuffer())
    expect(await sizeOf(thumbnail)).toEqual([20, 400])
  })
})

describe('a JPEG', () => {
  test('is taken when its picture is whole, whatever stands after it', async () => {
    for (const options of [{}, { progressive: true }]) {
      const whole = await sharp(await picture(640, 480))
        .jpeg(options)
        .toBuffer()
      const cut = whole.subarray(0, -2)
      const { image } = await processPhoto(whole)
      for (const bytes of [
        cut,
        whole.subarray(0, -1),
        Buffer.concat([whole, Buffer.from('a trailer of a phone')]),
        Buffer.concat([cut, Buffer.from([1, 2, 3, 4]), END_OF_JPEG]),
        Buffer.concat([cut, Buffer.alloc(64)])
      ]) {
        expect((await processPhoto(bytes)).image.equals(image)).toBe(true)
      }
    }
  })

  test('that lacks a part of its picture is refused, with an end marker or without', async () => {
    for (const options of [{}, { progressive: true }]) {
      const whole = await sharp(await picture(640, 480))
        .jpeg(options)
        .toBuffer()
      for (const part of [0.2, 0.5, 0.9, 0.98]) {
        const cut = whole.subarray(0, whole.length * part)
        await unreadable(cut)
        await unreadable(Buffer.concat([cut, END_OF_JPEG]))
      }
    }
  })

  test('of 50 megapixels is taken; of all else, and of a progressive one, forty', async () => {
    expect(await sizeOf((await processPhoto(await blank(8660, 5774).jpeg().toBuffer())).image)).toEqual([1620, 1080])
    await unreadable(await blank(8000, 5200).png({ compressionLevel: 1 }).toBuffer())
    await unreadable(await blank(8000, 5200).jpeg({ progressive: true }).toBuffer())
    expect((await processPhoto(await blank(6300, 6300).png({ compressionLevel: 1 }).toBuffer())).phash).toBeDefined()
  })

  test.each([
    ['square', 14_142, 14_142, 1],
    ['long, and turned', 3050, 65_500, 6]
  ])('of 200 megapixels costs less than 150 MB over idle: %s', async (_kind, width, height, orientation) => {
    const dir = await mkdtemp(path.join(tmpdir(), 'lottery-pictures-'))
    onTestFinished(() => rm(dir, { recursive: true, force: true }))
    const file = path.join(dir, 'large.jpg')
    await writeFile(file, await blank(width, height).withMetadata({ orientation }).jpeg({ quality: 40 }).toBuffer())
    // In a process of its own: what this one holds for other tests would count too.
    const program = `
      import { readFileSync } from 'node:fs'
      import { processPhoto } from '${path.resolve('dist/src/adapters/images/images.js')}'
      const mebibytes = (name) => Number(new RegExp(name + ':\\\\s+(\\\\d+)').exec(readFileSync('/proc/self/status', 'utf8'))[1]) / 1024
      await processPhoto(readFileSync(process.argv[1])).catch(() => {})
      await processPhoto(Buffer.from(process.argv[2], 'base64'))
      const idle = mebibytes('VmRSS')
      const { image } = await processPhoto(readFileSync(process.argv[3]))
      console.log(JSON.stringify({ bytes: image.length, over: mebibytes('VmHWM') - idle }))`
    const small = (await picture()).toString('base64')
    const args = ['--input-type=module', '-e', program, '/dev/null', small, file]
    const { stdout } = await promisify(execFile)(process.execPath, args)
    const { bytes, over } = JSON.parse(stdout)
    expect(bytes).toBeGreaterThan(1000)
    expect(over).toBeLessThan(150)
  })

  test('of more than 200 megapixels is refused', async () => {
    await unreadable(await blank(14_500, 14_500).jpeg({ quality: 40 }).toBuffer())
  })
})

describe('HEIC, as iPhones make it', () => {
  test('is taken by every route that takes a picture', async () => {
    const app = await createApp()
    const merchant = await newMerchant(app)
    const bytes = await readFile('test/fixtures/receipt.heic')
    for (const [url, field] of [
      ['/api/photo/upload', 'photo'],
      ['/api/user/avatar', 'avatar'],
      ['/api/merchant/images', 'image']
    ] as const) {
      const form = await multipart([
        ['amount', '58.5'],
        [field, { bytes, filename: 'IMG_0001.HEIC', type: 'image/heic' }]
      ])
      const reply = await merchant.send({ method: 'POST', url, payload: form.payload, headers: form.headers })
      expect([url, reply.statusCode]).toEqual([url, 200])
      const { image_url, avatar_url } = reply.json().data
      const stored = await app.inject(new URL(image_url ?? avatar_url).pathname)
      const { dominant } = await sharp(stored.rawPayload).stats()
      expect(Math.min(dominant.r, dominant.g, dominant.b)).toBeGreaterThan(200)
    }
  })

  test('is refused when it breaks off, has too many pixels, or is another thing by that name; the next is taken', async () => {
    const whole = await readFile('test/fixtures/receipt.heic')
    const { image } = await processPhoto(whole)
    expect(await sizeOf(image)).toEqual([300, 420])
    await unreadable(await readFile('test/fixtures/43-megapixels.heic'))
    for (const part of [0.1, 0.5, 0.9]) await unreadable(whole.subarray(0, whole.length * part))
    await unreadable(Buffer.concat([whole.subarray(0, 40), Buffer.alloc(2000)]))
    const scrambled = Buffer.from(whole)
    scrambled.fill(0xff, 600, 900)
    await processPhoto(scrambled).catch((err) => expect(err).toMatchObject({ error: 'PHOTO_UNREADABLE' }))
    // Two at once too.
    const again = await Promise.all([processPhoto(whole), processPhoto(whole)])
    expect(again.map((kept) => kept.image.equals(image))).toEqual([true, true])
  })

  test('is told by its first bytes; AVIF is not taken for it', async () => {
    expect(isHeic(await readFile('test/fixtures/receipt.heic'))).toBe(true)
    const avif = await blank(64, 64).avif({ effort: 0 }).toBuffer()
    expect(isHeic(avif)).toBe(false)
    await unreadable(avif)
    expect(isHeic(Buffer.alloc(0))).toBe(false)
    expect(isHeic(Buffer.from('\0\0\0\x08ftyp'))).toBe(false)
  })
})
