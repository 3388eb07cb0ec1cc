import { randomUUID } from 'node:crypto'
import { setTimeout as pause } from 'node:timers/promises'
import type { FastifyInstance } from 'fastify'
import {
  type CallOptions,
  type Client,
  createClient,
  fetchTransport,
  Refused,
  type Transport
} from '../../src/client/index.js'
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

const PATIENCE_MS = 90_000
const TIMEOUT_MS = 20_000
/** Stands for any of the instances. */
const ANYWHERE = 'http://anywhere'

/** What became of something that was asked for until somebody answered it. */
type Answer<T> = { readonly status: 200; readonly data: T } | { readonly status: number; readonly refused: Refused }

/** The client library, by which each request goes to any instance, and which is asked again until there is an answer. */
export class Persistent {
  /** What was no answer, by its `error`. */
  readonly repeated: Record<string, number> = {}
  readonly #clients = new Map<Diner, Client>()

  constructor(
    private readonly addresses: readonly string[],
    private readonly random: () => number
  ) {}

  async ask<T>(who: Diner, act: (api: Client, options: CallOptions) => Promise<T>): Promise<Answer<T>> {
    const api = await this.#clientOf(who)
    const options = { key: randomUUID(), timeoutMs: TIMEOUT_MS }
    const deadline = Date.now() + PATIENCE_MS
    for (;;) {
      try {
        return { status: 200, data: await act(api, options) }
      } catch (err) {
        if (err instanceof Refused && err.status < 500) return { status: err.status, refused: err }
        if (Date.now() > deadline) throw err
        await pause(50 + this.random() * 100)
      }
    }
  }

  async #clientOf(who: Diner): Promise<Client> {
    const known = this.#clients.get(who)
    if (known !== undefined) return known
    const { connect, random, send } = fetchTransport()
    const transport: Transport = {
      connect,
      random,
      send: async (request) => {
        const address = this.addresses[Math.floor(this.random() * this.addresses.length)] ?? ''
        try {
          const answer = await send({ ...request, url: request.url.replace(ANYWHERE, address) })
          if (answer.status >= 500) this.#count(/"error":"(\w+)"/.exec(answer.text)?.[1] ?? String(answer.status))
          return answer
        } catch (err) {
          this.#count('no answer')
          throw err
        }
      }
    }
    const client = createClient({ baseUrl: ANYWHERE, transport, pause: (ms) => pause(ms / 5) })
    await client.signIn({ access_token: who.access })
    this.#clients.set(who, client)
    return client
  }

  #count(reason: string): void {
    this.repeated[reason] = (this.repeated[reason] ?? 0) + 1
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
  /** Revocations that left a debt. */
  owed: number
  readonly adjusted: Map<number, number>
}

export interface Cast {
  readonly diners: readonly Diner[]
  /** Has nothing but what their receipts bring, and spends it at once: what is taken back of that is owed. */
  readonly spender: Diner
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
  const { diners, spender, merchant, admin, productId, receipts } = cast
  const done: Acknowledged = {
    draws: new Map(),
    orders: new Map(),
    cancelled: [],
    redeemed: [],
    approved: [],
    revoked: [],
    owed: 0,
    adjusted: new Map()
  }
  let isOn = true
  let actions = 0
  const add = (to: Map<number, string[]>, userId: number, id: string) => to.set(userId, [...(to.get(userId) ?? []), id])
  const ok = <T>(answer: Answer<T>, what: string): T => {
    actions += 1
    if ('refused' in answer) throw new Error(`${what}: ${answer.status} ${answer.refused.error}`)
    return answer.data
  }
  /** Of what has no key, the second time says that it was done. */
  const doneOnce = (answer: Answer<unknown>, what: string) => {
    if (answer.status === 409) actions += 1
    else ok(answer, what)
  }
  const cancellable: { diner: Diner; id: number; no: string }[] = []
  const codes: string[] = []

  async function act(diner: Diner): Promise<void> {
    const dice = random()
    const open = cancellable.findIndex((order) => order.diner === diner)
    if (dice < 0.6) {
      const data = ok(await client.ask(diner, (api, options) => api.lottery.draw({}, options)), 'a draw')
      add(done.draws, diner.userId, data.draw_id)
      for (const { voucher_code: code } of data.results) if (code) codes.push(code)
    } else if (dice < 0.85 || open === -1) {
      const order = { product_id: productId }
      const data = ok(await client.ask(diner, (api, options) => api.exchange.submit(order, options)), 'an order')
      add(done.orders, diner.userId, data.order_no)
      cancellable.push({ diner, id: data.order_id, no: data.order_no })
    } else {
      for (const { id, no } of cancellable.splice(open, 1)) {
        doneOnce(await client.ask(diner, (api, options) => api.exchange.ordersCancel({ id }, options)), 'a cancel')
        done.cancelled.push(no)
      }
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
      doneOnce(
        await client.ask(merchant, (api, options) => api.merchant.vouchersRedeem({ code }, options)),
        'a redemption'
      )
      done.redeemed.push(code)
    }
    const receipt = waiting.shift()
    if (receipt === undefined) return
    const approval = { id: receipt, actual_amount: 20 }
    ok(await client.ask(merchant, (api, options) => api.merchant.reviewsApprove(approval, options)), 'an approval')
    done.approved.push(receipt)
  }
  const office = async () => {
    const { userId } = diners[Math.floor(random() * diners.length)] as Diner
    const change = { id: userId, change: 7, reason: '补偿' }
    ok(await client.ask(admin, (api, options) => api.admin.usersPoints(change, options)), 'an adjustment')
    done.adjusted.set(userId, (done.adjusted.get(userId) ?? 0) + 1)
    // Of some ago: there was time to spend them.
    const receipt = done.approved.slice(0, -3)[done.revoked.length]
    if (receipt === undefined) return
    const revocation = { id: receipt, reason: '伪造' }
    const taken = ok(
      await client.ask(admin, (api, options) => api.admin.reviewsRevoke(revocation, options)),
      'a revocation'
    )
    if (taken.points_debt > 0) done.owed += 1
    done.revoked.push(receipt)
  }
  const spend = async () => {
    const answer = await client.ask(spender, (api, options) => api.lottery.draw({}, options))
    if ('refused' in answer && answer.refused.error === 'POINTS_INSUFFICIENT') return
    add(done.draws, spender.userId, ok(answer, 'a draw of the spender').draw_id)
  }
  const loops = [counter, office, spend, ...diners.map((diner) => () => act(diner))]
  const work = Promise.all(loops.map(whileOn))
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
export async function storyFaults(
  app: FastifyInstance,
  { diners, spender }: Cast,
  done: Acknowledged
): Promise<string[]> {
  const faults: string[] = []
  const differ = (what: string, found: readonly string[], expected: readonly string[]) => {
    const [left, right] = [[...found].sort(), [...expected].sort()]
    if (left.join() !== right.join()) faults.push(`${what}: found ${left.length}, acknowledged ${right.length}`)
  }
  for (const { userId } of [...diners, spender]) {
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
