import { answersOf, decidedOf, decideEach } from '../../engine/batched-decisions.js'
import type { RawTx } from '../../engine/tx.js'
import type { UnitOfWork } from '../../engine/unit-of-work.js'
import { refuse } from '../../shared/refusal.js'
import { businessDay } from '../../shared/time.js'
import type { Account } from '../points/account.js'
import { openAccounts } from '../points/accounts.js'
import { pushBalance } from '../points/pushes.js'
import { newVoucherCode } from '../voucher/rules.js'
import type { DecidedOrder, OrderAnswer, OrderRequest, OrderTools, ProductSnapshot } from './order-request.js'
import { pushStock } from './pushes.js'
import { estimatedDelivery } from './rules.js'
import type { Submitted } from './schemas.js'
import { readProducts, takeStock, writeOrders } from './store.js'

/**
 * Places orders of different diners in one transaction, with the same few statements however many there are. The
 * diners are locked, in user order; what there is of each product is only read, and each request is decided by
 * itself in the order it came: sold out before too few points (contract section 5). The stock is then guarded by the
 * write that takes it, one for all orders of a product, so that the row everybody wants is locked for as short as
 * can be. After the commit everyone is pushed the stock, and each diner their balance.
 * @throws StaleRead when a product is no longer what was read: nothing is kept, and it is worth another try
 */
export async function submitAll(
  uow: UnitOfWork<RawTx>,
  tools: OrderTools,
  requests: readonly OrderRequest[]
): Promise<OrderAnswer[]> {
  const buyers = await openAccounts(uow, requests)
  const products = await readProducts(
    uow.tx,
    requests.map((request) => request.productId)
  )
  const left = new Map([...products.values()].map((product) => [product.commodity_id, product.stock]))
  const buyerOf = ({ userId }: OrderRequest) => buyers.acting(userId)

  const decisions = decideEach<OrderRequest, DecidedOrder, Submitted>(
    uow,
    requests,
    (request) => buyerOf(request).row,
    (request) => decideOrder(uow.now, tools, request, buyerOf(request).account, { products, left })
  )
  const decided = decidedOf(decisions)
  if (decided.length === 0) return answersOf(decisions, neverDecided)
  for (const { product, taken, stock } of await takeStock(uow.tx, decided)) {
    pushStock(uow, { id: product.commodity_id, name: product.name, stock }, -taken, 'exchange')
  }
  for (const { account } of decided) pushBalance(uow, account, 'exchange')
  const written = await writeOrders(uow, tools, decided)
  return answersOf(decisions, ({ orderNo }) => {
    const order = written.get(orderNo)
    if (order === undefined) throw new Error(`order ${orderNo} was not written`)
    return order
  })
}

function neverDecided(): never {
  throw new Error('nothing was decided')
}

/** The products of a batch, and what is left of each after the requests that were decided so far. */
interface Shelf {
  readonly products: ReadonlyMap<number, ProductSnapshot>
  readonly left: Map<number, number>
}

/** @throws Refusal */
function decideOrder(
  now: Date,
  tools: OrderTools,
  request: OrderRequest,
  account: Account,
  { products, left }: Shelf
): DecidedOrder {
  const { productId, quantity, delivery } = request
  const product = products.get(productId)
  if (product === undefined) throw refuse('PRODUCT_NOT_FOUND')
  if (product.status !== 'available') throw refuse('PRODUCT_UNAVAILABLE')
  const available = left.get(productId) ?? 0
  if (available < quantity) {
    throw refuse('STOCK_INSUFFICIENT', { available_stock: available, requested_quantity: quantity })
  }
  const day = businessDay(now, tools.timeZone)
  const orderNo = `EX${day.replaceAll('-', '')}${newVoucherCode(tools.randomInt)}`
  const totalPoints = product.exchange_points * quantity
  account.debit(totalPoints, {
    source: 'exchange',
    description: `兑换${product.name}×${quantity}`,
    relatedId: orderNo
  })
  left.set(productId, available - quantity)
  return {
    request,
    product,
    account,
    orderNo,
    code: newVoucherCode(tools.randomInt),
    totalPoints,
    estimatedDelivery: estimatedDelivery(day, delivery)
  }
}
