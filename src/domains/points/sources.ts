import type { Static } from '@sinclair/typebox'
import { StringEnum } from '../../shared/schemas.js'

/** What a balance changed for (contract section 6). */
export const PointsSource = StringEnum([
  'register',
  'lottery',
  'lottery_prize',
  'exchange',
  'refund',
  'photo_review',
  'admin',
  'clawback',
  'debt_payment'
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
  admin: '管理员调整',
  clawback: '小票积分收回',
  debt_payment: '偿还欠分'
}
