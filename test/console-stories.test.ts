import type { FastifyInstance } from 'fastify'
import type { Browser, Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createApp, type Diner, ledgerFaults, newAdmin, newDiner, newMerchant, until } from './helpers/app.js'
import { startBrowser } from './helpers/browser.js'
import {
  enterAsAdmin,
  enterAsMerchant,
  goTo,
  lastAdmin,
  openWindow,
  reads,
  picture as screenshot,
  type Window
} from './helpers/console.js'
import { newProduct, stockOf, submit } from './helpers/shop.js'
import { picture, upload } from './helpers/upload.js'

let browser: Browser
beforeAll(async () => {
  browser = await startBrowser()
})
afterAll(() => browser.close())

async function house(): Promise<{ app: FastifyInstance; address: string; diner: Diner; merchant: Diner }> {
  const app = await createApp()
  // Each story has its own queue.
  await app.db.appeal.deleteMany()
  await app.db.receipt.deleteMany()
  const address = await app.listen({ port: 0, host: '127.0.0.1' })
  return { app, address, diner: await newDiner(app), merchant: await newMerchant(app) }
}

async function merchantAt(address: string, merchant: Diner): Promise<Window> {
  const window = await openWindow(browser, address)
  await enterAsMerchant(window.page, merchant.mobile)
  return window
}

const newId = async (app: FastifyInstance, diner: Diner, amount: string, bytes?: Buffer) =>
  (await upload(app, diner, { amount, ...(bytes && { bytes }) })).json().data.upload_id as string
const receipt = (app: FastifyInstance, uploadId: string) => app.db.receipt.findUniqueOrThrow({ where: { uploadId } })
/** The receipt that is looked at. */
const openId = (page: Page) => page.getAttribute('[data-receipt]', 'data-receipt')

