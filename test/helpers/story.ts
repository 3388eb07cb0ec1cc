import type { FastifyInstance } from 'fastify'
import { type Diner, newDiner, newMerchant } from './app.js'
import { newProduct, submit } from './shop.js'
import { upload } from './upload.js'

export const DELIVERY = {
  recipient_name: '王小明',
  recipient_phone: '13812345678',
  delivery_address: "上海市静安区'南京西路'1号\\2\n后门 😀",
  delivery_note: ''
}
export const LICENCE = '91310000MA1FL0000X'

/** What a day leaves behind, in every table that matters. */
export interface Story {
  readonly diner: Diner
  readonly merchant: Diner
  /** As the draw answered, and as its key repeats it. */
  readonly drawn: { readonly key: string; readonly answer: { readonly results: { readonly voucher_code: string }[] } }
  readonly order: { readonly order_id: number; readonly exchange_code: string }
}

/** A diner draws ten at once, orders, uploads a receipt that a merchant approves, and applies to be a merchant. */
export async function tellStory(app: FastifyInstance): Promise<Story> {
  const [diner, merchant] = [await newDiner(app, { points: 5000 }), await newMerchant(app)]
  const key = 'the draw of the story'
  const drawn = await diner.post('/api/lottery/draw', { draw_type: 'ten' }, { 'idempotency-key': key })
  const product = await newProduct(app, { stock: 5, exchangePoints: 100 })
  const order = (await submit(diner, product, { delivery_info: DELIVERY })).json().data
  const uploaded = (await upload(app, diner, { description: "'); DROP TABLE users; -- (1),(2)" })).json().data
  const review = { upload_id: uploaded.upload_id, action: 'approved', actual_amount: 58.5 }
  const reviewed = (await merchant.post('/api/merchant/review', review)).json()
  const form = { business_name: '小店', contact_person: '王', contact_phone: '13812345678', business_license: LICENCE }
  const applied = (await diner.post('/api/merchant/apply', form)).json()
  if (reviewed.code !== 0 || applied.code !== 0) throw new Error(JSON.stringify([reviewed, applied]))
  return { diner, merchant, drawn: { key, answer: drawn.json().data }, order }
}
