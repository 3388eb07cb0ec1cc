import type { Outbox } from '../../engine/bus.js'
import { once } from '../../engine/idempotency.js'
import type { KeyedRequest } from '../../engine/idempotency-key.js'
import { pageFrom, type Sort } from '../../engine/keyset.js'
import { likeLiteral } from '../../engine/sql.js'
import type { Db, Tx } from '../../engine/tx.js'
import type { Prisma } from '../../generated/prisma/client.js'
import type { Vault } from '../../shared/cipher.js'
import { CSV_PAGE, pagesOf } from '../../shared/csv.js'
import { refuse } from '../../shared/refusal.js'
import { dayRange } from '../../shared/time.js'
import { type Actor, recordAct } from '../audit/audit.js'
import { toApplication as toOwnApplication } from '../merchant/applications.js'
import { openAccount, post } from '../points/ledger.js'
import { pointsUpdate } from '../realtime/events.js'
import { PERSON_COLUMNS, toPerson, toUserInfo, type UserInfo } from '../user/schemas.js'
import { NEWEST_POINTS, toPointsRecord } from '../user/service.js'
import type {
  Application,
  ApplicationsQuery,
  AuditLog,
  AuditLogsQuery,
  LedgerQuery,
  LedgerRecord,
  LoginLog,
  LoginLogsQuery,
  PointsChange,
  UsersQuery
} from './schemas.js'

/** Where a balance's column ends. */
const MAX_BALANCE = 2_147_483_647

const NEWEST_APPLICATIONS = { direction: 'desc', columns: { applicationId: 'int' } } as const satisfies Sort
const NEWEST_USERS = { direction: 'desc', columns: { userId: 'int' } } as const satisfies Sort
const NEWEST_LOGS = { direction: 'desc', columns: { id: 'bigint' } } as const satisfies Sort

/** The filters that were given. */
function given<T extends object>(filters: T): { [Name in keyof T]?: Exclude<T[Name], undefined> } {
  const entries = Object.entries(filters).filter(([, value]) => value !== undefined)
  return Object.fromEntries(entries) as { [Name in keyof T]?: Exclude<T[Name], undefined> }
}

/**
 * Equal to a value that most rows may have. Looked up by `=`, MariaDB walks its index from the newest row on, past all
 * that lies before a cursor; by a list it reads from the cursor on.
 * @param none a value that no row has
 */
const isCommon = <T>(value: T, none: T) => ({ in: [value, none] })

const withApplicant = { user: { select: PERSON_COLUMNS } } as const
type ApplicationRow = Prisma.MerchantApplicationGetPayload<{ include: typeof withApplicant }>

function toApplication(row: ApplicationRow, vault: Vault): Application {
  return { ...toOwnApplication(row, vault, (licence) => licence), user: toPerson(row.user) }
}

/** Who asked to be a merchant, newest first. */
export async function listApplications(db: Db, vault: Vault, query: ApplicationsQuery) {
  const where: Prisma.MerchantApplicationWhereInput = given({ status: query.status })
  const { rows, ...rest } = await pageFrom(query, NEWEST_APPLICATIONS, where, {
    read: (part) => db.merchantApplication.findMany({ ...part, include: withApplicant }),
    count: (all) => db.merchantApplication.count({ where: all })
  })
  return { applications: rows.map((row) => toApplication(row, vault)), ...rest }
}

/** What is done, by whom, and by which clock; it is read once the rows are locked. */
export interface Doing {
  readonly actor: Actor
  readonly clock: () => Date
}

/**
 * Decides an application, once whoever races; an approval makes its user a merchant, in open sessions too.
 * @throws Refusal APPLICATION_NOT_FOUND, STATE_CONFLICT when it is decided already, or USER_NOT_FOUND when the one to
 * be a merchant is gone
 */
