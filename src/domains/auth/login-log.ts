import type { FastifyRequest } from 'fastify'
import { NEWEST_BY_ID, pageFrom } from '../../engine/keyset.js'
import type { Db } from '../../engine/tx.js'
import type { Prisma } from '../../generated/prisma/client.js'
import { given } from '../../shared/given.js'
import { maskMobile } from '../../shared/mask.js'
import { Refusal } from '../../shared/refusal.js'
import type { LoginLog, LoginLogsQuery, LoginMethod } from './schemas.js'

/** Where an attempt came from. */
interface Client {
  readonly ip: string
  readonly userAgent: string
}

/**
 * Writes down an attempt to log in; it outlives the refusal of the attempt.
 * @param attempt `account` is a mobile (for sms, masked here), a masked mobile or openid (wechat), or an admin's name
 */
async function logAttempt(
  db: Db,
  client: Client,
  attempt: { method: LoginMethod; account: string; userId?: number; error?: string; now: Date }
): Promise<void> {
  const { method, account, userId, error, now } = attempt
  await db.loginLog.create({
    data: {
      method,
      account: method === 'sms' ? maskMobile(account) : account,
      userId: userId ?? null,
      success: error === undefined,
      error: error ?? null,
      ip: client.ip.slice(0, 45),
      userAgent: client.userAgent.slice(0, 255),
      createdAt: now
    }
  })
}

/**
 * Runs an attempt to log in, and writes it down whichever way it ends.
 * @param attempt may name the account it is of once it knows
 */
export async function loggedAttempt<T extends { user: { userId: number } }>(
  request: FastifyRequest,
  method: LoginMethod,
  accountAtFirst: string,
  attempt: (nameAccount: (account: string) => void) => Promise<T>
): Promise<T> {
  const { db, clock } = request.server
  const client = { ip: request.ip, userAgent: request.headers['user-agent'] ?? '' }
  let account = accountAtFirst
  const write = (more: { userId?: number; error?: string }) =>
    logAttempt(db, client, { method, account, now: clock(), ...more })
  try {
    const result = await attempt((name) => {
      account = name
    })
    await write({ userId: result.user.userId })
    return result
  } catch (err) {
    await write({ error: err instanceof Refusal ? err.error : 'INTERNAL' })
    throw err
  }
}

/** Who logged in, or tried to, newest first. */
export async function listLoginLogs(db: Db, query: LoginLogsQuery) {
  const { user_id: userId, method, success } = query
  const where: Prisma.LoginLogWhereInput = given({ userId, method, success })
  const { rows, ...rest } = await pageFrom(query, NEWEST_BY_ID, where, {
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