describe('receipts', () => {
  test('twenty are reviewed by keyboard alone: as claimed, for another amount, for each of the reasons', async () => {
    const { app, address, diner, merchant } = await house()
    const bytes = await picture(60, 80)
    const ids: string[] = []
    for (let n = 1; n <= 20; n += 1) ids.push(await newId(app, diner, String(10 + n), bytes))
    await app.comparer.idle()
    const { page, faults } = await merchantAt(address, merchant)
    await reads(page, '.waiting h2', 'Waiting: 20')
    await screenshot(page, 'console-queue')

    await until(async () => (await openId(page)) === ids[0])
    // J and K go to and fro, and ? says what there is.
    await page.keyboard.press('j')
    await until(async () => (await openId(page)) === ids[1])
    await page.keyboard.press('k')
    await until(async () => (await openId(page)) === ids[0])
    await page.keyboard.press('?')
    await page.waitForSelector('.keys')
    await page.keyboard.press('Escape')
    await page.waitForSelector('.keys', { state: 'hidden' })

    // R without a reason rejects nothing, and says what is missing.
    await page.keyboard.press('r')
    await reads(page, '.fault', 'Choose a reason first')
    for (const [at, id] of ids.entries()) {
      await until(async () => (await openId(page)) === id)
      if (at < 10) await page.keyboard.press('a')
      else if (at < 13) {
        await page.keyboard.press('e')
        await page.keyboard.type('7.55')
        await reads(page, '.decision output', '75 points')
        await page.keyboard.press('Enter')
      } else {
        await page.keyboard.press(String(at - 12))
        if (at === 19) await page.keyboard.type('not ours')
        await page.keyboard.press(at === 19 ? 'Enter' : 'r')
      }
      await until(async () => (await receipt(app, id)).reviewStatus !== 'pending')
    }
    await reads(page, '.looked-at', 'Everything is reviewed')
    await reads(page, '.decided', 'You rejected it')

    const rows = await Promise.all(ids.map((id) => receipt(app, id)))
    expect(rows.map((row) => [row.reviewStatus, Number(row.actualAmount), row.pointsAwarded, row.reasonCode])).toEqual([
      ...Array.from({ length: 10 }, (_, n) => ['approved', 11 + n, Math.max(50, (11 + n) * 10), null]),
      ...Array.from({ length: 3 }, () => ['approved', 7.55, 75, null]),
      ...['unreadable', 'not_a_receipt', 'other_store', 'too_old', 'already_used', 'amount_mismatch', 'other'].map(
        (code) => ['rejected', 0, 0, code]
      )
    ])
    expect(rows.at(-1)?.reviewReason).toBe('not ours')
    expect(await ledgerFaults(app, [diner.userId])).toEqual([])
    expect(faults).toEqual([])
  })

  test('several at once: as claimed, or for one reason; the rest stays', async () => {
    const { app, address, diner, merchant } = await house()
    const ids = []
    for (const amount of ['11', '22', '33', '44', '55']) ids.push(await newId(app, diner, amount))
    const { page } = await merchantAt(address, merchant)
    await reads(page, '.waiting h2', 'Waiting: 5')
    await page.waitForSelector('[data-receipt]')
    await page.keyboard.press('x')
    await page.keyboard.press('j')
    await page.keyboard.press('x')
    await page.click('text=Approve 2 as claimed')
    await reads(page, '.waiting h2', 'Waiting: 3')
    await page.locator('.thumbs input').nth(0).check()
    await page.locator('.thumbs input').nth(1).check()
    await page.click('text=/^Reject 2$/')
    await reads(page, '.fault', 'Choose a reason first')
    await page.click('[data-reason=too_old]')
    await page.click('text=/^Reject 2$/')
    await reads(page, '.waiting h2', 'Waiting: 1')
    const rows = await Promise.all(ids.map((id) => receipt(app, id)))
    expect(rows.map((row) => [row.reviewStatus, row.pointsAwarded, row.reasonCode])).toEqual([
      ['approved', 110, null],
      ['approved', 220, null],
      ['rejected', 0, 'too_old'],
      ['rejected', 0, 'too_old'],
      ['pending', 0, null]
    ])
  })

  test('two reviewers see each other decide, and what comes in; of two at one receipt one decides it', async () => {
    const { app, address, diner, merchant } = await house()
    const other = await newMerchant(app)
    await app.db.user.update({ where: { userId: other.userId }, data: { nickname: 'Anna' } })
    const [first, second, third] = [
      await newId(app, diner, '10'),
      await newId(app, diner, '20'),
      await newId(app, diner, '30')
    ]
    const [one, two] = [await merchantAt(address, merchant), await merchantAt(address, other)]
    for (const { page } of [one, two]) await until(async () => (await openId(page)) === first)

    await two.page.keyboard.press('a')
    await reads(one.page, '.taken', 'Anna approved ¥10.00, 100 points')
    await reads(one.page, '.decided', 'Anna approved ¥10.00')
    expect(await openId(one.page)).toBe(second)

    const fourth = await newId(app, diner, '40')
    for (const { page } of [one, two]) await reads(page, '.waiting h2', 'Waiting: 3')
    await diner.delete(`/api/photo/${third}`)
    for (const { page } of [one, two]) await reads(page, '.decided', 'The diner took it back')

    await Promise.all([one.page.keyboard.press('a'), two.page.keyboard.press('a')])
    for (const { page } of [one, two]) await until(async () => (await openId(page)) === fourth)
    expect((await receipt(app, second)).pointsAwarded).toBe(200)
    expect((await diner.get('/api/user/info')).json().data.total_points).toBe(1300)
    expect(await ledgerFaults(app, [diner.userId])).toEqual([])
    expect([...one.faults, ...two.faults]).toEqual([])
  })

  test('how much waits is said on every page, and in the title of the window, as it comes and goes', async () => {
    const { app, address, diner, merchant } = await house()
    const other = await newMerchant(app)
    const { page, faults } = await merchantAt(address, merchant)
    await goTo(page, 'counter')
    const counted = (place: string) => page.locator(`[data-place=${place}] .count`).allInnerTexts()
    const [receiptId] = [await newId(app, diner, '85.8'), await newId(app, diner, '20')]
    await reads(page, '[data-place=reviews] .count', /^2\s+waiting$/)
    expect(await page.title()).toMatch(/^\(2\) /)
    await other.post(`/api/merchant/reviews/${receiptId}/approve`, { actual_amount: 58.5 })
    await diner.post(`/api/photo/${receiptId}/appeal`, { message: '小票上是 85.80 元', amount: 85.8 })
    await reads(page, '[data-place=appeals] .count', /^1\s+waiting$/)
    await reads(page, '[data-place=reviews] .count', /^1\s+waiting$/)
    await merchant.post(`/api/merchant/appeals/${receiptId}/uphold`, { reason: '金额与小票一致' })
    await until(async () => (await counted('appeals')).length === 0)
    expect(await page.title()).toMatch(/^\(1\) /)
    expect(faults).toEqual([])
  })

  test('a repeat is refused with its evidence beside it', async () => {
    const { app, address, diner, merchant } = await house()
    const friend = await newDiner(app)
    const bytes = await picture()
    const first = await newId(app, diner, '58.5', bytes)
    await merchant.post(`/api/merchant/reviews/${first}/approve`, { actual_amount: 58.5 })
    const repeat = await newId(app, friend, '58.5', bytes)
    const { page, faults } = await merchantAt(address, merchant)
    await page.waitForSelector('[data-receipt]')
    await reads(page, '.evidence', 'High risk')
    await reads(page, '.match', 'Same file')
    await page.locator('.match').first().click()
    await until(async () => (await page.locator('.pair img').count()) === 2)
    await until(() =>
      page
        .locator('.pair img')
        .evaluateAll((all) => all.every((img) => (img as { naturalWidth: number } & typeof img).naturalWidth > 0))
    )
    await screenshot(page, 'console-evidence')
    await page.keyboard.press('Escape')
    await page.waitForSelector('.pair', { state: 'hidden' })
    await page.keyboard.press('5')
    await page.keyboard.press('r')
    await reads(page, '.looked-at', 'Everything is reviewed')
    expect(await receipt(app, repeat)).toMatchObject({ reviewStatus: 'rejected', reasonCode: 'already_used' })
    expect(faults).toEqual([])
  })

  test('an appeal is decided by somebody else, live, and pays the difference', async () => {
    const { app, address, diner, merchant } = await house()
    const other = await newMerchant(app)
    const id = await newId(app, diner, '85.8')
    await merchant.post(`/api/merchant/reviews/${id}/approve`, { actual_amount: 58.5 })
    const [own, page] = [(await merchantAt(address, merchant)).page, (await merchantAt(address, other)).page]
    for (const each of [own, page]) await goTo(each, 'appeals')
    await reads(page, 'main', 'Nothing here')
    await diner.post(`/api/photo/${id}/appeal`, { message: '小票上是 85.80 元', amount: 85.8 })
    await reads(own, '.deciding', 'somebody else decides')
    await reads(page, '.said', '小票上是 85.80 元')
    await page.click('[data-act=overturn]')
    await reads(page, '.fault', 'This is needed')
    await page.fill('textarea[name=reason]', 'right, 85.80')
    await reads(page, '.decision output', '273 points more')
    await page.click('[data-act=overturn]')
    await reads(page, 'main', 'Nothing here')
    expect(await receipt(app, id)).toMatchObject({ reviewStatus: 'approved', pointsAwarded: 858 })
    expect(await ledgerFaults(app, [diner.userId])).toEqual([])
  })
})

