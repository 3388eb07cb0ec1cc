import fc from 'fast-check'
import type { FastifyInstance } from 'fastify'
import sharp from 'sharp'
import { describe, expect, test } from 'vitest'
import { fillEvidence } from '../scripts/evidence-fill.js'
import { withPrisma } from '../scripts/lib/prisma.js'
import { REPHOTOGRAPHS, restaurantReceipt } from '../scripts/lib/rephotograph.js'
import { bandsOf, hashColumn, MAX_DISTANCE, probesOf } from '../src/domains/receipt/evidence/bands.js'
import { nearSql } from '../src/domains/receipt/evidence/compare.js'
import { bandSweep } from '../src/domains/receipt/evidence/sweep.js'
import { createApp, type Diner, databaseUrl, newDiner, newMerchant, sql } from './helpers/app.js'
import { upload } from './helpers/upload.js'

interface Told {
  readonly evidence: Record<string, unknown>[] | null
  readonly risk: string | null
}

async function people(options: Parameters<typeof createApp>[0] = {}) {
  const app = await createApp(options)
  const [diner, other, merchant] = [await newDiner(app), await newDiner(app), await newMerchant(app)]
  const send = async (who: Diner, bytes: Buffer, amount = '58.5') => {
    const { upload_id } = (await upload(app, who, { bytes, amount })).json().data
    await app.comparer.idle()
    return upload_id as string
  }
  const of = async (id: string): Promise<Told> => (await merchant.get(`/api/merchant/reviews/${id}`)).json().data
  return { app, diner, other, merchant, send, of }
}

const HASH = fc.bigInt({ min: 0n, max: 2n ** 64n - 1n })
const hex = (hash: bigint) => hash.toString(16).padStart(16, '0')
const flipped = (hash: bigint, bits: readonly number[]) => bits.reduce((all, bit) => all ^ (1n << BigInt(bit)), hash)

describe('the index on bands', () => {
  test('misses no pair that differs by ten bits or fewer, wherever they are', () => {
    const bits = fc.uniqueArray(fc.integer({ min: 0, max: 63 }), { maxLength: MAX_DISTANCE })
    fc.assert(
      fc.property(HASH, bits, (hash, changed) => {
        const near = bandsOf(hex(flipped(hash, changed)))
        const probes = probesOf(hex(hash))
        expect(near.some((part, band) => probes[band]?.includes(part))).toBe(true)
        expect([...near, ...probes.flat()].every((part) => part >= -32_768 && part <= 32_767)).toBe(true)
      }),
      { numRuns: 2000 }
    )
  })

  test('finds in the database those within ten bits and no others, with their distance', async () => {
    const app = await createApp()
    const hash = 0xfedc_ba98_7654_3210n
    const spread = [63, 0, 17, 40, 5, 31, 32, 48, 47, 16, 15, 1]
    for (let distance = 0; distance <= 12; distance += 1) {
      const near = hex(flipped(hash, spread.slice(0, distance)))
      for (const [band, part] of bandsOf(near).entries()) {
        await sql('INSERT INTO picture_bands VALUES (?, ?, ?, ?, NOW(3))', [
          band,
          part,
          `b${distance}`,
          hashColumn(near)
        ])
      }
    }
    const found = await app.db.$queryRaw<{ upload_id: string; distance: bigint }[]>(nearSql(hex(hash)))
    const sorted = found.map(({ upload_id: id, distance }) => [id, Number(distance)] as const)
    expect(sorted.sort(([, one], [, two]) => one - two)).toEqual(
      Array.from({ length: 11 }, (_, distance) => [`b${distance}`, distance])
    )
    await sql('DELETE FROM picture_bands')
  })
})

