import type { Outbox } from '../../engine/bus.js'
import type { Db, Tx } from '../../engine/tx.js'
import type { Prisma } from '../../generated/prisma/client.js'
import { refuse } from '../../shared/refusal.js'
import { type Actor, recordAct } from '../audit/audit.js'
import { type StockOperation, stockUpdate } from '../realtime/events.js'
import type {
  MerchantProduct,
  MerchantProductsQuery,
  NewProductBody,
  ProductBody,
  ProductStats,
  StockBody
} from './merchant-schemas.js'
import { type ProductRow, pageOfProducts, productFilter, toProduct } from './queries.js'
import { MAX_STOCK } from './schemas.js'

const LOW_STOCK = 5

export function toMerchantProduct(row: ProductRow): MerchantProduct {
  return { ...toProduct(row), sort_order: row.sortOrder, created_at: row.createdAt, updated_at: row.updatedAt }
}

/** What the audit keeps of a product. */
function auditedOf(row: ProductRow): object {
  const { name, description, category, image, status, stock } = row
  const { exchangePoints: exchange_points, isHot: is_hot, sortOrder: sort_order } = row
  return { name, description, category, exchange_points, image, is_hot, sort_order, status, stock }
}

/** All products but those that were deleted. */
export async function listMerchantProducts(db: Db, query: MerchantProductsQuery) {
  const states: Record<NonNullable<MerchantProductsQuery['status']>, Prisma.CommodityWhereInput> = {
    available: { status: 'available', stock: { gt: 0 } },
    sold_out: { status: 'available', stock: 0 },
    unavailable: { status: 'unavailable' }
  }
  const state = query.status === undefined ? {} : states[query.status]
  const where = { AND: [productFilter(query), state], deletedAt: null }
  const { rows, ...rest } = await pageOfProducts(db, query, where)
  return { products: rows.map(toMerchantProduct), ...rest }
}

/** Locks a product that is not deleted. @throws Refusal PRODUCT_NOT_FOUND */
async function lockProduct(tx: Tx, commodityId: number): Promise<ProductRow> {
  await tx.$queryRaw`SELECT commodity_id FROM commodity_pool WHERE commodity_id = ${commodityId} FOR UPDATE`
  const row = await tx.commodity.findFirst({ where: { commodityId, deletedAt: null } })
  if (row === null) throw refuse('PRODUCT_NOT_FOUND')
  return row
}

/** Writes a change down, and tells everyone of the product. */
async function tellOf(
  { tx, outbox, actor, now }: Change,
  operation: StockOperation,
  row: ProductRow,
  { before, reason, change = 0 }: { before?: ProductRow; reason?: string; change?: number } = {}
): Promise<void> {
  const { commodityId } = row
  const action = `product.${operation}`
  const acted = {
    ...(before === undefined ? {} : { before: auditedOf(before) }),
    ...(operation === 'delete' ? {} : { after: auditedOf(row) })
  }
  await recordAct(tx, actor, { action, targetType: 'product', targetId: commodityId, ...acted, reason }, now)
  outbox.push('everyone', 'stock_update', stockUpdate(commodityId, row.name, row.stock, change, operation, now))
}

/** By whom, when and in which transaction a product changes. */
export interface Change {
  readonly tx: Tx
  readonly outbox: Outbox
  readonly actor: Actor
  readonly now: Date
}

const columnsOf = ({ exchange_points, is_hot, sort_order, ...same }: ProductBody) => ({
  ...same,
  ...(exchange_points === undefined ? {} : { exchangePoints: exchange_points }),
  ...(is_hot === undefined ? {} : { isHot: is_hot }),
  ...(sort_order === undefined ? {} : { sortOrder: sort_order })
})

export async function createProduct(change: Change, { stock, ...body }: NewProductBody): Promise<MerchantProduct> {
  const { name, category, exchange_points: exchangePoints } = body
  const data = { description: '', ...columnsOf(body), name, category, exchangePoints, stock, createdAt: change.now }
  const row = await change.tx.commodity.create({ data })
  await tellOf(change, 'create', row, { change: stock })
  return toMerchantProduct(row)
}

/** Changes what is given. @throws Refusal PRODUCT_NOT_FOUND */
export async function updateProduct(change: Change, id: number, body: ProductBody): Promise<MerchantProduct> {
  const before = await lockProduct(change.tx, id)
  if (Object.keys(body).length === 0) return toMerchantProduct(before)
  const row = await change.tx.commodity.update({ where: { commodityId: id }, data: columnsOf(body) })
  await tellOf(change, 'update', row, { before })
  return toMerchantProduct(row)
}

/** Takes a product away for good; its orders go on, and keep its name and picture. @throws Refusal PRODUCT_NOT_FOUND */
export async function deleteProduct(change: Change, id: number): Promise<void> {
  const before = await lockProduct(change.tx, id)
  const row = await change.tx.commodity.update({ where: { commodityId: id }, data: { deletedAt: change.now } })
  await tellOf(change, 'delete', row, { before })
}

/**
 * Moves stock in or out, with a reason.
 * @throws Refusal PRODUCT_NOT_FOUND, STOCK_INSUFFICIENT when it would fall below zero, or VALIDATION_FAILED when there
 *   would be more than a product can have
 */
export async function moveStock(change: Change, id: number, body: StockBody): Promise<MerchantProduct> {
  const before = await lockProduct(change.tx, id)
  const stock = before.stock + body.change
  if (stock < 0) {
    throw refuse('STOCK_INSUFFICIENT', { available_stock: before.stock, requested_quantity: -body.change })
  }
  if (stock > MAX_STOCK) {
    throw refuse('VALIDATION_FAILED', [{ field: 'change', message: `must leave at most ${MAX_STOCK} in stock` }])
  }
  const row = await change.tx.commodity.update({
    where: { commodityId: id },
    data: { stock: { increment: body.change } }
  })
  const operation = body.change > 0 ? 'stock_in' : 'stock_out'
  await tellOf(change, operation, row, { before, reason: body.reason, change: body.change })
  return toMerchantProduct(row)
}

/** The shelf in figures. */
export async function productStats(db: Db): Promise<ProductStats> {
  const there = { deletedAt: null }
  const active = { ...there, status: 'available' } as const
  const [activeCount, lowStockCount, outOfStockCount, totalCount] = await Promise.all([
    db.commodity.count({ where: active }),
    db.commodity.count({ where: { ...active, stock: { gt: 0, lte: LOW_STOCK } } }),
    db.commodity.count({ where: { ...active, stock: 0 } }),
    db.commodity.count({ where: there })
  ])
  return { activeCount, offlineCount: totalCount - activeCount, lowStockCount, outOfStockCount, totalCount }
}
