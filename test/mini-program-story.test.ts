import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import type { FastifyInstance } from 'fastify'
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest'
import {
  type Client,
  createClient,
  type Frame,
  type Live,
  type SessionTokens,
  type WxLike,
  wxStorage,
  wxTransport
} from '../src/client/index.js'
import { createApp, ledgerFaults, newMobile, until } from './helpers/app.js'
import { createProxy } from './helpers/proxy.js'
import { picture } from './helpers/upload.js'
import { createWx, type TestWx } from './helpers/wx.js'

let photos: string
beforeAll(async () => {
  photos = await mkdtemp(path.join(tmpdir(), 'wxfile-'))
})
afterAll(() => rm(photos, { recursive: true, force: true }))

/** A photograph in the phone's memory. */
async function takePhoto(): Promise<{ filePath: string }> {
  const filePath = path.join(photos, `${Math.random()}.jpg`)
  await writeFile(filePath, await picture(200, 300))
  return { filePath }
}

/** Waits of a phone, but a hundred times as fast. */
const pause = (ms: number) => new Promise<void>((done) => setTimeout(done, ms / 100))
const QUICK = { pingMs: 300, silenceMs: 5000, firstWaitMs: 10, longestWaitMs: 200 }

/** A phone with a mini-program on it, which is the client library and nothing else. */
interface Phone {
  readonly wx: TestWx
  readonly client: Client
  /** What the socket told, in its order; empty while nobody has logged in. */
  readonly frames: Frame[]
  /** How often tokens were kept: at the login, and after each renewal. */
  readonly kept: SessionTokens[]
  /** The balance a page shows: that of the login, of answers, and of pushes. */
  points: number
  live: Live | undefined
}

function createPhone(baseUrl: string): Phone {
  const wx = createWx()
  const storage = wxStorage(wx as WxLike)
  const kept: SessionTokens[] = []
  const write = (tokens: SessionTokens | undefined) => {
    if (tokens !== undefined) kept.push(tokens)
    return storage.write(tokens)
  }
  const transport = wxTransport(wx as WxLike)
  const client = createClient({ baseUrl, transport, storage: { ...storage, write }, pause })
  const phone: Phone = { wx, client, frames: [], kept, points: 0, live: undefined }
  onTestFinished(async () => {
    phone.live?.close()
    await wx.dispose()
  })
  return phone
}

/** The data of the pushes of a type, in their order. */
const toldOf = ({ frames }: Phone, type: Frame['type']) =>
  frames.filter((frame) => frame.type === type).map((frame) => frame.data as Record<string, unknown>)

const isOpen = ({ live }: Phone) => live?.state === 'open'

/** The login page. @returns who it is */
async function logIn(phone: Phone): Promise<number> {
  const mobile = newMobile()
  const { code_hint: code } = await phone.client.auth.sendCode({ mobile })
  const { user_info: user } = await phone.client.auth.login({ mobile, code: code ?? '' })
  phone.points = user.total_points
  return user.user_id
}

/** Opens the socket, and shows what it tells. */
async function follow(phone: Phone): Promise<void> {
  const live = phone.client.live({ times: QUICK })
  phone.live = live
  live.onFrame((frame) => phone.frames.push(frame))
  live.on('points_update', ({ total_points: points }) => {
    phone.points = points
  })
  await until(() => isOpen(phone))
}

async function enter(phone: Phone): Promise<Phone & { userId: number }> {
  const userId = await logIn(phone)
  await follow(phone)
  return Object.assign(phone, { userId })
}

const listen = async (app: FastifyInstance, port = 0) => app.listen({ port, host: '127.0.0.1' })

async function proxyTo(address: string) {
  const proxy = await createProxy(new URL(address))
  onTestFinished(() => proxy.close())
  return Object.assign(proxy, { origin: new URL(proxy.url).origin })
}

async function makeMerchant(app: FastifyInstance, userId: number): Promise<void> {
  await app.db.user.update({ where: { userId }, data: { isMerchant: true } })
  app.bus.publish({ kind: 'user_changed', userId })
}

/** Until the line holds: as a person presses the button again. */
async function press<T>(action: () => Promise<T>): Promise<T> {
  for (;;) {
    try {
      return await action()
    } catch (err) {
      if ((err as Error).name !== 'Unanswered') throw err
      await pause(2000)
    }
  }
}

