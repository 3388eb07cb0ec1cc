import type { Db, Tx } from '../../engine/tx.js'
import type { Prisma } from '../../generated/prisma/client.js'
import type { Vault } from '../../shared/cipher.js'
import { maskText } from '../../shared/mask.js'
import { refuse } from '../../shared/refusal.js'
import type { Application, ApplyBody } from '../receipt/merchant-schemas.js'

/** A row of `merchant_applications` as Prisma gives it. */
export type ApplicationRow = Prisma.MerchantApplicationGetPayload<object>

/**
 * Telephone and licence are kept encrypted, and shown masked (contract section 2).
 * @param showLicence for an admin, who has to look it up: the licence as it is
 */
export function toApplication(
  row: ApplicationRow,
  vault: Vault,
  showLicence: (licence: string) => string = maskText
): Application {
  return {
    application_id: row.applicationId,
    status: row.status,
    business_name: row.businessName,
    contact_person: row.contactPerson,
    contact_phone: maskText(vault.decrypt(row.contactPhone)),
    business_license: row.businessLicense === null ? null : showLicence(vault.decrypt(row.businessLicense)),
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
export async function apply(tx: Tx, vault: Vault, userId: number, body: ApplyBody, now: Date): Promise<Application> {
  // The applicant's row is the lock: of two applications at once, one finds the other.
  const [user] = await tx.$queryRaw<{ is_merchant: number | boolean }[]>`
    SELECT is_merchant FROM users WHERE user_id = ${userId} FOR UPDATE`
  if (Number(user?.is_merchant) === 1) throw refuse('ALREADY_MERCHANT')
  if ((await tx.merchantApplication.count({ where: { userId, status: 'pending' } })) > 0) {
    throw refuse('APPLICATION_PENDING')
  }
  const row = await tx.merchantApplication.create({
    data: {
      userId,
      businessName: body.business_name,
      contactPerson: body.contact_person,
      contactPhone: vault.encrypt(body.contact_phone),
      businessLicense: body.business_license === undefined ? null : vault.encrypt(body.business_license),
      businessAddress: body.business_address ?? null,
      reason: body.reason ?? null,
      createdAt: now
    }
  })
  return toApplication(row, vault)
}

/** The last application of a user. @throws Refusal APPLICATION_NOT_FOUND */
export async function readApplication(db: Db, vault: Vault, userId: number): Promise<Application> {
  const row = await db.merchantApplication.findFirst({ where: { userId }, orderBy: { applicationId: 'desc' } })
  if (row === null) throw refuse('APPLICATION_NOT_FOUND')
  return toApplication(row, vault)
}
