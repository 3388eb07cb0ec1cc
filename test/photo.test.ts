import { readdir, readFile } from 'node:fs/promises'
import { connect } from 'node:net'
import path from 'node:path'
import type { FastifyInstance } from 'fastify'
import sharp from 'sharp'
import { describe, expect, onTestFinished, test } from 'vitest'
import { ImageJobs, processPhoto } from '../src/adapters/images/images.js'
import type { ObjectStorage } from '../src/adapters/storage/storage.js'
import { centsOfNumber, centsOfText, pointsFor } from '../src/domains/receipt/rules.js'
import { createApp, newDiner, sql, until } from './helpers/app.js'
import { settle } from './helpers/history.js'
import { multipart, picture, storageWith, upload } from './helpers/upload.js'

const TERMS = { rate: 10, min: 50, max: 2000 }

async function filesOf(app: FastifyInstance): Promise<string[]> {
  const root = path.resolve(app.config.DATA_DIR, 'files')
  const entries = await readdir(root, { recursive: true, withFileTypes: true }).catch(() => [])
  return entries.filter((entry) => entry.isFile()).map((entry) => path.join(entry.parentPath, entry.name))
}

/** Asserts that an upload was refused and left neither row nor file. */
async function expectNothing(app: FastifyInstance, userId: number, files: string[]): Promise<void> {
  expect(await app.db.receipt.count({ where: { userId } })).toBe(0)
  expect((await filesOf(app)).sort()).toEqual(files.sort())
}

describe('points for an amount', () => {
  test.each([
    ['0.01', 50],
    ['5', 50],
    ['5.09', 50],
    ['5.1', 51],
    ['58.5', 585],
    ['58.59', 585],
    ['200', 2000],
    ['200.01', 2000],
    ['10000', 2000]
  ])('%s yuan give %i', (text, points) => {
    expect(pointsFor(centsOfText(text) ?? 0, TERMS)).toBe(points)
    expect(pointsFor(centsOfNumber(Number(text)) ?? 0, TERMS)).toBe(points)
  })

  test.each(['', 'abc', '0', '0.00', '0.001', '-1', '1e3', '1,5', ' ', '1.', 'NaN', 'Infinity', '0x10'])(
    '%j is no amount',
    (text) => {
      expect(centsOfText(text)).toBeUndefined()
    }
  )

  test('every cent from 0.01 to 10000 is read right from JSON, and nothing between', () => {
    for (let cents = 1; cents <= 1_000_000; cents += 1) {
      if (centsOfNumber(cents / 100) !== cents) expect.fail(`${cents / 100}`)
    }
    for (const yuan of [0, 0.001, 0.011, 10_000.01, 1e308, 2 ** 53 + 1, -5, Number.NaN]) {
      expect(centsOfNumber(yuan)).toBeUndefined()
    }
  })
})

