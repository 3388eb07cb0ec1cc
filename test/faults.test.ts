import { randomBytes, randomInt } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { connect, createServer } from 'node:net'
import fc from 'fast-check'
import sharp from 'sharp'
import { expect, onTestFinished, test } from 'vitest'
import { processPhoto } from '../src/adapters/images/images.js'
import { Refusal } from '../src/shared/refusal.js'
import { createApp, databaseUrl, ledgerFaults, newDiner, sql, until } from './helpers/app.js'
import { startNode } from './helpers/script.js'
import { openSocket } from './helpers/socket.js'
import { picture } from './helpers/upload.js'

// What throws outside a promise fails the run of vitest itself, whichever test it was: here it is provoked.

test('connections that are killed, idle or at work, end nothing: each request is answered, and done once', async () => {
  const app = await createApp()
  const diners = await Promise.all(Array.from({ length: 8 }, () => newDiner(app, { points: 100_000 })))
  let killing = true
  let killed = 0
  const own = new URL(databaseUrl()).pathname.slice(1)
  const killer = async () => {
    while (killing) {
      const rows = await sql<{ id: number }>('SELECT ID AS id FROM information_schema.PROCESSLIST WHERE DB = ?', [own])
      for (const { id } of rows) {
        if (randomInt(3) > 0) continue
        await sql(`KILL ${id}`).then(
          () => {
            killed += 1
          },
          () => {}
        )
      }
    }
  }
  const statuses = new Set<number>()
  const work = diners.map(async (diner) => {
    for (let time = 0; time < 12; time += 1) {
      statuses.add((await diner.post('/api/lottery/draw', {}, { 'idempotency-key': `k${time}` })).statusCode)
      statuses.add((await diner.get('/api/user/points-records')).statusCode)
    }
  })
  const done = Promise.all(work).finally(() => {
    killing = false
  })
  await Promise.all([done, killer()])
  expect(killed).toBeGreaterThan(5)
  expect([...statuses].filter((status) => status !== 200 && status !== 503)).toEqual([])
  // The keys say which are done: each is, once.
  for (const diner of diners) {
    for (let time = 0; time < 12; time += 1) {
      await until(
        async () => (await diner.post('/api/lottery/draw', {}, { 'idempotency-key': `k${time}` })).statusCode === 200
      )
    }
    expect(await app.db.lotteryDraw.count({ where: { userId: diner.userId } })).toBe(12)
  }
  expect(
    await ledgerFaults(
      app,
      diners.map(({ userId }) => userId)
    )
  ).toEqual([])
})

test('a line that says what is no HTTP, or frames that are none, ends itself alone', async () => {
  const app = await createApp()
  const diner = await newDiner(app)
  await app.listen({ port: 0, host: '127.0.0.1' })
  const { port } = app.server.address() as { port: number }
  const upgrade = `GET /ws?token=${diner.access} HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ${randomBytes(16).toString('base64')}\r\n\r\n`
  const said = [
    Buffer.from('\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03', 'latin1'),
    Buffer.from('GET /health/live HTTP/9.9\r\n\r\n'),
    Buffer.from(`GET / HTTP/1.1\r\nHost: x\r\nX: ${'y'.repeat(40_000)}\r\n\r\n`),
    Buffer.from('POST /api/auth/login HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n'),
    Buffer.from('POST /api/auth/login HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n{}'),
    Buffer.from(upgrade.slice(0, 60)),
    Buffer.from(upgrade),
    ...Array.from({ length: 20 }, () => Buffer.concat([Buffer.from(upgrade), randomBytes(200)])),
    // A close with a code there is none of, a text that is no UTF-8, a frame without a mask, reserved bits.
    ...['8882000000000001', '8181000000ff', '810161', 'f180000000', '890f'].map((frame) =>
      Buffer.concat([Buffer.from(upgrade), Buffer.from(frame, 'hex')])
    )
  ]
  for (const how of ['end', 'destroy', 'resetAndDestroy'] as const) {
    await Promise.all(
      said.map(
        (bytes) =>
          new Promise<void>((resolve) => {
            const line = connect(port, '127.0.0.1')
            line.on('error', () => {})
            line.on('close', () => resolve())
            line.resume()
            line.write(bytes, () => {
              if (how === 'end') setTimeout(() => line.destroy(), 200)
              else line[how]()
            })
          })
      )
    )
  }
  await until(() => app.hub.size === 0)
  expect((await app.inject('/health/live')).statusCode).toBe(200)
  expect((await openSocket(app, diner.access)).closed).toBeUndefined()
})

test('a Redis that talks nonsense, or breaks off at each word, is none: everything works without', async () => {
  const nonsense = createServer((line) => {
    line.on('error', () => {})
    line.on('data', () => {
      if (randomInt(2) === 0) line.write(randomBytes(64))
      else line.destroy()
    })
  })
  await new Promise<void>((resolve) => nonsense.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => void nonsense.close())
  const { port } = nonsense.address() as { port: number }
  const app = await createApp({ config: { REDIS_URL: `redis://127.0.0.1:${port}`, RATE_LIMIT: true } })
  const diner = await newDiner(app)
  for (let time = 0; time < 5; time += 1) expect((await diner.post('/api/lottery/draw')).statusCode).toBe(200)
  expect((await app.inject('/health')).json().checks.redis.status).not.toBe('healthy')
})

test('a picture with bytes that are not its own is refused or taken, and nothing else', async () => {
  const base = sharp(await picture(64, 48))
  const files = [
    await base.jpeg().toBuffer(),
    await base.jpeg({ progressive: true }).toBuffer(),
    await base.png().toBuffer(),
    await base.webp().toBuffer(),
    await base.gif().toBuffer(),
    await readFile('test/fixtures/receipt.heic')
  ]
  const edits = fc.array(fc.tuple(fc.nat(), fc.integer({ min: 0, max: 255 })), { minLength: 1, maxLength: 12 })
  await fc.assert(
    fc.asyncProperty(fc.constantFrom(...files), edits, fc.option(fc.nat()), async (file, changes, end) => {
      const bent = Buffer.from(file)
      for (const [at, value] of changes) bent[at % bent.length] = value
      const bytes = end === null ? bent : bent.subarray(0, end % bent.length)
      const outcome = await processPhoto(bytes).then(
        ({ image }) => image.length > 0,
        (err) => err instanceof Refusal && err.error === 'PHOTO_UNREADABLE'
      )
      expect(outcome).toBe(true)
    }),
    { numRuns: 300, seed: 13 }
  )
})

test('should anything throw there after all, the log ends with it, and the process with 1', async () => {
  const planted = 'process.on("SIGUSR2", () => { throw new Error("planted") })'
  const run = startNode(['--import', `data:text/javascript,${planted}`, 'dist/src/server.js'], {
    NODE_ENV: 'test',
    DATABASE_URL: databaseUrl(),
    PORT: '0',
    LOG_LEVEL: 'info',
    JWT_SECRET: 'x'.repeat(32),
    ENCRYPTION_KEY: 'ab'.repeat(32)
  })
  onTestFinished(() => void run.child.kill('SIGKILL'))
  await until(() => run.stdout.includes('listening'))
  run.child.kill('SIGUSR2')
  await until(() => run.code !== null)
  expect(run.code).toBe(1)
  expect(run.stdout).toMatch(/FATAL.*nobody caught this: the process ends[\s\S]*planted/)
})
