import { StringEnum } from '../../shared/schemas.js'

/** Why a receipt is rejected: what the diner reads, and what they can do (contract section 15). */
const REASONS = {
  unreadable: { text: '照片看不清', advice: '请在光线充足处重拍，让金额和日期清晰可见' },
  not_a_receipt: { text: '不是消费小票', advice: '请上传本店开具的消费小票' },
  other_store: { text: '不是本店的小票', advice: '请上传在本店消费的小票' },
  too_old: { text: '小票已过期', advice: '请在消费后及时上传' },
  already_used: { text: '小票已使用过', advice: '每张小票只能兑换一次积分' },
  amount_mismatch: { text: '金额与小票不符', advice: '请按小票上的实付金额重新上传' },
  other: { text: '其他原因', advice: '请查看商家说明，如有疑问请联系门店' }
} as const

export type ReasonCode = keyof typeof REASONS
export const REASON_CODES = Object.keys(REASONS) as ReasonCode[]

export const ReasonCode = StringEnum(REASON_CODES, {
  description: 'why it is rejected; other wants a reason in words. Without one: other'
})

/** What is told of a receipt's reason: nothing of one that was not rejected. Before there were codes it was other. */
export function reasonOf(row: { readonly reviewStatus: string; readonly reasonCode: ReasonCode | null }) {
  if (row.reviewStatus !== 'rejected') return { reason_code: null, reason_text: null, reason_advice: null }
  const code = row.reasonCode ?? 'other'
  return { reason_code: code, reason_text: REASONS[code].text, reason_advice: REASONS[code].advice }
}
