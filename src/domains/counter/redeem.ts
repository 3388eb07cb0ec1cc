import type { Outbox } from '../../engine/bus.js'
import type { Db, Tx } from '../../engine/tx.js'
import type { Vault } from '../../shared/cipher.js'
import { refuse } from '../../shared/refusal.js'
import { type Actor, recordAct } from '../audit/audit.js'
import { takeStep } from '../exchange/orders.js'
import { allows } from '../exchange/rules.js'
import { lockUser } from '../points/ledger.js'
import { PERSON_COLUMNS, toPerson } from '../user/schemas.js'
import { normalCode } from '../voucher/rules.js'
import type { CounterVoucher, VoucherStatus } from '../voucher/schemas.js'
import { codeHmacs } from '../voucher/vouchers.js'

/** What the counter needs to know of a voucher. */
const INCLUDE = {
  user: { select: PERSON_COLUMNS },
  order: { select: { orderId: true, orderNo: true, quantity: true, status: true } }
} as const

/** @throws Refusal VOUCHER_NOT_FOUND */
async function findVoucher(db: Db, vault: Vault, code: string) {
  const where = { codeHmac: { in: codeHmacs(vault, normalCode(code)) } }
  const row = await db.voucher.findFirst({ where, include: INCLUDE })
  if (row === null) throw refuse('VOUCHER_NOT_FOUND')
  return row
}
type Row = Awaited<ReturnType<typeof findVoucher>>

/** A voucher past its time is expired, whether or not its row says so yet. */
function stateOf({ status, expiresAt }: Pick<Row, 'status' | 'expiresAt'>, now: Date): VoucherStatus {
  return status === 'unused' && expiresAt <= now ? 'expired' : status
}

function toCounterVoucher(row: Row, code: string, now: Date): CounterVoucher {
  const status = stateOf(row, now)
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
export async function lookUpVoucher(db: Db, vault: Vault, code: string, now: Date): Promise<CounterVoucher> {
  return toCounterVoucher(await findVoucher(db, vault, code), code, now)
}

/**
 * Redeems a voucher, once, whoever races; that of an order completes the order. Locks the order, its diner and the
 * voucher, in the order in which a cancellation does. Audited, and told to the diner.
 * @throws Refusal VOUCHER_NOT_FOUND or VOUCHER_NOT_USABLE
 */
export async function redeemVoucher(
  tx: Tx,
  outbox: Outbox,
  vault: Vault,
  actor: Actor,
  code: string,
  now: Date
): Promise<CounterVoucher> {
  const { voucherId, orderId, userId, title } = await findVoucher(tx, vault, code)
  if (orderId !== null) await tx.$queryRaw`SELECT order_id FROM exchange_orders WHERE order_id = ${orderId} FOR UPDATE`
  await lockUser(tx, userId)
  const { count } = await tx.voucher.updateMany({
    where: { voucherId, status: 'unused', expiresAt: { gt: now } },
    data: { status: 'used', usedAt: now, usedBy: actor.userId }
  })
  const row = await findVoucher(tx, vault, code)
  if (count === 0) throw refuse('VOUCHER_NOT_USABLE', { status: stateOf(row, now) })
  // A voucher of an order lives as long as its order is open: the two change together, under the order's lock.
  if (row.order !== null && allows(row.order.status, 'redeem')) {
    await takeStep(tx, row.order.orderId, 'redeem', now)
    row.order.status = 'completed'
  }
  const act = { action: 'voucher.redeem', targetType: 'voucher', targetId: String(voucherId) } as const
  await recordAct(tx, actor, { ...act, before: { status: 'unused' }, after: { status: 'used', title } }, now)
  outbox.push({ userId }, 'system_notice', {
    title: '兑换券已核销',
    content: `您的「${title}」已在柜台核销`,
    type: 'voucher_redeemed'
  })
  return toCounterVoucher(row, code, now)
}
