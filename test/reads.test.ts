import { randomInt } from 'node:crypto'
import type { FastifyInstance } from 'fastify'
import { beforeAll, expect, test } from 'vitest'
import { buildApp } from '../src/app.js'
import { listOrders } from '../src/domains/exchange/orders.js'
import { listRecords, readStatistics } from '../src/domains/lottery/queries.js'
import { RuleBook } from '../src/domains/lottery/versions.js'
import { listPoints } from '../src/domains/points/queries.js'
import { listUploads, photoStatistics, readUpload } from '../src/domains/receipt/queries.js'
import { watchPlaces } from '../src/domains/receipt/queue-places.js'
import { Waits } from '../src/domains/receipt/waiting.js'
import { readUser } from '../src/domains/user/queries.js'
import { listVouchers } from '../src/domains/voucher/queries.js'
import { voucherStatus } from '../src/domains/voucher/rules.js'
import { DAY_MS } from '../src/shared/time.js'
import { createApp, type Diner, newDiner, sql, testConfig } from './helpers/app.js'
import { settle } from './helpers/history.js'
import { newProduct, submit } from './helpers/shop.js'
import { watchStatements } from './helpers/statements.js'

// Each hot read is SQL of our own: here it is held against the same asked of Prisma, on a random history.

let app: FastifyInstance
const diners: Diner[] = []
const urlOf = (key: string) => key

const pick = <T>(list: readonly T[]): T => list[randomInt(list.length)] as T

beforeAll(async () => {
  app = await buildApp({ config: testConfig(), overload: { maxEventLoopDelayMs: 0 } })
  await app.ready()
  const productId = await newProduct(app, { stock: 1000, exchangePoints: 3 })
  for (let index = 0; index < 3; index += 1) {
    const diner = await newDiner(app, { points: 100_000 })
    diners.push(diner)
    for (let time = 0; time < 12; time += 1) {
      await diner.post('/api/lottery/draw', { draw_type: pick(['single', 'single', 'triple']) })
      const delivery = { recipient_name: '王', recipient_phone: '13800000000', delivery_address: '路1号' }
      await submit(diner, productId, {
        quantity: 1 + randomInt(3),
        ...(randomInt(2) ? { delivery_info: delivery } : {})
      })
    }
    await sql(
      `INSERT INTO photo_reviews (upload_id, user_id, image_url, thumbnail_url, image_key, thumbnail_key, amount,
        actual_amount, review_status, review_reason, review_time, points_awarded, points_rate, points_min, points_max,
        file_size, sha256, phash, created_at)
       SELECT CONCAT(?, '-', j.n), ?, '', '', CONCAT('i', j.n), CONCAT('t', j.n), j.n / 7,
        IF(j.n % 3 = 0, j.n / 9, NULL), ELT(1 + j.n % 3, 'approved', 'pending', 'rejected'), IF(j.n % 2, NULL, '看不清'),
        IF(j.n % 3 = 1, NULL, NOW(3)), j.n, 10, 50, 2000, 1, '', '', NOW(3) - INTERVAL j.n DIV 4 HOUR
       FROM JSON_TABLE(?, '$[*]' COLUMNS (n INT PATH '$')) AS j`,
      [diner.userId, diner.userId, JSON.stringify(Array.from({ length: 57 }, (_, n) => n + 1))]
    )
    await sql(
      "UPDATE vouchers SET status = ELT(1 + voucher_id % 4, 'unused', 'used', 'expired', 'cancelled') WHERE user_id = ?",
      [diner.userId]
    )
    await sql('UPDATE vouchers SET expires_at = NOW(3) - INTERVAL 1 DAY WHERE user_id = ? AND voucher_id % 3 = 0', [
      diner.userId
    ])
    await sql(
      "UPDATE exchange_orders SET status = ELT(1 + order_id % 3, 'pending', 'shipped', 'completed') WHERE user_id = ?",
      [diner.userId]
    )
    await settle(app, [diner.userId])
  }
  return () => app.close()
})

interface Listed {
  readonly pagination: { readonly total: number }
  readonly next_cursor: string | null
}

/** All pages of a list, by number and by cursor, which must agree; and what the list says there are. */
async function walk<Answer extends Listed>(
  read: (page: { page: number; limit: number; cursor?: string }) => Promise<Answer>,
  rowsOf: (answer: Answer) => unknown[]
): Promise<{ rows: unknown[]; total: number }> {
  const limit = pick([1, 7, 20, 50])
  const [byNumber, byCursor]: unknown[][] = [[], []]
  let total = 0
  for (let page = 1; ; page += 1) {
    const answer = await read({ page, limit })
    total = answer.pagination.total
    byNumber?.push(...rowsOf(answer))
    if (answer.next_cursor === null) break
  }
  for (let cursor: string | undefined; ; ) {
    const answer = await read({ page: 1, limit, ...(cursor === undefined ? {} : { cursor }) })
    byCursor?.push(...rowsOf(answer))
    if (answer.next_cursor === null) break
    cursor = answer.next_cursor
  }
  expect(byCursor).toEqual(byNumber)
  return { rows: byNumber ?? [], total }
}