describe('the counter and the shop', () => {
  test('a voucher is looked up, typed as people type, redeemed once, and shown as used after', async () => {
    const { app, address, diner, merchant } = await house()
    const { data: order } = (await submit(diner, await newProduct(app))).json()
    const code = order.exchange_code as string
    const { page, faults } = await merchantAt(address, merchant)
    await goTo(page, 'counter')
    await page.fill('input[name=code]', 'NOSUCHCODE22')
    await page.keyboard.press('Enter')
    await reads(page, '.taken', 'no voucher with this code')
    await page.fill('input[name=code]', ` ${code.slice(0, 4).toLowerCase()} ${code.slice(4, 8)}-${code.slice(8)} `)
    await page.keyboard.press('Enter')
    await reads(page, '.voucher', order.product_name)
    await page.click('[data-act=redeem]')
    await reads(page, '.redeemed', 'Redeemed')
    await screenshot(page, 'console-counter')
    expect((await merchant.get(`/api/merchant/vouchers/${code}`)).json().data.status).toBe('used')
    await page.fill('input[name=code]', code)
    await page.keyboard.press('Enter')
    await reads(page, '.voucher', 'Used')
    expect(await page.locator('[data-act=redeem]').count()).toBe(0)
    expect(faults).toEqual([])
  })

  test('two counters redeem one voucher at once: one has done it, the other sees that it is used', async () => {
    const { app, address, diner, merchant } = await house()
    const { data: order } = (await submit(diner, await newProduct(app))).json()
    const windows = [await merchantAt(address, merchant), await merchantAt(address, await newMerchant(app))]
    for (const { page } of windows) {
      await goTo(page, 'counter')
      await page.fill('input[name=code]', order.exchange_code)
      await page.keyboard.press('Enter')
      await page.waitForSelector('[data-act=redeem]')
    }
    await Promise.all(windows.map(({ page }) => page.click('[data-act=redeem]')))
    for (const { page } of windows) await reads(page, '.voucher', 'Used')
    const redeemed = await Promise.all(windows.map(({ page }) => page.locator('.redeemed').count()))
    expect(redeemed.sort()).toEqual([0, 1])
  })

  test('a code is scanned by the camera, where the browser can read one', async () => {
    const { app, address, diner, merchant } = await house()
    const { data: order } = (await submit(diner, await newProduct(app))).json()
    const { page } = await openWindow(browser, address)
    // In place of a camera and of what reads codes, which a browser without a screen has not.
    await page.addInitScript({
      content: `
        globalThis.BarcodeDetector = class {
          async detect() { return [{ rawValue: ${JSON.stringify(order.exchange_code)} }] }
        }
        const getUserMedia = async () => {
          const canvas = document.createElement('canvas')
          setInterval(() => canvas.getContext('2d').fillRect(0, 0, 9, 9), 50)
          return canvas.captureStream()
        }
        Object.defineProperty(navigator, 'mediaDevices', { value: { getUserMedia } })`
    })
    await page.reload()
    await enterAsMerchant(page, merchant.mobile)
    await goTo(page, 'counter')
    await page.click('[data-act=scan]')
    await reads(page, '.voucher', order.product_name)
    expect(await page.locator('video').count()).toBe(0)
  })

  test('an order is confirmed, shipped and completed; another is cancelled and its points go back', async () => {
    const { app, address, diner, merchant } = await house()
    const product = await newProduct(app, { stock: 5 })
    const delivery = {
      delivery_info: { recipient_name: '王五', recipient_phone: '13800000000', delivery_address: '长安街 1 号' }
    }
    const { data: sent } = (await submit(diner, product, delivery)).json()
    const { data: dropped } = (await submit(diner, product)).json()
    const { page, faults } = await merchantAt(address, merchant)
    await goTo(page, 'orders')
    // Until it is confirmed, where it goes is nobody's business.
    await reads(page, `[data-row="${sent.order_id}"]`, '长安街****')
    for (const [act, status, next] of [
      ['confirm', 'confirmed', 'Confirmed'],
      ['ship', 'shipped', 'Shipped'],
      ['complete', 'completed', undefined]
    ] as const) {
      await page.click(`[data-row="${sent.order_id}"] [data-act=${act}]`)
      await until(
        async () =>
          (await app.db.exchangeOrder.findUniqueOrThrow({ where: { orderId: sent.order_id } })).status === status
      )
      if (next === undefined) continue
      await page.click(`.choice >> text=/^${next}$/`)
      await reads(page, `[data-row="${sent.order_id}"]`, '长安街 1 号')
    }
    await page.click('.choice >> text=/^Pending$/')
    const before = (await diner.get('/api/user/info')).json().data.total_points
    await page.click(`[data-row="${dropped.order_id}"] [data-act=cancel]`)
    await page.fill('.el-dialog:visible input[name=reason]', 'out of it')
    await page.click('.el-dialog:visible button[type=submit]')
    await until(async () => (await diner.get('/api/user/info')).json().data.total_points > before)
    expect(await stockOf(app, product)).toBe(4)
    expect(faults).toEqual([])
  })

  test('a product is made with a picture, stocked, changed, and taken away', async () => {
    const { app, address, merchant } = await house()
    const { page, faults } = await merchantAt(address, merchant)
    await goTo(page, 'products')
    await page.click('[data-act=new]')
    const form = page.locator('.el-drawer form')
    for (const [name, value] of Object.entries({ name: '桂花糕', category: '饮品', points: '300', stock: '3' })) {
      await form.locator(`input[name=${name}]`).fill(value)
    }
    await form
      .locator('input[name=image]')
      .setInputFiles({ name: 'x.jpg', mimeType: 'image/jpeg', buffer: await picture() })
    await page.waitForSelector('img.preview')
    await form.locator('button[type=submit]').click()
    await reads(page, 'table.rows', '桂花糕')
    const product = await app.db.product.findFirstOrThrow({ where: { name: '桂花糕' } })
    expect(product).toMatchObject({ exchangePoints: 300, stock: 3, category: '饮品' })
    const row = `[data-row="${product.productId}"]`
    await page.click(`${row} [data-act=stock]`)
    await page.fill('.el-dialog:visible input[name=change]', '-x')
    await page.fill('.el-dialog:visible input[name=reason]', '盘点')
    await page.click('.el-dialog:visible button[type=submit]')
    await reads(page, '.el-dialog:visible .fault', 'A whole number')
    // Refused by the service, it stays, with what was written; behind it is what there is now.
    await app.db.product.update({ where: { productId: product.productId }, data: { name: '桂花糕（大）' } })
    await page.fill('.el-dialog:visible input[name=change]', '-9')
    await page.click('.el-dialog:visible button[type=submit]')
    await reads(page, row, '桂花糕（大）')
    expect(await page.inputValue('.el-dialog:visible input[name=change]')).toBe('-9')
    expect(await page.inputValue('.el-dialog:visible input[name=reason]')).toBe('盘点')
    await page.fill('.el-dialog:visible input[name=change]', '-2')
    await page.click('.el-dialog:visible button[type=submit]')
    await until(async () => (await stockOf(app, product.productId)) === 1)
    await page.click(`${row} [data-act=edit]`)
    await page.locator('.el-drawer input[name=points]').fill('350')
    await page.locator('.el-drawer button[type=submit]').click()
    await reads(page, row, '350')
    await page.click(`${row} [data-act=remove]`)
    await page.click('.el-dialog:visible button[type=submit]')
    await page.waitForSelector(row, { state: 'detached' })
    expect(faults).toEqual([])
  })
})