describe('an upload', () => {
  test('is kept upright, small and without metadata, with its hashes and the terms of the day', async () => {
    const app = await createApp()
    const diner = await newDiner(app)
    const bytes = await sharp(await picture(3000, 2000))
      .withExif({ IFD0: { Copyright: 'planted' }, IFD3: { GPSLatitude: '31/1 13/1 0/1', GPSLatitudeRef: 'N' } })
      .withMetadata({ orientation: 6 })
      .toBuffer()
    expect((await sharp(bytes).metadata()).exif).toBeDefined()
    const reply = await upload(app, diner, { bytes, description: '四人晚餐' })
    expect(reply.json()).toMatchObject({
      code: 0,
      msg: '图片上传成功，等待商家审核',
      data: {
        status: 'pending',
        amount: 58.5,
        expected_points: 585,
        points_awarded: 0,
        estimated_review_time: '24小时内'
      }
    })
    const { data } = reply.json()
    const row = await app.db.receipt.findUniqueOrThrow({ where: { uploadId: data.upload_id } })
    expect(row).toMatchObject({
      pointsRate: 10,
      pointsMin: 50,
      pointsMax: 2000,
      description: '四人晚餐',
      reviewStatus: 'pending'
    })
    expect(row.sha256).toMatch(/^[0-9a-f]{64}$/)
    expect(row.phash).toMatch(/^[0-9a-f]{16}$/)
    const fetched = await app.inject(new URL(data.image_url).pathname)
    expect(fetched.headers).toMatchObject({ 'content-type': 'image/jpeg', 'x-content-type-options': 'nosniff' })
    const kept = await sharp(fetched.rawPayload).metadata()
    expect(kept).toMatchObject({ format: 'jpeg', width: 1080, height: 1620 })
    expect([kept.exif, kept.orientation]).toEqual([undefined, undefined])
    expect(data.file_size).toBe(fetched.rawPayload.length)
    const thumbnail = await app.inject(new URL(data.thumbnail_url).pathname)
    expect(await sharp(thumbnail.rawPayload).metadata()).toMatchObject({ width: 267, height: 400 })
    expect(data.image_url).toMatch(/^http:\/\/localhost(:\d+)?\/files\/photos\/\d{4}\/\d{2}\/[0-9a-f]{32}\.jpg$/)
  })

  test('of a PNG, a WebP, and a GIF of 300 frames is taken; of the last its first frame', async () => {
    const app = await createApp()
    const diner = await newDiner(app)
    const base = sharp(await picture(200, 100))
    const frames = Array.from({ length: 300 }, (_, index) => ({
      create: {
        width: 20,
        height: 20,
        channels: 3 as const,
        background: { r: (index * 67) % 256, g: (index * 131) % 256, b: (index * 29) % 256 }
      }
    }))
    const gif = await sharp(frames as never, { join: { animated: true } })
      .gif({ effort: 1 })
      .toBuffer()
    expect((await sharp(gif).metadata()).pages).toBe(300)
    for (const bytes of [await base.png().toBuffer(), await base.webp().toBuffer(), gif]) {
      expect((await upload(app, diner, { bytes })).statusCode).toBe(200)
    }
  })

  test('with a file that is no photograph is refused as unreadable, whatever its name says, and leaves nothing', async () => {
    const app = await createApp()
    const diner = await newDiner(app)
    const before = await filesOf(app)
    const jpeg = await picture(800, 600)
    const bomb = await sharp({
      create: { width: 14_000, height: 14_000, channels: 3, background: '#fff' },
      limitInputPixels: false
    })
      .png({ compressionLevel: 9 })
      .toBuffer()
    const bad: Record<string, Buffer> = {
      'a renamed executable': await readFile(process.execPath, { encoding: null }).then((all) =>
        all.subarray(0, 100_000)
      ),
      'an SVG': Buffer.from(
        '<svg xmlns="http://www.w3.org/2000/svg" width="10" height="10"><rect width="10" height="10"/></svg>'
      ),
      HTML: Buffer.from('<html><script>alert(1)</script></html>'),
      'a PDF': Buffer.from('%PDF-1.4\n1 0 obj <<>> endobj'),
      'a truncated JPEG': jpeg.subarray(0, Math.floor(jpeg.length / 2)),
      'an AVIF': await sharp(jpeg).avif({ effort: 0 }).toBuffer(),
      'a TIFF': await sharp(jpeg).tiff().toBuffer(),
      'an empty file': Buffer.alloc(0),
      'a pixel bomb': bomb
    }
    for (const [what, bytes] of Object.entries(bad)) {
      const reply = await upload(app, diner, { bytes })
      expect([what, reply.statusCode, reply.json().error]).toEqual([what, 400, 'PHOTO_UNREADABLE'])
    }
    await expectNothing(app, diner.userId, before)
  })

  test('of a polyglot is kept as the picture it is, and nothing else of it', async () => {
    const app = await createApp()
    const diner = await newDiner(app)
    const bytes = Buffer.concat([await picture(), Buffer.from('<script>alert("planted")</script>')])
    const { data } = (await upload(app, diner, { bytes, filename: '../../etc/passwd.html' })).json()
    const fetched = await app.inject(new URL(data.image_url).pathname)
    expect(fetched.rawPayload.includes('planted')).toBe(false)
    expect(data.image_url).not.toContain('passwd')
  })

  test('of 5 MB exactly is taken, of one byte more refused', async () => {
    const app = await createApp()
    const diner = await newDiner(app)
    const limit = 5 * 1024 * 1024
    const jpeg = await picture()
    const padded = (size: number) => Buffer.concat([jpeg, Buffer.alloc(size - jpeg.length)])
    expect((await upload(app, diner, { bytes: padded(limit) })).statusCode).toBe(200)
    const before = await filesOf(app)
    const reply = await upload(app, diner, { bytes: padded(limit + 1) })
    expect([reply.statusCode, reply.json().error]).toEqual([413, 'PHOTO_TOO_LARGE'])
    expect((await filesOf(app)).sort()).toEqual(before.sort())
  })

  test('with no file, two files, or a wrong amount is refused and leaves nothing', async () => {
    const app = await createApp()
    const diner = await newDiner(app)
    const before = await filesOf(app)
    const bytes = await picture()
    const send = async (parts: Parameters<typeof multipart>[0]) => {
      const { payload, headers } = await multipart(parts)
      const reply = await app.inject({
        method: 'POST',
        url: '/api/photo/upload',
        payload,
        headers: { ...headers, authorization: `Bearer ${diner.access}` }
      })
      return [reply.statusCode, reply.json().error]
    }
    expect(await send([['amount', '5']])).toEqual([400, 'PHOTO_REQUIRED'])
    expect(
      await send([
        ['amount', '5'],
        ['other', { bytes }]
      ])
    ).toEqual([400, 'PHOTO_REQUIRED'])
    expect(
      await send([
        ['amount', '5'],
        ['photo', { bytes }],
        ['photo', { bytes }]
      ])
    ).toEqual([400, 'VALIDATION_FAILED'])
    expect(await send([['photo', { bytes }]])).toEqual([400, 'AMOUNT_INVALID'])
    for (const amount of ['', 'abc', '0', '0.001', '-5']) {
      expect(
        await send([
          ['photo', { bytes }],
          ['amount', amount]
        ])
      ).toEqual([400, 'AMOUNT_INVALID'])
    }
    expect(
      await send([
        ['photo', { bytes }],
        ['amount', '10000.01']
      ])
    ).toEqual([400, 'AMOUNT_TOO_LARGE'])
    expect(
      await send([
        ['amount', '5'],
        ['description', 'x'.repeat(501)],
        ['photo', { bytes }]
      ])
    ).toEqual([400, 'VALIDATION_FAILED'])
    const json = await diner.post('/api/photo/upload', { amount: 5 })
    expect([json.statusCode, json.json().error]).toEqual([400, 'PHOTO_REQUIRED'])
    await expectNothing(app, diner.userId, before)
    expect(
      await send([
        ['photo', { bytes }],
        ['amount', '10000']
      ])
    ).toEqual([200, undefined])
  })

  test('that is cut off half way leaves nothing, and the next one works', async () => {
    const app = await createApp()
    await app.listen({ port: 0, host: '127.0.0.1' })
    const diner = await newDiner(app)
    const before = await filesOf(app)
    const { payload, headers } = await multipart([
      ['amount', '5'],
      ['photo', { bytes: await picture(1000, 1000) }]
    ])
    const { port } = app.server.address() as { port: number }
    await new Promise<void>((resolve, reject) => {
      const socket = connect(port, '127.0.0.1', () => {
        socket.write(
          `POST /api/photo/upload HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${diner.access}\r\n` +
            `Content-Type: ${headers['content-type']}\r\nContent-Length: ${payload.length}\r\n\r\n`
        )
        socket.write(payload.subarray(0, Math.floor(payload.length / 2)), () => {
          socket.destroy()
          resolve()
        })
      })
      socket.once('error', reject)
    })
    expect((await upload(app, diner)).statusCode).toBe(200)
    expect(await app.db.receipt.count({ where: { userId: diner.userId } })).toBe(1)
    expect(await filesOf(app)).toHaveLength(before.length + 2)
  })

  test('while the storage is down is refused with 502 and leaves no row; one that fails half way leaves no object', async () => {
    const kept = new Map<string, Buffer>()
    let puts = 0
    let failAt = 1
    const put: ObjectStorage['put'] = async (key, body) => {
      puts += 1
      if (puts === failAt) throw new Error('storage down')
      kept.set(key, body)
    }
    const flaky = storageWith(put, {
      remove: async (key) => void kept.delete(key),
      check: async () => Promise.reject(new Error('storage down'))
    })
    const app = await createApp({ storage: flaky })
    const diner = await newDiner(app)
    for (failAt of [1, 2]) {
      puts = 0
      const reply = await upload(app, diner)
      expect([reply.statusCode, reply.json().error]).toEqual([502, 'PHOTO_STORE_FAILED'])
      expect(kept.size).toBe(0)
    }
    expect(await app.db.receipt.count({ where: { userId: diner.userId } })).toBe(0)
    expect((await app.inject('/health')).json()).toMatchObject({
      status: 'degraded',
      checks: { storage: { status: 'unhealthy' } }
    })
  })

  test('whose row cannot be written leaves no object', async () => {
    const app = await createApp()
    const diner = await newDiner(app)
    const before = await filesOf(app)
    await sql("CREATE TRIGGER refuse BEFORE INSERT ON photo_reviews FOR EACH ROW SIGNAL SQLSTATE '45000'")
    onTestFinished(async () => {
      await sql('DROP TRIGGER refuse')
    })
    const reply = await upload(app, diner)
    expect([reply.statusCode, reply.json().error]).toEqual([500, 'INTERNAL'])
    await expectNothing(app, diner.userId, before)
  })

  test('with one key 8 times at once is kept once, with its two objects', async () => {
    const app = await createApp()
    const diner = await newDiner(app)
    const before = await filesOf(app)
    const bytes = await picture()
    const headers = { 'idempotency-key': 'one receipt' }
    const replies = await Promise.all(Array.from({ length: 8 }, () => upload(app, diner, { bytes, headers })))
    expect(new Set(replies.map((reply) => reply.body)).size).toBe(1)
    expect(replies.filter((reply) => reply.headers['idempotent-replayed'] === 'true')).toHaveLength(7)
    expect(await app.db.receipt.count({ where: { userId: diner.userId } })).toBe(1)
    expect(await filesOf(app)).toHaveLength(before.length + 2)
    const other = await upload(app, diner, { bytes: await picture(), headers })
    expect(other.json().error).toBe('IDEMPOTENCY_CONFLICT')
    expect(await filesOf(app)).toHaveLength(before.length + 2)
  })
})