describe('evidence', () => {
  test('of the same file of another diner: high while that one is pending or approved, shown on both, refused by nobody', async () => {
    const { diner, other, merchant, send, of } = await people()
    const bytes = await restaurantReceipt(1)
    const [first, second] = [await send(diner, bytes), await send(other, bytes, '60')]
    const told = await of(second)
    expect(told).toMatchObject({ risk: 'high', status: 'pending' })
    expect(told.evidence).toEqual([
      {
        kind: 'same_file',
        upload_id: first,
        distance: 0,
        image_url: expect.stringMatching(/^http.*\.jpg$/),
        thumbnail_url: expect.stringMatching(/^http.*_t\.jpg$/),
        amount: 58.5,
        status: 'pending',
        same_user: false,
        user: {
          user_id: diner.userId,
          nickname: expect.any(String),
          mobile: expect.stringMatching(/^\d{3}\*{4}\d{4}$/)
        },
        created_at: expect.any(String)
      }
    ])
    expect(await of(first)).toMatchObject({ risk: 'high', evidence: [{ kind: 'same_file', upload_id: second }] })
    const { reviews } = (await merchant.get('/api/merchant/reviews/pending')).json().data
    expect(reviews.map((row: Told & { upload_id: string }) => [row.upload_id, row.risk, row.evidence?.length])).toEqual(
      [
        [first, 'high', 1],
        [second, 'high', 1]
      ]
    )
    await merchant.post(`/api/merchant/reviews/${first}/reject`, { reason_code: 'unreadable' })
    expect(await of(second)).toMatchObject({ risk: 'look', evidence: [{ status: 'rejected' }] })
  })

  test('of a picture photographed again; of another receipt of the same restaurant it is never high', async () => {
    const { diner, other, send, of } = await people()
    const picture = await restaurantReceipt(2)
    const first = await send(diner, picture)
    const again = REPHOTOGRAPHS['a little of each'] ?? ((bytes: Buffer) => Promise.resolve(bytes))
    const second = await send(other, await again(picture), '12')
    const told = await of(second)
    expect(told.risk).toBe('look')
    expect(told.evidence).toMatchObject([{ kind: 'similar_picture', upload_id: first, same_user: false }])
    expect(told.evidence?.[0]?.distance).toBeGreaterThan(0)
    expect(told.evidence?.[0]?.distance).toBeLessThanOrEqual(MAX_DISTANCE)
    for (let seed = 10; seed < 18; seed += 1) {
      expect(['none', 'look']).toContain((await of(await send(other, await restaurantReceipt(seed), `1${seed}`))).risk)
    }
  })

  test('of the same amount of the same diner within two days, and of nobody else', async () => {
    let now = new Date('2026-11-01T00:00:00Z')
    const { diner, other, send, of } = await people({ clock: () => now, config: { JWT_EXPIRES_IN: '36500d' } })
    const noise = () =>
      sharp({
        create: {
          width: 300,
          height: 300,
          channels: 3,
          background: '#fff',
          noise: { type: 'gaussian', mean: 128, sigma: 60 }
        }
      })
        .jpeg()
        .toBuffer()
    const first = await send(diner, await noise(), '66.6')
    await send(other, await noise(), '66.6')
    now = new Date('2026-11-02T23:59:59Z')
    const second = await send(diner, await noise(), '66.60')
    const told = await of(second)
    expect(told.evidence?.filter(({ kind }) => kind === 'same_amount')).toMatchObject([
      { upload_id: first, distance: null, same_user: true, amount: 66.6 }
    ])
    expect(told.risk).toBe('look')
    now = new Date('2026-11-05T00:00:00Z')
    expect((await of(await send(diner, await noise(), '66.6'))).evidence?.map(({ kind }) => kind)).not.toContain(
      'same_amount'
    )
  })

  test('is null and "being compared" until then, and a crash in between leaves nothing uncompared', async () => {
    const { app, diner, other, merchant, of } = await people()
    let now = new Date()
    const bytes = await restaurantReceipt(3)
    const crashed = await people({ clock: () => now })
    // The process is gone before it compared: as if nobody had been woken.
    Object.assign(crashed.app.comparer, { wake: () => {} })
    const first = (await upload(crashed.app, diner, { bytes })).json().data.upload_id
    const second = (await upload(crashed.app, other, { bytes })).json().data.upload_id
    expect(await of(second)).toMatchObject({ evidence: null, risk: null })
    const pending = (await merchant.get('/api/merchant/reviews/pending')).json().data.reviews
    expect(pending.find((row: { upload_id: string }) => row.upload_id === second).evidence).toBeNull()
    await merchant.post(`/api/merchant/reviews/${second}/approve`, { actual_amount: 58.5 })
    expect(await crashed.app.comparer.catchUp()).toBe(0)
    now = new Date(Date.now() + 60_000)
    let compared = 0
    for (let round = await crashed.app.comparer.catchUp(1); round > 0; round = await crashed.app.comparer.catchUp(1)) {
      compared += round
    }
    expect(compared).toBe(2)
    expect(await of(second)).toMatchObject({ risk: 'high', evidence: [{ upload_id: first, kind: 'same_file' }] })
    expect(await app.comparer.catchUp()).toBe(0)
  })

  test('of two that are compared at once is seen by both, and by two instances that compare the same once', async () => {
    const { app, diner, other, of } = await people()
    const { app: twin } = await people()
    for (let round = 0; round < 4; round += 1) {
      const bytes = await restaurantReceipt(20 + round)
      const [one, two] = await Promise.all([upload(app, diner, { bytes }), upload(twin, other, { bytes })])
      const ids = [one.json().data.upload_id, two.json().data.upload_id] as const
      for (const id of ids) for (const each of [app, twin]) each.comparer.wake(id)
      await Promise.all([app.comparer.idle(), twin.comparer.idle()])
      for (const [index, id] of ids.entries()) {
        const told = await of(id)
        const same = told.evidence?.filter(({ kind }) => kind === 'same_file')
        expect(same?.map(({ upload_id }) => upload_id)).toEqual([ids[1 - index]])
      }
    }
  })

  test('shows ten at most, the strongest first, the ones that count before the rest', async () => {
    const { diner, other, send, of, merchant } = await people()
    const bytes = await restaurantReceipt(4)
    const first = await send(other, bytes, '1')
    await merchant.post(`/api/merchant/reviews/${first}/approve`, { actual_amount: 1 })
    const copies: string[] = []
    for (let copy = 0; copy < 11; copy += 1) {
      const id = await send(diner, bytes, String(copy + 10))
      copies.push(id)
      await merchant.post(`/api/merchant/reviews/${id}/reject`, { reason_code: 'already_used' })
    }
    const near = await send(diner, await sharp(bytes).jpeg({ quality: 30 }).toBuffer(), '10')
    const last = await send(diner, bytes, '10')
    const told = await of(last)
    expect(told.risk).toBe('high')
    expect(told.evidence).toHaveLength(10)
    expect(told.evidence?.[0]).toMatchObject({ kind: 'same_file', upload_id: first, status: 'approved' })
    expect(new Set(told.evidence?.map(({ kind }) => kind))).toEqual(new Set(['same_file']))
    const kinds = (await of(near)).evidence?.map(({ kind }) => kind) ?? []
    expect(kinds).toEqual([...kinds].sort((one, two) => RANK.indexOf(String(one)) - RANK.indexOf(String(two))))
    expect(kinds[0]).toBe('similar_picture')
    expect((await merchant.get('/api/merchant/reviews/none')).json().error).toBe('REVIEW_NOT_FOUND')
  })

  test('goes with a receipt that is withdrawn, and what is too old to compare with is forgotten', async () => {
    const { app, diner, other, send, of } = await people()
    const bytes = await restaurantReceipt(5)
    const [first, second] = [await send(diner, bytes), await send(other, bytes, '70')]
    expect((await diner.delete(`/api/photo/${first}`)).statusCode).toBe(200)
    expect(await of(second)).toMatchObject({ evidence: [], risk: 'none' })
    expect(await app.db.pictureBand.count({ where: { uploadId: first } })).toBe(0)
    const left = await app.db.photoMatch.count({ where: { OR: [{ uploadId: first }, { otherId: first }] } })
    expect(left).toBe(0)
    await sql('UPDATE picture_bands SET created_at = NOW(3) - INTERVAL 181 DAY WHERE upload_id = ?', [second])
    const before = await app.db.pictureBand.count()
    expect(await bandSweep.step({ db: app.db, tx: app.tx, now: new Date() })).toBe(4)
    expect(await app.db.pictureBand.count()).toBe(before - 4)
  })

  test('of receipts from before there was comparison: what they look like comes from their pictures', async () => {
    const { app, diner, other, send, of } = await people()
    const bytes = await restaurantReceipt(6)
    const [old, gone] = [await send(diner, bytes), await send(diner, await restaurantReceipt(7), '71')]
    await makeOld(app, [old, gone])
    const { thumbnailKey } = await app.db.receipt.findUniqueOrThrow({ where: { uploadId: gone } })
    await app.storage.remove(thumbnailKey)
    await sql('UPDATE photo_reviews SET created_at = created_at - INTERVAL 1 MINUTE WHERE upload_id IN (?, ?)', [
      old,
      gone
    ])
    while ((await app.comparer.catchUp(1)) > 0);
    expect(await app.db.pictureBand.count({ where: { uploadId: { in: [old, gone] } } })).toBe(4)
    expect((await of(gone)).evidence).toEqual([])
    const second = await send(other, await sharp(bytes).jpeg({ quality: 30 }).toBuffer(), '72')
    expect((await of(second)).evidence).toMatchObject([{ kind: 'similar_picture', upload_id: old }])
  })
})

