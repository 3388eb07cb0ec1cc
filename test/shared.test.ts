import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { newVoucherCode } from '../src/domains/voucher/rules.js'
import { connectionOptions, hostUrls } from '../src/engine/connection.js'
import { isTransient, isUnavailable } from '../src/engine/database-errors.js'
import { canonical, keyedRequest } from '../src/engine/idempotency-key.js'
import { padded } from '../src/engine/sql.js'
import { urlForLog } from '../src/observe/log-safety.js'
import { createCipher } from '../src/shared/cipher.js'
import { DeadlineExceeded, untilAborted, withDeadline } from '../src/shared/deadline.js'
import { FreshCache } from '../src/shared/fresh-cache.js'
import { risingId } from '../src/shared/ids.js'
import { maskMobile } from '../src/shared/mask.js'
import { SingleFlight } from '../src/shared/single-flight.js'
import { businessDay, rate } from '../src/shared/time.js'

test('ids rise, whatever the clock does, and are UUIDs of version 7 of their time', () => {
  onTestFinished(() => void vi.useRealTimers())
  vi.useFakeTimers({ toFake: ['Date'] })
  const timeOf = (id = '') => Number.parseInt(id.slice(0, 8) + id.slice(9, 13), 16)
  // Another file of this process may have made some at a time to come.
  const start = Math.max(Date.now(), timeOf(risingId())) + 60_000
  const ids: string[] = []
  for (const step of [0, 0, 1, -1000, -1000, 5]) {
    vi.setSystemTime(start + step)
    for (let n = 0; n < 1000; n += 1) ids.push(risingId())
  }
  expect(ids).toEqual([...new Set(ids)].sort())
  for (const id of ids) expect(id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/)
  expect([ids[0], ids.at(-1)].map(timeOf)).toEqual([start, start + 5])
  // 32 random bits each: two of six thousand are alike once in 240 runs.
  expect(new Set(ids.map((id) => id.slice(-8))).size).toBeGreaterThan(ids.length - 10)
})

describe('the cipher', () => {
  const cipher = createCipher('ab'.repeat(32))

  test('uses no number twice, however many it encrypts', () => {
    const ivs = Array.from({ length: 1000 }, () =>
      Buffer.from(cipher.encrypt('x').split('.')[1] ?? '', 'base64url').toString('hex', 0, 12)
    )
    expect(new Set(ivs).size).toBe(1000)
  })

  test('opens what it sealed, never seals the same way twice, and says under which key', () => {
    const [one, two] = [cipher.encrypt('中文 text'), cipher.encrypt('中文 text')]
    expect(one).not.toBe(two)
    expect(cipher.decrypt(one)).toBe('中文 text')
    expect(one.split('.')[0]).toMatch(/^[0-9a-f]{8}$/)
    expect(cipher.decrypt(cipher.encrypt(''))).toBe('')
  })

  test('refuses what was altered, and what another key sealed', () => {
    const sealed = cipher.encrypt('text')
    const [id = '', body = ''] = sealed.split('.')
    const bytes = Buffer.from(body, 'base64url')
    bytes[bytes.length - 1] = (bytes.at(-1) ?? 0) ^ 1
    expect(() => cipher.decrypt(`${id}.${bytes.toString('base64url')}`)).toThrow()
    expect(() => createCipher('cd'.repeat(32)).decrypt(sealed)).toThrow(/encrypted under the key/)
  })

  test('hashes differ by purpose and by key', () => {
    expect(cipher.hmac('a', 'x')).toBe(cipher.hmac('a', 'x'))
    expect(
      new Set([cipher.hmac('a', 'x'), cipher.hmac('b', 'x'), createCipher('cd'.repeat(32)).hmac('a', 'x')]).size
    ).toBe(3)
  })
})

