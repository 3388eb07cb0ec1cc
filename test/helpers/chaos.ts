import { randomUUID } from 'node:crypto'
import { setTimeout as pause } from 'node:timers/promises'
import type { FastifyInstance } from 'fastify'
import type { Diner } from './app.js'
import { debtFaults } from './debts.js'

/** Numbers below 1 that are the same for the same seed (mulberry32). */
export function seeded(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296
  }
}

/** What became of a request that was repeated until somebody answered it. */
interface Answer {
  readonly status: number
  // biome-ignore lint/suspicious/noExplicitAny: the tests look into answers of many kinds
  readonly body: any
}

const PATIENCE_MS = 90_000

/** A client as ours should be: it asks any instance, again and with the same key, until there is an answer. */
export class Persistent {
  /** Answers of 500 and above, by their `error`, that were asked again. */
  readonly repeated: Record<string, number> = {}

  constructor(
    private readonly addresses: readonly string[],
    private readonly random: () => number
  ) {}

  async post(who: Diner, path: string, body: object = {}): Promise<Answer> {
    const key = randomUUID()
    const deadline = Date.now() + PATIENCE_MS
    for (;;) {
      const address = this.addresses[Math.floor(this.random() * this.addresses.length)]
      const answer = await this.#once(`${address}${path}`, who, key, body)
      if (answer !== undefined && answer.status < 500) return answer
      const reason = answer === undefined ? 'no answer' : String(answer.body?.error)
      this.repeated[reason] = (this.repeated[reason] ?? 0) + 1
      if (Date.now() > deadline) throw new Error(`${path}: still ${reason} after ${PATIENCE_MS} ms`)
      await pause(50 + this.random() * 100)
    }
  }

  async #once(url: string, who: Diner, key: string, body: object): Promise<Answer | undefined> {
    try {
      const reply = await fetch(url, {
        method: 'POST',
        headers: {
          authorization: `Bearer ${who.access}`,
          'content-type': 'application/json',
          'idempotency-key': key
        },
        body: JSON.stringify(body),
        signal: AbortSignal.timeout(20_000)
      })
      return { status: reply.status, body: await reply.json() }
    } catch {
      return undefined
    }
  }
}

/** What diners, a merchant and an admin were told had been done. */
export interface Acknowledged {
  readonly draws: Map<number, string[]>
  readonly orders: Map<number, string[]>
  readonly cancelled: string[]
  readonly redeemed: string[]
  readonly approved: string[]
  readonly revoked: string[]
  readonly adjusted: Map<number, number>
}

export interface Cast {
  readonly diners: readonly Diner[]
  readonly merchant: Diner
  readonly admin: Diner
  readonly productId: number
  /** Receipts that wait. */
  readonly receipts: readonly string[]
}

/** Everybody does what they do, one thing after the other, until told to finish. */
export function startStory(
  client: Persistent,
  cast: Cast,
  random: () => number
): { acknowledged: Acknowledged; actions(): number; finish(): Promise<void> } {
  const { diners, merchant, admin, productId, receipts } = cast
  const done: Acknowledged = {
    draws: new Map(),
    orders: new Map(),
    cancelled: [],
    redeemed: [],
    approved: [],
    revoked: [],
    adjusted: new Map()
  }
  let isOn = true
  let actions = 0
  const add = (to: Map<number, string[]>, userId: number, id: string) => to.set(userId, [...(to.get(userId) ?? []), id])
  const expect = (answer: Answer, what: string, ...statuses: number[]) => {
    actions += 1
    if (!statuses.includes(answer.status)) throw new Error(`${what}: ${answer.status} ${JSON.stringify(answer.body)}`)
    return answer.body.data
  }
  const cancellable: { diner: Diner; id: number; no: string }[] = []
  const codes: string[] = []

  async function act(diner: Diner): Promise<void> {
    const dice = random()
    const open = cancellable.findIndex((order) => order.diner === diner)
    if (dice < 0.6) {
      const data = expect(await client.post(diner, '/api/lottery/draw'), 'a draw', 200)
      add(done.draws, diner.userId, data.draw_id)
      for (const { voucher_code: code } of data.results) if (code) codes.push(code)
    } else if (dice < 0.85 || open === -1) {
      const data = expect(await client.post(diner, '/api/exchange/submit', { product_id: productId }), 'an order', 200)
      add(done.orders, diner.userId, data.order_no)
      cancellable.push({ diner, id: data.order_id, no: data.order_no })
    } else {
      const [order] = cancellable.splice(open, 1)
      // It has no key: the second time says that it was done.
      expect(await client.post(diner, `/api/exchange/orders/${order?.id}/cancel`), 'a cancel', 200, 409)
      done.cancelled.push(order?.no ?? '')
    }
  }
  const whileOn = async (step: () => Promise<void>) => {
    while (isOn) {
      await step()
      await pause(random() * 40)
    }
  }
  const waiting = [...receipts]
  const counter = async () => {
    const code = codes.shift()
    if (code !== undefined) {
      expect(await client.post(merchant, '/api/merchant/vouchers/redeem', { code }), 'a redemption', 200, 409)
      done.redeemed.push(code)
    }
    const receipt = waiting.shift()
    if (receipt === undefined) return
    expect(
      await client.post(merchant, `/api/merchant/reviews/${receipt}/approve`, { actual_amount: 20 }),
      'approval',
      200
    )
    done.approved.push(receipt)
  }
  const office = async () => {
    const { userId } = diners[Math.floor(random() * diners.length)] as Diner
    const body = { change: 7, reason: '补偿' }
    expect(await client.post(admin, `/api/admin/users/${userId}/points`, body), 'an adjustment', 200)
    done.adjusted.set(userId, (done.adjusted.get(userId) ?? 0) + 1)
    const receipt = done.approved[done.revoked.length]
    if (receipt === undefined) return
    expect(await client.post(admin, `/api/admin/reviews/${receipt}/revoke`, { reason: '伪造' }), 'a revocation', 200)
    done.revoked.push(receipt)
  }
  const work = Promise.all([...diners.map((diner) => whileOn(() => act(diner))), whileOn(counter), whileOn(office)])
  work.catch(() => {})
  return {
    acknowledged: done,
    actions: () => actions,
    async finish() {
      isOn = false
      await work
    }
  }
}

