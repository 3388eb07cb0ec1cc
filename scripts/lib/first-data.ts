import { hasWheel, installWheel } from '../../src/domains/lottery/standard-wheel.js'
import { createUser } from '../../src/domains/user/accounts.js'
import type { PrismaClient } from '../../src/generated/prisma/client.js'
import { scriptWork } from './prisma.js'

/** Mobile of the merchant that development starts with (contract section 12). */
export const SAMPLE_MERCHANT = '13900000001'

const SAMPLE_PRODUCTS = [
  ['招牌酸梅汤', '冰镇现熬，一扎', '饮品', 300, 50, true],
  ['手工红糖冰粉', '一碗，可加料', '甜品', 200, 80, true],
  ['蒜蓉粉丝虾', '一份，六只', '热菜', 800, 30, false],
  ['百元代金券', '堂食满 300 元可用', '优惠券', 1500, 20, true],
  ['定制餐具套装', '筷、勺、收纳盒', '周边', 1200, 15, false]
] as const

/**
 * Puts into an empty database what the service cannot do without (the standard wheel), and in development also
 * something to look at. What is there already is left as it is.
 * @returns what was put in, for the person at the terminal
 */
export async function plantFirstData(
  db: PrismaClient,
  options: { dailyLimit: number; newUserPoints: number; samples: boolean }
): Promise<string[]> {
  const planted: string[] = []
  await db.$transaction(async (tx) => {
    if (await hasWheel(tx)) return
    const now = new Date()
    await installWheel(tx, options.dailyLimit, now)
    planted.push('the standard wheel of eight prizes, as rules version 1')
    if (!options.samples) return
    await tx.product.createMany({
      data: SAMPLE_PRODUCTS.map(([name, description, category, exchangePoints, stock, isHot], index) => ({
        name,
        description,
        category,
        exchangePoints,
        stock,
        isHot,
        sortOrder: index
      }))
    })
    planted.push(`${SAMPLE_PRODUCTS.length} sample products`)
    const known = await tx.user.findUnique({ where: { mobile: SAMPLE_MERCHANT } })
    if (known === null) {
      const merchant = { mobile: SAMPLE_MERCHANT, points: options.newUserPoints, isMerchant: true }
      await scriptWork(tx, (uow) => createUser(uow, merchant), now)
      planted.push(`a sample merchant, mobile ${SAMPLE_MERCHANT}`)
    }
  })
  return planted
}
