import { expect, test } from 'vitest'
import { REASON_CODES } from '../src/domains/receipt/reasons.js'
import { createApp, type Diner, newDiner, newMerchant, sql } from './helpers/app.js'
import { upload } from './helpers/upload.js'

const reject = (merchant: Diner, id: string, body: object, key?: string) =>
  merchant.post(`/api/merchant/reviews/${id}/reject`, body, key === undefined ? {} : { 'idempotency-key': key })

test('a rejection has a reason: its code, its Chinese and what to do reach the diner, and the figures count it', async () => {
  const app = await createApp()
  const [diner, merchant] = [await newDiner(app), await newMerchant(app)]
  const newId = async () => (await upload(app, diner)).json().data.upload_id as string
  const counts = async () => (await merchant.get('/api/merchant/statistics')).json().data.reasons
  expect(await counts()).toEqual(Object.fromEntries(REASON_CODES.map((code) => [code, 0])))
  const ids: string[] = []
  for (const reason_code of REASON_CODES) {
    const id = await newId()
    ids.push(id)
    expect((await reject(merchant, id, { reason_code, reason: '说明' })).json().data.status).toBe('rejected')
    const shown = (await diner.get(`/api/photo/review/${id}`)).json().data
    expect(shown).toMatchObject({ reason_code, review_reason: '说明' })
    expect([shown.reason_text, shown.reason_advice].every((text) => /^\p{Script=Han}/u.test(text))).toBe(true)
  }
  expect(await counts()).toEqual(Object.fromEntries(REASON_CODES.map((code) => [code, 1])))
  const { history } = (await diner.get('/api/photo/history')).json().data
  expect(history.map((row: { reason_code: string }) => row.reason_code)).toEqual([...REASON_CODES].reverse())
  const [audit] = await app.db.auditLog.findMany({ where: { targetId: ids[0] ?? '' } })
  expect(JSON.parse(audit?.after ?? '')).toMatchObject({ reason_code: REASON_CODES[0] })
  const file = await merchant.get('/api/merchant/reviews?format=csv')
  expect(file.body).toContain('already_used')
})

test('clients that know no codes go on: a reason alone is other, none at all too; what is approved has none', async () => {
  const app = await createApp()
  const [diner, merchant] = [await newDiner(app), await newMerchant(app)]
  const newId = async () => (await upload(app, diner)).json().data.upload_id as string
  const of = async (id: string) => (await diner.get(`/api/photo/review/${id}`)).json().data
  const [alone, none, batched, good, old] = [await newId(), await newId(), await newId(), await newId(), await newId()]
  await reject(merchant, alone, { reason: '小票不清晰' })
  await reject(merchant, none, {})
  await merchant.post('/api/merchant/batch-review', { upload_ids: [batched], action: 'reject', reason: '模糊' })
  await merchant.post(`/api/merchant/reviews/${good}/approve`, { actual_amount: 10, reason_code: 'too_old' })
  await reject(merchant, old, { reason_code: 'too_old' })
  await sql('UPDATE photo_reviews SET reason_code = NULL WHERE upload_id = ?', [old])
  expect(await of(alone)).toMatchObject({ reason_code: 'other', review_reason: '小票不清晰', reason_text: '其他原因' })
  expect(await of(none)).toMatchObject({ reason_code: 'other', review_reason: null })
  expect(await of(batched)).toMatchObject({ reason_code: 'other', review_reason: '模糊' })
  expect(await of(good)).toMatchObject({ reason_code: null, reason_text: null, reason_advice: null })
  expect(await of(old)).toMatchObject({ reason_code: 'other' })
})

test('other wants words, and a code there is not is refused; both change nothing', async () => {
  const app = await createApp()
  const [diner, merchant] = [await newDiner(app), await newMerchant(app)]
  const id = (await upload(app, diner)).json().data.upload_id
  for (const body of [{ reason_code: 'other' }, { reason_code: 'other', reason: '  ' }, { reason_code: 'ugly' }]) {
    const reply = await reject(merchant, id, body)
    expect([reply.statusCode, reply.json().error]).toEqual([400, 'REVIEW_PARAMS'])
  }
  expect((await diner.get(`/api/photo/review/${id}`)).json().data.status).toBe('pending')
  const first = await reject(merchant, id, { reason_code: 'too_old' }, 'a key')
  const again = await reject(merchant, id, { reason_code: 'too_old' }, 'a key')
  expect([again.headers['idempotent-replayed'], again.json()]).toEqual(['true', first.json()])
  expect((await reject(merchant, id, { reason_code: 'unreadable' }, 'a key')).json().error).toBe('IDEMPOTENCY_CONFLICT')
})
