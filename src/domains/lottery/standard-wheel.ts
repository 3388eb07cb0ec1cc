import { type Db, type Tx, writeAll } from '../../engine/tx.js'
import { type Prize, prizeWrites } from './prize.js'
import type { Rules } from './rules.js'
import { recordVersion, snapshotOf } from './versions.js'

const prize = (
  id: number,
  name: string,
  type: Prize['type'],
  value: number,
  percent: number,
  color: string,
  more: Partial<Prize> = {}
): Prize => ({
  id,
  name,
  type,
  value,
  valueYuan: 0,
  angle: (id - 1) * 45,
  color,
  weight: Math.round(percent * 100),
  isActivity: false,
  ...more
})

/** The wheel of contract section 4. What a prize costs the house is for the merchant to fill in, where not known. */
export const STANDARD_PRIZES: readonly Prize[] = [
  prize(1, '八八折券', 'coupon', 0.88, 1, '#FF6B35', { isActivity: true }),
  prize(2, '九八折券', 'coupon', 0.98, 10, '#4ECDC4'),
  prize(3, '甜品1份', 'physical', 1, 30, '#FFD93D'),
  prize(4, '青菜1份', 'physical', 1, 29, '#6BCF7F'),
  prize(5, '虾1份', 'physical', 1, 5, '#FF6B6B'),
  prize(6, '花甲1份', 'physical', 1, 20, '#4DABF7'),
  prize(7, '鱿鱼1份', 'physical', 1, 4.5, '#9775FA'),
  prize(8, '生腌拼盘', 'physical', 158, 0.5, '#FFB84D', { isActivity: true, valueYuan: 158 })
]

/** 九八折券 */
const PITY_PRIZE_ID = 2

export function standardRules(dailyLimit: number): Rules {
  return {
    isActive: true,
    costPoints: 100,
    dailyLimit,
    pityLimit: 10,
    pityPrizeId: PITY_PRIZE_ID,
    prizes: STANDARD_PRIZES
  }
}

/** Whether the database has a wheel. */
export async function hasWheel(db: Db): Promise<boolean> {
  return (await db.lotteryConfig.count()) > 0
}

/** Puts the standard wheel into an empty database, as version 1. */
export async function installWheel(tx: Tx, dailyLimit: number, now: Date): Promise<void> {
  const rules = standardRules(dailyLimit)
  await recordVersion(tx, 1, snapshotOf(rules), now)
  await writeAll(tx, prizeWrites(rules.prizes))
  await tx.lotteryConfig.create({
    data: {
      version: 1,
      isActive: true,
      costPoints: rules.costPoints,
      dailyLimit,
      pityLimit: rules.pityLimit,
      pityPrizeId: rules.pityPrizeId
    }
  })
}
