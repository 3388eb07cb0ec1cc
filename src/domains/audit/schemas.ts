import { type Static, Type } from '@sinclair/typebox'
import { DateTime, Day, ExportFormat, Id, Nullable, Page, PageQuery } from '../../shared/schemas.js'

/** For those who look it up later: it says something, and nothing that MySQL's JSON would not take. */
export const AuditReason = Type.String({ minLength: 1, maxLength: 200, pattern: '^(?=[^]*\\S)[^\\0\\p{Cs}]*$' })

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
  id: Type.Integer({ minimum: 1 }),
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

export const AuditLogs = Page({ logs: Type.Array(AuditLog) })