export async function decideApplication(
  tx: Tx,
  outbox: Outbox,
  vault: Vault,
  { actor, clock }: Doing,
  { id, status, reason }: { id: number; status: 'approved' | 'rejected'; reason?: string | undefined }
): Promise<Application> {
  const asked = await tx.merchantApplication.findUnique({ where: { applicationId: id }, select: { userId: true } })
  if (asked === null) throw refuse('APPLICATION_NOT_FOUND')
  const { userId } = asked
  // The user first, then what is theirs: the order in which an application is made.
  const user = await lockUser(tx, userId)
  const now = clock()
  const { count } = await tx.merchantApplication.updateMany({
    where: { applicationId: id, status: 'pending' },
    data: { status, decidedBy: actor.userId, decidedAt: now, rejectReason: reason ?? null }
  })
  const row = await tx.merchantApplication.findUniqueOrThrow({ where: { applicationId: id }, include: withApplicant })
  if (count !== 1) throw refuse('STATE_CONFLICT', { status: row.status })
  const isApproved = status === 'approved'
  if (isApproved) {
    if (user === undefined) throw refuse('USER_NOT_FOUND')
    await tx.user.update({ where: { userId }, data: { isMerchant: true } })
    outbox.tell({ kind: 'user_changed', userId })
  }
  const wasMerchant = Number(user?.is_merchant ?? 0) === 1
  await recordAct(
    tx,
    actor,
    {
      action: isApproved ? 'application.approve' : 'application.reject',
      targetType: 'application',
      targetId: id,
      before: { status: 'pending', user_id: userId, is_merchant: wasMerchant },
      after: { status, user_id: userId, is_merchant: isApproved || wasMerchant },
      reason
    },
    now
  )
  return toApplication(row, vault)
}

interface LockedUser {
  readonly status: UserInfo['status']
  readonly is_merchant: number | boolean
}

/** @returns undefined when there is no such user, or they are deleted */
async function lockUser(tx: Tx, userId: number): Promise<LockedUser | undefined> {
  const [row] = await tx.$queryRaw<LockedUser[]>`
    SELECT status, is_merchant FROM users WHERE user_id = ${userId} AND deleted_at IS NULL FOR UPDATE`
  return row
}

/** What a search means: part of a nickname, and what it may be besides. */
function searchFor(text: string): Prisma.UserWhereInput[] {
  const ways: Prisma.UserWhereInput[] = [{ nickname: { contains: likeLiteral(text) } }]
  if (/^\d{11}$/.test(text)) ways.push({ mobile: text })
  if (/^[1-9]\d{0,9}$/.test(text) && Number(text) <= MAX_BALANCE) ways.push({ userId: Number(text) })
  return ways
}

/** The users there are, newest first. */
export async function listUsers(db: Db, query: UsersQuery) {
  const where: Prisma.UserWhereInput = {
    deletedAt: null,
    ...given({ status: query.status }),
    // As `=` it would be looked up, and read past all that lies before a cursor: most users are no merchants.
    ...(query.is_merchant === undefined ? {} : { isMerchant: { not: !query.is_merchant } }),
    ...(query.search === undefined ? {} : { OR: searchFor(query.search) })
  }
  const { rows, ...rest } = await pageFrom(query, NEWEST_USERS, where, {
    read: (part) => db.user.findMany(part),
    count: (all) => db.user.count({ where: all })
  })
  return { users: rows.map(toUserInfo), ...rest }
}

/**
 * Bans a user, or takes the ban back. A ban shuts their sockets (4003) and their tokens (2004) as soon as it is
 * committed. Sessions are not revoked: their tokens would say 2002, as if another login helped.
 * @throws Refusal FORBIDDEN to those who would ban themselves, USER_NOT_FOUND, or STATE_CONFLICT when there is nothing
 * to change
 */
export async function setBan(
  tx: Tx,
  outbox: Outbox,
  { actor, clock }: Doing,
  { userId, ban, reason }: { userId: number; ban: boolean; reason: string }
): Promise<UserInfo> {
  if (ban && userId === actor.userId) throw refuse('FORBIDDEN')
  const user = await lockUser(tx, userId)
  if (user === undefined) throw refuse('USER_NOT_FOUND')
  if ((user.status === 'banned') === ban) throw refuse('STATE_CONFLICT', { status: user.status })
  const status = ban ? 'banned' : 'active'
  const changed = await tx.user.update({ where: { userId }, data: { status } })
  await recordAct(
    tx,
    actor,
    {
      action: ban ? 'user.ban' : 'user.unban',
      targetType: 'user',
      targetId: userId,
      before: { status: user.status },
      after: { status },
      reason
    },
    clock()
  )
  outbox.tell({ kind: 'user_changed', userId })
  return toUserInfo(changed)
}

/**
 * Gives a user points, or takes them, through the ledger; once for a key.
 * @throws Refusal USER_NOT_FOUND, POINTS_INSUFFICIENT, IDEMPOTENCY_CONFLICT, or VALIDATION_FAILED when the balance would
 * be more than its column holds
 */
