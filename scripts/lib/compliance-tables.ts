import type { PrismaClient } from '../../src/generated/prisma/client.js'
import { CSV_PAGE, pagesOf } from '../../src/shared/csv.js'
import { maskMobile } from '../../src/shared/mask.js'

/** The instants from the first day's start to below the end of the last. */
export interface Period {
  readonly gte: Date
  readonly lt: Date
}

/** A table of the pack. Its rows name nobody: diners go by their number and a masked mobile. */
interface PackTable {
  readonly columns: readonly string[]
  readonly pages: AsyncIterable<readonly Readonly<Record<string, unknown>>[]>
}

const WHO = { user: { select: { mobile: true } } } as const
const first = { take: CSV_PAGE } as const

/** What article 19 of SAMR order 32 of 2020 asks to be kept, but for the log: rules, draws, redemptions, orders. */
export function packTables(db: PrismaClient, created: Period): Readonly<Record<string, PackTable>> {
  return {
    rules: rulesTable(db),
    draws: drawsTable(db, created),
    redemptions: redemptionsTable(db, created),
    orders: ordersTable(db, created)
  }
}

/** All versions: a draw may be under one from long before. */
const rulesTable = (db: PrismaClient): PackTable => ({
  columns: ['version', 'valid_from', 'sha256', 'snapshot'],
  pages: pagesOf(async (last?: { version: number }) => {
    const rows = await db.lotteryRuleVersion.findMany({
      ...first,
      where: { version: { gt: last?.version ?? 0 } },
      orderBy: { version: 'asc' }
    })
    return rows.map(({ version, validFrom, sha256, snapshot }) => ({
      version,
      valid_from: validFrom,
      sha256,
      snapshot
    }))
  })
})

/** A row for each result. */
const drawsTable = (db: PrismaClient, createdAt: Period): PackTable => ({
  columns: [
    ...['record_id', 'draw_id', 'drawn_at', 'user_id', 'mobile', 'draw_type', 'sequence', 'rules_version', 'epoch'],
    ...['client_seed', 'nonce', 'roll', 'pity_before', 'prize_id', 'prize_name', 'forced', 'points_cost'],
    ...['points_awarded', 'log_index']
  ],
  pages: pagesOf(async (last?: { record_id: string }) => {
    const rows = await db.lotteryRecord.findMany({
      ...first,
      where: { createdAt, recordId: { gt: last?.record_id ?? '' } },
      orderBy: { recordId: 'asc' },
      include: { ...WHO, draw: true }
    })
    return rows.map((row) => ({
      record_id: row.recordId,
      draw_id: row.drawId,
      drawn_at: row.createdAt,
      user_id: row.userId,
      mobile: maskMobile(row.user.mobile),
      draw_type: row.drawType,
      sequence: row.sequence,
      rules_version: row.draw.rulesVersion,
      epoch: row.draw.epoch,
      client_seed: row.draw.clientSeed,
      nonce: row.nonce,
      roll: row.roll,
      pity_before: row.pityBefore,
      prize_id: row.prizeId,
      prize_name: row.prizeName,
      forced: row.isPity ? 1 : 0,
      points_cost: row.pointsCost,
      points_awarded: row.pointsAwarded,
      log_index: row.draw.logIndex
    }))
  })
})

const redemptionsTable = (db: PrismaClient, usedAt: Period): PackTable => ({
  columns: [
    'voucher_id',
    'redeemed_at',
    'redeemed_by',
    'user_id',
    'mobile',
    'kind',
    'source',
    'title',
    'record_id',
    'order_id'
  ],
  pages: pagesOf(async (last?: { voucher_id: bigint }) => {
    const rows = await db.voucher.findMany({
      ...first,
      where: { usedAt, voucherId: { gt: last?.voucher_id ?? 0n } },
      orderBy: { voucherId: 'asc' },
      include: WHO
    })
    return rows.map((row) => ({
      voucher_id: row.voucherId,
      redeemed_at: row.usedAt,
      redeemed_by: row.usedBy,
      user_id: row.userId,
      mobile: maskMobile(row.user.mobile),
      kind: row.kind,
      source: row.source,
      title: row.title,
      record_id: row.recordId,
      order_id: row.orderId
    }))
  })
})

const ordersTable = (db: PrismaClient, createdAt: Period): PackTable => ({
  columns: [
    'order_id',
    'order_no',
    'ordered_at',
    'user_id',
    'mobile',
    'product_name',
    'quantity',
    'total_points',
    'status'
  ],
  pages: pagesOf(async (last?: { order_id: bigint }) => {
    const rows = await db.exchangeOrder.findMany({
      ...first,
      where: { createdAt, orderId: { gt: last?.order_id ?? 0n } },
      orderBy: { orderId: 'asc' },
      include: WHO
    })
    return rows.map((row) => ({
      order_id: row.orderId,
      order_no: row.orderNo,
      ordered_at: row.createdAt,
      user_id: row.userId,
      mobile: maskMobile(row.user.mobile),
      product_name: row.productName,
      quantity: row.quantity,
      total_points: row.totalPoints,
      status: row.status
    }))
  })
})
