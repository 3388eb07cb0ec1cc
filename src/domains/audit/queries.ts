import { NEWEST_BY_ID, pageFrom, whereCommon } from '../../engine/keyset.js'
import type { Db } from '../../engine/tx.js'
import type { Prisma } from '../../generated/prisma/client.js'
import { CSV_PAGE, pagesOf } from '../../shared/csv.js'
import { given } from '../../shared/given.js'
import { dayRange } from '../../shared/time.js'
import type { AuditLog, AuditLogsQuery } from './schemas.js'

function auditFilter(query: AuditLogsQuery, timeZone: string): Prisma.AuditLogWhereInput {
  const { actor_id: actorId, action, target_type: targetType, target_id: targetId, from, to } = query
  return {
    ...given({ targetType, targetId }),
    ...(actorId === undefined ? {} : { actorId: whereCommon.value(actorId, 0) }),
    ...(action === undefined ? {} : { action: whereCommon.value(action, '') }),
    createdAt: dayRange(from, to, timeZone)
  }
}

function toAuditLog(row: Prisma.AuditLogGetPayload<object>): AuditLog {
  return {
    id: Number(row.id),
    actor_id: row.actorId,
    action: row.action,
    target_type: row.targetType,
    target_id: row.targetId,
    before: row.before === null ? null : (JSON.parse(row.before) as unknown),
    after: row.after === null ? null : (JSON.parse(row.after) as unknown),
    reason: row.reason,
    ip: row.ip,
    request_id: row.requestId,
    created_at: row.createdAt
  }
}

/** What was done by right of office, newest first. */
export async function listAuditLogs(db: Db, query: AuditLogsQuery, timeZone: string) {
  const { rows, ...rest } = await pageFrom(query, NEWEST_BY_ID, auditFilter(query, timeZone), {
    read: (part) => db.auditLog.findMany(part),
    count: (all) => db.auditLog.count({ where: all })
  })
  return { logs: rows.map(toAuditLog), ...rest }
}

/** The same, all of it, page by page. */
export function auditLogPages(db: Db, query: AuditLogsQuery, timeZone: string) {
  const where = auditFilter(query, timeZone)
  return pagesOf<AuditLog>(async (last) => {
    const rows = await db.auditLog.findMany({
      where: { ...where, ...(last === undefined ? {} : { id: { lt: last.id } }) },
      orderBy: { id: 'desc' },
      take: CSV_PAGE
    })
    return rows.map(toAuditLog)
  })
}
