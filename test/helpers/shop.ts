import type { FastifyInstance } from 'fastify'
import type { Product } from '../../src/domains/exchange/schemas.js'
import type { Diner } from './app.js'

export interface TestProduct {
  readonly name?: string
  readonly category?: string
  readonly exchangePoints?: number
  readonly stock?: number
  readonly salesCount?: number
  readonly isHot?: boolean
  readonly description?: string
}

/** Puts a product on the shelf. @returns its id */
export async function newProduct(app: FastifyInstance, product: TestProduct = {}): Promise<number> {
  const data = { name: '酸梅汤', description: '', category: '饮品', exchangePoints: 100, stock: 10, ...product }
  return (await app.db.product.create({ data })).productId
}

export const submit = (diner: Diner, productId: number, more: object = {}, headers: Record<string, string> = {}) =>
  diner.post('/api/exchange/submit', { product_id: productId, ...more }, headers)

/** What the shop says is left of a product. */
export async function stockOf(app: FastifyInstance, productId: number): Promise<number> {
  return (await app.db.product.findUniqueOrThrow({ where: { productId: productId } })).stock
}

export const names = (products: readonly Product[]) => products.map((product) => product.name)

/** How often each word is in a list. */
export function tally(words: readonly string[]): Record<string, number> {
  const counts: Record<string, number> = {}
  for (const word of words) counts[word] = (counts[word] ?? 0) + 1
  return counts
}
