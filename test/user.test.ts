import type { FastifyInstance } from 'fastify'
import sharp from 'sharp'
import { describe, expect, test } from 'vitest'
import { createApp, type Diner, newDiner } from './helpers/app.js'
import { multipart, picture, upload } from './helpers/upload.js'

const putProfile = (app: FastifyInstance, diner: Diner, payload: object) =>
  app.inject({
    method: 'PUT',
    url: '/api/user/profile',
    payload,
    headers: { authorization: `Bearer ${diner.access}` }
  })

describe('the profile', () => {
  test.each([
    '阿明',
    'Ann',
    ' 小 红 ',
    '👨‍👩‍👧 一家',
    'ä'.repeat(20),
    '😀'.repeat(20),
    '3',
    "O'Neil & Co",
    '<b>',
    'say "hi"',
    '☀️晴'
  ])('takes the nickname %j', async (nickname) => {
    const app = await createApp()
    const diner = await newDiner(app)
    expect((await putProfile(app, diner, { nickname })).json().data.nickname).toBe(nickname.trim())
    expect((await diner.get('/api/user/info')).json().data.nickname).toBe(nickname.trim())
  })

  test.each([
    '',
    '   ',
    'x'.repeat(21),
    '😀'.repeat(21),
    'a\u0000b',
    'a\nb',
    'a\u202Eb',
    'a\u200Bb',
    '\u200D',
    'a\u2066b',
    '\u3164',
    'a\u115Fb',
    '\uD800',
    5,
    ['a']
  ])('refuses the nickname %j, and changes nothing', async (nickname) => {
    const app = await createApp()
    const diner = await newDiner(app)
    const before = (await diner.get('/api/user/info')).json().data
    const reply = await putProfile(app, diner, { nickname, avatar: 'https://cdn.example.com/a.png' })
    expect([reply.statusCode, reply.json().error]).toEqual([400, 'VALIDATION_FAILED'])
    expect((await diner.get('/api/user/info')).json().data).toEqual(before)
  })

  test('takes nothing but nickname and avatar, and an avatar only as an address of the web', async () => {
    const app = await createApp()
    const diner = await newDiner(app)
    const before = (await diner.get('/api/user/info')).json().data
    const reply = await putProfile(app, diner, {
      total_points: 999_999,
      totalPoints: 999_999,
      is_merchant: true,
      status: 'banned',
      mobile: '13900000000',
      user_id: 1
    })
    expect(reply.statusCode).toBe(200)
    expect((await diner.get('/api/user/info')).json().data).toEqual(before)
    for (const avatar of [
      'javascript:alert(1)',
      'data:image/png;base64,xx',
      '/a.png',
      `https://a/${'x'.repeat(255)}`,
      'https://a/"b'
    ]) {
      expect((await putProfile(app, diner, { avatar })).json().error).toBe('VALIDATION_FAILED')
    }
    const { data } = (await putProfile(app, diner, { avatar: 'https://cdn.example.com/a.png' })).json()
    expect(data).toMatchObject({ avatar: 'https://cdn.example.com/a.png', nickname: before.nickname })
  })
})

test('an avatar becomes a square of 256 pixels, WebP, without metadata', async () => {
  const app = await createApp()
  const diner = await newDiner(app)
  const bytes = await sharp(await picture(800, 500))
    .withExif({ IFD0: { Copyright: 'planted' } })
    .toBuffer()
  const form = await multipart([['avatar', { bytes, filename: '../me.jpg' }]])
  const headers = { ...form.headers, authorization: `Bearer ${diner.access}` }
  const reply = await app.inject({ method: 'POST', url: '/api/user/avatar', payload: form.payload, headers })
  const { avatar_url: address } = reply.json().data
  const fetched = await app.inject(new URL(address).pathname)
  expect(fetched.headers['content-type']).toBe('image/webp')
  const metadata = await sharp(fetched.rawPayload).metadata()
  expect(metadata).toMatchObject({ format: 'webp', width: 256, height: 256 })
  expect(metadata.exif).toBeUndefined()
  expect((await diner.get('/api/user/info')).json().data.avatar).toBe(address)
})

test('statistics are there grouped and flat, and days are counted where the restaurant is', async () => {
  let now = new Date(Date.now())
  const app = await createApp({ clock: () => now, config: { JWT_EXPIRES_IN: '30d', JWT_REFRESH_EXPIRES_IN: '60d' } })
  const diner = await newDiner(app)
  await diner.post('/api/lottery/draw', { draw_type: 'triple' })
  await upload(app, diner, { bytes: await picture(40, 40) })
  const read = async () => (await diner.get('/api/user/statistics')).json().data
  expect(await read()).toEqual({
    points_statistics: { total_earned: 1000, total_spent: 300, current_balance: 700 },
    activity_statistics: {
      total_lottery_count: 3,
      total_exchange_count: 0,
      total_upload_count: 1,
      approved_upload_count: 0
    },
    totalUploads: 1,
    approvedUploads: 0,
    totalLotteries: 3,
    totalExchanges: 0,
    joinDays: 1
  })
  now = new Date(now.getTime() + 24 * 3600_000)
  expect((await read()).joinDays).toBe(2)
})

test('the wallet shows its owner each code once, and what is past its time as expired', async () => {
  let now = new Date()
  const app = await createApp({ clock: () => now, config: { JWT_EXPIRES_IN: '90d', JWT_REFRESH_EXPIRES_IN: '90d' } })
  const [diner, other] = [await newDiner(app), await newDiner(app)]
  const { results } = (await diner.post('/api/lottery/draw', { draw_type: 'five' })).json().data
  const wallet = async (query = '') => (await diner.get(`/api/user/vouchers?${query}`)).json().data
  const codes = (list: { vouchers: { code: string }[] }) => list.vouchers.map((voucher) => voucher.code)
  const won = results.map((result: { voucher_code: string }) => result.voucher_code)
  expect(codes(await wallet()).sort()).toEqual([...won].sort())
  expect((await wallet('status=unused&limit=2')).pagination).toMatchObject({ total: 5, total_pages: 3 })
  expect((await other.get('/api/user/vouchers')).json().data.vouchers).toEqual([])
  await app.db.voucher.updateMany({
    where: { userId: diner.userId, recordId: results[0].record_id },
    data: { status: 'used', usedAt: now }
  })
  expect(codes(await wallet('status=used'))).toEqual([won[0]])
  expect(codes(await wallet('status=expired'))).toEqual([])
  now = new Date(now.getTime() + 31 * 24 * 3600_000)
  expect(codes(await wallet('status=unused'))).toEqual([])
  const expired = await wallet('status=expired')
  expect(expired.vouchers.map((voucher: { status: string }) => voucher.status)).toEqual(Array(4).fill('expired'))
  expect((await diner.get('/api/user/vouchers?status=lost')).json().error).toBe('VALIDATION_FAILED')
})
