import { type Static, Type } from '@sinclair/typebox'
import { DateTime, Id, Nullable, Points, StringEnum } from '../../shared/schemas.js'
import { DrawResult } from '../lottery/schemas.js'

/** What a balance changed for: the ledger's sources (contract section 6). */
export const PointsSource = StringEnum([
  'register',
  'lottery',
  'lottery_prize',
  'exchange',
  'refund',
  'photo_review',
  'admin'
])
export type PointsSource = Static<typeof PointsSource>

/** The sources in Chinese, for `reason_text`. */
export const SOURCE_TEXT: Readonly<Record<PointsSource, string>> = {
  register: '新用户注册奖励',
  lottery: '抽奖消费',
  lottery_prize: '抽奖获得积分',
  exchange: '积分兑换',
  refund: '兑换取消退回',
  photo_review: '消费凭证审核通过',
  admin: '管理员调整'
}

/** Why a product's stock, or the product, is not what it was. */
export const StockOperation = StringEnum(['exchange', 'cancel', 'stock_in', 'stock_out', 'create', 'update', 'delete'])
export type StockOperation = Static<typeof StockOperation>

/** Every push there is, by name (contract section 10). */
export const pushes = {
  points_update: Type.Object({
    user_id: Id,
    total_points: Points,
    change_amount: Type.Integer(),
    change_points: Type.Integer(),
    change_reason: Type.String(),
    reason: PointsSource,
    reason_text: Type.String(),
    timestamp: DateTime
  }),
  lottery_result: Type.Object({
    user_id: Id,
    draw_id: Type.String(),
    prize_name: Type.String(),
    prize_value: Type.Number(),
    results: Type.Array(DrawResult),
    remaining_points: Points,
    timestamp: DateTime
  }),
  stock_update: Type.Object({
    commodity_id: Id,
    product_id: Id,
    product_name: Type.String(),
    current_stock: Type.Integer({ minimum: 0 }),
    stock: Type.Integer({ minimum: 0 }),
    change_amount: Type.Integer(),
    operation: StockOperation,
    timestamp: DateTime
  }),
  review_result: Type.Object({
    upload_id: Type.String(),
    status: StringEnum(['approved', 'rejected']),
    points_awarded: Points,
    actual_amount: Nullable(Type.Number()),
    review_reason: Nullable(Type.String()),
    review_time: DateTime,
    message: Type.String()
  }),
  new_review: Type.Object({
    upload_id: Type.String(),
    user_id: Id,
    amount: Type.Number(),
    image_url: Type.String(),
    uploaded_at: DateTime
  }),
  system_notice: Type.Object({ title: Type.String(), content: Type.String(), type: Type.String() })
}

export type PushType = keyof typeof pushes
export type Payload<Name extends PushType> = Static<(typeof pushes)[Name]>

/** The push that tells a diner of a new balance; both spellings of each field are in the field. */
export function pointsUpdate(
  userId: number,
  balance: number,
  change: number,
  source: PointsSource,
  now: Date
): Payload<'points_update'> {
  return {
    user_id: userId,
    total_points: balance,
    change_amount: change,
    change_points: change,
    change_reason: SOURCE_TEXT[source],
    reason: source,
    reason_text: SOURCE_TEXT[source],
    timestamp: now
  }
}

/** The push that tells a diner what a draw came to; a draw of many is named by its first result. */
export function lotteryResult(
  userId: number,
  { draw_id, results, remaining_points }: Pick<Payload<'lottery_result'>, 'draw_id' | 'results' | 'remaining_points'>,
  now: Date
): Payload<'lottery_result'> {
  return {
    user_id: userId,
    draw_id,
    prize_name: results[0]?.prize_name ?? '',
    prize_value: results[0]?.prize_value ?? 0,
    results,
    remaining_points,
    timestamp: now
  }
}

/** The push that tells everyone what is left of a product; both spellings of each field are in the field. */
export function stockUpdate(
  productId: number,
  name: string,
  stock: number,
  change: number,
  operation: StockOperation,
  now: Date
): Payload<'stock_update'> {
  return {
    commodity_id: productId,
    product_id: productId,
    product_name: name,
    current_stock: stock,
    stock,
    change_amount: change,
    operation,
    timestamp: now
  }
}