const plain = (value: unknown) => JSON.parse(JSON.stringify(value))

test('the ledger', async () => {
  for (const { userId } of diners) {
    for (const type of ['all', 'earn', 'spend', 'consume'] as const) {
      for (const source of [undefined, 'lottery', 'exchange', 'register'] as const) {
        const query = { type, ...(source === undefined ? {} : { source }) }
        const { rows, total } = await walk(
          (page) => listPoints(app.reads, userId, { ...page, ...query }),
          ({ records }) => records
        )
        const where = {
          userId,
          ...(type === 'all' ? {} : { type: type === 'earn' ? ('earn' as const) : ('spend' as const) }),
          ...(source === undefined ? {} : { source })
        }
        const expected = await app.db.pointsRecord.findMany({ where, orderBy: { id: 'desc' } })
        expect(total).toBe(expected.length)
        expect(plain(rows)).toEqual(
          plain(
            expected.map((row) => ({
              id: Number(row.id),
              type: row.type,
              points: row.points,
              balance_after: row.balanceAfter,
              source: row.source,
              description: row.description,
              related_id: row.relatedId,
              created_at: row.createdAt
            }))
          )
        )
      }
    }
    const { summary } = await listPoints(app.reads, userId, { page: 1, type: 'all' })
    const sum = async (type: 'earn' | 'spend') =>
      Math.abs(
        (await app.db.pointsRecord.aggregate({ where: { userId, type }, _sum: { points: true } }))._sum.points ?? 0
      )
    const { totalPoints } = await app.db.user.findUniqueOrThrow({ where: { userId } })
    expect(summary).toEqual({
      total_earned: await sum('earn'),
      total_spent: await sum('spend'),
      current_balance: totalPoints
    })
  }
})

test('results and the wheel in figures', async () => {
  for (const { userId } of diners) {
    for (const draw_type of [undefined, 'single', 'triple'] as const) {
      for (const prize_type of [undefined, 'physical', 'coupon'] as const) {
        const query = { ...(draw_type && { draw_type }), ...(prize_type && { prize_type }) }
        const { rows, total } = await walk(
          (page) => listRecords(app.reads, userId, { ...page, ...query }),
          ({ records }) => records
        )
        const expected = await app.db.lotteryRecord.findMany({
          where: { userId, ...(draw_type && { drawType: draw_type }), ...(prize_type && { prizeType: prize_type }) },
          orderBy: { recordId: 'desc' },
          include: { voucher: true }
        })
        expect(total).toBe(expected.length)
        expect(plain(rows)).toEqual(
          plain(
            expected.map((row) => ({
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
            }))
          )
        )
      }
    }
    const figures = await readStatistics(app, new RuleBook(), userId)
    const all = await app.db.lotteryDraw.aggregate({
      where: { userId },
      _sum: { drawCount: true, totalCost: true, pointsAwarded: true }
    })
    expect(figures).toMatchObject({
      total_draws: all._sum.drawCount,
      total_cost: all._sum.totalCost,
      total_points_won: all._sum.pointsAwarded
    })
    const counts = await app.db.lotteryRecord.groupBy({ by: ['prizeType'], where: { userId }, _count: true })
    for (const { prizeType, _count } of counts) expect(figures.prize_distribution[prizeType]).toBe(_count)
  }
})

test('vouchers', async () => {
  const now = new Date()
  for (const { userId } of diners) {
    const expected = await app.db.voucher.findMany({ where: { userId }, orderBy: { voucherId: 'desc' } })
    for (const status of [undefined, 'unused', 'used', 'expired', 'cancelled'] as const) {
      const { rows, total } = await walk(
        (page) => listVouchers(app.reads, app.cipher, userId, { ...page, ...(status && { status }) }, now),
        ({ vouchers }) => vouchers
      )
      const fitting = expected
        .map((row) => ({
          code: app.cipher.decrypt(row.codeEnc),
          title: row.title,
          kind: row.kind,
          source: row.source,
          status: voucherStatus(row, now),
          issued_at: row.issuedAt,
          expires_at: row.expiresAt,
          used_at: row.usedAt
        }))
        .filter((row) => status === undefined || row.status === status)
      expect(total).toBe(fitting.length)
      expect(plain(rows)).toEqual(plain(fitting))
    }
  }
})

