import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import type { FastifyInstance } from 'fastify'
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest'
import { createApp, ledgerFaults, newMobile, until } from './helpers/app.js'
import { MiniClient, type Shown } from './helpers/mini-client.js'
import { MiniSocket } from './helpers/mini-socket.js'
import { createProxy } from './helpers/proxy.js'
import { picture } from './helpers/upload.js'
import { createWx, type TestWx } from './helpers/wx.js'

let photos: string
beforeAll(async () => {
  photos = await mkdtemp(path.join(tmpdir(), 'wxfile-'))
})
afterAll(() => rm(photos, { recursive: true, force: true }))

/** A photograph in the phone's memory. */
async function takePhoto(): Promise<string> {
  const file = path.join(photos, `${Math.random()}.jpg`)
  await writeFile(file, await picture(200, 300))
  return file
}

/** Waits of a socket manager as a phone has them, but thirty times as fast. */
function quickly() {
  const waits: number[] = []
  const later = (ms: number, task: () => void) => {
    waits.push(ms)
    const timer = setTimeout(task, ms / 30)
    return () => clearTimeout(timer)
  }
  return { waits, later }
}

interface Phone {
  readonly wx: TestWx
  readonly client: MiniClient
  readonly socket: MiniSocket
  readonly waits: number[]
  userId(): Promise<number>
}

/** A phone with the mini-program on it. */
function createPhone(origin: string): Phone {
  const wx = createWx()
  const { waits, later } = quickly()
  const client = new MiniClient(wx, `${origin}/api`)
  const socket = new MiniSocket(client, `${origin.replace('http', 'ws')}/ws`, later)
  onTestFinished(async () => {
    socket.close()
    await wx.dispose()
  })
  const userId = async () => (await client.request<{ user_id: number }>({ url: '/user/info' })).user_id
  return { wx, client, socket, waits, userId }
}

async function enter(phone: Phone, mobile = newMobile()): Promise<Phone> {
  await phone.client.login(mobile)
  phone.socket.open()
  await until(() => phone.socket.connected)
  return phone
}

const listen = async (app: FastifyInstance, port = 0) => app.listen({ port, host: '127.0.0.1' })

async function proxyTo(address: string) {
  const proxy = await createProxy(new URL(address))
  onTestFinished(() => proxy.close())
  return Object.assign(proxy, { origin: new URL(proxy.url).origin })
}

/** Waits for a socket that is to come back; when it gives up meanwhile, the button is pressed. */
const back = ({ socket }: Phone) =>
  until(() => {
    if (socket.gaveUp) socket.open()
    return socket.connected
  })

async function makeMerchant(app: FastifyInstance, userId: number): Promise<void> {
  await app.db.user.update({ where: { userId }, data: { isMerchant: true } })
  app.bus.publish({ kind: 'user_changed', userId })
}

