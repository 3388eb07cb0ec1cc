import type { Db, Tx } from '../../engine/tx.js'
import type { PrivilegedWork } from '../../engine/unit-of-work.js'
import type { Prisma } from '../../generated/prisma/client.js'
import { refuse } from '../../shared/refusal.js'
import { recordAct } from '../audit/audit.js'
import type {
  MerchantProduct,
  MerchantProductsQuery,
  NewProductBody,
  ProductBody,
  ProductStats,
  StockBody
} from './merchant-schemas.js'
import { pushStock, type StockOperation } from './pushes.js'
import { type ProductRow, pageOfProducts, productFilter, toProduct } from './queries.js'
import { MAX_STOCK } from './schemas.js'

const LOW_STOCK = 5

function toMerchantProduct(row: ProductRow): MerchantProduct {
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
  const states: Record<NonNullable<MerchantProductsQuery['status']>, Prisma.ProductWhereInput> = {
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
async function lockProduct(tx: Tx, productId: number): Promise<ProductRow> {
  await tx.$queryRaw`SELECT commodity_id FROM commodity_pool WHERE commodity_id = ${productId} FOR UPDATE`
  const row = await tx.product.findFirst({ where: { productId, deletedAt: null } })
  if (row === null) throw refuse('PRODUCT_NOT_FOUND')
  return row
}

/** Writes a change down, and pushes the product to everyone. */
async function publish(
  uow: PrivilegedWork,
  operation: StockOperation,
  row: ProductRow,
  { before, reason, change = 0 }: { before?: ProductRow; reason?: string; change?: number } = {}
): Promise<void> {
  const { productId: id, name, stock } = row
  await recordAct(uow, {
    action: `product.${operation}`,
    targetType: 'product',
    targetId: id,
    ...(before === undefined ? {} : { before: auditedOf(before) }),
    ...(operation === 'delete' ? {} : { after: auditedOf(row) }),
    reason
  })
  pushStock(uow, { id, name, stock }, change, operation)
}

const columnsOf = ({ exchange_points, is_hot, sort_order, ...same }: ProductBody) => ({
  ...same,
  ...(exchange_points === undefined ? {} : { exchangePoints: exchange_points }),
  ...(is_hot === undefined ? {} : { isHot: is_hot }),
  ...(sort_order === undefined ? {} : { sortOrder: sort_order })
})

export async function createProduct(uow: PrivilegedWork, { stock, ...body }: NewProductBody): Promise<MerchantProduct> {
  const { name, category, exchange_points: exchangePoints } = body
  const data = { description: '', ...columnsOf(body), name, category, exchangePoints, stock, createdAt: uow.now }
  const row = await uow.tx.product.create({ data })
  await publish(uow, 'create', row, { change: stock })
  return toMerchantProduct(row)
}

/** Changes what is given. @throws Refusal PRODUCT_NOT_FOUND */
export async function updateProduct(uow: PrivilegedWork, id: number, body: ProductBody): Promise<MerchantProduct> {
  const before = await lockProduct(uow.tx, id)
  if (Object.keys(body).length === 0) return toMerchantProduct(before)
  const row = await uow.tx.product.update({ where: { productId: id }, data: columnsOf(body) })
  await publish(uow, 'update', row, { before })
  return toMerchantProduct(row)
}

/** Takes a product away for good; its orders go on, and keep its name and picture. @throws Refusal PRODUCT_NOT_FOUND */
export async function deleteProduct(uow: PrivilegedWork, id: number): Promise<void> {
  const before = await lockProduct(uow.tx, id)
  const row = await uow.tx.product.update({ where: { productId: id }, data: { deletedAt: uow.now } })
  await publish(uow, 'delete', row, { before })
}

/**
 * Moves stock in or out, with a reason.
 * @throws Refusal PRODUCT_NOT_FOUND, STOCK_INSUFFICIENT when it would fall below zero, or VALIDATION_FAILED when there
 *   would be more than a product can have
 */
export async function moveStock(uow: PrivilegedWork, id: number, body: StockBody): Promise<MerchantProduct> {
  const before = await lockProduct(uow.tx, id)
  const stock = before.stock + body.change
  if (stock < 0) {
    throw refuse('STOCK_INSUFFICIENT', { available_stock: before.stock, requested_quantity: -body.change })
  }
  if (stock > MAX_STOCK) {
    throw refuse('VALIDATION_FAILED', [{ field: 'change', message: `must leave at most ${MAX_STOCK} in stock` }])
  }
  const row = await uow.tx.product.update({
    where: { productId: id },
    data: { stock: { increment: body.change } }
  })
  const operation = body.change > 0 ? 'stock_in' : 'stock_out'
  await publish(uow, operation, row, { before, reason: body.reason, change: body.change })
  return toMerchantProduct(row)
}

/** The shelf in figures. */
export async function productStats(db: Db): Promise<ProductStats> {
  const there = { deletedAt: null }
  const active = { ...there, status: 'available' } as const
  const [activeCount, lowStockCount, outOfStockCount, totalCount] = await Promise.all([
    db.product.count({ where: active }),
    db.product.count({ where: { ...active, stock: { gt: 0, lte: LOW_STOCK } } }),
    db.product.count({ where: { ...active, stock: 0 } }),
    db.product.count({ where: there })
  ])
  return { activeCount, offlineCount: totalCount - activeCount, lowStockCount, outOfStockCount, totalCount }
}