test('npm run evidence:fill compares what is left, tells what failed, and goes on where it ended', async () => {
  const { app, diner, other, send, of } = await people()
  const bytes = await restaurantReceipt(8)
  const ids = [await send(diner, bytes), await send(other, bytes, '80'), await send(other, await restaurantReceipt(9))]
  await makeOld(app, ids)
  // All of one moment: none is passed over, and none tried twice.
  await sql('UPDATE photo_reviews SET created_at = NOW(3) - INTERVAL 3 DAY WHERE upload_id IN (?)', [ids])
  const [, second = ''] = ids
  const { thumbnailKey } = await app.db.receipt.findUniqueOrThrow({ where: { uploadId: second } })
  let isDown = true
  const storage = {
    get: async (key: string) => {
      if (isDown && key === thumbnailKey) throw new Error('the storage is away')
      return app.storage.get(key)
    }
  }
  const fill = () => withPrisma(databaseUrl(), (db) => fillEvidence(db, storage))
  expect(await fill()).toEqual({ compared: 2, failed: 1 })
  expect((await of(second)).evidence).toBeNull()
  isDown = false
  expect(await fill()).toEqual({ compared: 1, failed: 0 })
  expect(await fill()).toEqual({ compared: 0, failed: 0 })
  expect(await of(second)).toMatchObject({ risk: 'high', evidence: [{ kind: 'same_file', upload_id: ids[0] }] })
})

const RANK = ['same_file', 'similar_picture', 'same_amount']

/** As receipts are that were taken before there was comparison. */
async function makeOld(app: FastifyInstance, ids: readonly string[]): Promise<void> {
  await app.db.pictureBand.deleteMany({ where: { uploadId: { in: [...ids] } } })
  await app.db.photoMatch.deleteMany({ where: { uploadId: { in: [...ids] } } })
  await app.db.receipt.updateMany({
    where: { uploadId: { in: [...ids] } },
    data: { comparedAt: null, phashVersion: 0, phash: 'ffffffffffffffff' }
  })
}
