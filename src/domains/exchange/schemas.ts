import { type Static, Type } from '@sinclair/typebox'
import {
  Count,
  DateTime,
  Id,
  Nullable,
  Page,
  PageQuery,
  Points,
  PointsFilter,
  StringEnum,
  Telephone
} from '../../shared/schemas.js'

/** What a product may cost, and how much of it there may be: ten of the dearest still fit the ledger's column. */
export const MAX_EXCHANGE_POINTS = 10_000_000
export const MAX_STOCK = 1_000_000
/** The most of one product that one order takes. */
const MAX_QUANTITY = 10

export const ALL_CATEGORIES = '全部'

export const ProductState = StringEnum(['available', 'sold_out', 'unavailable'])
export type ProductState = Static<typeof ProductState>

export const Product = Type.Object({
  id: Id,
  commodity_id: Id,
  name: Type.String(),
  description: Type.String(),
  category: Type.String(),
  exchange_points: Points,
  stock: Count,
  image: Type.String(),
  is_hot: Type.Boolean(),
  rating: Type.Number(),
  sales_count: Count,
  status: ProductState
})
export type Product = Static<typeof Product>

export const ProductParams = Type.Object({ id: Id })
/** Order ids are 64-bit in the table; what JSON can carry is plenty. */
const OrderId = Type.Integer({ minimum: 1, maximum: Number.MAX_SAFE_INTEGER })
export const OrderParams = Type.Object({ id: OrderId })

export const ProductsQuery = Type.Composite([
  PageQuery,
  Type.Object({
    category: Type.Optional(Type.String({ maxLength: 50, description: `\`all\` and ${ALL_CATEGORIES} mean any` })),
    min_points: Type.Optional(PointsFilter),
    max_points: Type.Optional(PointsFilter),
    in_stock: Type.Optional(Type.Boolean({ description: 'true: only what there is' })),
    search: Type.Optional(Type.String({ maxLength: 50, description: 'part of the name or the description' })),
    sort: Type.Optional(
      StringEnum(['hot', 'points', 'stock', 'new'], {
        description: 'most sold, fewest points, most stock, newest first; unset: as the merchant ordered them'
      })
    ),
    order: Type.Optional(StringEnum(['asc', 'desc'], { description: 'turns the sort' }))
  })
])
export type ProductsQuery = Static<typeof ProductsQuery>

export const Products = Page({ products: Type.Array(Product) }, { total: Count, has_more: Type.Boolean() })
export const Categories = Type.Object({ categories: Type.Array(Type.String()) })
export const HotProducts = Type.Object({ products: Type.Array(Product, { maxItems: 10 }) })

const Line = (maxLength: number) => Type.String({ minLength: 1, maxLength, pattern: '\\S' })

export const DeliveryInfo = Type.Object({
  recipient_name: Line(50),
  recipient_phone: Telephone,
  delivery_address: Line(200),
  delivery_note: Type.Optional(Type.String({ maxLength: 200 }))
})
export type DeliveryInfo = Static<typeof DeliveryInfo>

export const SubmitBody = Type.Object(
  {
    product_id: Id,
    quantity: Type.Integer({ minimum: 1, maximum: MAX_QUANTITY, default: 1 }),
    delivery_info: Type.Optional(DeliveryInfo)
  },
  { examples: [{ product_id: 1, quantity: 1 }] }
)
export type SubmitBody = Static<typeof SubmitBody>

export const OrderStatus = StringEnum(['pending', 'confirmed', 'shipped', 'completed', 'cancelled'])
export type OrderStatus = Static<typeof OrderStatus>

export const Submitted = Type.Object({
  order_id: OrderId,
  order_no: Type.String(),
  product_name: Type.String(),
  commodity_name: Type.String(),
  quantity: Type.Integer({ minimum: 1 }),
  points_cost: Points,
  total_points: Points,
  remaining_points: Points,
  status: OrderStatus,
  exchange_code: Type.String(),
  estimated_delivery: Nullable(Type.String({ format: 'date', description: 'null: to be fetched at the counter' })),
  created_at: DateTime
})
export type Submitted = Static<typeof Submitted>

const ShownDelivery = Type.Object({
  recipient_name: Type.String(),
  recipient_phone: Type.String(),
  delivery_address: Type.String(),
  delivery_note: Type.String()
})
export type ShownDelivery = Static<typeof ShownDelivery>

export const Order = Type.Object({
  order_id: OrderId,
  order_no: Type.String(),
  product_name: Type.String(),
  commodity_name: Type.String(),
  image: Type.String(),
  quantity: Type.Integer({ minimum: 1 }),
  unit_points: Points,
  total_points: Points,
  points_cost: Points,
  status: OrderStatus,
  exchange_code: Nullable(Type.String({ description: "the code of the order's voucher; only its diner reads it" })),
  delivery_info: Nullable(ShownDelivery),
  timeline: Type.Object({
    ordered_at: DateTime,
    confirmed_at: Nullable(DateTime),
    shipped_at: Nullable(DateTime),
    completed_at: Nullable(DateTime),
    cancelled_at: Nullable(DateTime)
  }),
  created_at: DateTime
})
export type Order = Static<typeof Order>

export const OrdersQuery = Type.Composite([PageQuery, Type.Object({ status: Type.Optional(OrderStatus) })])
export type OrdersQuery = Static<typeof OrdersQuery>

export const Orders = Page({ orders: Type.Array(Order) })

export const Cancelled = Type.Object({
  order_id: OrderId,
  status: OrderStatus,
  refunded_points: Points,
  remaining_points: Points
})
export type Cancelled = Static<typeof Cancelled>

export const ExchangeStatistics = Type.Object({
  total_exchanges: Count,
  total_points_spent: Type.Integer({ minimum: 0, description: 'without what came back from cancelled orders' }),
  pending_count: Count,
  completed_count: Count,
  cancelled_count: Count,
  favorite_category: Nullable(Type.String())
})
export type ExchangeStatistics = Static<typeof ExchangeStatistics>
