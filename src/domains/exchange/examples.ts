import type { Static } from '@sinclair/typebox'
import type { MerchantOrder, MerchantProduct, ProductStats } from './merchant-schemas.js'
import {
  ALL_CATEGORIES,
  type Cancelled,
  type ExchangeStatistics,
  type Order,
  type Orders,
  type Product,
  type Products,
  type Submitted
} from './schemas.js'

const orderedAt = new Date('2026-11-22T12:00:00.000Z')
const confirmedAt = new Date('2026-11-22T12:05:00.000Z')
const page = { total: 1, page: 1, limit: 20, total_pages: 1 }

const product: Product = {
  id: 1,
  commodity_id: 1,
  name: '招牌酸梅汤',
  description: '冰镇现熬，一扎',
  category: '饮品',
  exchange_points: 300,
  stock: 49,
  image: 'https://api.example.com/files/products/2026/11/6f1ed002ab5595859014ebf0951522d9.webp',
  is_hot: true,
  rating: 5,
  sales_count: 1,
  status: 'available'
}

const products: Static<typeof Products> = {
  products: [product],
  pagination: page,
  total: 1,
  has_more: false,
  next_cursor: null
}

const submitted: Submitted = {
  order_id: 1,
  order_no: 'EX20261122K7QXM4PTRW9A',
  product_name: product.name,
  commodity_name: product.name,
  quantity: 1,
  points_cost: 300,
  total_points: 300,
  remaining_points: 700,
  status: 'pending',
  exchange_code: 'T4HN9WCXAK7M',
  estimated_delivery: null,
  created_at: orderedAt
}

const order: Order = {
  order_id: 1,
  order_no: submitted.order_no,
  product_name: product.name,
  commodity_name: product.name,
  image: product.image,
  quantity: 1,
  unit_points: 300,
  total_points: 300,
  points_cost: 300,
  status: 'pending',
  exchange_code: submitted.exchange_code,
  delivery_info: {
    recipient_name: '王*',
    recipient_phone: '138****5678',
    delivery_address: '上海市静安区****',
    delivery_note: ''
  },
  timeline: { ordered_at: orderedAt, confirmed_at: null, shipped_at: null, completed_at: null, cancelled_at: null },
  created_at: orderedAt
}
const orders: Static<typeof Orders> = { orders: [order], pagination: page, next_cursor: null }

const cancelled: Cancelled = { order_id: 1, status: 'cancelled', refunded_points: 300, remaining_points: 1000 }

const statistics: ExchangeStatistics = {
  total_exchanges: 1,
  total_points_spent: 300,
  pending_count: 1,
  completed_count: 0,
  cancelled_count: 0,
  favorite_category: '饮品'
}

const merchantProduct: MerchantProduct = { ...product, sort_order: 0, created_at: orderedAt, updated_at: orderedAt }
const merchantProducts = { ...products, products: [merchantProduct] }
const stats: ProductStats = { activeCount: 5, offlineCount: 0, lowStockCount: 1, outOfStockCount: 0, totalCount: 5 }

const merchantOrder: MerchantOrder = {
  ...order,
  status: 'confirmed',
  exchange_code: null,
  delivery_info: {
    recipient_name: '王小明',
    recipient_phone: '13812345678',
    delivery_address: '上海市静安区南京西路1号',
    delivery_note: '放前台'
  },
  timeline: { ...order.timeline, confirmed_at: confirmedAt },
  commodity_id: 1,
  user: { user_id: 2, nickname: '用户5678', mobile: '138****5678' }
}
const merchantOrders = { orders: [merchantOrder], pagination: page, next_cursor: null }

/** What the documentation shows of each answer. */
export const examples = {
  product,
  products,
  categories: { categories: [ALL_CATEGORIES, '甜品', '饮品'] },
  hot: { products: [product] },
  submitted,
  order,
  orders,
  cancelled,
  statistics,
  merchantProduct,
  merchantProducts,
  stats,
  merchantOrder,
  merchantOrders
}