test('a diner and a merchant live through expired tokens and a restart, each with a mini-program as it is', async () => {
  // Tokens of eight seconds: some expire while the story goes on, and a socket is closed for it.
  let app = await createApp({ config: { JWT_EXPIRES_IN: '8s' } })
  const address = await listen(app)
  const line = await proxyTo(address)
  const [diner, merchant] = [await enter(createPhone(line.origin)), await enter(createPhone(address))]
  const dinerId = await diner.userId()
  await makeMerchant(app, await merchant.userId())
  expect(diner.client.points).toBe(1000)
  expect(diner.socket.of('connected')).toHaveLength(1)

  // The camera, and the merchant who confirms what is on the receipt.
  const receipt = await diner.client.camera(await takePhoto(), 58.5)
  await until(() => merchant.socket.of('new_review').some(({ upload_id }) => upload_id === receipt.upload_id))
  expect((await merchant.client.pending()).map(({ upload_id }) => upload_id)).toEqual([receipt.upload_id])
  expect((await merchant.client.review(receipt.upload_id, 'approve', 58.5, '核对无误')).points_awarded).toBe(585)
  await until(() => diner.client.points === 1585)
  const again = merchant.client.review(receipt.upload_id, 'approve', 58.5)
  await expect(again).rejects.toMatchObject({ code: 4004, message: '该记录已经审核过了' })
  await expect(diner.client.pending()).rejects.toMatchObject({ code: 3001 })
  expect(diner.client.toasts).toEqual(['需要商家权限才能访问'])

  // The wheel.
  const prizes = await diner.client.wheel()
  const drawn = await diner.client.draw('five', 5)
  expect(drawn.today_count).toBe(5)
  const known = prizes.map(({ prize_id }) => prize_id)
  for (const { prize_id } of drawn.results) expect(known).toContain(prize_id)
  await until(() => diner.socket.of('lottery_result').length === 1)
  await until(() => diner.socket.of('points_update').some(({ total_points }) => total_points === drawn.user_points))

  // The tokens expire. The sockets are closed and come back with new ones; pages notice nothing.
  await until(() => diner.socket.closes.includes(4001) && diner.socket.connected)
  await diner.client.resync()
  expect(diner.client.points).toBe(drawn.user_points)
  expect(diner.client.renewals).toBeGreaterThan(0)
  await until(() => merchant.socket.closes.includes(4001) && merchant.socket.connected)

  // And once more for a page alone: an upload with an expired token is renewed by its body's 401, and sent again.
  diner.socket.close()
  const { exp } = JSON.parse(Buffer.from(diner.client.token.split('.')[1] ?? '', 'base64url').toString())
  const renewals = diner.client.renewals
  await until(() => Date.now() > exp * 1000)
  const second = await diner.client.camera(await takePhoto(), 20)
  expect(diner.client.renewals).toBe(renewals + 1)
  diner.socket.open()
  await until(() => diner.socket.connected)

  // The service is restarted in the middle of it all, on the same port and database.
  const { port } = app.server.address() as { port: number }
  await app.close()
  await until(() => !diner.socket.connected && !merchant.socket.connected)
  // While the diner's phone is still out of reach, a receipt is decided. No push finds them.
  line.cut()
  app = await createApp()
  await listen(app, port)
  await back(merchant)
  expect((await merchant.client.review(second.upload_id, 'approve', 20)).points_awarded).toBe(200)
  expect(diner.client.points).toBe(drawn.user_points)
  line.restore()
  await back(diner)
  await until(() => diner.client.points === drawn.user_points + 200)

  // The shop, with a product that appears while it is open.
  const product = await merchant.client.request<{ id: number }>({
    url: '/merchant/products',
    method: 'POST',
    data: { name: '酸梅汤', description: '一杯', category: '饮品', exchange_points: 150, image: '', stock: 3 }
  })
  await until(() => diner.socket.of('stock_update').some(({ operation }) => operation === 'create'))
  expect((await diner.client.shop()).map(({ id, stock }) => [id, stock])).toEqual([[product.id, 3]])
  const order = await diner.client.redeem(product.id, 2)
  expect(order.remaining_points).toBe(drawn.user_points + 200 - 300)
  await until(() => diner.socket.of('stock_update').some(({ stock }) => stock === 1))
  await expect(diner.client.redeem(product.id, 2)).rejects.toMatchObject({ code: 3004, message: '商品库存不足' })

  // Receipts that are none are rejected all at once.
  const poor = [await diner.client.camera(await takePhoto(), 1), await diner.client.camera(await takePhoto(), 2)]
  const ids = poor.map(({ upload_id }) => upload_id)
  expect((await merchant.client.rejectAll(ids, '不清晰')).success_count).toBe(2)
  await until(() => diner.socket.of('review_result').filter(({ status }) => status === 'rejected').length === 2)

  // What the pages of records say is what happened.
  const records = await diner.client.records()
  expect(records.uploads.map(({ status }) => status)).toEqual(['rejected', 'rejected', 'approved', 'approved'])
  expect(records.orders).toMatchObject([{ order_no: order.order_no, quantity: 2 }])
  expect(records.draws).toHaveLength(5)
  expect(records.points[0]?.balance_after).toBe(diner.client.points)
  expect(await ledgerFaults(app, [dinerId])).toEqual([])
})