test('a keyed request is the same whatever the order of its fields, and another on another route', () => {
  expect(canonical({ b: [{ d: 1, c: 2 }], a: null })).toBe(canonical({ a: null, b: [{ c: 2, d: 1 }] }))
  const hash = (route: string, body: object) => keyedRequest('k', route, body)?.hash
  expect(hash('r', { a: 1, b: 2 })).toBe(hash('r', { b: 2, a: 1 }))
  expect(hash('r', { a: 1 })).not.toBe(hash('r', { a: 2 }))
  expect(hash('r', { a: 1 })).not.toBe(hash('s', { a: 1 }))
  expect(keyedRequest(undefined, 'r', {})).toBeUndefined()
})

test('lists in statements are padded to a few lengths with their last element', () => {
  expect(padded([7])).toEqual([7])
  expect(padded([1, 2])).toEqual([1, 2, 2, 2])
  expect(padded(Array.from({ length: 65 }, (_, index) => index))).toHaveLength(256)
  expect(() => padded([])).toThrow()
  expect(() => padded(Array(257).fill(1))).toThrow()
})

test('the business day starts at midnight where the restaurant is', () => {
  expect(businessDay(new Date('2026-11-22T15:59:59.999Z'), 'Asia/Shanghai')).toBe('2026-11-22')
  expect(businessDay(new Date('2026-11-22T16:00:00.000Z'), 'Asia/Shanghai')).toBe('2026-11-23')
  expect(businessDay(new Date('2026-11-22T16:00:00.000Z'), 'Europe/London')).toBe('2026-11-22')
  expect(businessDay(new Date('2026-11-22T16:00:00.001Z'), 'Asia/Shanghai')).toBe('2026-11-23')
  expect(businessDay(new Date('2026-12-31T23:30:00.000Z'), 'UTC')).toBe('2026-12-31')
})

test('rates are fractions to four decimals', () => {
  expect([rate(1, 3), rate(0, 0), rate(2, 2)]).toEqual([0.3333, 0, 1])
})

test('voucher codes have no look-alikes', () => {
  let next = 0
  const code = newVoucherCode((below) => next++ % below)
  expect(code).toMatch(/^[^0OQo1IlL5S2Z8B]{12}$/)
  expect(newVoucherCode((below) => below - 1)).toHaveLength(12)
})

test('mobiles are masked, and secrets are cut out of addresses', () => {
  expect(maskMobile('13812345678')).toBe('138****5678')
  expect(maskMobile('1381')).toBe('***')
  expect(urlForLog('/ws?page=1&token=abc.def&limit=2')).toBe('/ws?page=1&token=[redacted]&limit=2')
  expect(urlForLog('/x?access_token=abc')).toBe('/x?access_token=[redacted]')
  expect(urlForLog('/api/merchant/vouchers/RWTK6F94VFW6', '/api/merchant/vouchers/:code')).toBe(
    '/api/merchant/vouchers/:code'
  )
})

test('a database address is read, and its password never repeated', () => {
  expect(connectionOptions('mysql://us%40er:p%3Aw@db.example:3307/name?ssl=true')).toMatchObject({
    host: 'db.example',
    port: 3307,
    user: 'us@er',
    password: 'p:w',
    database: 'name',
    ssl: true
  })
  const several = 'mysql://u:p%40w@one:3307,two,[::1]:3308/name?ssl=true'
  expect(hostUrls(several).map((url) => [connectionOptions(url).host, connectionOptions(url).port])).toEqual([
    ['one', 3307],
    ['two', 3306],
    ['::1', 3308]
  ])
  expect(connectionOptions(several)).toMatchObject({ host: 'one', password: 'p@w', database: 'name', ssl: true })
  expect(() => connectionOptions('postgres://u:secret@h/d')).toThrow(expect.not.stringContaining('secret'))
})

