import { randomBytes } from 'node:crypto'
import type { FastifyInstance } from 'fastify'
import { expect, test } from 'vitest'
import { createApp, newAdmin, newDiner, until } from './helpers/app.js'
import { type Operation, operationsOf, type Schema } from './helpers/fuzz.js'
import { collectGarbage } from './helpers/garbage.js'
import { openSocket } from './helpers/socket.js'

/** The processor's time that this process has had, in milliseconds. */
const processorMs = (): number => {
  const { user, system } = process.cpuUsage()
  return (user + system) / 1000
}

/** The least of several runs, in the processor's milliseconds: what the work itself takes, whatever the machine does. */
const leastOf = (runs: number, work: () => unknown): number =>
  Math.min(
    ...Array.from({ length: runs }, () => {
      const start = processorMs()
      work()
      return processorMs() - start
    })
  )

const YARDSTICK = `[${Array(100_000).fill('{}').join(',')}]`
const YARDSTICK_MS = 8

/**
 * What one client may send without being refused for it by size or rate, at its worst: nobody else may wait for it.
 * The bound is 200 ms of the processor, on a machine that reads the yardstick in its time; one that takes longer for
 * that is given more. What other work makes of it (a collection of garbage) gets several tries.
 */
const LONGEST_BLOCK_MS = 200 * Math.max(1, leastOf(20, () => JSON.parse(YARDSTICK)) / YARDSTICK_MS)
const TRIES = 4

/**
 * The longest that the event loop stood still while `work` went on, in milliseconds: by the clock, but no more than
 * the process was given of the processor. A machine that runs something else meanwhile holds nobody up by our doing.
 */
async function longestBlock(work: () => Promise<unknown>): Promise<number> {
  let longest = 0
  let last = { clock: performance.now(), processor: processorMs() }
  let watching = true
  const watch = () => {
    const now = { clock: performance.now(), processor: processorMs() }
    longest = Math.max(longest, Math.min(now.clock - last.clock, now.processor - last.processor))
    last = now
    if (watching) setImmediate(watch)
  }
  setImmediate(watch)
  await work()
  watching = false
  // What stood still last may have ended with the work.
  watch()
  return longest
}

/** The least of several tries: what the work itself takes, whatever else the machine does. */
async function blockOf(work: () => Promise<unknown>): Promise<number> {
  let least = Number.POSITIVE_INFINITY
  for (let time = 0; time < TRIES; time += 1) {
    least = Math.min(least, await longestBlock(work))
    if (least < LONGEST_BLOCK_MS / 4) break
    // What this process holds of other tests is gone through now, and not in the midst of the next try.
    collectGarbage()
  }
  return least
}

const fill = (bytes: number, part: (index: number) => string): string => {
  let text = ''
  for (let index = 0; text.length < bytes; index += 1) text += part(index)
  return text.slice(0, text.lastIndexOf(',') === -1 ? bytes : text.lastIndexOf(','))
}

/** Bodies as large as a route takes, each the worst of its kind. */
function worstBodies(limit: number, schema: Schema): string[] {
  const room = limit - 200
  const fields = Object.entries(schema.properties ?? {})
  const lists = fields.filter(([, field]) => field.type === 'array')
  const texts = fields.filter(([, field]) => field.type === 'string')
  return [
    `{${fill(room, (index) => `"k${index}":1,`)}}`,
    `{${fill(room, (index) => `"${index}":{},`)}}`,
    `${'['.repeat(room / 2)}${']'.repeat(room / 2)}`,
    `{"a":${'{"a":'.repeat(room / 7)}1${'}'.repeat(room / 7)}}`,
    `{"a":"${'\\u0000'.repeat(room / 6)}"}`,
    `{"a":[${fill(room, () => '{},')}]}`,
    `{"a":${'9'.repeat(room)}}`,
    ...lists.map(([name]) => `{"${name}":[${fill(room, () => '{},')}]}`),
    ...lists.map(([name]) => `{"${name}":[${fill(room, () => '[],')}]}`),
    ...texts.map(([name]) => `{"${name}":"${'x '.repeat(room / 2)}"}`),
    ...texts.map(([name]) => `{"${name}":"${'😀'.repeat(room / 4)}"}`)
  ]
}

const operations = async (app: FastifyInstance): Promise<Operation[]> =>
  operationsOf((await app.inject('/api/docs/json')).json()).filter(({ path }) => path.startsWith('/api/'))