test('two image jobs run at a time, eight wait, and more are sent away with 5004', async () => {
  const jobs = new ImageJobs()
  let running = 0
  let most = 0
  const release: (() => void)[] = []
  const job = () =>
    jobs.run(async () => {
      running += 1
      most = Math.max(most, running)
      await new Promise<void>((resolve) => release.push(resolve))
      running -= 1
    })
  const accepted = Array.from({ length: 10 }, job)
  await expect(job()).rejects.toMatchObject({ error: 'OVERLOADED', retryAfterSeconds: 3 })
  await until(() => release.length === 2)
  expect(most).toBe(2)
  for (let done = 0; done < 10; done += 1) {
    await until(() => release.length > 0)
    release.shift()?.()
  }
  await Promise.all(accepted)
  expect(most).toBe(2)
  await expect(jobs.run(async () => 'free again')).resolves.toBe('free again')
})

test('like photographs have like hashes', async () => {
  const scene = await sharp({ create: { width: 400, height: 300, channels: 3, background: '#fff' } })
    .composite([
      {
        input: Buffer.from(
          '<svg width="400" height="300"><rect x="50" y="40" width="120" height="200" fill="#333"/><circle cx="300" cy="150" r="80" fill="#999"/></svg>'
        )
      }
    ])
    .png()
    .toBuffer()
  const smaller = await sharp(scene).resize(200).jpeg({ quality: 60 }).toBuffer()
  const bits = (a: string, b: string) => (BigInt(`0x${a}`) ^ BigInt(`0x${b}`)).toString(2).replaceAll('0', '').length
  const [one, two, other] = [
    await processPhoto(scene),
    await processPhoto(smaller),
    await processPhoto(await picture())
  ]
  expect(bits(one.phash, two.phash)).toBeLessThanOrEqual(4)
  expect(bits(one.phash, other.phash)).toBeGreaterThan(10)
  expect(one.sha256).not.toBe(two.sha256)
})

