import pc from 'picocolors'
import type { Body, Data } from '../../src/client/index.js'
import type { Told as Frame, Person } from './demo-client.js'
import { Fault } from './print.js'

type Draw = Data<'post', '/api/lottery/draw'>
type Product = Data<'get', '/api/exchange/products'>['products'][number]
type Submitted = Data<'post', '/api/exchange/submit'>

/** What a diner was told, and what it did to their points. */
export interface Told {
  readonly push: string
  readonly points: number
}

const line = (text: string) => process.stdout.write(`   ${text}\n`)
const isTold = (push: string) => (frame: Frame) =>
  `${frame.type} ${frame.data.total_points ?? frame.data.type}` === push

/** The diner shows the code of a prize; the merchant looks it up and redeems it, and a second time is refused. */
export async function redeemPrize(merchant: Person, diner: Person, draws: readonly Draw[]): Promise<Told> {
  const won = draws.flatMap((draw) => draw.results).find((result) => result.voucher_code !== null)
  if (won?.voucher_code == null) throw new Fault('Ten draws, and nothing to redeem: is the wheel all points?')
  const code = won.voucher_code
  const found = await merchant.api.merchant.vouchersByCode({ code })
  line(
    `${code}  ${found.title}  of ${found.user.nickname} (${found.user.mobile})  ${found.valid ? 'valid' : found.reason}`
  )
  await merchant.api.merchant.vouchersRedeem({ code })
  const push = 'system_notice voucher_redeemed'
  await diner.waitFor(isTold(push))
  const again = await merchant.api.merchant.vouchersByCode({ code })
  line(pc.dim(`looked up again: ${again.reason}`))
  if (again.reason !== 'used') throw new Fault('A redeemed voucher is not used up.')
  return { push, points: 0 }
}

/** The diner orders the cheapest thing there is; it is confirmed, sent, completed. A second order is cancelled. */
export async function visitShop(merchant: Person, diner: Person): Promise<Told[]> {
  const { products } = await diner.api.exchange.products({ sort: 'points', in_stock: true, limit: 5 })
  for (const product of products) {
    line(`${String(product.exchange_points).padStart(5)} points  ${product.name}, ${product.stock} left`)
  }
  const [cheapest] = products
  if (cheapest === undefined) throw new Fault('There is nothing in the shop.')

  const first = await order(diner, cheapest, {
    recipient_name: '王小明',
    recipient_phone: '13812345678',
    delivery_address: '上海市静安区南京西路1号'
  })
  const told: Told[] = [spent(first)]
  for (const step of ['ordersConfirm', 'ordersShip', 'ordersComplete'] as const) {
    const moved = await merchant.api.merchant[step]({ id: first.order_id })
    const push = `system_notice order_${moved.status}`
    await diner.waitFor(isTold(push))
    told.push({ push, points: 0 })
    if (step === 'ordersConfirm') line(pc.dim(`the merchant reads where to: ${moved.delivery_info?.delivery_address}`))
  }

  const second = await order(diner, cheapest)
  told.push(spent(second))
  const back = await diner.api.exchange.ordersCancel({ id: second.order_id })
  const push = `points_update ${back.remaining_points}`
  await diner.waitFor((frame) => isTold(push)(frame) && frame.data.reason === 'refund')
  told.push({ push, points: back.refunded_points })
  return told
}

async function order(
  diner: Person,
  product: Product,
  delivery?: Body<'post', '/api/exchange/submit'>['delivery_info']
): Promise<Submitted> {
  const placed = await diner.api.exchange.submit({
    product_id: product.id,
    ...(delivery === undefined ? {} : { delivery_info: delivery })
  })
  await diner.waitFor(isTold(spent(placed).push))
  const until = placed.estimated_delivery === null ? 'to be fetched' : `by ${placed.estimated_delivery}`
  line(
    `${placed.order_no}  ${placed.product_name}  ${placed.points_cost} points  code ${placed.exchange_code}  ${until}`
  )
  return placed
}

const spent = (placed: Submitted): Told => ({
  push: `points_update ${placed.remaining_points}`,
  points: -placed.points_cost
})