test('on a line that breaks, each draw, order, receipt and review is made once, and the pages end up right', async () => {
  const app = await createApp()
  const address = await listen(app)
  const line = await proxyTo(address)
  const [diner, merchant] = [await enter(createPhone(line.origin)), await enter(createPhone(address))]
  const dinerId = await diner.userId()
  await makeMerchant(app, await merchant.userId())
  const { id } = await merchant.client.request<{ id: number }>({
    url: '/merchant/products',
    method: 'POST',
    data: { name: '绿豆沙', description: '一杯', category: '饮品', exchange_points: 100, image: '', stock: 9 }
  })
  /** Takes away the answer to the next draw, or the whole line for a while. */
  const shake = (round: number) => {
    if (round % 2 === 0) return line.loseNext(/^HTTP\/1\.1 200[\s\S]*"draw_id"/)
    line.cut()
    setTimeout(() => line.restore(), 50)
  }
  /** Until the line holds: as a diner presses the button again. */
  const press = async <T>(action: () => Promise<T>): Promise<T> => {
    for (;;) {
      try {
        return await action()
      } catch (err) {
        if ((err as Shown).code !== undefined) throw err
        await new Promise((resolve) => setTimeout(resolve, 20))
      }
    }
  }
  for (let round = 0; round < 6; round += 1) {
    shake(round)
    const header = { 'Idempotency-Key': `draw ${round}` }
    const asked = { url: '/lottery/draw', method: 'POST', data: { draw_type: 'single', count: 1 }, header } as const
    const drawn = await press(() => diner.client.request<{ user_points: number }>(asked))
    expect(drawn.user_points).toBe(1000 - 100 * (round + 1))
  }
  line.loseNext(/^HTTP\/1\.1 200[\s\S]*"order_no"/)
  expect((await press(() => diner.client.redeem(id, 1))).remaining_points).toBe(300)
  expect(line.lost).toBe(4)
  expect(await app.db.lotteryDraw.count({ where: { userId: dinerId } })).toBe(6)
  expect(await app.db.exchangeOrder.count({ where: { userId: dinerId } })).toBe(1)

  // The merchant's line breaks too: the answer to an approval is lost, and the points are given once.
  const shaky = await proxyTo(address)
  const there = createPhone(shaky.origin)
  for (const key of ['access_token', 'refresh_token']) there.wx.setStorageSync(key, merchant.wx.getStorageSync(key))
  const { upload_id } = await diner.client.camera(await takePhoto(), 30)
  shaky.loseNext(/^HTTP\/1\.1 200[\s\S]*"user_new_balance"/)
  expect((await there.client.review(upload_id, 'approve', 30)).points_awarded).toBe(300)
  expect(shaky.lost).toBe(1)

  await back(diner)
  await until(() => diner.client.points === 600)
  expect(await ledgerFaults(app, [dinerId])).toEqual([])
})

test('a renewal whose answer is lost does not log the diner out', async () => {
  const app = await createApp()
  const line = await proxyTo(await listen(app))
  const phone = createPhone(line.origin)
  await phone.client.login(newMobile())
  line.loseNext(/"refresh_token"/)
  await expect(phone.client.renew()).rejects.toThrow(/fail/)
  await phone.client.renew()
  expect([line.lost, phone.client.renewals]).toEqual([1, 1])
  await phone.client.resync()
  expect(phone.client.points).toBe(1000)
})

test('a socket that cannot come back is tried five times, ever more slowly, and comes back by hand', async () => {
  const app = await createApp()
  const line = await proxyTo(await listen(app))
  const phone = await enter(createPhone(line.origin))
  phone.waits.length = 0
  line.cut()
  await until(() => phone.socket.gaveUp)
  expect(phone.waits).toEqual([3000, 6000, 12_000, 24_000, 48_000])
  line.restore()
  phone.socket.open()
  await until(() => phone.socket.connected)
  await until(() => phone.socket.of('pong').length > 0)
})

test('a phone holds five sockets; the service keeps three of one diner, and the oldest is told', async () => {
  const app = await createApp()
  const phone = createPhone(await listen(app))
  await phone.client.login(newMobile())
  const url = `ws://127.0.0.1:${(app.server.address() as { port: number }).port}/ws?token=${phone.client.token}`
  const outcomes: string[] = []
  const closes: number[] = []
  for (let time = 0; time < 6; time += 1) {
    const task = phone.wx.connectSocket({
      url,
      protocols: ['wss'],
      success: () => outcomes.push('ok'),
      fail: () => outcomes.push('fail')
    })
    task.onClose(({ code }) => closes.push(code))
  }
  await until(() => outcomes.length === 6 && closes.length === 2)
  expect(outcomes.sort()).toEqual(['fail', 'ok', 'ok', 'ok', 'ok', 'ok'])
  expect(closes).toEqual([4009, 4009])
})
