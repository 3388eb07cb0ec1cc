import type { Outbox } from '../../engine/bus.js'
import { answerTo } from '../../engine/idempotency.js'
import type { KeyedRequest } from '../../engine/idempotency-key.js'
import type { RawTx } from '../../engine/tx.js'
import type { Vault } from '../../shared/cipher.js'
import { Refusal, refuse } from '../../shared/refusal.js'
import { businessDay } from '../../shared/time.js'
import { Account } from '../points/ledger.js'
import { pointsUpdate, stockUpdate } from '../realtime/events.js'
import { newCode } from '../voucher/rules.js'
import { estimatedDelivery } from './rules.js'
import type { DeliveryInfo, Submitted } from './schemas.js'
import { type Buyer, lockBuyers, type Offer, readOffers, takeStock, writeOrders } from './store.js'

/** A diner's wish to exchange points for a product. */
export interface OrderRequest {
  readonly userId: number
  readonly productId: number
  readonly quantity: number
  readonly delivery?: DeliveryInfo | undefined
  readonly keyed?: KeyedRequest | undefined
}

/** What became of a request. A refused one has changed nothing. */
export type OrderAnswer = { readonly order: Submitted; readonly replayed: boolean } | { readonly refusal: Refusal }

/** What an order needs besides the database. */
export interface OrderTools {
  readonly vault: Vault
  readonly randomInt: (below: number) => number
  readonly clock: () => Date
  readonly timeZone: string
  readonly voucherDays: number
}

/** An order that is decided, and not yet written. */
export interface DecidedOrder {
  readonly request: OrderRequest
  readonly offer: Offer
  readonly account: Account
  readonly orderNo: string
  readonly code: string
  readonly totalPoints: number
  readonly estimatedDelivery: string | null
}

/**
 * Places orders of different diners in one transaction, with the same few statements however many there are. The
 * diners are locked, in user order; what there is of each product is only read, and each request is decided by
 * itself in the order it came: sold out before too few points (contract section 5). The stock is then guarded by the
 * write that takes it, one for all orders of a product, so that the row everybody wants is locked for as short as
 * can be. After the commit everyone hears of the stock, and each diner of their balance.
 * @throws StaleRead when a product is no longer what was read: nothing is kept, and it is worth another try
 */
export async function submitAll(
  tx: RawTx,
  outbox: Outbox,
  tools: OrderTools,
  requests: readonly OrderRequest[]
): Promise<OrderAnswer[]> {
  const buyers = await lockBuyers(tx, requests)
  const offers = await readOffers(
    tx,
    requests.map((request) => request.productId)
  )
  const now = tools.clock()
  const left = new Map([...offers.values()].map((offer) => [offer.commodity_id, offer.stock]))

  const answers = requests.map((request): OrderAnswer | DecidedOrder => {
    try {
      const buyer = buyers.get(request.userId)
      if (buyer === undefined) throw refuse('ACCOUNT_DISABLED')
      const earlier = request.keyed && answerTo<Submitted>(tools.vault, request.keyed, buyer, now)
      if (earlier !== undefined) return { order: earlier, replayed: true }
      return decideOrder(tools, request, buyer, offers.get(request.productId), left, now)
    } catch (err) {
      if (err instanceof Refusal) return { refusal: err }
      throw err
    }
  })
  const decided = answers.filter((answer): answer is DecidedOrder => 'orderNo' in answer)
  if (decided.length === 0) return answers as OrderAnswer[]
  const stocks = await takeStock(tx, decided)
  for (const { offer, taken, stock } of stocks) {
    outbox.push('everyone', 'stock_update', stockUpdate(offer.commodity_id, offer.name, stock, -taken, 'exchange', now))
  }
  for (const { request, account, totalPoints } of decided) {
    const { userId } = request
    outbox.push({ userId }, 'points_update', pointsUpdate(userId, account.balance, -totalPoints, 'exchange', now))
  }
  const written = await writeOrders(tx, tools, decided, outbox.takeUnlogged(), now)
  return answers.map((answer) => {
    if (!('orderNo' in answer)) return answer
    const order = written.get(answer.orderNo)
    if (order === undefined) throw new Error(`order ${answer.orderNo} was not written`)
    return { order, replayed: false }
  })
}

/** @throws Refusal */
function decideOrder(
  tools: OrderTools,
  request: OrderRequest,
  buyer: Buyer,
  offer: Offer | undefined,
  left: Map<number, number>,
  now: Date
): DecidedOrder {
  const { productId, quantity, userId, delivery } = request
  if (buyer.status !== 'active' || buyer.deleted_at !== null) throw refuse('ACCOUNT_DISABLED')
  if (offer === undefined) throw refuse('PRODUCT_NOT_FOUND')
  if (offer.status !== 'available') throw refuse('PRODUCT_UNAVAILABLE')
  const available = left.get(productId) ?? 0
  if (available < quantity) {
    throw refuse('STOCK_INSUFFICIENT', { available_stock: available, requested_quantity: quantity })
  }
  const day = businessDay(now, tools.timeZone)
  const orderNo = `EX${day.replaceAll('-', '')}${newCode(tools.randomInt)}`
  const account = new Account(userId, buyer.total_points)
  const totalPoints = offer.exchange_points * quantity
  account.debit(totalPoints, {
    source: 'exchange',
    description: `兑换${offer.name}×${quantity}`,
    relatedId: orderNo
  })
  left.set(productId, available - quantity)
  return {
    request,
    offer,
    account,
    orderNo,
    code: newCode(tools.randomInt),
    totalPoints,
    estimatedDelivery: estimatedDelivery(day, delivery)
  }
}
