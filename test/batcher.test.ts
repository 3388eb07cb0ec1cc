import { expect, test } from 'vitest'
import { Batcher, type BatcherOptions, type Verdict } from '../src/engine/batcher.js'
import { until } from './helpers/app.js'

interface Order {
  readonly who: string
  readonly n: number
}

/** A kitchen whose batches end when the test says so, or at once. */
function kitchen(options: Partial<BatcherOptions<Order, string>> = {}) {
  const batches: { orders: readonly Order[]; serve: () => void; drop: (err: unknown) => void }[] = []
  const batcher = new Batcher<Order, string>({
    keyOf: ({ who }) => who,
    run: (orders) =>
      new Promise((resolve, reject) => {
        batches.push({
          orders,
          serve: () => resolve(orders.map(({ who, n }) => `${who}${n}`)),
          drop: reject
        })
      }),
    verdictOf: () => 'fault',
    ...options
  })
  const sizes = () => batches.map(({ orders }) => orders.length)
  const order = (who: string, n = 1) => batcher.submit({ who, n })
  return { batcher, batches, sizes, order }
}

const turn = () => new Promise((resolve) => setImmediate(resolve))
const names = (count: number) => Array.from({ length: count }, (_, index) => `guest ${index}, `)

test('a lone request starts in the same turn of the event loop', async () => {
  const { batches, order, sizes } = kitchen()
  const dish = order('a')
  await turn()
  expect(sizes()).toEqual([1])
  batches[0]?.serve()
  expect(await dish).toBe('a1')
})

test('what arrives while two batches run waits, and the next takes all of it, up to the limit', async () => {
  const { batches, order, sizes } = kitchen({ maxBatch: 5 })
  const first = names(2).map((who) => order(who))
  await turn()
  expect(sizes()).toEqual([1, 1])
  const later = names(9).map((who) => order(`late ${who}`))
  await turn()
  expect(sizes()).toEqual([1, 1])
  batches[0]?.serve()
  await until(() => batches.length === 3)
  batches[1]?.serve()
  await until(() => batches.length === 4)
  expect(sizes()).toEqual([1, 1, 5, 4])
  for (const batch of batches) batch.serve()
  expect(await Promise.all([...first, ...later])).toHaveLength(11)
})

test('two free places share what waits', async () => {
  const { order, sizes } = kitchen()
  for (const who of names(64)) void order(who)
  await turn()
  expect(sizes()).toEqual([32, 32])
})

test('beside a large batch a few wait for company, but not for long', async () => {
  const { batches, order, sizes } = kitchen()
  for (const who of names(64)) void order(who)
  await turn()
  batches[0]?.serve()
  await turn()
  for (const who of names(15)) void order(`late ${who}`)
  await turn()
  expect(sizes()).toEqual([32, 32])
  void order('the sixteenth')
  await turn()
  expect(sizes()).toEqual([32, 32, 16])
  batches[2]?.serve()
  await turn()
  void order('alone')
  await turn()
  expect(sizes()).toEqual([32, 32, 16])
  await until(() => batches.length === 4)
  expect(sizes()).toEqual([32, 32, 16, 1])
})

test('one key is in one batch at a time, and its requests keep their order', async () => {
  const served: string[] = []
  const { batches, order } = kitchen()
  const dishes = [1, 2, 3].map((n) => order('a', n).then((dish) => served.push(dish)))
  const other = order('b')
  await turn()
  expect(batches.map(({ orders }) => orders.map(({ who, n }) => `${who}${n}`))).toEqual([['a1'], ['b1']])
  batches[1]?.serve()
  await other
  await turn()
  expect(batches).toHaveLength(2)
  for (let at = 0; at < 4; at += 1) {
    await until(() => batches.length > at)
    batches[at]?.serve()
  }
  await Promise.all(dishes)
  expect(served).toEqual(['a1', 'a2', 'a3'])
})

/** Runs 64 orders of which one spoils whatever it is in, until it was tried `recovers` times. */
async function spoiled(verdict: Verdict, recovers = Number.POSITIVE_INFINITY, persistMs = 0) {
  const runs: number[] = []
  let alone = 0
  const batcher = new Batcher<Order, string>({
    keyOf: ({ who }) => who,
    async run(orders) {
      runs.push(orders.length)
      const bad = orders.some(({ n }) => n === 13)
      if (bad && orders.length === 1) alone += 1
      if (bad && alone < recovers) throw new Error('spoiled')
      return orders.map(({ who }) => who)
    },
    verdictOf: () => verdict,
    persistMs
  })
  const outcomes = await Promise.allSettled(Array.from({ length: 64 }, (_, n) => batcher.submit({ who: `${n}`, n })))
  return { runs, alone, failed: outcomes.flatMap((outcome, n) => (outcome.status === 'rejected' ? [n] : [])) }
}