/** What is there more or less often than it was acknowledged; empty when each is there once. */
export async function storyFaults(app: FastifyInstance, { diners }: Cast, done: Acknowledged): Promise<string[]> {
  const faults: string[] = []
  const differ = (what: string, found: readonly string[], expected: readonly string[]) => {
    const [left, right] = [[...found].sort(), [...expected].sort()]
    if (left.join() !== right.join()) faults.push(`${what}: found ${left.length}, acknowledged ${right.length}`)
  }
  for (const { userId } of diners) {
    const draws = await app.db.lotteryDraw.findMany({ where: { userId }, select: { drawId: true } })
    const made = draws.map(({ drawId }) => drawId)
    differ(`draws of ${userId}`, made, done.draws.get(userId) ?? [])
    const orders = await app.db.exchangeOrder.findMany({ where: { userId } })
    const placed = orders.map(({ orderNo }) => orderNo)
    differ(`orders of ${userId}`, placed, done.orders.get(userId) ?? [])
    const adjusted = await app.db.pointsRecord.count({ where: { userId, source: 'admin' } })
    if (adjusted !== (done.adjusted.get(userId) ?? 0)) faults.push(`adjustments of ${userId}: ${adjusted}`)
    faults.push(...(await pityFaults(app, userId)))
  }
  const cancelled = await app.db.exchangeOrder.findMany({ where: { status: 'cancelled' } })
  const refunds = await app.db.pointsRecord.findMany({ where: { source: 'refund' } })
  differ(
    'cancelled orders',
    cancelled.map(({ orderNo }) => orderNo),
    done.cancelled
  )
  differ(
    'refunds',
    refunds.map(({ relatedId }) => relatedId ?? ''),
    done.cancelled
  )
  const approved = await app.db.pointsRecord.findMany({ where: { source: 'photo_review' } })
  differ(
    'approved receipts',
    approved.map(({ relatedId }) => relatedId ?? ''),
    done.approved
  )
  const revoked = await app.db.receipt.findMany({ where: { reviewStatus: 'revoked' } })
  differ(
    'revoked receipts',
    revoked.map(({ uploadId }) => uploadId),
    done.revoked
  )
  for (const debt of await debtFaults(app)) faults.push(JSON.stringify(debt))
  const used = await app.db.voucher.count({ where: { status: 'used' } })
  if (used !== done.redeemed.length) faults.push(`redeemed: found ${used}, acknowledged ${done.redeemed.length}`)
  return faults
}

/** The way to the guarantee, gone once more from the first draw. */
async function pityFaults(app: FastifyInstance, userId: number): Promise<string[]> {
  const { pityPrizeId, pityLimit } = await app.db.lotteryConfig.findFirstOrThrow()
  const movements = await app.db.pointsRecord.findMany({
    where: { userId, source: 'lottery' },
    orderBy: { seq: 'asc' }
  })
  let count = 0
  const faults: string[] = []
  for (const { relatedId } of movements) {
    const results = await app.db.lotteryRecord.findMany({
      where: { drawId: relatedId ?? '' },
      orderBy: { sequence: 'asc' }
    })
    for (const { prizeId, isPity, recordId } of results) {
      if (isPity !== count >= pityLimit - 1) faults.push(`result ${recordId}: ${isPity} after ${count}`)
      count = prizeId === pityPrizeId ? 0 : count + 1
    }
  }
  const kept = await app.db.lotteryPity.findUniqueOrThrow({ where: { userId } })
  if (kept.currentCount !== count) faults.push(`user ${userId} is ${kept.currentCount} on the way, not ${count}`)
  return faults
}
