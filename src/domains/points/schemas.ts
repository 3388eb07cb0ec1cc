import { type Static, Type } from '@sinclair/typebox'
import { DateTime, Day, ExportFormat, Id, Nullable, Page, PageQuery, Points, StringEnum } from '../../shared/schemas.js'
import { AuditReason } from '../audit/schemas.js'
import { PointsSource } from './sources.js'

export const PointsRecordsQuery = Type.Composite([
  PageQuery,
  Type.Object({
    type: StringEnum(['all', 'earn', 'spend', 'consume'], { default: 'all', description: 'consume means spend' }),
    source: Type.Optional(PointsSource)
  })
])
export type PointsRecordsQuery = Static<typeof PointsRecordsQuery>

export const PointsRecord = Type.Object({
  id: Type.Integer({ minimum: 1 }),
  type: StringEnum(['earn', 'spend']),
  points: Type.Integer({ description: 'signed' }),
  balance_after: Points,
  source: PointsSource,
  description: Type.String(),
  related_id: Nullable(Type.String()),
  created_at: DateTime
})
export type PointsRecord = Static<typeof PointsRecord>

export const PointsRecords = Page(
  { records: Type.Array(PointsRecord) },
  { summary: Type.Object({ total_earned: Points, total_spent: Points, current_balance: Points }) }
)

/** The most that one adjustment may give or take. */
const MAX_CHANGE = 1_000_000

export const AdjustParams = Type.Object({ id: Id })
export const AdjustBody = Type.Object(
  {
    change: Type.Integer({
      minimum: -MAX_CHANGE,
      maximum: MAX_CHANGE,
      not: { const: 0 },
      description: 'signed, not 0'
    }),
    reason: AuditReason
  },
  { examples: [{ change: 200, reason: '活动补偿' }] }
)

export const Adjustment = Type.Object({ user_id: Id, change: Type.Integer(), total_points: Points })
export type Adjustment = Static<typeof Adjustment>

export const LedgerQuery = Type.Composite([
  PageQuery,
  Type.Object({ format: ExportFormat, user_id: Type.Optional(Id) })
])
export type LedgerQuery = Static<typeof LedgerQuery>

export const LedgerRecord = Type.Composite([Type.Object({ user_id: Id }), PointsRecord])
export type LedgerRecord = Static<typeof LedgerRecord>

export const Ledger = Page({ records: Type.Array(LedgerRecord) })

export const StatementQuery = Type.Object({
  from: Type.Optional(Type.String({ ...Day, description: 'first business day; unset: from the beginning' })),
  to: Type.Optional(Type.String({ ...Day, description: 'last business day; unset: until now' })),
  format: ExportFormat
})
export type StatementQuery = Static<typeof StatementQuery>

const Hash = Type.String({ pattern: '^[0-9a-f]{64}$' })
const StatementRow = Type.Object({
  seq: Type.Integer({ minimum: 1, description: '1, 2, 3 … without a gap' }),
  points: Type.Integer({ description: 'signed' }),
  balance_after: Points,
  source: PointsSource,
  description: Type.String(),
  related_id: Nullable(Type.String()),
  created_at: DateTime,
  hash: Type.String({ ...Hash, description: 'SHA-256 of the hash before it and this row' })
})
export type StatementRow = Static<typeof StatementRow>

export const PointsStatement = Type.Object({
  user_id: Id,
  from: Nullable(Type.String()),
  to: Nullable(Type.String()),
  opening_balance: Points,
  opening_hash: Hash,
  rows: Type.Array(StatementRow),
  closing_balance: Points,
  closing_hash: Hash
})
export type PointsStatement = Static<typeof PointsStatement>
