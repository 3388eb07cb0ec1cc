import { hasWheel, installWheel } from '../../src/domains/lottery/standard-wheel.js'
import { createUser } from '../../src/domains/user/accounts.js'
import type { PrismaClient } from '../../src/generated/prisma/client.js'
import { scriptWork } from './prisma.js'

/** Mobile of the merchant that development starts with (contract section 12). */
export const SAMPLE_MERCHANT = '13900000001'
/** And of another one, who decides appeals against the first. */
export const SECOND_MERCHANT = '13900000002'

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
    const now = new Date()
    const isMissing = async (mobile: string) => (await tx.user.count({ where: { mobile } })) === 0
    const plantMerchant = async (mobile: string) => {
      if (!(await isMissing(mobile))) return
      const merchant = { mobile, points: options.newUserPoints, isMerchant: true }
      await scriptWork(tx, (uow) => createUser(uow, merchant), now)
      planted.push(`a sample merchant, mobile ${mobile}`)
    }
    if (await hasWheel(tx)) {
      // One who came with a later version, where the samples are.
      if (options.samples && !(await isMissing(SAMPLE_MERCHANT))) await plantMerchant(SECOND_MERCHANT)
      return
    }
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
    for (const mobile of [SAMPLE_MERCHANT, SECOND_MERCHANT]) await plantMerchant(mobile)
  })
  return planted
}
