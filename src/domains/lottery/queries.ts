import { pageFrom, type Sort } from '../../engine/keyset.js'
import type { Db } from '../../engine/tx.js'
import type { Prisma } from '../../generated/prisma/client.js'
import { given } from '../../shared/given.js'
import { businessDay, dateColumn, rate } from '../../shared/time.js'
import { pityStatus } from './draw.js'
import { forEachKind, PRIZE_KINDS, type PrizeType, toConfigPrize } from './prize.js'
import { effectiveOdds, type Rules } from './rules.js'
import type { LotteryConfig, LotteryRecord, PityStatus, RecordsQuery, Statistics } from './schemas.js'
import type { RuleBook } from './versions.js'

/** The wheel as it draws now, its published odds, and how the diner stands. */
export async function readConfig(
  db: Db,
  ruleBook: RuleBook,
  userId: number,
  now: Date,
  timeZone: string
): Promise<LotteryConfig> {
  const { version, rules } = await ruleBook.current(db)
  const row = await db.lotteryPity.findUnique({ where: { userId } })
  const effective = effectiveOdds(rules)
  const today = businessDay(now, timeZone)
  return {
    prizes: rules.prizes.map((prize) => toConfigPrize(prize, effective.get(prize.id) ?? 0, rules.costPoints)),
    costPerDraw: rules.costPoints,
    cost_points: rules.costPoints,
    totalPrizes: 8,
    daily_limit: rules.dailyLimit,
    today_draw_count: row !== null && dateColumn(row.drawDay) === today ? row.dayCount : 0,
    is_active: rules.isActive,
    rules_version: version,
    pitySystem: { enabled: rules.pityLimit > 0, pityLimit: rules.pityLimit, pityPrizeName: pityPrizeName(rules) },
    user_pity: toPityStatus(rules, row),
    lottery_rules: ruleSentences(rules)
  }
}

const pityPrizeName = (rules: Rules) => rules.prizes.find((prize) => prize.id === rules.pityPrizeId)?.name ?? ''

function ruleSentences(rules: Rules): LotteryConfig['lottery_rules'] {
  return {
    guarantee_rule:
      rules.pityLimit > 0
        ? `自上次获得${pityPrizeName(rules)}起，第${rules.pityLimit}次抽奖必得${pityPrizeName(rules)}`
        : '本活动不设保底',
    consumption_rule: `每次抽奖消耗${rules.costPoints}积分，三连抽、五连抽、十连抽按次数计算`,
    security_rule: '抽奖结果由服务器以加密级随机数按公示概率产生，每次抽奖均记录所用规则版本',
    daily_limit_rule: `每人每天最多抽奖${rules.dailyLimit}次，每日零点重新计算`
  }
}

function toPityStatus(
  rules: Rules,
  row: { currentCount: number; pityTriggeredCount: number; lastDrawTime: Date | null } | null
): PityStatus {
  const pity = { count: row?.currentCount ?? 0, triggered: row?.pityTriggeredCount ?? 0 }
  return pityStatus(rules, pity, row?.lastDrawTime ?? null)
}

export async function readPityStatus(db: Db, ruleBook: RuleBook, userId: number): Promise<PityStatus> {
  const { rules } = await ruleBook.current(db)
  return toPityStatus(rules, await db.lotteryPity.findUnique({ where: { userId } }))
}

/** Ids are UUIDs of version 7: they rise with time. */
const NEWEST = { direction: 'desc', columns: { recordId: 'text' } } as const satisfies Sort

/** A diner's results, newest first. */
export async function listRecords(db: Db, userId: number, query: RecordsQuery) {
  const where: Prisma.LotteryRecordWhereInput = {
    userId,
    ...given({ drawType: query.draw_type, prizeType: query.prize_type })
  }
  const { rows, ...rest } = await pageFrom(query, NEWEST, where, {
    read: (part) => db.lotteryRecord.findMany({ ...part, include: { voucher: { select: { status: true } } } }),
    count: (all) => db.lotteryRecord.count({ where: all })
  })
  const records = rows.map(
    (row): LotteryRecord => ({
      id: row.recordId,
      draw_id: row.drawId,
      draw_type: row.drawType,
      prize_id: row.prizeId,
      prize_name: row.prizeName,
      prize_type: row.prizeType,
      prize_value: row.prizeValue.toNumber(),
      points_cost: row.pointsCost,
      is_pity: row.isPity,
      status: row.voucher?.status ?? 'completed',
      created_at: row.createdAt
    })
  )
  return { records, ...rest }
}

/** A diner's wheel in figures. `win_rate`: the share of results that gave anything. */
export async function readStatistics(db: Db, ruleBook: RuleBook, userId: number): Promise<Statistics> {
  const { rules } = await ruleBook.current(db)
  const [byType, byPrize, pityRow] = await Promise.all([
    db.lotteryDraw.groupBy({
      by: ['drawType'],
      where: { userId },
      _count: true,
      _sum: { totalCost: true, pointsAwarded: true, drawCount: true }
    }),
    db.lotteryRecord.groupBy({ by: ['prizeType'], where: { userId }, _count: true }),
    db.lotteryPity.findUnique({ where: { userId } })
  ])
  const sum = (field: 'totalCost' | 'pointsAwarded' | 'drawCount') =>
    byType.reduce((total, group) => total + (group._sum[field] ?? 0), 0)
  const draws = sum('drawCount')
  const spent = sum('totalCost')
  const won = sum('pointsAwarded')
  const distribution = forEachKind(() => 0)
  for (const group of byPrize) distribution[group.prizeType] = group._count
  const lost = Object.entries(distribution).reduce(
    (sum, [type, count]) => sum + (PRIZE_KINDS[type as PrizeType].isWin ? 0 : count),
    0
  )
  const none = { count: 0, cost: 0 }
  const types: Statistics['draw_type_stats'] = { single: none, triple: none, five: none, ten: none }
  for (const group of byType) types[group.drawType] = { count: group._count, cost: group._sum.totalCost ?? 0 }
  const pity = toPityStatus(rules, pityRow)
  return {
    total_draws: draws,
    total_cost: spent,
    total_points_spent: spent,
    total_points_won: won,
    net_points: won - spent,
    win_rate: rate(draws - lost, draws),
    draw_type_stats: types,
    prize_distribution: distribution,
    last_draw_time: pity.last_draw_time,
    current_pity_count: pity.current_count,
    remaining_to_pity: pity.remaining_draws
  }
}