test('a diner and a merchant live through expired tokens and a restart, each with a mini-program', async () => {
  // Tokens of eight seconds: some expire while the story goes on, and a socket is closed for it.
  let app = await createApp({ config: { JWT_EXPIRES_IN: '8s' } })
  const address = await listen(app)
  const line = await proxyTo(address)
  const [diner, merchant] = [await enter(createPhone(line.origin)), await enter(createPhone(address))]
  await makeMerchant(app, merchant.userId)
  expect(diner.points).toBe(1000)
  await until(() => toldOf(diner, 'connected').length === 1)

  // The camera, and the merchant who confirms what is on the receipt.
  const receipt = await diner.client.photo.upload({ photo: await takePhoto(), amount: '58.5' })
  await until(() => toldOf(merchant, 'new_review').some(({ upload_id: id }) => id === receipt.upload_id))
  const pending = await merchant.client.merchant.reviewsPending()
  expect(pending.reviews.map(({ upload_id: id }) => id)).toEqual([receipt.upload_id])
  const approve = (id: string, amount: number) => merchant.client.merchant.reviewsApprove({ id, actual_amount: amount })
  expect((await approve(receipt.upload_id, 58.5)).points_awarded).toBe(585)
  await until(() => diner.points === 1585)
  // Refused under HTTP 200, as WeChat's pages read it.
  await expect(approve(receipt.upload_id, 58.5)).rejects.toMatchObject({
    status: 200,
    code: 4004,
    message: '该记录已经审核过了'
  })
  const forbidden = { status: 200, code: 3001, message: '需要商家权限才能访问' }
  await expect(diner.client.merchant.reviewsPending()).rejects.toMatchObject(forbidden)

  // The wheel, of eight prizes, each at its angle.
  const { prizes } = await diner.client.lottery.config()
  expect(prizes.map(({ angle }) => angle)).toEqual(Array.from({ length: 8 }, (_, index) => index * 45))
  const drawn = await diner.client.lottery.draw({ draw_type: 'five' })
  expect(drawn.today_count).toBe(5)
  const known = prizes.map(({ prize_id: id }) => id)
  for (const { prize_id: id } of drawn.results) expect(known).toContain(id)
  await until(() => toldOf(diner, 'lottery_result').length === 1)
  await until(() => diner.points === drawn.user_points)

  // The tokens expire. The sockets are closed and come back with new ones; pages notice nothing.
  await until(() => diner.kept.length > 1 && isOpen(diner))
  expect((await diner.client.user.info()).total_points).toBe(drawn.user_points)
  await until(() => merchant.kept.length > 1 && isOpen(merchant))

  // And once more for a page alone: an upload with an expired token is renewed by its body's 401, and sent again.
  diner.live?.close()
  const { access_token: token = '' } = (await diner.client.tokens()) ?? {}
  const { exp } = JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString())
  const renewals = diner.kept.length
  await until(() => Date.now() > exp * 1000)
  const second = await diner.client.photo.upload({ photo: await takePhoto(), amount: '20' })
  expect(diner.kept).toHaveLength(renewals + 1)
  await follow(diner)
  await until(() => diner.live?.last !== undefined)

  // The service is restarted in the middle of it all, on the same port and database.
  const { port } = app.server.address() as { port: number }
  await app.close()
  await until(() => !isOpen(diner) && !isOpen(merchant))
  // While the diner's phone is still out of reach, a receipt is decided. The push comes when the phone does.
  line.cut()
  app = await createApp()
  await listen(app, port)
  await until(() => isOpen(merchant))
  expect((await approve(second.upload_id, 20)).points_awarded).toBe(200)
  expect(diner.points).toBe(drawn.user_points)
  line.restore()
  await until(() => diner.points === drawn.user_points + 200)

  // The shop, with a product that appears while it is open.
  const drink = { name: '酸梅汤', description: '一杯', category: '饮品', exchange_points: 150, image: '', stock: 3 }
  const product = await merchant.client.merchant.createProducts(drink)
  await until(() => toldOf(diner, 'stock_update').some(({ operation }) => operation === 'create'))
  const shelf = await diner.client.exchange.products()
  expect(shelf.products.map(({ id, stock }) => [id, stock])).toEqual([[product.id, 3]])
  const order = await diner.client.exchange.submit({ product_id: product.id, quantity: 2 })
  expect(order.remaining_points).toBe(drawn.user_points + 200 - 300)
  await until(() => toldOf(diner, 'stock_update').some(({ stock }) => stock === 1))
  const soldOut = { status: 200, code: 3004, message: '商品库存不足' }
  await expect(diner.client.exchange.submit({ product_id: product.id, quantity: 2 })).rejects.toMatchObject(soldOut)

  // Receipts that are none are rejected all at once.
  const poor = []
  for (const amount of ['1', '2']) poor.push(await diner.client.photo.upload({ photo: await takePhoto(), amount }))
  const reviews = poor.map(({ upload_id: id }) => ({
    upload_id: id,
    action: 'rejected' as const,
    reason_code: 'unreadable' as const
  }))
  expect((await merchant.client.merchant.reviewsBatch({ reviews })).success_count).toBe(2)
  await until(() => toldOf(diner, 'review_result').filter(({ status }) => status === 'rejected').length === 2)

  // What the pages of records say is what happened, by the paths of today and by those of old.
  const states = ['rejected', 'rejected', 'approved', 'approved']
  expect((await diner.client.photo.history()).history.map(({ status }) => status)).toEqual(states)
  const old = await diner.client.call('get', '/api/upload/records')
  expect(old.list.map(({ status }) => status)).toEqual(states)
  const bought = [{ order_no: order.order_no, quantity: 2 }]
  expect((await diner.client.exchange.orders()).orders).toMatchObject(bought)
  expect((await diner.client.call('get', '/api/exchange/records')).records).toMatchObject(bought)
  expect((await diner.client.lottery.records()).records).toHaveLength(5)
  const [newest] = (await diner.client.user.pointsRecords()).records
  await until(() => diner.points === newest?.balance_after)
  expect(await ledgerFaults(app, [diner.userId])).toEqual([])
})