describe('the wheel', () => {
  test('is changed after a dry run that says what it costs; its version and what it changed are listed', async () => {
    const { address, merchant } = await house()
    const { page, faults } = await merchantAt(address, merchant)
    await goTo(page, 'wheel')
    await reads(page, '.preview', 'As it is')
    // Whoever asks too often is told, and need not ask again.
    const place = '**/api/merchant/lottery-config?dry_run=true'
    const body = JSON.stringify({ code: 5001, msg: '请求过于频繁，请稍后重试', error: 'RATE_LIMITED' })
    await page.route(place, (route) =>
      route.fulfill({ status: 429, headers: { 'retry-after': '1' }, contentType: 'application/json', body })
    )
    // The first border by keys: the first prize gets what the second gives.
    await page.locator('.handle').first().focus()
    for (let n = 0; n < 5; n += 1) await page.keyboard.press('ArrowRight')
    await until(async () => (await page.inputValue('[data-prize="1"] input.odds >> nth=0')) === '1.50')
    await reads(page, '.preview .fault', 'Too many requests')
    await page.unroute(place)
    await reads(page, '.preview h2', 'As it would be')
    expect(await page.locator('.preview .fault').count()).toBe(0)
    // The last by dragging.
    const handle = (await page.locator('.handle').last().boundingBox()) ?? { x: 0, y: 0, width: 0, height: 0 }
    await page.mouse.move(handle.x + handle.width / 2, handle.y + handle.height / 2)
    await page.mouse.down()
    await page.mouse.move(handle.x - 12, handle.y + 6)
    await page.mouse.up()
    const odds = async () => {
      const shown = await page
        .locator('[data-prize] td:nth-child(2) input')
        .evaluateAll((all) => all.map((input) => Number((input as unknown as { value: string }).value)))
      return shown
    }
    const sum = async () => Math.round((await odds()).reduce((total, each) => total + each, 0) * 100)
    expect(await sum()).toBe(10_000)
    // And by writing: the others make way.
    await page.fill('[data-prize="3"] input.odds >> nth=0', '25')
    await page.keyboard.press('Tab')
    await until(async () => (await odds())[2] === 25)
    expect(await sum()).toBe(10_000)
    await reads(page, '.preview h2', 'As it would be')
    await reads(page, '.costs', '¥')
    await screenshot(page, 'console-wheel')
    const wanted = await odds()
    await page.click('.preview button[type=submit]')
    await reads(page, '.head', 'Version 2')
    await reads(page, '[data-version="2"]', /· Odds\s+30.00%\s+25.00%/)
    const { data: rules } = (await merchant.get('/api/merchant/lottery-config')).json()
    expect(rules.version).toBe(2)
    expect(rules.prizes.map(({ probability }: { probability: number }) => Math.round(probability * 10_000))).toEqual(
      wanted.map((each) => Math.round(each * 100))
    )
    expect(faults).toEqual([])
  })

  test('two change it at once: the second is told, and overwrites nothing unread', async () => {
    const { app, address, merchant } = await house()
    const { page } = await merchantAt(address, merchant)
    await goTo(page, 'wheel')
    await reads(page, '.preview', 'As it is')
    const { data: rules } = (await merchant.get('/api/merchant/lottery-config')).json()
    await page.fill('[data-prize="1"] input.odds >> nth=0', '3')
    await page.keyboard.press('Tab')
    await reads(page, '.preview h2', 'As it would be')
    const other = await newMerchant(app)
    await other.put('/api/merchant/lottery-config', { version: rules.version, daily_limit: 40 })
    await reads(page, '.taken', 'Somebody else changed the rules')
    await page.click('.preview button[type=submit]')
    await reads(page, '.el-message', 'changed meanwhile')
    expect((await merchant.get('/api/merchant/lottery-config')).json().data.daily_limit).toBe(40)
    await page.click('text=Read anew')
    await until(async () => (await page.inputValue('.rules input[type=number] >> nth=1')) === '40')
  })
})

