import { type Static, Type } from '@sinclair/typebox'
import { DateTime, Id, Nullable, Page, PageQuery, StringEnum, Telephone } from '../../shared/schemas.js'
import { AuditReason } from '../audit/schemas.js'
import { Person } from '../user/schemas.js'

const ApplicationStatus = StringEnum(['pending', 'approved', 'rejected'])

const Text = (maxLength: number, options: object = {}) =>
  Type.String({ minLength: 1, maxLength, pattern: '\\S', ...options })

export const ApplyBody = Type.Object(
  {
    business_name: Text(100),
    contact_person: Text(50),
    contact_phone: Telephone,
    business_license: Type.Optional(Text(100)),
    business_address: Type.Optional(Text(255)),
    reason: Type.Optional(Text(500))
  },
  { examples: [{ business_name: '川味小馆', contact_person: '王经理', contact_phone: '13900000001' }] }
)
export type ApplyBody = Static<typeof ApplyBody>

export const Application = Type.Object({
  application_id: Id,
  status: ApplicationStatus,
  business_name: Type.String(),
  contact_person: Type.String(),
  contact_phone: Type.String({ description: 'masked' }),
  business_license: Nullable(Type.String({ description: 'masked' })),
  business_address: Nullable(Type.String()),
  reason: Nullable(Type.String()),
  applied_at: DateTime,
  decided_at: Nullable(DateTime),
  reject_reason: Nullable(Type.String())
})
export type Application = Static<typeof Application>

export const ApplicationParams = Type.Object({ id: Id })

export const RejectApplicationBody = Type.Object(
  { reason: Type.Optional(AuditReason) },
  { examples: [{ reason: '营业执照看不清' }] }
)

export const ApplicationsQuery = Type.Composite([PageQuery, Type.Object({ status: Type.Optional(ApplicationStatus) })])
export type ApplicationsQuery = Static<typeof ApplicationsQuery>

/** As its applicant sees it, and who that is; the licence is not masked. */
export const NamedApplication = Type.Composite([
  Type.Omit(Application, ['business_license']),
  Type.Object({ user: Person, business_license: Nullable(Type.String()) })
])
export type NamedApplication = Static<typeof NamedApplication>

export const Applications = Page({ applications: Type.Array(NamedApplication) })