test('receipts and their figures', async () => {
  const [waits, places] = [async () => new Waits([], new Date()), watchPlaces(app.reads)]
  const pending = await app.db.receipt.findMany({
    where: { reviewStatus: 'pending' },
    orderBy: [{ createdAt: 'asc' }, { uploadId: 'asc' }]
  })
  const appealable = (row: (typeof pending)[number]) =>
    row.reviewTime !== null &&
    (row.reviewStatus === 'rejected' ||
      (row.reviewStatus === 'approved' && Number(row.actualAmount) < row.amount.toNumber()))
  for (const { userId } of diners) {
    for (const status of ['all', 'pending', 'approved', 'rejected'] as const) {
      const { rows, total } = await walk(
        (page) => listUploads({ reads: app.reads, waits, places, urlOf }, userId, { ...page, status }),
        ({ history }) => history
      )
      const expected = await app.db.receipt.findMany({
        where: { userId, ...(status === 'all' ? {} : { reviewStatus: status }) },
        orderBy: [{ createdAt: 'desc' }, { uploadId: 'desc' }]
      })
      expect(total).toBe(expected.length)
      const one = pick(expected)
      expect(await readUpload({ reads: app.reads, waits, places, urlOf }, userId, one.uploadId)).toMatchObject({
        upload_id: one.uploadId,
        description: one.description,
        expected_points: Math.min(2000, Math.max(50, Math.floor(one.amount.toNumber() * 10 + 1e-6)))
      })
      expect(plain(rows)).toEqual(
        plain(
          expected.map((row) => ({
            upload_id: row.uploadId,
            image_url: row.imageKey,
            thumbnail_url: row.thumbnailKey,
            amount: row.amount.toNumber(),
            actual_amount: row.actualAmount?.toNumber() ?? null,
            points_awarded: row.pointsAwarded,
            status: row.reviewStatus,
            review_status: row.reviewStatus,
            review_reason: row.reviewReason,
            reason_code: row.reviewStatus === 'rejected' ? 'other' : null,
            reason_text: row.reviewStatus === 'rejected' ? '其他原因' : null,
            reason_advice: row.reviewStatus === 'rejected' ? '请查看商家说明，如有疑问请联系门店' : null,
            review_time: row.reviewTime,
            appeal: null,
            appeal_until: appealable(row) ? new Date((row.reviewTime?.getTime() ?? 0) + 7 * DAY_MS) : null,
            created_at: row.createdAt,
            queue_position:
              row.reviewStatus === 'pending'
                ? 1 + pending.findIndex(({ uploadId }) => uploadId === row.uploadId)
                : null,
            estimated_wait: null
          }))
        )
      )
    }
    const approved = { userId, reviewStatus: 'approved' as const }
    const { _sum } = await app.db.receipt.aggregate({ where: approved, _sum: { pointsAwarded: true } })
    expect(await photoStatistics(app.reads, userId)).toMatchObject({
      total_uploads: await app.db.receipt.count({ where: { userId } }),
      approved_uploads: await app.db.receipt.count({ where: approved }),
      total_points_earned: _sum.pointsAwarded
    })
  }
})

test('orders', async () => {
  for (const { userId } of diners) {
    for (const status of [undefined, 'pending', 'shipped', 'completed', 'cancelled'] as const) {
      const { rows, total } = await walk(
        (page) => listOrders(app.reads, app.cipher, userId, { ...page, ...(status && { status }) }),
        ({ orders }) => orders
      )
      const expected = await app.db.exchangeOrder.findMany({
        where: { userId, ...(status && { status }) },
        orderBy: { orderId: 'desc' },
        include: { voucher: true }
      })
      expect(total).toBe(expected.length)
      expect(plain(rows)).toMatchObject(
        plain(
          expected.map((row) => ({
            order_id: Number(row.orderId),
            order_no: row.orderNo,
            product_name: row.productName,
            image: row.image,
            quantity: row.quantity,
            unit_points: row.unitPoints,
            total_points: row.totalPoints,
            status: row.status,
            exchange_code: row.voucher === null ? null : app.cipher.decrypt(row.voucher.codeEnc),
            created_at: row.createdAt
          }))
        )
      )
      expect(rows.filter((row) => (row as { delivery_info: unknown }).delivery_info !== null)).toHaveLength(
        expected.filter((row) => row.deliveryInfo !== null).length
      )
    }
  }
})

test('the diner', async () => {
  for (const { userId } of diners) {
    const row = await app.db.user.findUniqueOrThrow({ where: { userId } })
    const { _sum } = await app.db.lotteryDraw.aggregate({ where: { userId }, _sum: { drawCount: true } })
    expect(await readUser(app.reads, userId)).toMatchObject({
      user_id: userId,
      nickname: row.nickname,
      total_points: row.totalPoints,
      is_merchant: false,
      last_login: row.lastLogin,
      created_at: row.createdAt,
      statistics: {
        total_lottery_count: _sum.drawCount,
        total_exchange_count: await app.db.exchangeOrder.count({ where: { userId } }),
        total_upload_count: await app.db.receipt.count({ where: { userId } })
      }
    })
  }
  await expect(readUser(app.reads, 2_000_000_000)).rejects.toMatchObject({ error: 'TOKEN_INVALID' })
})

test('the reads of a page share one journey: one connection, and no statement waits for another', async () => {
  const [diner] = diners as [Diner]
  const { seen, onQuery } = watchStatements()
  const watched = await createApp({ config: { DB_POOL: 2 }, onQuery })
  await listPoints(watched.reads, diner.userId, { page: 1, type: 'all' })
  seen.length = 0
  await listPoints(watched.reads, diner.userId, { page: 1, type: 'all' })
  expect(seen.filter((text) => text.startsWith('EXECUTE'))).toHaveLength(3)
  expect(seen.filter((text) => !text.startsWith('EXECUTE'))).toEqual([])
})
