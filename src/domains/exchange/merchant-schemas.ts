import { type Static, Type } from '@sinclair/typebox'
import { Count, DateTime, Day, Id, Page, PageQuery, StringEnum } from '../../shared/schemas.js'
import { PLAIN_TEXT } from '../../shared/text.js'
import { Person } from '../user/schemas.js'
import { MAX_EXCHANGE_POINTS, MAX_STOCK, Order, OrderStatus, Product, ProductState, ProductsQuery } from './schemas.js'

const Line = (maxLength: number) => Type.String({ minLength: 1, maxLength, pattern: PLAIN_TEXT })
const OnShelf = StringEnum(['available', 'unavailable'])

const fields = {
  name: Line(100),
  description: Type.String({ maxLength: 2000 }),
  category: Type.String({ ...Line(50), not: { enum: ['全部', 'all'] }, description: '全部 and all mean any category' }),
  exchange_points: Type.Integer({ minimum: 1, maximum: MAX_EXCHANGE_POINTS }),
  image: Type.String({ pattern: '^(https?://[^\\s<>"]+)?$', maxLength: 500, description: 'URL, or empty' }),
  is_hot: Type.Boolean(),
  sort_order: Type.Integer({ minimum: 0, maximum: 1_000_000 }),
  status: OnShelf
}

export const NewProductBody = Type.Object(
  {
    name: fields.name,
    category: fields.category,
    exchange_points: fields.exchange_points,
    stock: Type.Integer({ minimum: 0, maximum: MAX_STOCK, default: 0 }),
    description: Type.Optional(fields.description),
    image: Type.Optional(fields.image),
    is_hot: Type.Optional(fields.is_hot),
    sort_order: Type.Optional(fields.sort_order),
    status: Type.Optional(fields.status)
  },
  {
    examples: [{ name: '招牌酸梅汤', category: '饮品', exchange_points: 300, stock: 50, description: '冰镇现熬，一扎' }]
  }
)
export type NewProductBody = Static<typeof NewProductBody>

/** What is left out stays as it is. Stock moves by its own route, with a reason. */
export const ProductBody = Type.Partial(Type.Object(fields), { examples: [{ exchange_points: 280, is_hot: true }] })
export type ProductBody = Static<typeof ProductBody>

export const StockBody = Type.Object(
  {
    change: Type.Integer({
      minimum: -MAX_STOCK,
      maximum: MAX_STOCK,
      not: { const: 0 },
      description: 'what comes in, or less than 0 for what goes out'
    }),
    reason: Line(200)
  },
  { examples: [{ change: 20, reason: '补货' }] }
)
export type StockBody = Static<typeof StockBody>

export const MerchantProduct = Type.Composite([
  Product,
  Type.Object({ sort_order: Count, created_at: DateTime, updated_at: DateTime })
])
export type MerchantProduct = Static<typeof MerchantProduct>

export const MerchantProductsQuery = Type.Composite([
  ProductsQuery,
  Type.Object({ status: Type.Optional(ProductState) })
])
export type MerchantProductsQuery = Static<typeof MerchantProductsQuery>

export const MerchantProducts = Page(
  { products: Type.Array(MerchantProduct) },
  { total: Count, has_more: Type.Boolean() }
)

export const ProductStats = Type.Object({
  activeCount: Type.Integer({ minimum: 0, description: 'on the shelf, sold out or not' }),
  offlineCount: Count,
  lowStockCount: Type.Integer({ minimum: 0, description: 'on the shelf with 1 to 5 left' }),
  outOfStockCount: Type.Integer({ minimum: 0, description: 'on the shelf with none left' }),
  totalCount: Count
})
export type ProductStats = Static<typeof ProductStats>

/** The multipart form, for the documentation: it is read as a stream. */
export const ImageForm = Type.Object(
  { image: Type.String({ format: 'binary', description: 'one file of at most 5 MB: JPEG, PNG, GIF, WebP, HEIC' }) },
  { examples: [{ image: '(the bytes of the file)' }] }
)
export const Image = Type.Object({ image_url: Type.String() })

export const MerchantOrdersQuery = Type.Composite([
  PageQuery,
  Type.Object({
    status: Type.Optional(OrderStatus),
    user_id: Type.Optional(Id),
    order_no: Type.Optional(Type.String({ maxLength: 32 })),
    from: Type.Optional(Day),
    to: Type.Optional(Day)
  })
])
export type MerchantOrdersQuery = Static<typeof MerchantOrdersQuery>

export const MerchantOrder = Type.Composite([Order, Type.Object({ commodity_id: Id, user: Person })])
export type MerchantOrder = Static<typeof MerchantOrder>

export const MerchantOrders = Page({ orders: Type.Array(MerchantOrder) })

export const CancelBody = Type.Object(
  { reason: Type.Optional(Type.String({ maxLength: 200 })) },
  { examples: [{ reason: '缺货' }] }
)