test('errors of the database are told apart at whatever depth Prisma put them', () => {
  const wrapped = (cause: object) => ({ code: 'P2010', meta: { driverAdapterError: { cause } } })
  for (const code of [1205, 1213, 1020]) expect(isTransient(wrapped({ originalCode: String(code) }))).toBe(true)
  expect(isTransient({ code: 'P2034' })).toBe(true)
  expect(isTransient(wrapped({ originalCode: '1062' }))).toBe(false)
  expect(isUnavailable(wrapped({ originalCode: '45028' }))).toBe(true)
  expect(isUnavailable({ code: 'EPIPE' })).toBe(true)
  expect(isUnavailable(new Error('other'))).toBe(false)
})

describe('the cache of what holds until it changes', () => {
  test('reads once for all who ask, again after a change, and keeps no failure', async () => {
    const cache = new FreshCache<number>(60_000, 10)
    let reads = 0
    const read = async () => {
      reads += 1
      return reads
    }
    expect(await Promise.all([cache.get('a', read), cache.get('a', read)])).toEqual([1, 1])
    expect(await cache.get('a', read)).toBe(1)
    cache.clear()
    expect(await cache.get('a', read)).toBe(2)
    const failing = () => Promise.reject(new Error('gone'))
    await expect(cache.get('b', failing)).rejects.toThrow('gone')
    expect(await cache.get('b', read)).toBe(3)
  })

  test('does not keep what was begun before a change', async () => {
    const cache = new FreshCache<string>(60_000, 10)
    let finish: (value: string) => void = () => {}
    const slow = cache.get('a', () => new Promise((resolve) => (finish = resolve)))
    cache.clear()
    finish('old')
    expect(await slow).toBe('old')
    expect(await cache.get('a', async () => 'new')).toBe('new')
  })

  test('believes nothing for longer than it may', async () => {
    const cache = new FreshCache<string>(0, 10)
    await cache.get('a', async () => 'old')
    expect(await cache.get('a', async () => 'new')).toBe('new')
  })
})

describe('a deadline', () => {
  test('gives the answer, or ends the waiting; a failure that comes late is nobody’s business', async () => {
    expect(await withDeadline(60_000, Promise.resolve(1))).toBe(1)
    await expect(withDeadline(60_000, Promise.reject(new Error('no')))).rejects.toThrow('no')
    let fail = (_err: Error) => {}
    const late = new Promise<never>((_, reject) => {
      fail = reject
    })
    await expect(withDeadline(1, late)).rejects.toBeInstanceOf(DeadlineExceeded)
    fail(new Error('late'))
    const signal = AbortSignal.abort(new Error('given up'))
    await expect(untilAborted(signal, new Promise(() => {}))).rejects.toThrow('given up')
    const controller = new AbortController()
    const waiting = untilAborted(controller.signal, new Promise(() => {}))
    controller.abort(new Error('enough'))
    await expect(waiting).rejects.toThrow('enough')
    expect(await untilAborted(new AbortController().signal, Promise.resolve(2))).toBe(2)
  })
})

describe('a single flight', () => {
  test('does work once however many ask, anew after it, and keeps nothing that was forgotten meanwhile', async () => {
    const flights = new SingleFlight<number>()
    const kept: number[] = []
    let started = 0
    let finish = (_value: number) => {}
    const work = () => {
      started += 1
      return new Promise<number>((resolve) => {
        finish = resolve
      })
    }
    const keep = (value: number) => void kept.push(value)
    const all = [flights.run('a', work, keep), flights.run('a', work, keep)]
    finish(1)
    expect(await Promise.all(all)).toEqual([1, 1])
    expect([started, kept]).toEqual([1, [1]])
    const overtaken = flights.run('a', work, keep)
    flights.forget('a')
    finish(2)
    expect(await overtaken).toBe(2)
    expect([started, kept]).toEqual([2, [1]])
    const failing = () => Promise.reject(new Error('no'))
    await expect(flights.run('b', failing)).rejects.toThrow('no')
    expect(await flights.run('b', async () => 3)).toBe(3)
  })
})
