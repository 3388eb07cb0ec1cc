import { pageFrom, type Sort } from '../../engine/keyset.js'
import { likeLiteral } from '../../engine/sql.js'
import type { Db } from '../../engine/tx.js'
import type { Prisma } from '../../generated/prisma/client.js'
import { refuse } from '../../shared/refusal.js'
import { productState } from './rules.js'
import { ALL_CATEGORIES, type Product, type ProductsQuery } from './schemas.js'

export type ProductRow = Prisma.ProductGetPayload<object>
const HOT_PRODUCTS = 10

export function toProduct(row: ProductRow): Product {
  return {
    id: row.productId,
    commodity_id: row.productId,
    name: row.name,
    description: row.description,
    category: row.category,
    exchange_points: row.exchangePoints,
    stock: row.stock,
    image: row.image,
    is_hot: row.isHot,
    rating: row.rating.toNumber(),
    sales_count: row.salesCount,
    status: productState(row)
  }
}

/** What diners are shown: what is on the shelf, sold out or not. */
const ON_SHELF = { deletedAt: null, status: 'available' } as const satisfies Prisma.ProductWhereInput

/** The columns that lists sort by, and their direction as long as nobody turns it. */
const SORTS = {
  hot: ['salesCount', 'desc'],
  points: ['exchangePoints', 'asc'],
  stock: ['stock', 'desc'],
  new: ['productId', 'desc'],
  shelf: ['sortOrder', 'asc']
} as const

/** A sort as asked for; products of the same value by their ids. */
function sortOf({ sort, order }: ProductsQuery): Sort<'productId'> {
  const [column, usual] = SORTS[sort ?? 'shelf']
  return { direction: order ?? usual, columns: { [column]: 'int' as const, productId: 'int' } }
}

/** The filters that a list of products knows, whoever asks. */
export function productFilter(query: ProductsQuery): Prisma.ProductWhereInput {
  const { category, min_points: min, max_points: max, search } = query
  const anyCategory = category === undefined || category === 'all' || category === '' || category === ALL_CATEGORIES
  const found = search === undefined || search.trim() === '' ? undefined : likeLiteral(search.trim())
  return {
    ...(anyCategory ? {} : { category }),
    ...(min === undefined && max === undefined
      ? {}
      : { exchangePoints: { ...(min === undefined ? {} : { gte: min }), ...(max === undefined ? {} : { lte: max }) } }),
    ...(query.in_stock === true ? { stock: { gt: 0 } } : {}),
    ...(found === undefined ? {} : { OR: [{ name: { contains: found } }, { description: { contains: found } }] })
  }
}

/** A page of products, sorted as the query says. */
export async function pageOfProducts(db: Db, query: ProductsQuery, where: Prisma.ProductWhereInput) {
  const { rows, ...rest } = await pageFrom(query, sortOf(query), where, {
    read: (part) => db.product.findMany(part),
    count: (all) => db.product.count({ where: all })
  })
  return { rows, ...rest, total: rest.pagination.total, has_more: rest.next_cursor !== null }
}

/** What the shop shows, filtered and sorted. */
export async function listProducts(db: Db, query: ProductsQuery) {
  const { rows, ...rest } = await pageOfProducts(db, query, { ...productFilter(query), ...ON_SHELF })
  return { products: rows.map(toProduct), ...rest }
}

/**
 * A product, off the shelf too: an order may still point at it.
 * @throws Refusal PRODUCT_NOT_FOUND
 */
export async function readProduct(db: Db, productId: number): Promise<Product> {
  const row = await db.product.findFirst({ where: { productId, deletedAt: null } })
  if (row === null) throw refuse('PRODUCT_NOT_FOUND')
  return toProduct(row)
}

/** The categories of what is on the shelf; the first stands for all. */
export async function listCategories(db: Db): Promise<string[]> {
  const rows = await db.product.groupBy({ by: ['category'], where: ON_SHELF, orderBy: { category: 'asc' } })
  return [ALL_CATEGORIES, ...rows.map(({ category }) => category)]
}

/** What the merchant recommends and there is, most sold first. */
export async function listHotProducts(db: Db): Promise<Product[]> {
  const rows = await db.product.findMany({
    where: { ...ON_SHELF, isHot: true, stock: { gt: 0 } },
    orderBy: [{ salesCount: 'desc' }, { productId: 'asc' }],
    take: HOT_PRODUCTS
  })
  return rows.map(toProduct)
}
