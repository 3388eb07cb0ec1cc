import multipart from '@fastify/multipart'
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from '@sinclair/typebox'
import fp from 'fastify-plugin'
import { processProductImage } from '../../adapters/images/images.js'
import { keepImage } from '../../adapters/storage/pictures.js'
import { FORM_LIMITS, PRODUCT_IMAGE, readPictureForm } from '../../http/picture-form.js'
import { actorOf } from '../../identity/principal.js'
import { failures, MERCHANT_FAILURES, ok, success } from '../../shared/schemas.js'
import { examples } from './examples.js'
import { advanceOrder, listMerchantOrders } from './fulfilment.js'
import {
  CancelBody,
  Image,
  ImageForm,
  MerchantOrder,
  MerchantOrders,
  MerchantOrdersQuery,
  MerchantProduct,
  MerchantProducts,
  MerchantProductsQuery,
  NewProductBody,
  ProductBody,
  ProductStats,
  StockBody
} from './merchant-schemas.js'
import { cancelOrder } from './orders.js'
import {
  createProduct,
  deleteProduct,
  listMerchantProducts,
  moveStock,
  productStats,
  updateProduct
} from './product-changes.js'
import { Cancelled, OrderParams, ProductParams } from './schemas.js'

const TAGS = ['merchant']
const MERCHANT = ['VALIDATION_FAILED', ...MERCHANT_FAILURES] as const

/** The shop from behind the counter: products, stock, pictures, and what becomes of orders. */
const merchantExchange: FastifyPluginAsyncTypebox = async (app) => {
  const { config, cipher } = app
  const access = { access: 'merchant' } as const
  await app.register(multipart, { limits: FORM_LIMITS })

  app.get(
    '/product-stats',
    {
      config: access,
      schema: {
        tags: TAGS,
        summary: 'The shelf in figures',
        response: { 200: ok(ProductStats, examples.stats), ...failures(...MERCHANT) }
      }
    },
    async () => success(await productStats(app.db))
  )

  app.get(
    '/products',
    {
      config: access,
      schema: {
        tags: TAGS,
        summary: 'All products, on the shelf or not',
        querystring: MerchantProductsQuery,
        response: { 200: ok(MerchantProducts, examples.merchantProducts), ...failures(...MERCHANT) }
      }
    },
    async ({ query }) => success(await listMerchantProducts(app.db, query))
  )

  app.post(
    '/products',
    {
      config: access,
      schema: {
        tags: TAGS,
        summary: 'Put a new product on the shelf',
        body: NewProductBody,
        response: { 200: ok(MerchantProduct, examples.merchantProduct), ...failures(...MERCHANT) }
      }
    },
    async (request) => success(await app.txAs(actorOf(request), (uow) => createProduct(uow, request.body)))
  )

  app.put(
    '/products/:id',
    {
      config: access,
      schema: {
        tags: TAGS,
        summary: 'Change a product; what is left out stays',
        params: ProductParams,
        body: ProductBody,
        response: { 200: ok(MerchantProduct, examples.merchantProduct), ...failures(...MERCHANT, 'PRODUCT_NOT_FOUND') }
      }
    },
    async (request) =>
      success(await app.txAs(actorOf(request), (uow) => updateProduct(uow, request.params.id, request.body)))
  )

  app.delete(
    '/products/:id',
    {
      config: access,
      schema: {
        tags: TAGS,
        summary: 'Take a product away; its orders stay',
        params: ProductParams,
        response: { 200: ok(Type.Null(), null), ...failures(...MERCHANT, 'PRODUCT_NOT_FOUND') }
      }
    },
    async (request) => {
      await app.txAs(actorOf(request), (uow) => deleteProduct(uow, request.params.id))
      return success(null)
    }
  )

  app.post(
    '/products/:id/stock',
    {
      config: access,
      schema: {
        tags: TAGS,
        summary: 'Stock in or out, with a reason',
        params: ProductParams,
        body: StockBody,
        response: {
          200: ok(MerchantProduct, examples.merchantProduct),
          ...failures(...MERCHANT, 'PRODUCT_NOT_FOUND', 'STOCK_INSUFFICIENT')
        }
      }
    },
    async (request) =>
      success(await app.txAs(actorOf(request), (uow) => moveStock(uow, request.params.id, request.body)))
  )

  app.post(
    '/images',
    {
      config: access,
      // The body is a stream that the handler reads: its schema is for the documentation.
      validatorCompiler: () => () => true,
      schema: {
        tags: TAGS,
        summary: 'Upload the picture of a product',
        consumes: ['multipart/form-data'],
        body: ImageForm,
        response: {
          200: ok(Image, { image_url: examples.product.image }),
          ...failures(
            ...MERCHANT,
            'IMAGE_REQUIRED',
            'IMAGE_TOO_LARGE',
            'IMAGE_UNREADABLE',
            'STORAGE_UNAVAILABLE',
            'OVERLOADED'
          )
        }
      }
    },
    async (request) => {
      const { bytes } = await readPictureForm(request, PRODUCT_IMAGE)
      const image = await app.imageJobs.run(() => processProductImage(bytes))
      return success({ image_url: await keepImage(request, 'products', image) })
    }
  )

  app.get(
    '/orders',
    {
      config: access,
      schema: {
        tags: TAGS,
        summary: 'All orders, newest first',
        description:
          'Delivery data is masked but for orders that are confirmed or shipped: whoever ships needs to read it.',
        querystring: MerchantOrdersQuery,
        response: { 200: ok(MerchantOrders, examples.merchantOrders), ...failures(...MERCHANT) }
      }
    },
    async ({ query }) => success(await listMerchantOrders(app.db, cipher, query, config.BUSINESS_TZ))
  )

  const steps = {
    confirm: 'Confirm an order that is pending',
    ship: 'Send an order that is confirmed',
    complete: 'Complete an order that is shipped; its voucher is used up'
  } as const
  for (const step of ['confirm', 'ship', 'complete'] as const) {
    app.post(
      `/orders/:id/${step}`,
      {
        config: access,
        schema: {
          tags: TAGS,
          summary: steps[step],
          params: OrderParams,
          response: {
            200: ok(MerchantOrder, examples.merchantOrder),
            ...failures(...MERCHANT, 'ORDER_NOT_FOUND', 'STATE_CONFLICT')
          }
        }
      },
      async (request) => {
        const { id } = request.params as { id: number }
        return success(await app.txAs(actorOf(request), (uow) => advanceOrder(uow, id, step)))
      }
    )
  }

  app.post(
    '/orders/:id/cancel',
    {
      config: access,
      schema: {
        tags: TAGS,
        summary: 'Cancel an order that is pending or confirmed: points and stock go back',
        params: OrderParams,
        body: CancelBody,
        response: {
          200: ok(Cancelled, examples.cancelled),
          ...failures(...MERCHANT, 'ORDER_NOT_FOUND', 'STATE_CONFLICT')
        }
      }
    },
    async (request) => {
      const { id } = request.params
      return success(await app.txAs(actorOf(request), (uow) => cancelOrder(uow, id, request.body.reason)))
    }
  )
}

export default fp(merchantExchange, {
  name: 'merchant-exchange',
  dependencies: ['database', 'identity', 'rate-limit', 'storage'],
  encapsulate: true
})