test('the watch sees who holds the others up', async () => {
  const block = await longestBlock(async () => {
    await new Promise(setImmediate)
    const end = processorMs() + 2 * LONGEST_BLOCK_MS
    while (processorMs() < end);
  })
  expect(block).toBeGreaterThan(LONGEST_BLOCK_MS)
})

test('a body at its largest holds nobody up, on whichever route', async () => {
  const app = await createApp({ config: { DOCS: true } })
  const admin = await newAdmin(app)
  const slow: [string, number][] = []
  for (const { method, path, body } of await operations(app)) {
    const schema = body['application/json']?.schema
    if (schema === undefined) continue
    const url = path.replaceAll(/\{\w+\}/g, '1')
    // A little more than most take, and what the largest do: what is too long is refused, and that is quick too.
    for (const limit of [16 * 1024, 350 * 1024]) {
      for (const payload of worstBodies(limit, schema)) {
        const request = { method, url, payload, headers: { 'content-type': 'application/json' } }
        const block = await blockOf(() => admin.send(request))
        if (block > LONGEST_BLOCK_MS) slow.push([`${method} ${path} ${payload.slice(0, 30)}`, block])
      }
    }
  }
  expect(slow).toEqual([])
})

test('nor does a query, a path, a header or a form', async () => {
  const app = await createApp({ config: { DOCS: true } })
  const admin = await newAdmin(app)
  const queries = ['page=1&', 'a=1&', '%F0%9F%98%80=%00&', 'search=%25_&', 'page[]=1&'].map((part) =>
    part.repeat(14_000 / part.length)
  )
  const slow: [string, number][] = []
  const measure = async (name: string, work: () => Promise<unknown>) => {
    const block = await blockOf(work)
    if (block > LONGEST_BLOCK_MS) slow.push([name, block])
  }
  for (const { method, path } of await operations(app)) {
    if (method !== 'GET') continue
    const url = path.replaceAll(/\{\w+\}/g, 'x'.repeat(190))
    for (const query of queries) await measure(`${path} ${query.slice(0, 10)}`, () => admin.get(`${url}?${query}`))
  }
  await measure('slashes', () => admin.get('/'.repeat(14_000)))
  await measure('a token', () =>
    app.inject({ url: '/api/user/info', headers: { authorization: `Bearer ${'a.'.repeat(7000)}` } })
  )
  const boundary = 'b'.repeat(70)
  const parts = [
    Array.from(
      { length: 12 },
      (_, index) => `--${boundary}\r\nContent-Disposition: form-data; name="f${index}"\r\n\r\n${'x'.repeat(4000)}\r\n`
    ).join(''),
    `--${boundary}\r\n${'X-Header: y\r\n'.repeat(100_000)}`,
    `--${boundary}\r\nContent-Disposition: form-data; name="photo"; filename="a.jpg"\r\n\r\n${`\r\n--${boundary.slice(1)}`.repeat(60_000)}`,
    `--${boundary}`.repeat(60_000)
  ]
  for (const payload of [...parts.map((part) => Buffer.from(part)), randomBytes(5_000_000)]) {
    const headers = { 'content-type': `multipart/form-data; boundary=${boundary}` }
    await measure(`a form ${payload.subarray(0, 30)}`, () =>
      admin.send({ method: 'POST', url: '/api/photo/upload', payload, headers })
    )
  }
  expect(slow).toEqual([])
})

test('nor does a socket, whatever frames it sends until it is closed', async () => {
  const app = await createApp()
  await app.listen({ port: 0, host: '127.0.0.1' })
  const ids = Array.from({ length: 200 }, (_, index) => 2_000_000_000 + index)
  const frames: (string | Buffer)[] = [
    '{"type":"ping"}',
    JSON.stringify({ type: 'subscribe', data: { target: 'products', product_ids: ids } }).slice(0, 4096),
    '['.repeat(4000),
    `{"type":"ping","data":${'{"a":'.repeat(600)}1${'}'.repeat(600)}}`,
    randomBytes(4000)
  ]
  for (const frame of frames) {
    const diner = await newDiner(app)
    const block = await blockOf(async () => {
      const socket = await openSocket(app, diner.access)
      for (let time = 0; time < 3000 && socket.ws.readyState === socket.ws.OPEN; time += 1) {
        socket.ws.send(frame)
        // The sender lives in this process too, and its own work is not what is measured.
        if (time % 50 === 0) await new Promise(setImmediate)
      }
      await until(() => socket.closed !== undefined)
      expect(socket.closed?.code).toBe(1008)
    })
    expect([String(frame.slice(0, 40)), block < LONGEST_BLOCK_MS || block]).toEqual([String(frame.slice(0, 40)), true])
  }
})
