import { pageFrom, type Sort } from '../../engine/keyset.js'
import { lockUser } from '../../engine/locks.js'
import type { Db } from '../../engine/tx.js'
import type { PrivilegedWork } from '../../engine/unit-of-work.js'
import type { Prisma } from '../../generated/prisma/client.js'
import type { Cipher } from '../../shared/cipher.js'
import { given } from '../../shared/given.js'
import { maskText } from '../../shared/mask.js'
import { refuse } from '../../shared/refusal.js'
import { recordAct } from '../audit/audit.js'
import { PERSON_COLUMNS, toPerson } from '../user/schemas.js'
import type { Application, ApplicationsQuery, ApplyBody, NamedApplication } from './schemas.js'

const NEWEST = { direction: 'desc', columns: { applicationId: 'int' } } as const satisfies Sort

const withApplicant = { user: { select: PERSON_COLUMNS } } as const
type NamedRow = Prisma.MerchantApplicationGetPayload<{ include: typeof withApplicant }>

/** A row of `merchant_applications` as Prisma gives it. */
type ApplicationRow = Prisma.MerchantApplicationGetPayload<object>

/**
 * Telephone and licence are kept encrypted, and shown masked (contract section 2).
 * @param showLicence for an admin, who has to look it up: the licence as it is
 */
function toOwnApplication(
  row: ApplicationRow,
  cipher: Cipher,
  showLicence: (licence: string) => string = maskText
): Application {
  return {
    application_id: row.applicationId,
    status: row.status,
    business_name: row.businessName,
    contact_person: row.contactPerson,
    contact_phone: maskText(cipher.decrypt(row.contactPhone)),
    business_license: row.businessLicense === null ? null : showLicence(cipher.decrypt(row.businessLicense)),
    business_address: row.businessAddress,
    reason: row.reason,
    applied_at: row.createdAt,
    decided_at: row.decidedAt,
    reject_reason: row.rejectReason
  }
}

/**
 * Hands in an application; only an admin decides it (contract section 8). Earlier ones are kept.
 * @throws Refusal ALREADY_MERCHANT or APPLICATION_PENDING
 */
export async function apply(uow: PrivilegedWork, body: ApplyBody): Promise<Application> {
  const { tx, cipher } = uow
  const { userId } = uow.actor
  // The applicant's row is the lock: of two applications at once, one finds the other.
  await lockUser(uow, userId)
  const user = await tx.user.findUnique({ where: { userId }, select: { isMerchant: true } })
  if (user?.isMerchant === true) throw refuse('ALREADY_MERCHANT')
  if ((await tx.merchantApplication.count({ where: { userId, status: 'pending' } })) > 0) {
    throw refuse('APPLICATION_PENDING')
  }
  const row = await tx.merchantApplication.create({
    data: {
      userId,
      businessName: body.business_name,
      contactPerson: body.contact_person,
      contactPhone: cipher.encrypt(body.contact_phone),
      businessLicense: body.business_license === undefined ? null : cipher.encrypt(body.business_license),
      businessAddress: body.business_address ?? null,
      reason: body.reason ?? null,
      createdAt: uow.now
    }
  })
  return toOwnApplication(row, cipher)
}

/** The last application of a user. @throws Refusal APPLICATION_NOT_FOUND */
export async function readApplication(db: Db, cipher: Cipher, userId: number): Promise<Application> {
  const row = await db.merchantApplication.findFirst({ where: { userId }, orderBy: { applicationId: 'desc' } })
  if (row === null) throw refuse('APPLICATION_NOT_FOUND')
  return toOwnApplication(row, cipher)
}

function toNamedApplication(row: NamedRow, cipher: Cipher): NamedApplication {
  return { ...toOwnApplication(row, cipher, (licence) => licence), user: toPerson(row.user) }
}

/** Who asked to be a merchant, newest first. */
export async function listApplications(db: Db, cipher: Cipher, query: ApplicationsQuery) {
  const where: Prisma.MerchantApplicationWhereInput = given({ status: query.status })
  const { rows, ...rest } = await pageFrom(query, NEWEST, where, {
    read: (part) => db.merchantApplication.findMany({ ...part, include: withApplicant }),
    count: (all) => db.merchantApplication.count({ where: all })
  })
  return { applications: rows.map((row) => toNamedApplication(row, cipher)), ...rest }
}

/**
 * Decides an application, once whoever races; an approval makes its user a merchant, in open sessions too.
 * @throws Refusal APPLICATION_NOT_FOUND, STATE_CONFLICT when it is decided already, or USER_NOT_FOUND when the one to
 * be a merchant is gone
 */
export async function decideApplication(
  uow: PrivilegedWork,
  { id, status, reason }: { id: number; status: 'approved' | 'rejected'; reason?: string | undefined }
): Promise<NamedApplication> {
  const { tx, cipher, actor, outbox } = uow
  const asked = await tx.merchantApplication.findUnique({ where: { applicationId: id }, select: { userId: true } })
  if (asked === null) throw refuse('APPLICATION_NOT_FOUND')
  const { userId } = asked
  // The user first, then what is theirs: the order in which an application is made.
  await lockUser(uow, userId)
  const user = await tx.user.findFirst({ where: { userId, deletedAt: null }, select: { isMerchant: true } })
  const { count } = await tx.merchantApplication.updateMany({
    where: { applicationId: id, status: 'pending' },
    data: { status, decidedBy: actor.userId, decidedAt: uow.now, rejectReason: reason ?? null }
  })
  const row = await tx.merchantApplication.findUniqueOrThrow({ where: { applicationId: id }, include: withApplicant })
  if (count !== 1) throw refuse('STATE_CONFLICT', { status: row.status })
  const isApproved = status === 'approved'
  if (isApproved) {
    if (user === null) throw refuse('USER_NOT_FOUND')
    await tx.user.update({ where: { userId }, data: { isMerchant: true } })
    outbox.notify({ kind: 'user_changed', userId })
  }
  const wasMerchant = user?.isMerchant === true
  await recordAct(uow, {
    action: isApproved ? 'application.approve' : 'application.reject',
    targetType: 'application',
    targetId: id,
    before: { status: 'pending', user_id: userId, is_merchant: wasMerchant },
    after: { status, user_id: userId, is_merchant: isApproved || wasMerchant },
    reason
  })
  return toNamedApplication(row, cipher)
}
