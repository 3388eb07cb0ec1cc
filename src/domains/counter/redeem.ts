import { lockUser } from '../../engine/locks.js'
import { SystemNotice } from '../../engine/push.js'
import type { Db } from '../../engine/tx.js'
import type { PrivilegedWork } from '../../engine/unit-of-work.js'
import type { Cipher } from '../../shared/cipher.js'
import { refuse } from '../../shared/refusal.js'
import { recordAct } from '../audit/audit.js'
import { lockOrder, takeStep } from '../exchange/orders.js'
import { orderAllows } from '../exchange/rules.js'
import { PERSON_COLUMNS, toPerson } from '../user/schemas.js'
import { normalCode, usable, voucherStatus } from '../voucher/rules.js'
import { changeVouchers, codeHmacs } from '../voucher/vouchers.js'
import type { CounterVoucher } from './schemas.js'

/** What the counter needs to know of a voucher. */
const INCLUDE = {
  user: { select: PERSON_COLUMNS },
  order: { select: { orderId: true, orderNo: true, quantity: true, status: true } }
} as const

/** @throws Refusal VOUCHER_NOT_FOUND */
async function findVoucher(db: Db, cipher: Cipher, code: string) {
  const where = { codeHmac: { in: codeHmacs(cipher, normalCode(code)) } }
  const row = await db.voucher.findFirst({ where, include: INCLUDE })
  if (row === null) throw refuse('VOUCHER_NOT_FOUND')
  return row
}
type Row = Awaited<ReturnType<typeof findVoucher>>

function toCounterVoucher(row: Row, code: string, now: Date): CounterVoucher {
  const status = voucherStatus(row, now)
  const { nickname, mobile } = toPerson(row.user)
  const { order } = row
  return {
    code: normalCode(code),
    title: row.title,
    kind: row.kind,
    source: row.source,
    status,
    issued_at: row.issuedAt,
    expires_at: row.expiresAt,
    used_at: row.usedAt,
    valid: status === 'unused',
    reason: status === 'unused' ? null : status,
    user: { nickname, mobile },
    order:
      order === null
        ? null
        : {
            order_id: Number(order.orderId),
            order_no: order.orderNo,
            quantity: order.quantity,
            status: order.status
          }
  }
}

/** A voucher as the counter sees it before it is redeemed. @throws Refusal VOUCHER_NOT_FOUND */
export async function lookUpVoucher(db: Db, cipher: Cipher, code: string, now: Date): Promise<CounterVoucher> {
  return toCounterVoucher(await findVoucher(db, cipher, code), code, now)
}

/**
 * Redeems a voucher, once, whoever races; that of an order completes the order. Locks the order, its diner and the
 * voucher, in the order in which a cancellation does. Audited, and pushed to the diner.
 * @throws Refusal VOUCHER_NOT_FOUND or VOUCHER_NOT_USABLE
 */
export async function redeemVoucher(uow: PrivilegedWork, code: string): Promise<CounterVoucher> {
  const { tx, cipher, actor, outbox } = uow
  const { voucherId, orderId, userId, title } = await findVoucher(tx, cipher, code)
  if (orderId !== null) await lockOrder(tx, orderId)
  await lockUser(uow, userId)
  const { now } = uow
  const used = { status: 'used', usedAt: now, usedBy: actor.userId } as const
  const count = await changeVouchers(uow, userId, { voucherId, ...usable(now) }, used)
  const row = await findVoucher(tx, cipher, code)
  if (count === 0) throw refuse('VOUCHER_NOT_USABLE', { status: voucherStatus(row, now) })
  // A voucher of an order lives as long as its order is open: the two change together, under the order's lock.
  if (row.order !== null && orderAllows(row.order.status, 'redeem')) {
    await takeStep(uow, row.order.orderId, 'redeem')
    row.order.status = 'completed'
  }
  const act = { action: 'voucher.redeem', targetType: 'voucher', targetId: String(voucherId) } as const
  await recordAct(uow, { ...act, before: { status: 'unused' }, after: { status: 'used', title } })
  outbox.push({ userId }, SystemNotice, {
    title: '兑换券已核销',
    content: `您的「${title}」已在柜台核销`,
    type: 'voucher_redeemed'
  })
  return toCounterVoucher(row, code, now)
}