export async function changePoints(
  tx: Tx,
  outbox: Outbox,
  vault: Vault,
  { actor, clock }: Doing,
  { userId, change, reason, keyed }: { userId: number; change: number; reason: string; keyed: KeyedRequest | undefined }
): Promise<{ answer: PointsChange; replayed: boolean }> {
  // A key locks the admin's own row too. Both in user order, as draws do, or two admins could wait for each other.
  await tx.$queryRaw`
    SELECT user_id FROM users WHERE user_id IN (${actor.userId}, ${userId}) ORDER BY user_id FOR UPDATE`
  const now = clock()
  return once(tx, vault, { userId: actor.userId, request: keyed, now }, async () => {
    const account = await openAccount(tx, userId)
    if (account.balance + change > MAX_BALANCE) {
      throw refuse('VALIDATION_FAILED', [{ field: 'change', message: `must not lift the balance over ${MAX_BALANCE}` }])
    }
    const why = { source: 'admin', description: reason } as const
    if (change > 0) account.credit(change, why)
    else account.debit(-change, why)
    await post(tx, [account], now)
    await recordAct(
      tx,
      actor,
      {
        action: 'user.points',
        targetType: 'user',
        targetId: userId,
        before: { total_points: account.opening },
        after: { total_points: account.balance },
        reason
      },
      now
    )
    outbox.push({ userId }, 'points_update', pointsUpdate(userId, account.balance, change, 'admin', now))
    return { user_id: userId, change, total_points: account.balance }
  })
}

function auditWhere(query: AuditLogsQuery, timeZone: string): Prisma.AuditLogWhereInput {
  const { actor_id: actorId, action, target_type: targetType, target_id: targetId, from, to } = query
  return {
    ...given({ targetType, targetId }),
    ...(actorId === undefined ? {} : { actorId: isCommon(actorId, 0) }),
    ...(action === undefined ? {} : { action: isCommon(action, '') }),
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
  const where = auditWhere(query, timeZone)
  const { rows, ...rest } = await pageFrom(query, NEWEST_LOGS, where, {
    read: (part) => db.auditLog.findMany(part),
    count: (all) => db.auditLog.count({ where: all })
  })
  return { logs: rows.map(toAuditLog), ...rest }
}

/** The same, all of it, page by page. */
export function auditLogPages(db: Db, query: AuditLogsQuery, timeZone: string) {
  const where = auditWhere(query, timeZone)
  return pagesOf<AuditLog>(async (last) => {
    const rows = await db.auditLog.findMany({
      where: { ...where, ...(last === undefined ? {} : { id: { lt: last.id } }) },
      orderBy: { id: 'desc' },
      take: CSV_PAGE
    })
    return rows.map(toAuditLog)
  })
}

/** Who logged in, or tried to, newest first. */
export async function listLoginLogs(db: Db, query: LoginLogsQuery) {
  const { user_id: userId, method, success } = query
  const where: Prisma.LoginLogWhereInput = given({ userId, method, success })
  const { rows, ...rest } = await pageFrom(query, NEWEST_LOGS, where, {
    read: (part) => db.loginLog.findMany(part),
    count: (all) => db.loginLog.count({ where: all })
  })
  const logs = rows.map(
    (row): LoginLog => ({
      id: Number(row.id),
      method: row.method,
      account: row.account,
      user_id: row.userId,
      success: row.success,
      error: row.error,
      ip: row.ip,
      user_agent: row.userAgent,
      created_at: row.createdAt
    })
  )
  return { logs, ...rest }
}

function toLedgerRecord(row: Prisma.PointsRecordGetPayload<object>): LedgerRecord {
  return { ...toPointsRecord(row), user_id: row.userId }
}

/** The ledger of all users, or of one, newest first. */
export async function listLedger(db: Db, query: LedgerQuery) {
  const where: Prisma.PointsRecordWhereInput = given({ userId: query.user_id })
  const { rows, ...rest } = await pageFrom(query, NEWEST_POINTS, where, {
    read: (part) => db.pointsRecord.findMany(part),
    count: (all) => db.pointsRecord.count({ where: all })
  })
  return { records: rows.map(toLedgerRecord), ...rest }
}

/** The same, all of it, page by page. */
export function ledgerPages(db: Db, { user_id: userId }: Pick<LedgerQuery, 'user_id'>) {
  return pagesOf<LedgerRecord>(async (last) => {
    const rows = await db.pointsRecord.findMany({
      where: { ...given({ userId }), ...(last === undefined ? {} : { id: { lt: last.id } }) },
      orderBy: { id: 'desc' },
      take: CSV_PAGE
    })
    return rows.map(toLedgerRecord)
  })
}
