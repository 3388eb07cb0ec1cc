import { lockUser } from '../../engine/locks.js'
import { SystemNotice } from '../../engine/push.js'
import type { Db } from '../../engine/tx.js'
import type { PrivilegedWork } from '../../engine/unit-of-work.js'
import type { Prisma } from '../../generated/prisma/client.js'
import type { Cipher } from '../../shared/cipher.js'
import { given } from '../../shared/given.js'
import { dayRange } from '../../shared/time.js'
import { recordAct } from '../audit/audit.js'
import { PERSON_COLUMNS, toPerson } from '../user/schemas.js'
import { changeVouchers } from '../voucher/vouchers.js'
import type { MerchantOrder, MerchantOrdersQuery } from './merchant-schemas.js'
import { deliveryOf, notice, type OrderRow, pageOfOrders, takeStep, toOrder } from './orders.js'
import { ORDER_STEPS } from './rules.js'

const USER = { select: PERSON_COLUMNS } as const
type Row = OrderRow & Prisma.ExchangeOrderGetPayload<{ include: { user: typeof USER } }>

/** The states in which somebody has the order in hand to send it, and needs to read where to. */
const IN_HAND = new Set(['confirmed', 'shipped'])

function toMerchantOrder(cipher: Cipher, row: Row): MerchantOrder {
  const delivery = deliveryOf(cipher, row, IN_HAND.has(row.status) ? 'open' : 'masked')
  return { ...toOrder(row, null, delivery), commodity_id: row.productId, user: toPerson(row.user) }
}

/** All orders, newest first. */
export async function listMerchantOrders(db: Db, cipher: Cipher, query: MerchantOrdersQuery, timeZone: string) {
  const { status, user_id: userId, order_no: orderNo } = query
  const where = {
    ...given({ status, userId, orderNo }),
    createdAt: dayRange(query.from, query.to, timeZone)
  }
  const { rows, ...rest } = await pageOfOrders(db, query, where, { user: USER })
  return { orders: rows.map((row) => toMerchantOrder(cipher, row)), ...rest }
}

async function readMerchantOrder(db: Db, cipher: Cipher, orderId: number): Promise<MerchantOrder> {
  const row = await db.exchangeOrder.findUniqueOrThrow({ where: { orderId }, include: { user: USER } })
  return toMerchantOrder(cipher, row)
}

/**
 * Takes an order a step further: audited, and its diner gets a notice. Completing it uses its voucher up, if that was
 * not done before or too late.
 * @throws Refusal ORDER_NOT_FOUND or STATE_CONFLICT
 */
export async function advanceOrder(
  uow: PrivilegedWork,
  orderId: number,
  step: 'confirm' | 'ship' | 'complete'
): Promise<MerchantOrder> {
  const { tx, actor, cipher } = uow
  const row = await takeStep(uow, orderId, step)
  await lockUser(uow, row.userId)
  if (step === 'complete') {
    const used = { status: 'used', usedAt: uow.now, usedBy: actor.userId } as const
    await changeVouchers(uow, row.userId, { orderId: row.orderId, status: 'unused' }, used)
  }
  const act = { action: `order.${step}`, targetType: 'order', targetId: orderId } as const
  await recordAct(uow, { ...act, before: { status: row.status }, after: { status: ORDER_STEPS[step].to } })
  uow.outbox.push({ userId: row.userId }, SystemNotice, notice(step, row))
  return readMerchantOrder(tx, cipher, orderId)
}
