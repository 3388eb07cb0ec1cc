import { mkdtemp, rm } from 'node:fs/promises'
import { connect, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { startPrivateServer } from '../scripts/lib/mariadb.js'
import { migrate } from '../scripts/lib/migrations.js'
import {
  createApp,
  type Diner,
  databaseUrl,
  ledgerFaults,
  newDiner,
  newMerchant,
  plant,
  sql,
  until
} from './helpers/app.js'
import { newProduct, submit } from './helpers/shop.js'
import { upload } from './helpers/upload.js'

const COM_QUERY = 0x03
const COM_STMT_PREPARE = 0x16
const HEADER_BYTES = 4
/** How long a PREPARE is kept from the server: whatever comes meanwhile was sent behind it. */
const HOLD_MS = 3

/** As a cluster's server answers that had to give way, and has rolled the transaction back. */
const ABORT = "SIGNAL SQLSTATE '40001' SET MYSQL_ERRNO = 1213, MESSAGE_TEXT = 'the PREPARE was aborted'"

/** A server that sees what is sent behind a PREPARE that is not answered, and may abort one. */
async function prepareWatcher(target: URL, aborts: (count: number) => boolean) {
  const seen = { prepares: 0, aborted: 0, behind: 0 }
  const server = createServer((client) => {
    const upstream = connect(Number(target.port), target.hostname)
    for (const [from, to] of [
      [client, upstream],
      [upstream, client]
    ] as const) {
      from.on('error', () => to.destroy())
      from.on('close', () => to.destroy())
    }
    upstream.pipe(client)
    let waiting = Buffer.alloc(0)
    let isHeld = false
    const forward = () => {
      while (!isHeld && waiting.length >= HEADER_BYTES) {
        const end = HEADER_BYTES + waiting.readUIntLE(0, 3)
        if (waiting.length < end) return
        const packet = waiting.subarray(0, end)
        waiting = waiting.subarray(end)
        if (packet[3] !== 0 || packet[HEADER_BYTES] !== COM_STMT_PREPARE) {
          upstream.write(packet)
          continue
        }
        seen.prepares += 1
        isHeld = true
        setTimeout(() => {
          isHeld = false
          if (waiting.length > 0) seen.behind += 1
          upstream.write(aborts(seen.prepares) ? abortion() : packet)
          forward()
        }, HOLD_MS)
      }
    }
    const abortion = () => {
      seen.aborted += 1
      const payload = Buffer.concat([Buffer.from([COM_QUERY]), Buffer.from(ABORT)])
      const header = Buffer.alloc(HEADER_BYTES)
      header.writeUIntLE(payload.length, 0, 3)
      return Buffer.concat([header, payload])
    }
    client.on('data', (chunk) => {
      waiting = Buffer.concat([waiting, chunk])
      forward()
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => {
    server.close()
  })
  const url = new URL(target)
  url.hostname = '127.0.0.1'
  url.port = String((server.address() as { port: number }).port)
  return { url: url.toString(), seen }
}

/** Something of everything, by several diners at once. */
async function useAll(diners: readonly Diner[], productId: number): Promise<void> {
  await Promise.all(
    diners.map(async (diner) => {
      expect((await diner.post('/api/lottery/draw', { draw_type: 'five' })).json().code).toBe(0)
      expect((await submit(diner, productId)).json().code).toBe(0)
      expect((await diner.get('/api/user/points-records')).json().code).toBe(0)
      expect((await diner.get('/api/user/info')).json().code).toBe(0)
      expect((await diner.put('/api/user/profile', { nickname: '阿明' })).json().code).toBe(0)
    })
  )
}

test.each([
  ['with ids of requests in the statements, as text', true],
  ['without, prepared', false]
])('nothing is sent behind a PREPARE that is not answered: %s', async (_how, SQL_COMMENTS) => {
  const { url, seen } = await prepareWatcher(new URL(databaseUrl()), () => false)
  const app = await createApp({ config: { DATABASE_URL: url, SQL_COMMENTS } })
  const merchant = await newMerchant(app)
  const diners = await Promise.all(Array.from({ length: 6 }, () => newDiner(app)))
  await useAll(diners, await newProduct(app))
  const { upload_id } = (await upload(app, diners[0] as Diner)).json().data
  const body = { upload_id, action: 'approved', actual_amount: 10 }
  expect((await merchant.post('/api/merchant/review', body)).json().code).toBe(0)
  expect(seen.prepares).toBeGreaterThan(10)
  expect(seen.behind).toBe(0)
})

test('a PREPARE that the server aborts ends neither the process nor what was asked, and nothing is done twice', async () => {
  const { url, seen } = await prepareWatcher(new URL(databaseUrl()), (count) => count % 4 === 0)
  const app = await createApp({ config: { DATABASE_URL: url, SQL_COMMENTS: false } })
  const direct = await createApp()
  const productId = await newProduct(direct)
  const diners = await Promise.all(Array.from({ length: 6 }, () => newDiner(direct)))
  await Promise.all(
    diners.map(async ({ access }) => {
      const send = async (url: string, payload: object) => {
        const headers = { authorization: `Bearer ${access}`, 'idempotency-key': url }
        // A read that was aborted says 5002: with its key the request is repeated.
        await until(async () => {
          const { code } = (await app.inject({ method: 'POST', url, payload, headers })).json()
          expect([0, 5002]).toContain(code)
          return code === 0
        })
      }
      await send('/api/lottery/draw', { draw_type: 'five' })
      await send('/api/exchange/submit', { product_id: productId })
    })
  )
  expect(seen.aborted).toBeGreaterThan(2)
  const ids = diners.map(({ userId }) => userId)
  expect(await ledgerFaults(direct, ids)).toEqual([])
  expect(await direct.db.lotteryDraw.count({ where: { userId: { in: ids } } })).toBe(6)
  expect(await direct.db.exchangeOrder.count({ where: { userId: { in: ids } } })).toBe(6)
})

test('a server that prepares nothing is spoken to in text', async () => {
  const dir = await mkdtemp(path.join(tmpdir(), 'lottery-prepare-'))
  const args = ['--max-prepared-stmt-count=0', '--innodb-flush-log-at-trx-commit=0']
  const server = await startPrivateServer({ dir, database: 'text_alone', args })
  onTestFinished(async () => {
    await server.stop()
    await rm(dir, { recursive: true, force: true })
  })
  await migrate(server.url)
  await plant(server.url)
  const app = await createApp({ config: { DATABASE_URL: server.url, SQL_COMMENTS: false } })
  const [diner, other] = [await newDiner(app), await newDiner(app)]
  await useAll([diner, other], await newProduct(app))
  expect(await ledgerFaults(app, [diner.userId, other.userId])).toEqual([])
  const [status] = await sql<{ Value: string }>("SHOW GLOBAL STATUS LIKE 'Com_stmt_execute'", [], server.url)
  expect(status?.Value).toBe('0')
})
