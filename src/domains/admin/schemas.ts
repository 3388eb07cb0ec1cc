import { type Static, Type } from '@sinclair/typebox'
import {
  DateTime,
  Day,
  ExportFormat,
  Id,
  NextCursor,
  Nullable,
  PageQuery,
  Pagination,
  Points,
  StringEnum
} from '../../shared/schemas.js'
import { Application as OwnApplication } from '../receipt/merchant-schemas.js'
import { ReviewStatus } from '../receipt/schemas.js'
import { Person, PointsRecord, UserInfo } from '../user/schemas.js'

/** The most that one adjustment may give or take. */
export const MAX_CHANGE = 1_000_000

const LogId = Type.Integer({ minimum: 1 })

/** For those who look it up later: it says something, and nothing that MySQL's JSON would not take. */
const Reason = Type.String({ minLength: 1, maxLength: 200, pattern: '^(?=[^]*\\S)[^\\0\\p{Cs}]*$' })

export const ById = Type.Object({ id: Id })

export const ReasonBody = Type.Object({ reason: Reason }, { examples: [{ reason: '恶意刷单' }] })

export const RejectBody = Type.Object({ reason: Type.Optional(Reason) }, { examples: [{ reason: '营业执照看不清' }] })

export const ApplicationsQuery = Type.Composite([PageQuery, Type.Object({ status: Type.Optional(ReviewStatus) })])
export type ApplicationsQuery = Static<typeof ApplicationsQuery>

/** As its applicant sees it, and who that is; the licence is not masked. */
export const Application = Type.Composite([
  Type.Omit(OwnApplication, ['business_license']),
  Type.Object({ user: Person, business_license: Nullable(Type.String()) })
])
export type Application = Static<typeof Application>

export const Applications = Type.Object({
  applications: Type.Array(Application),
  pagination: Pagination,
  next_cursor: NextCursor
})

export const UsersQuery = Type.Composite([
  PageQuery,
  Type.Object({
    search: Type.Optional(
      Type.String({ maxLength: 50, description: 'part of a nickname, a whole mobile, or a user id' })
    ),
    status: Type.Optional(UserInfo.properties.status),
    is_merchant: Type.Optional(Type.Boolean())
  })
])
export type UsersQuery = Static<typeof UsersQuery>

export const Users = Type.Object({ users: Type.Array(UserInfo), pagination: Pagination, next_cursor: NextCursor })

export const PointsBody = Type.Object(
  {
    change: Type.Integer({
      minimum: -MAX_CHANGE,
      maximum: MAX_CHANGE,
      not: { const: 0 },
      description: 'signed, not 0'
    }),
    reason: Reason
  },
  { examples: [{ change: 200, reason: '活动补偿' }] }
)

export const PointsChange = Type.Object({ user_id: Id, change: Type.Integer(), total_points: Points })
export type PointsChange = Static<typeof PointsChange>

export const AuditLogsQuery = Type.Composite([
  PageQuery,
  Type.Object({
    format: ExportFormat,
    actor_id: Type.Optional(Id),
    action: Type.Optional(Type.String({ maxLength: 50 })),
    target_type: Type.Optional(Type.String({ maxLength: 30 })),
    target_id: Type.Optional(Type.String({ maxLength: 64 })),
    from: Type.Optional(Day),
    to: Type.Optional(Day)
  })
])
export type AuditLogsQuery = Static<typeof AuditLogsQuery>

export const AuditLog = Type.Object({
  id: LogId,
  actor_id: Id,
  action: Type.String(),
  target_type: Type.String(),
  target_id: Type.String(),
  before: Type.Unknown({ description: 'what the act changed, as it was; or null' }),
  after: Type.Unknown({ description: 'and as it was then; or null' }),
  reason: Nullable(Type.String()),
  ip: Type.String(),
  request_id: Type.String(),
  created_at: DateTime
})
export type AuditLog = Static<typeof AuditLog>

export const AuditLogs = Type.Object({ logs: Type.Array(AuditLog), pagination: Pagination, next_cursor: NextCursor })

export const LoginMethod = StringEnum(['sms', 'wechat', 'admin'])

export const LoginLogsQuery = Type.Composite([
  PageQuery,
  Type.Object({
    user_id: Type.Optional(Id),
    method: Type.Optional(LoginMethod),
    success: Type.Optional(Type.Boolean())
  })
])
export type LoginLogsQuery = Static<typeof LoginLogsQuery>

export const LoginLog = Type.Object({
  id: LogId,
  method: LoginMethod,
  account: Type.String({ description: "a masked mobile, or an admin's name" }),
  user_id: Nullable(Id),
  success: Type.Boolean(),
  error: Nullable(Type.String({ description: 'the name of the refusal' })),
  ip: Type.String(),
  user_agent: Type.String(),
  created_at: DateTime
})
export type LoginLog = Static<typeof LoginLog>

export const LoginLogs = Type.Object({ logs: Type.Array(LoginLog), pagination: Pagination, next_cursor: NextCursor })

export const LedgerQuery = Type.Composite([
  PageQuery,
  Type.Object({ format: ExportFormat, user_id: Type.Optional(Id) })
])
export type LedgerQuery = Static<typeof LedgerQuery>

export const LedgerRecord = Type.Composite([Type.Object({ user_id: Id }), PointsRecord])
export type LedgerRecord = Static<typeof LedgerRecord>

export const Ledger = Type.Object({
  records: Type.Array(LedgerRecord),
  pagination: Pagination,
  next_cursor: NextCursor
})
