import { PrismaMariaDb } from '@prisma/adapter-mariadb'
import { PRIZE_KINDS } from '../../../src/domains/lottery/prize.js'
import { expiryOf } from '../../../src/domains/voucher/rules.js'
import { PrismaClient } from '../../../src/generated/prisma/client.js'
import { businessDay } from '../../../src/shared/time.js'
import { type BaselineOptions, type Drawer, drawOnce, pushedLines } from './baseline.js'
import { poolOptions } from './pool.js'

/**
 * A draw as a service on Prisma is usually written: an interactive transaction of model calls, the row locked first.
 */
export function prismaDrawer(options: BaselineOptions): Drawer {
  const { rules, version: rulesVersion } = options
  const adapter = new PrismaMariaDb(poolOptions(options))
  const db = new PrismaClient({ adapter, errorFormat: 'minimal' })
  return {
    close: () => db.$disconnect(),
    async draw(userId) {
      await db.$transaction(
        async (tx) => {
          await tx.$queryRaw`SELECT user_id FROM users WHERE user_id = ${userId} FOR UPDATE`
          const user = await tx.user.findUniqueOrThrow({ where: { userId }, include: { pity: true } })
          const now = new Date()
          const day = new Date(businessDay(now, 'Asia/Shanghai'))
          const before = user.pity
          const used = before?.drawDay?.getTime() === day.getTime() ? before.dayCount : 0
          if (user.status !== 'active' || user.deletedAt !== null) throw new Error('the account is disabled')
          if (!rules.isActive) throw new Error('the wheel is closed')
          if (used + 1 > rules.dailyLimit) throw new Error('the daily limit is reached')
          if (user.totalPoints < rules.costPoints) throw new Error('not enough points')
          const drawn = drawOnce(options, {
            count: before?.currentCount ?? 0,
            triggered: before?.pityTriggeredCount ?? 0
          })
          const { prize, isPity, drawId, recordId, pity } = drawn
          const {
            totalPoints,
            ledgerSeq: seq,
            pushSeq
          } = await tx.user.update({
            where: { userId },
            data: {
              totalPoints: { decrement: rules.costPoints },
              ledgerSeq: { increment: 1 },
              pushSeq: { increment: 1 }
            },
            select: { totalPoints: true, ledgerSeq: true, pushSeq: true }
          })
          await tx.pointsRecord.create({
            data: {
              userId,
              seq,
              hash: '',
              points: -rules.costPoints,
              balanceAfter: totalPoints,
              type: 'spend',
              source: 'lottery',
              description: '抽奖1次',
              relatedId: drawId,
              createdAt: now
            }
          })
          await tx.lotteryDraw.create({
            data: {
              drawId,
              userId,
              drawType: 'single',
              drawCount: 1,
              totalCost: rules.costPoints,
              pointsAwarded: 0,
              rulesVersion,
              createdAt: now
            }
          })
          await tx.lotteryRecord.create({
            data: {
              recordId,
              drawId,
              userId,
              sequence: 1,
              drawType: 'single',
              prizeId: prize.id,
              prizeName: prize.name,
              prizeType: prize.type,
              prizeValue: prize.value,
              pointsCost: rules.costPoints,
              isPity,
              createdAt: now
            }
          })
          const kind = PRIZE_KINDS[prize.type].voucher
          if (kind !== null) {
            await tx.voucher.create({
              data: {
                userId,
                codeHmac: drawn.codeHmac,
                codeEnc: drawn.codeEnc,
                title: prize.name,
                kind,
                source: 'lottery',
                recordId,
                issuedAt: now,
                expiresAt: expiryOf(now, 30)
              }
            })
          }
          const text = pushedLines(
            { userId, drawId, balance: totalPoints, cost: rules.costPoints, now },
            drawn,
            options.cipher
          )
          await tx.pushEvent.create({
            data: { userId, seq: pushSeq, data: options.cipher.encrypt(text), createdAt: now }
          })
          await tx.lotteryPity.update({
            where: { userId },
            data: {
              currentCount: pity.count,
              pityTriggeredCount: pity.triggered,
              lastDrawTime: now,
              drawDay: day,
              dayCount: used + 1
            }
          })
        },
        { maxWait: 60_000, timeout: 60_000 }
      )
    }
  }
}
