import type { Outbox } from '../../engine/bus.js'
import type { Db, Tx } from '../../engine/tx.js'
import type { Prisma } from '../../generated/prisma/client.js'
import type { Vault } from '../../shared/cipher.js'
import { dayRange } from '../../shared/time.js'
import { type Actor, recordAct } from '../audit/audit.js'
import { lockUser } from '../points/ledger.js'
import { PERSON_COLUMNS, toPerson } from '../user/schemas.js'
import type { MerchantOrder, MerchantOrdersQuery } from './merchant-schemas.js'
import { deliveryOf, notice, type OrderRow, pageOfOrders, takeStep, toOrder } from './orders.js'
import { STEPS } from './rules.js'

const USER = { select: PERSON_COLUMNS } as const
type Row = OrderRow & Prisma.ExchangeOrderGetPayload<{ include: { user: typeof USER } }>

/** The states in which somebody has the order in hand to send it, and needs to read where to. */
const IN_HAND = new Set(['confirmed', 'shipped'])

function toMerchantOrder(vault: Vault, row: Row): MerchantOrder {
  const delivery = deliveryOf(vault, row, IN_HAND.has(row.status) ? 'open' : 'masked')
  return { ...toOrder(row, null, delivery), commodity_id: row.commodityId, user: toPerson(row.user) }
}

/** All orders, newest first. */
export async function listMerchantOrders(db: Db, vault: Vault, query: MerchantOrdersQuery, timeZone: string) {
  const { status, user_id: userId, order_no: orderNo } = query
  const where = {
    ...(status === undefined ? {} : { status }),
    ...(userId === undefined ? {} : { userId }),
    ...(orderNo === undefined ? {} : { orderNo }),
    createdAt: dayRange(query.from, query.to, timeZone)
  }
  const { rows, ...rest } = await pageOfOrders(db, query, where, { user: USER })
  return { orders: rows.map((row) => toMerchantOrder(vault, row)), ...rest }
}

/** @throws Refusal ORDER_NOT_FOUND */
export async function readMerchantOrder(db: Db, vault: Vault, orderId: number): Promise<MerchantOrder> {
  const row = await db.exchangeOrder.findUniqueOrThrow({ where: { orderId }, include: { user: USER } })
  return toMerchantOrder(vault, row)
}

/**
 * Takes an order a step further: audited, and told to its diner. Completing it uses its voucher up, if that was not
 * done before or too late.
 * @throws Refusal ORDER_NOT_FOUND or STATE_CONFLICT
 */
export async function advanceOrder(
  tx: Tx,
  outbox: Outbox,
  vault: Vault,
  actor: Actor,
  orderId: number,
  step: 'confirm' | 'ship' | 'complete',
  now: Date
): Promise<MerchantOrder> {
  const row = await takeStep(tx, orderId, step, now)
  await lockUser(tx, row.userId)
  if (step === 'complete') {
    const used = { status: 'used', usedAt: now, usedBy: actor.userId } as const
    await tx.voucher.updateMany({ where: { orderId, status: 'unused' }, data: used })
  }
  const act = { action: `order.${step}`, targetType: 'order', targetId: orderId } as const
  await recordAct(tx, actor, { ...act, before: { status: row.status }, after: { status: STEPS[step].to } }, now)
  outbox.push({ userId: row.userId }, 'system_notice', notice(step, row))
  return readMerchantOrder(tx, vault, orderId)
}