describe('an admin', () => {
  test('bans and lets in, gives points, decides an application, takes a receipt back, and exports', async () => {
    const { app, address, diner, merchant } = await house()
    await newAdmin(app)
    const id = await newId(app, diner, '58.5')
    await merchant.post(`/api/merchant/reviews/${id}/approve`, { actual_amount: 58.5 })
    const applicant = await newDiner(app)
    await applicant.post('/api/merchant/apply', {
      business_name: '二店',
      contact_person: '李四',
      contact_phone: '13800000001'
    })
    const { page, faults } = await openWindow(browser, address, { place: '/admin' })
    await enterAsAdmin(page, await lastAdmin(app))
    const row = `[data-row="${diner.userId}"]`
    await page.fill('input[name=search]', diner.mobile)
    await page.keyboard.press('Enter')
    await until(async () => (await page.locator('tbody tr').count()) === 1)
    await page.click(`${row} [data-act=points]`)
    await page.fill('.el-dialog:visible input[name=change]', '15')
    await page.fill('.el-dialog:visible textarea[name=reason]', '补偿')
    await page.click('.el-dialog:visible button[type=submit]')
    await reads(page, row, '1,600')
    await page.click(`${row} [data-act=ban]`)
    await page.click('.el-dialog:visible button[type=submit]')
    await reads(page, '.el-dialog:visible .fault', 'This is needed')
    await page.fill('.el-dialog:visible textarea[name=reason]', '刷单')
    await screenshot(page, 'console-ban')
    await page.click('.el-dialog:visible button[type=submit]')
    await reads(page, row, 'Banned')
    expect((await diner.get('/api/user/info')).json().error).toBe('ACCOUNT_DISABLED')
    await page.click(`${row} [data-act=unban]`)
    await page.fill('.el-dialog:visible textarea[name=reason]', '误封')
    await page.click('.el-dialog:visible button[type=submit]')
    await reads(page, row, 'Active')

    await page.click('[data-part=applications]')
    await page.click('text=二店 >> xpath=ancestor::tr >> [data-act=approve]')
    await until(async () => (await app.db.user.findUniqueOrThrow({ where: { userId: applicant.userId } })).isMerchant)

    await goTo(page, 'reviews')
    await page.click('text=All receipts')
    await page.click(`[data-row="${id}"] >> text=Revoke`)
    await page.fill('.el-dialog:visible textarea[name=reason]', '伪造')
    await page.click('.el-dialog:visible button[type=submit]')
    await reads(page, `[data-row="${id}"]`, 'Revoked')

    await goTo(page, 'admin')
    await page.click('[data-part=reviewers]')
    await reads(page, 'table', /100\.0%/)
    await page.click('[data-part=audit]')
    await reads(page, 'table', 'user.ban')
    await reads(page, 'table', '刷单')
    await page.click('[data-part=logins]')
    await reads(page, 'table', 'Logged in')
    await page.click('[data-part=exports]')
    for (const [name, holds] of [
      ['receipts', id],
      ['ledger', '补偿'],
      ['audit', '刷单']
    ] as const) {
      const [download] = await Promise.all([page.waitForEvent('download'), page.click(`[data-export=${name}]`)])
      const chunks: Buffer[] = []
      for await (const chunk of await download.createReadStream()) chunks.push(chunk as Buffer)
      const file = Buffer.concat(chunks)
      expect(file.toString('utf8')).toContain(holds)
      // By this a spreadsheet knows that Chinese is in UTF-8.
      expect(file.subarray(0, 3)).toEqual(Buffer.from([0xef, 0xbb, 0xbf]))
      expect(download.suggestedFilename()).toMatch(new RegExp(`^${name}-.*\\.csv$`))
    }
    expect(await ledgerFaults(app, [diner.userId])).toEqual([])
    expect(faults).toEqual([])
  })
})
