import type { Static } from '@sinclair/typebox'
import type { Application, Applications, NamedApplication } from './schemas.js'

const at = new Date('2026-11-22T12:00:00.000Z')

const application: Application = {
  application_id: 1,
  status: 'pending',
  business_name: '川味小馆',
  contact_person: '王经理',
  contact_phone: '139****0001',
  business_license: null,
  business_address: null,
  reason: null,
  applied_at: at,
  decided_at: null,
  reject_reason: null
}

const pending: NamedApplication = {
  application_id: 1,
  status: 'pending',
  user: { user_id: 1, nickname: '用户5678', mobile: '138****5678' },
  business_name: '阿明小馆',
  contact_person: '陈明',
  contact_phone: '138****5678',
  business_license: '91440300MA5EXAMPLE',
  business_address: '深圳市南山区科技路1号',
  reason: '希望自己审核小票',
  applied_at: at,
  decided_at: null,
  reject_reason: null
}
const approved: NamedApplication = { ...pending, status: 'approved', decided_at: at }
const rejected: NamedApplication = { ...pending, status: 'rejected', decided_at: at, reject_reason: '营业执照看不清' }
const applications: Static<typeof Applications> = {
  applications: [pending],
  pagination: { total: 1, page: 1, limit: 20, total_pages: 1 },
  next_cursor: null
}

/** What the documentation shows of each answer. */
export const examples = { application, approved, rejected, applications }