test('on a line that breaks, each draw, order, receipt and review is made once, and the pages end up right', async () => {
  const app = await createApp()
  const address = await listen(app)
  const line = await proxyTo(address)
  const [diner, merchant] = [await enter(createPhone(line.origin)), await enter(createPhone(address))]
  await makeMerchant(app, merchant.userId)
  const drink = { name: '绿豆沙', description: '一杯', category: '饮品', exchange_points: 100, image: '', stock: 9 }
  const { id } = await merchant.client.merchant.createProducts(drink)
  /** Takes away the answer to the next draw, or the whole line for a while. */
  const shake = (round: number) => {
    if (round % 2 === 0) return line.loseNext(/^HTTP\/1\.1 200[\s\S]*"draw_id"/)
    line.cut()
    setTimeout(() => line.restore(), 50)
  }
  for (let round = 0; round < 6; round += 1) {
    shake(round)
    const drawn = await press(() => diner.client.lottery.draw({}, { key: `draw ${round}` }))
    expect(drawn.user_points).toBe(1000 - 100 * (round + 1))
  }
  line.loseNext(/^HTTP\/1\.1 200[\s\S]*"order_no"/)
  expect((await diner.client.exchange.submit({ product_id: id, quantity: 1 })).remaining_points).toBe(300)
  expect(line.lost).toBe(4)
  expect(await app.db.lotteryDraw.count({ where: { userId: diner.userId } })).toBe(6)
  expect(await app.db.exchangeOrder.count({ where: { userId: diner.userId } })).toBe(1)

  // The merchant's line breaks too: the answer to an approval is lost, and the points are given once.
  const shaky = await proxyTo(address)
  const there = createPhone(shaky.origin)
  await there.client.signIn(merchant.kept[0] as SessionTokens)
  const receipt = await diner.client.photo.upload({ photo: await takePhoto(), amount: '30' })
  shaky.loseNext(/^HTTP\/1\.1 200[\s\S]*"user_new_balance"/)
  const decided = await there.client.merchant.reviewsApprove({ id: receipt.upload_id, actual_amount: 30 })
  expect(decided.points_awarded).toBe(300)
  expect(shaky.lost).toBe(1)

  await until(() => isOpen(diner) && diner.points === 600)
  expect(await ledgerFaults(app, [diner.userId])).toEqual([])
})

test('a renewal whose answer is lost does not log the diner out', async () => {
  const app = await createApp({ config: { JWT_EXPIRES_IN: '2s' } })
  const line = await proxyTo(await listen(app))
  const { client, kept } = await enter(createPhone(line.origin))
  // Its token ends, the socket is closed for it, and the answer to the renewal is lost.
  line.loseNext(/^HTTP\/1\.1 200[\s\S]*"refresh_token"/)
  await until(() => line.lost === 1)
  expect((await press(() => client.user.info())).total_points).toBe(1000)
  await until(() => kept.length > 1)
})

test('a phone holds five sockets; the service keeps three of one diner, and the oldest is told', async () => {
  const app = await createApp()
  const phone = createPhone(await listen(app))
  await logIn(phone)
  const { access_token: token = '' } = (await phone.client.tokens()) ?? {}
  const url = `ws://127.0.0.1:${(app.server.address() as { port: number }).port}/ws?token=${token}`
  const outcomes: string[] = []
  const closes: number[] = []
  for (let time = 0; time < 6; time += 1) {
    const task = phone.wx.connectSocket({
      url,
      protocols: ['wss'],
      success: () => outcomes.push('ok'),
      fail: () => outcomes.push('fail')
    })
    task.onClose(({ code: closed }) => closes.push(closed))
  }
  await until(() => outcomes.length === 6 && closes.length === 2)
  expect(outcomes.sort()).toEqual(['fail', 'ok', 'ok', 'ok', 'ok', 'ok'])
  expect(closes).toEqual([4009, 4009])
})
