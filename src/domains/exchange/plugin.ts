import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import fp from 'fastify-plugin'
import { answerFromBatch, keyOf } from '../../http/keyed.js'
import { AUTH_FAILURES, failures, ok, success } from '../../shared/schemas.js'
import { createOrderEngine } from './engine.js'
import { examples } from './examples.js'
import { exchangeStatistics, listOrders, readOrder, withdrawOrder } from './orders.js'
import { listCategories, listHotProducts, listProducts, readProduct } from './queries.js'
import {
  Cancelled,
  Categories,
  ExchangeStatistics,
  HotProducts,
  Order,
  OrderParams,
  Orders,
  OrdersQuery,
  Product,
  ProductParams,
  Products,
  ProductsQuery,
  SubmitBody,
  Submitted
} from './schemas.js'
import { openShelf } from './shelf.js'

const TAGS = ['exchange']
/** The same for every diner (contract section 9). */
const SHELF = { seconds: 180, scope: 'public' } as const

const exchange: FastifyPluginAsyncTypebox = async (app) => {
  const { cipher, randomInt } = app
  const { BUSINESS_TZ: timeZone, VOUCHER_DAYS: voucherDays } = app.config
  const engine = createOrderEngine(app.fastTx, { randomInt, timeZone, voucherDays })
  app.addHook('onClose', () => engine.close())

  const onShelf = openShelf(app)

  app.get(
    '/products',
    {
      config: { cache: SHELF },
      schema: {
        tags: TAGS,
        summary: 'The shop: filtered, sorted, page by page',
        querystring: ProductsQuery,
        response: { 200: ok(Products, examples.products), ...failures('VALIDATION_FAILED', ...AUTH_FAILURES) }
      }
    },
    ({ query }, reply) => onShelf(reply, JSON.stringify(query), () => listProducts(app.db, query))
  )

  app.get(
    '/products/:id',
    {
      config: { cache: SHELF },
      schema: {
        tags: TAGS,
        summary: 'One product',
        params: ProductParams,
        response: {
          200: ok(Product, examples.product),
          ...failures('VALIDATION_FAILED', ...AUTH_FAILURES, 'PRODUCT_NOT_FOUND')
        }
      }
    },
    ({ params: { id } }, reply) => onShelf(reply, `product ${id}`, () => readProduct(app.db, id))
  )

  app.get(
    '/categories',
    {
      config: { cache: SHELF },
      schema: {
        tags: TAGS,
        summary: 'The categories of what is on the shelf',
        response: { 200: ok(Categories, examples.categories), ...failures(...AUTH_FAILURES) }
      }
    },
    (_, reply) => onShelf(reply, 'categories', async () => ({ categories: await listCategories(app.db) }))
  )

  app.get(
    '/hot-products',
    {
      config: { cache: SHELF },
      schema: {
        tags: TAGS,
        summary: 'At most ten products that the merchant recommends',
        response: { 200: ok(HotProducts, examples.hot), ...failures(...AUTH_FAILURES) }
      }
    },
    (_, reply) => onShelf(reply, 'hot', async () => ({ products: await listHotProducts(app.db) }))
  )

  app.post(
    '/submit',
    {
      schema: {
        tags: TAGS,
        summary: 'Exchange points for a product',
        description: 'An Idempotency-Key makes a repetition answer the first result again.',
        body: SubmitBody,
        response: {
          200: ok(Submitted, examples.submitted),
          ...failures(
            'VALIDATION_FAILED',
            ...AUTH_FAILURES,
            'PRODUCT_NOT_FOUND',
            'PRODUCT_UNAVAILABLE',
            'STOCK_INSUFFICIENT',
            'POINTS_INSUFFICIENT',
            'IDEMPOTENCY_CONFLICT',
            'OVERLOADED'
          )
        }
      }
    },
    async (request, reply) => {
      const { body } = request
      const { product_id: productId, quantity, delivery_info: delivery } = body
      const { userId } = request.user
      const answer = await engine.submit({ userId, productId, quantity, delivery, keyed: keyOf(request, body) })
      return success(answerFromBatch(reply, answer))
    }
  )

  app.get(
    '/orders',
    {
      schema: {
        tags: TAGS,
        summary: 'The diner’s orders, newest first',
        querystring: OrdersQuery,
        response: { 200: ok(Orders, examples.orders), ...failures('VALIDATION_FAILED', ...AUTH_FAILURES) }
      }
    },
    async ({ user, query }) => success(await listOrders(app.reads, cipher, user.userId, query))
  )

  app.get(
    '/orders/:id',
    {
      schema: {
        tags: TAGS,
        summary: 'One order of the diner',
        params: OrderParams,
        response: {
          200: ok(Order, examples.order),
          ...failures('VALIDATION_FAILED', ...AUTH_FAILURES, 'ORDER_NOT_FOUND')
        }
      }
    },
    async ({ user, params }) => success(await readOrder(app.reads, cipher, user.userId, params.id))
  )

  app.post(
    '/orders/:id/cancel',
    {
      schema: {
        tags: TAGS,
        summary: 'Cancel an order that is pending: points and stock go back',
        params: OrderParams,
        response: {
          200: ok(Cancelled, examples.cancelled),
          ...failures('VALIDATION_FAILED', ...AUTH_FAILURES, 'ORDER_NOT_FOUND', 'STATE_CONFLICT')
        }
      }
    },
    async ({ user, params }) => success(await app.tx((uow) => withdrawOrder(uow, user.userId, params.id)))
  )

  app.get(
    '/statistics',
    {
      config: { cache: { seconds: 600, scope: 'private' } },
      schema: {
        tags: TAGS,
        summary: 'The diner’s exchanges in figures',
        response: { 200: ok(ExchangeStatistics, examples.statistics), ...failures(...AUTH_FAILURES) }
      }
    },
    async ({ user }) => success(await exchangeStatistics(app.reads, user.userId))
  )
}

export default fp(exchange, {
  name: 'exchange',
  dependencies: ['database', 'identity', 'rate-limit'],
  encapsulate: true
})