test('a diner sees their own receipts, takes back pending ones with their objects, and sees nobody else’s', async () => {
  const app = await createApp()
  const [diner, other] = [await newDiner(app), await newDiner(app)]
  const ids: string[] = []
  for (const amount of ['10', '20', '30']) ids.push((await upload(app, diner, { amount })).json().data.upload_id)
  const history = (await diner.get('/api/photo/history?limit=2')).json().data
  expect(history.history.map((row: { amount: number }) => row.amount)).toEqual([30, 20])
  expect(history).toMatchObject({
    summary: { total_uploads: 3, pending_uploads: 3, approval_rate: 0 },
    pagination: { total: 3 }
  })
  expect((await diner.get('/api/photo/history?status=approved')).json().data.history).toEqual([])
  expect((await diner.get(`/api/photo/review/${ids[0]}`)).json().data).toMatchObject({
    status: 'pending',
    expected_points: 100
  })
  expect((await other.get(`/api/photo/review/${ids[0]}`)).json()).toMatchObject({
    code: 4003,
    error: 'REVIEW_NOT_FOUND'
  })

  const remove = (who: typeof diner, id: string) =>
    app.inject({ method: 'DELETE', url: `/api/photo/${id}`, headers: { authorization: `Bearer ${who.access}` } })
  expect((await remove(other, ids[0] ?? '')).json().error).toBe('REVIEW_NOT_FOUND')
  const address = new URL(history.history[0].image_url).pathname
  expect((await app.inject(address)).statusCode).toBe(200)
  expect((await remove(diner, ids[2] ?? '')).json()).toEqual({ code: 0, msg: 'success', data: null })
  expect((await app.inject(address)).json().error).toBe('NOT_FOUND')
  expect((await remove(diner, ids[2] ?? '')).json().error).toBe('REVIEW_NOT_FOUND')
  await app.db.receipt.update({ where: { uploadId: ids[1] ?? '' }, data: { reviewStatus: 'rejected' } })
  await settle(app, [diner.userId])
  expect((await remove(diner, ids[1] ?? '')).json()).toMatchObject({ code: 4004, error: 'REVIEW_ALREADY_DONE' })
  expect((await diner.get('/api/photo/statistics')).json().data).toMatchObject({
    total_uploads: 2,
    rejected_uploads: 1
  })
})
