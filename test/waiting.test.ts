import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { Waits } from '../src/domains/receipt/waiting.js'
import { createApp, type Diner, newDiner, newMerchant, sql } from './helpers/app.js'
import { upload } from './helpers/upload.js'

const NOW = new Date('2026-11-20T04:30:00Z')
const MINUTE_MS = 60_000
/** A receipt that was uploaded so many minutes ago. */
const ago = (minutes: number) => new Date(NOW.getTime() - minutes * MINUTE_MS)
const waits = (minutes: readonly number[], hour = 4) =>
  new Waits(
    minutes.map((each) => ({ hour, minutes: each, total: 1 })),
    NOW
  )
const upTo = (count: number) => Array.from({ length: count }, (_, minute) => minute + 1)

describe('the estimate', () => {
  test('is of what eight of ten waited at the same hours, less what was waited already', () => {
    expect(waits(upTo(100)).estimate(NOW)).toEqual({ minutes_low: 10, minutes_high: 90 })
    // Of those that waited longer than 50 minutes already.
    expect(waits(upTo(100)).estimate(ago(50))).toEqual({ minutes_low: 5, minutes_high: 45 })
    expect(new Waits([{ hour: 3, minutes: 60, total: 20 }], NOW).estimate(ago(50))).toEqual({
      minutes_low: 10,
      minutes_high: 10
    })
  })

  test('knows nothing of fewer than twenty decisions, of other hours, and of waits longer than any before', () => {
    expect(waits(upTo(19)).estimate(NOW)).toBeNull()
    expect(waits(upTo(20)).estimate(NOW)).not.toBeNull()
    for (const hour of [3, 4, 5]) expect(waits(upTo(20), hour).estimate(NOW)).not.toBeNull()
    for (const hour of [2, 6, 16]) expect(waits(upTo(20), hour).estimate(NOW)).toBeNull()
    // Midnight is beside eleven in the evening.
    const midnight = new Date('2026-11-20T00:10:00Z')
    expect(new Waits([{ hour: 23, minutes: 5, total: 20 }], midnight).estimate(midnight)).not.toBeNull()
    expect(waits(upTo(20)).estimate(ago(25))).toBeNull()
  })

  test('whatever was waited: from now on, never less than nothing, the low end not above the high one', () => {
    const counts = fc.array(
      fc.record({
        hour: fc.integer({ min: 0, max: 23 }),
        minutes: fc.integer({ min: 0, max: 10_080 }),
        total: fc.integer({ min: 1, max: 50 })
      }),
      { maxLength: 60 }
    )
    fc.assert(
      fc.property(counts, fc.integer({ min: 0, max: 3000 }), (list, minutes) => {
        const estimate = new Waits(list, NOW).estimate(ago(minutes))
        if (estimate === null) return
        expect(estimate.minutes_low).toBeGreaterThanOrEqual(0)
        expect(estimate.minutes_high).toBeGreaterThanOrEqual(estimate.minutes_low)
      })
    )
  })

  test('says the same in words, and what it always said where it knows nothing', () => {
    expect(waits([]).inWords()).toBe('24小时内')
    for (const [minutes, words] of [
      [[0], '预计1分钟内'],
      [[8], '预计8分钟内'],
      [[5, 20], '预计5～20分钟'],
      [[5, 200], '预计4小时内'],
      [[65, 200], '预计1～4小时']
    ] as const) {
      expect(waits(minutes.flatMap((each) => Array(20).fill(each))).inWords()).toBe(words)
    }
  })
})

const details = async (diner: Diner, id: string) => (await diner.get(`/api/photo/review/${id}`)).json().data

test('a receipt tells its place and its wait, in the list too; what is decided tells neither', async () => {
  const app = await createApp()
  const [one, two, merchant] = [await newDiner(app), await newDiner(app), await newMerchant(app)]
  const send = async (who: Diner) => (await upload(app, who)).json().data
  const first = await send(one)
  expect(first.estimated_review_time).toBe('24小时内')
  const ids = [first.upload_id, (await send(two)).upload_id, (await send(one)).upload_id]
  expect(await details(one, ids[0])).toMatchObject({ queue_position: 1, estimated_wait: null })
  expect((await details(two, ids[1])).queue_position).toBe(2)
  const { history } = (await one.get('/api/photo/history')).json().data
  expect(history.map((row: { queue_position: number }) => row.queue_position)).toEqual([3, 1])
  // Two of one moment have places too, by their ids.
  await sql('UPDATE photo_reviews SET created_at = NOW(3)')
  const places = await Promise.all([details(one, ids[0]), details(two, ids[1]), details(one, ids[2])])
  expect(places.map(({ queue_position: place }) => place).sort()).toEqual([1, 2, 3])
  await merchant.post(`/api/merchant/reviews/${ids[0]}/reject`, { reason_code: 'unreadable' })
  expect(await details(one, ids[0])).toMatchObject({ queue_position: null, estimated_wait: null })
  expect((await details(two, ids[1])).queue_position).toBeLessThanOrEqual(2)
})

test('with twenty decisions at this hour an upload is told what they waited', async () => {
  const app = await createApp()
  const [diner, merchant] = [await newDiner(app), await newMerchant(app)]
  const { upload_id: id } = (await upload(app, diner)).json().data
  await merchant.post(`/api/merchant/reviews/${id}/approve`, { actual_amount: 58.5 })
  await sql('UPDATE photo_reviews SET created_at = NOW(3) - INTERVAL 7 MINUTE, review_time = NOW(3)')
  const copies = Array.from({ length: 19 }, (_, copy) => `copy ${copy}`)
  for (const copy of copies) {
    await sql(
      `INSERT INTO photo_reviews (upload_id, user_id, image_url, thumbnail_url, image_key, thumbnail_key, amount,
         review_status, review_time, points_rate, points_min, points_max, file_size, sha256, phash, created_at)
       SELECT ?, user_id, '', '', '', '', amount, 'approved', review_time, 10, 50, 2000, 1, '', '', created_at
       FROM photo_reviews WHERE upload_id = ?`,
      [copy, id]
    )
  }
  // A new instance: what another one has read is believed for a minute.
  const fresh = await createApp()
  const answer = (await upload(fresh, diner)).json().data
  expect(answer.estimated_review_time).toBe('预计7分钟内')
  const wait = (
    await fresh.inject({
      url: `/api/photo/review/${answer.upload_id}`,
      headers: { authorization: `Bearer ${diner.access}` }
    })
  ).json().data.estimated_wait
  expect(wait).toEqual({ minutes_low: 7, minutes_high: 7 })
  await sql('DELETE FROM photo_reviews WHERE upload_id LIKE ?', ['copy %'])
})