test('a request that spoils its batch fails alone, and is found by splitting', async () => {
  const { runs, failed, alone } = await spoiled('fault')
  expect(failed).toEqual([13])
  expect(alone).toBe(1)
  // 32 and 32; eight parts of four; four of one.
  expect(runs.sort((a, b) => b - a)).toEqual([32, 32, ...Array(8).fill(4), 1, 1, 1, 1])
})

test('a request that fails by chance is tried for as long as a database takes to move, beyond the tries there are', async () => {
  expect(await spoiled('retry', 8)).toMatchObject({ failed: [13], alone: 5 })
  expect(await spoiled('retry', 8, 60_000)).toMatchObject({ failed: [], alone: 8 })
  expect(await spoiled('fault', 8, 60_000)).toMatchObject({ failed: [13], alone: 1 })
})

test('a batch that fails by chance is tried once more as it is', async () => {
  let failures = 1
  const runs: number[] = []
  const batcher = new Batcher<Order, string>({
    maxInFlight: 1,
    keyOf: ({ who }) => who,
    async run(orders) {
      runs.push(orders.length)
      if (failures-- > 0) throw new Error('deadlock')
      return orders.map(({ who }) => who)
    },
    verdictOf: () => 'retry'
  })
  await Promise.all(names(8).map((who) => batcher.submit({ who, n: 1 })))
  expect(runs).toEqual([8, 8])
})

test('what is blocked is tried alone, up to five times, and beside the batches', async () => {
  const { failed, alone } = await spoiled('blocked')
  expect([failed, alone]).toEqual([[13], 5])
  const late = await spoiled('blocked', 4)
  expect([late.failed, late.alone]).toEqual([[], 4])

  const { batches, order } = kitchen({ maxInFlight: 1, verdictOf: () => 'blocked' })
  const stuck = order('stuck')
  await turn()
  batches[0]?.drop(new Error('locked'))
  await until(() => batches.length === 2)
  // Its second try hangs, and others are served all the same.
  const dish = order('other')
  await until(() => batches.length === 3)
  batches[2]?.serve()
  expect(await dish).toBe('other1')
  batches[1]?.serve()
  expect(await stuck).toBe('stuck1')
})

test('a request whose outcome is not known is never run again, and its neighbours are', async () => {
  const seen: string[] = []
  const batcher = new Batcher<Order, string>({
    maxInFlight: 1,
    keyOf: ({ who }) => who,
    async run(orders) {
      seen.push(orders.map(({ who }) => who).join(''))
      if (seen.length === 1) throw new Error('line lost')
      return orders.map(({ who }) => who)
    },
    verdictOf: (_err, { who }) => (who === 'b' ? 'lost' : 'retry')
  })
  const outcomes = await Promise.allSettled(['a', 'b', 'c'].map((who) => batcher.submit({ who, n: 1 })))
  expect(outcomes.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled'])
  expect(seen).toEqual(['abc', 'ac'])
})

test('whoever comes when too many wait is sent away at once, and so is who waited too long', async () => {
  const { batches, order } = kitchen({ maxPending: 3, maxInFlight: 1 })
  const taken = ['a', 'b', 'c'].map((who) => order(who))
  await expect(order('d')).rejects.toMatchObject({ error: 'OVERLOADED', retryAfterSeconds: 2 })
  await turn()
  batches[0]?.serve()
  await Promise.all(taken)

  const slow = kitchen({ maxInFlight: 1, maxWaitMs: 0 })
  await expect(slow.order('a')).rejects.toMatchObject({ error: 'OVERLOADED' })
  expect(slow.batcher.pending).toBe(0)
})

test('closing waits for all that was taken, and takes no more', async () => {
  const { batcher, batches, order } = kitchen({ maxInFlight: 1, maxBatch: 2 })
  const taken = ['a', 'b', 'c'].map((who) => order(who))
  let closed = false
  const closing = batcher.close().then(() => {
    closed = true
  })
  await expect(order('d')).rejects.toMatchObject({ error: 'OVERLOADED' })
  await until(() => batches.length === 1)
  batches[0]?.serve()
  await until(() => batches.length === 2)
  expect(closed).toBe(false)
  batches[1]?.serve()
  await closing
  expect(await Promise.all(taken)).toEqual(['a1', 'b1', 'c1'])
  await kitchen().batcher.close()
})
