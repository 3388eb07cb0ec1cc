import { readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { gzipSync } from 'node:zlib'
import type { FastifyInstance } from 'fastify'
import type { Browser, Page, Route } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createApp, type Diner, newAdmin, newDiner, newMerchant, until } from './helpers/app.js'
import { barriers, startBrowser } from './helpers/browser.js'
import { enterAsAdmin, enterAsMerchant, goTo, lastAdmin, openWindow, picture, reads } from './helpers/console.js'
import { createProxy } from './helpers/proxy.js'
import { newProduct, submit } from './helpers/shop.js'
import { upload } from './helpers/upload.js'

const FIRST_LOAD = 300 * 1024
const EMPTY = /Nothing here|Everything is reviewed/

let browser: Browser
beforeAll(async () => {
  browser = await startBrowser()
})
afterAll(() => browser.close())

/** What somebody may have written, who wants a reader's browser to run it. */
const HOSTILE = [
  '<script>globalThis.harmed=1</script>',
  '<img src=x onerror="globalThis.harmed=1">',
  '<svg onload=globalThis.harmed=1>',
  '"><iframe srcdoc="<script>parent.harmed=1</script>">',
  "javascript:globalThis.harmed=1//'",
  '{{constructor.constructor("globalThis.harmed=1")()}}',
  '</textarea><math><mi xlink:href="javascript:globalThis.harmed=1">',
  '<a href="javascript:globalThis.harmed=1" autofocus onfocus=globalThis.harmed=1>'
]

const tooWide = (page: Page) =>
  page.evaluate('document.documentElement.scrollWidth - document.documentElement.clientWidth') as Promise<number>
/** What is being fetched is there, and nothing moves any more. */
async function settled(page: Page): Promise<void> {
  await page.waitForLoadState('networkidle')
  await until(async () => (await page.locator('[aria-busy=true]').count()) === 0)
  await page
    .evaluate(
      'Promise.all(document.getAnimations().filter((each) => each.effect.getTiming().iterations < 9).map((each) => each.finished))'
    )
    .catch(() => {})
}

async function house(config: NonNullable<Parameters<typeof createApp>[0]>['config'] = {}) {
  const app = await createApp({ config })
  const address = await app.listen({ port: 0, host: '127.0.0.1' })
  return { app, address }
}

/** Diners with something on every page, whose words are as hostile as words can be. */
async function busyHouse() {
  const { app, address } = await house()
  const [diner, merchant] = [await newDiner(app, { points: 5000 }), await newMerchant(app)]
  await newAdmin(app)
  await app.db.user.update({ where: { userId: diner.userId }, data: { nickname: (HOSTILE[1] ?? '').slice(0, 50) } })
  const ids: string[] = []
  for (const [at, text] of HOSTILE.entries()) {
    const sent = await upload(app, diner, { amount: String(20 + at), description: text, filename: `${text}.jpg` })
    ids.push(sent.json().data.upload_id)
  }
  const [first = '', second = '', third = ''] = ids
  await merchant.post(`/api/merchant/reviews/${first}/reject`, { reason_code: 'other', reason: HOSTILE[0] })
  await merchant.post(`/api/merchant/reviews/${second}/approve`, { actual_amount: 10 })
  await merchant.post(`/api/merchant/reviews/${third}/approve`, { actual_amount: 9, reason: HOSTILE[2] })
  await diner.post(`/api/photo/${second}/appeal`, { message: HOSTILE[3] })
  await diner.post('/api/lottery/draw', { draw_type: 'ten' })
  const product = await newProduct(app, { name: (HOSTILE[2] ?? '').slice(0, 100), description: HOSTILE[4] ?? '' })
  const delivery = {
    recipient_name: (HOSTILE[2] ?? '').slice(0, 50),
    recipient_phone: '13800000000',
    delivery_address: HOSTILE[3],
    delivery_note: HOSTILE[5]
  }
  const { data: order } = (await submit(diner, product, { delivery_info: delivery })).json()
  await merchant.post(`/api/merchant/orders/${order.order_id}/confirm`)
  const pickUp = (await submit(diner, product)).json().data
  const applicant = await newDiner(app)
  await applicant.post('/api/merchant/apply', {
    business_name: HOSTILE[1],
    contact_person: HOSTILE[2],
    contact_phone: '13800000001',
    reason: HOSTILE[5]
  })
  return { app, address, diner, merchant, code: pickUp.exchange_code as string }
}

const PLACES = [
  '/reviews',
  '/appeals',
  '/counter',
  '/orders',
  '/products',
  '/wheel',
  '/statistics',
  '/admin/users',
  '/admin/applications',
  '/admin/reviewers',
  '/admin/audit',
  '/admin/logins',
  '/admin/exports'
]

describe('every page', () => {
  test.each([
    [1280, 'en-US'],
    [375, 'zh-CN']
  ] as const)(
    'fits a width of %i, bars nobody, shows what people wrote as text, and keeps to its policy (%s)',
    async (width, locale) => {
      const { app, address, code } = await busyHouse()
      const { page, faults } = await openWindow(browser, address, { width, locale })
      await page.waitForSelector('.login form')
      const found = (await barriers(page)).map((each) => `login ${each}`)
      await picture(page, `console-login-${width}`)
      await enterAsAdmin(page, await lastAdmin(app))
      for (const place of PLACES) {
        await page.goto(`${address}/console${place}`)
        await page.waitForSelector('h1')
        await settled(page)
        if (place === '/counter') {
          await page.fill('input[name=code]', code)
          await page.keyboard.press('Enter')
          await page.waitForSelector('.voucher')
        }
        found.push(...(await barriers(page)).map((each) => `${place} ${each}`))
        expect([place, await tooWide(page)]).toEqual([place, 0])
        await picture(page, `console${place.replaceAll('/', '-')}-${width}`)
      }
      // And what opens over them.
      await page.goto(`${address}/console/reviews`)
      await page.waitForSelector('[data-receipt]')
      await page.keyboard.press('?')
      await page.waitForSelector('.keys')
      await settled(page)
      found.push(...(await barriers(page)).map((each) => `keys ${each}`))
      await page.keyboard.press('Escape')
      await page.goto(`${address}/console/products`)
      await page.click('[data-act=new]')
      await page.waitForSelector('.el-drawer form')
      await settled(page)
      found.push(...(await barriers(page)).map((each) => `product ${each}`))
      await page.goto(`${address}/console/admin/users`)
      await page.locator('[data-act=ban]').first().click()
      await page.waitForSelector('.el-dialog:visible textarea')
      await settled(page)
      found.push(...(await barriers(page)).map((each) => `ban ${each}`))
      await picture(page, `console-ban-${width}`)
      expect(found).toEqual([])
      expect(faults).toEqual([])
      expect(await page.evaluate('globalThis.harmed')).toBeUndefined()
    }
  )

  test('what diners wrote stands there letter by letter', async () => {
    const { address, app } = await busyHouse()
    const { page } = await openWindow(browser, address)
    await enterAsAdmin(page, await lastAdmin(app))
    for (const [place, ...texts] of [
      ['/reviews', (HOSTILE[1] ?? '').slice(0, 50), HOSTILE[3]],
      ['/appeals', HOSTILE[3]],
      ['/orders', (HOSTILE[2] ?? '').slice(0, 50)],
      ['/products', HOSTILE[2]],
      ['/admin/applications', HOSTILE[1], HOSTILE[5]],
      ['/admin/audit', HOSTILE[0]]
    ] as const) {
      await page.goto(`${address}/console${place}`)
      for (const text of texts) await reads(page, 'main', text ?? '')
      // Nothing of it has become an element.
      expect([place, await page.locator('main :is(script, iframe, math, a[href^="javascript:"])').count()]).toEqual([
        place,
        0
      ])
    }
    expect(await page.evaluate('globalThis.harmed')).toBeUndefined()
  })
})

describe('what is sent', () => {
  test('is named by what is in it, kept for ever, compressed; the page itself is asked for each time', async () => {
    const { app } = await house()
    const entry = await app.inject('/console')
    expect(entry.headers['cache-control']).toBe('no-cache')
    const policy = String(entry.headers['content-security-policy'])
    expect(policy).toContain("script-src 'self'; style-src 'self'")
    expect(policy).not.toMatch(/unsafe|data:/)
    expect(entry.payload).not.toMatch(/<script>|<style|onload=| style=/)
    const files = [...entry.payload.matchAll(/\/console\/assets\/[\w.-]+/g)].map(([file]) => file)
    expect(files.length).toBeGreaterThan(1)
    for (const file of files) {
      expect(file).toMatch(/-[\w-]{8}\.(js|css|svg)$/)
      for (const [encoding, answered] of [
        ['br', file.endsWith('.svg') ? undefined : 'br'],
        ['gzip', file.endsWith('.svg') ? undefined : 'gzip'],
        ['identity', undefined]
      ] as const) {
        const reply = await app.inject({ url: file, headers: { 'accept-encoding': encoding } })
        expect([file, reply.statusCode, reply.headers['content-encoding']]).toEqual([file, 200, answered])
        expect(reply.headers['cache-control']).toBe('public, max-age=31536000, immutable')
        expect(reply.headers['x-content-type-options']).toBe('nosniff')
      }
    }
    for (const bad of ['nothing-12345678.js', '../index.html', '..%2findex.html', '.stamp', 'x.js.br', '']) {
      const reply = await app.inject(`/console/assets/${bad}`)
      expect([bad, reply.headers['cache-control'] ?? '']).toEqual([bad, expect.not.stringContaining('immutable')])
    }
    // A place of the console that is opened by its address is the same page.
    expect((await app.inject('/console/wheel')).payload).toBe(entry.payload)
  })

  test('is under 300 KB until the first page stands, of everything together', async () => {
    const { app, address } = await house()
    const merchant = await newMerchant(app)
    const { page } = await openWindow(browser, address)
    await enterAsMerchant(page, merchant.mobile)
    await page.waitForSelector('.queue')
    await settled(page)
    const fetched = (await page.evaluate(
      'performance.getEntriesByType("resource").map(({ name }) => name).filter((name) => name.includes("/console/assets/"))'
    )) as string[]
    const sizes = fetched.map(
      (name) => gzipSync(readFileSync(path.join('dist', new URL(name).pathname)), { level: 9 }).length
    )
    expect(fetched.length).toBeGreaterThan(3)
    expect(sizes.reduce((sum, size) => sum + size, 0)).toBeLessThan(FIRST_LOAD)
    // Charts are for the page that has them.
    expect(fetched.some((name) => name.includes('StatisticsPage'))).toBe(false)
    expect(readdirSync('dist/console/assets').some((name) => name.startsWith('StatisticsPage'))).toBe(true)
  })

  test('at / is the console in production, a page that says where to go while it is developed, nothing in between', async () => {
    const { app: production } = await house({ NODE_ENV: 'production' })
    const reply = await production.inject('/')
    expect([reply.statusCode, reply.headers.location]).toEqual([302, '/console'])
    expect((await production.inject('/console')).payload).toContain('name="environment" content="production"')
    const { app: development } = await house({ NODE_ENV: 'development' })
    expect((await development.inject('/')).payload).toContain('href="/console"')
    const { app: test } = await house()
    expect((await test.inject('/')).statusCode).toBe(404)
  })
})

describe('whoever is not logged in, or not any more', () => {
  async function entered(config: Parameters<typeof house>[0] = {}) {
    const { app, address } = await house(config)
    const merchant = await newMerchant(app)
    const { page, faults } = await openWindow(browser, address)
    await enterAsMerchant(page, merchant.mobile)
    return { app, address, merchant, page, faults }
  }
  const sessionsOf = (app: FastifyInstance, { userId }: Diner) =>
    app.db.session.count({ where: { userId, revokedAt: null } })

  test('is told what is wrong with a code, a password, a mobile that is no merchant’s; a deep address waits', async () => {
    const { app, address } = await house()
    const [diner, merchant] = [await newDiner(app), await newMerchant(app)]
    await newAdmin(app)
    const { page } = await openWindow(browser, address, { place: '/orders' })
    await page.fill('input[name=mobile]', merchant.mobile)
    await page.fill('input[name=code]', '000000')
    await page.click('button[type=submit]')
    await reads(page, '.fault', 'The code is wrong or has expired')
    await page.fill('input[name=mobile]', diner.mobile)
    await page.click('text=Send a code')
    await until(async () => !['', '000000'].includes(await page.inputValue('input[name=code]')))
    await page.click('button[type=submit]')
    await reads(page, '.fault', 'This is for merchants')
    await page.click('text=/^Admin$/')
    await page.fill('input[name=username]', await lastAdmin(app))
    await page.fill('input[name=password]', 'wrong')
    await page.click('button[type=submit]')
    await reads(page, '.fault', 'The name or the password is wrong')
    await page.fill('input[name=password]', 'right password')
    await page.click('button[type=submit]')
    await reads(page, 'h1', 'Orders')
    // The language is kept, and nothing else is.
    await page.click('text=中文')
    await reads(page, 'h1', '订单')
    expect(await page.evaluate('Object.keys(localStorage)')).toEqual(['console-language'])
    expect(await page.evaluate('JSON.stringify([{ ...localStorage }, { ...sessionStorage }])')).not.toContain('eyJ')
    await page.reload()
    await reads(page, 'h1', '订单')
  })

  test('a wrong token is renewed unseen; a session that ended shows the login, says so, and leads back', async () => {
    const { app, address } = await house()
    const merchant = await newMerchant(app)
    const { page } = await openWindow(browser, address)
    // Without a line, on which it would hear of the end at once, and without what it counts by itself.
    await page.routeWebSocket('**/ws**', (socket) => socket.close())
    await page.route(/[?&]limit=1$/, (route) => route.abort())
    let token = ''
    page.on('request', (request) => {
      token = request.headers().authorization ?? token
    })
    await enterAsMerchant(page, merchant.mobile)
    let spoilt = 0
    await page.route('**/api/merchant/orders**', async (route) => {
      const headers = { ...route.request().headers(), ...(spoilt++ === 0 && { authorization: 'Bearer x.y.z' }) }
      await route.continue({ headers })
    })
    await goTo(page, 'orders')
    await page.waitForSelector('.table-box[aria-busy=false]')
    expect(spoilt).toBe(2)
    await app.inject({ method: 'POST', url: '/api/auth/logout', headers: { authorization: token } })
    await goTo(page, 'products')
    await reads(page, '.login', 'Your session has ended; log in again')
    await enterAsMerchant(page, merchant.mobile)
    await reads(page, 'h1', 'Products')
  })

  test('a logout ends it in every window, for cookie and token; a ban does, at once', async () => {
    const { app, address, merchant, page } = await entered()
    const tab = await page.context().newPage()
    await tab.goto(`${address}/console/counter`)
    await tab.waitForSelector('nav.places')
    const [cookie] = await page.context().cookies(`${address}/api/auth`)
    expect(cookie).toMatchObject({ name: 'console_refresh', httpOnly: true, sameSite: 'Strict', path: '/api/auth' })
    expect(await page.evaluate('document.cookie')).toBe('')
    const before = await sessionsOf(app, merchant)
    await page.click('text=Log out')
    await page.waitForSelector('.login')
    // The other window hears of it on its line, without a click.
    await reads(tab, '.login', 'Your session has ended')
    expect(await sessionsOf(app, merchant)).toBe(before - 1)
    expect(await page.context().cookies(`${address}/api/auth`)).toEqual([])
    const again = await app.inject({
      method: 'POST',
      url: '/api/auth/console-refresh',
      headers: { cookie: `console_refresh=${cookie?.value}` }
    })
    expect(again.json().error).toBe('TOKEN_INVALID')
    await page.reload()
    await page.waitForSelector('.login')

    await enterAsMerchant(page, merchant.mobile)
    const admin = await newAdmin(app)
    await admin.post(`/api/admin/users/${merchant.userId}/ban`, { reason: 'x' })
    await reads(page, '.login', 'This account is disabled')
  })

  test('a merchant sees no admin’s page, and what is typed into the address shows nothing', async () => {
    const { page, address } = await entered()
    expect(await page.locator('[data-place=admin]').count()).toBe(0)
    await page.goto(`${address}/console/admin/audit`)
    await reads(page, 'main', 'For admins alone')
  })

  test('a lost connection is said, and mended by itself: what came meanwhile is there; at the start too', async () => {
    const { app, address } = await house()
    const [diner, merchant] = [await newDiner(app), await newMerchant(app)]
    await app.db.appeal.deleteMany()
    await app.db.receipt.deleteMany()
    const line = await createProxy(new URL(address))
    try {
      const through = line.url.replace(/\/$/, '')
      const { page } = await openWindow(browser, through)
      await enterAsMerchant(page, merchant.mobile)
      await reads(page, '.looked-at', 'Everything is reviewed')
      line.cut()
      await reads(page, 'main', 'The connection is lost')
      await upload(app, diner, { amount: '33' })
      line.restore()
      await reads(page, '.waiting h2', 'Waiting: 1')
      await until(async () => !(await page.locator('main').innerText()).includes('The connection is lost'))

      // The page is there, and the service is not.
      const late = await page.context().newPage()
      await late.route('**/api/**', (route) => route.abort())
      await late.goto(`${through}/console`)
      await reads(late, 'main', 'The service cannot be reached')
      await late.unroute('**/api/**')
      await late.waitForSelector('nav.places')
    } finally {
      await line.close()
    }
  })

  test('a page whose code a new version has replaced is got with the new version; what cannot be had is said', async () => {
    const { page } = await entered()
    let missing = 0
    const isGone = (url: URL) => /\/assets\/OrdersPage-.*\.js$/.test(url.pathname)
    const gone = (route: Route) => {
      missing += 1
      return route.fulfill({ status: 404, body: '' })
    }
    await page.route(isGone, gone)
    await page.evaluate('window.isOld = true')
    await goTo(page, 'orders')
    // It is not there in the new version either: that is tried once, and said.
    await reads(page, '.el-message', 'does not answer')
    expect([missing, await page.evaluate('window.isOld')]).toEqual([2, undefined])
    await page.unroute(isGone)
    await goTo(page, 'reviews')
    await page.waitForSelector('.looked-at')
    // A browser keeps in mind what a page could not import.
    await page.reload()
    await page.waitForSelector('.looked-at')
    await page.route(isGone, gone, { times: 1 })
    await page.evaluate('window.isOld = true')
    await goTo(page, 'orders')
    await page.waitForSelector('input[name=order_no]')
    expect([new URL(page.url()).pathname, await page.evaluate('window.isOld')]).toEqual(['/console/orders', undefined])
    // And where the service is not there, what is shown stays.
    await page.route(isGone, gone)
    await page.route('**/console/**', (route) => route.abort())
    await page.evaluate('window.isOld = true')
    await goTo(page, 'wheel')
    await reads(page, '.el-message', 'does not answer')
    expect(await page.evaluate('window.isOld')).toBe(true)
  })

  test('a page that could not be read says so, not that it is empty; it is read when asked, and once the line is back', async () => {
    const { app, address } = await house()
    const line = await createProxy(new URL(address))
    try {
      const { page, faults } = await openWindow(browser, line.url.replace(/\/$/, ''))
      await enterAsMerchant(page, (await newMerchant(app)).mobile)
      await page.waitForSelector('.looked-at')
      const body = JSON.stringify({ code: 5000, msg: '服务器内部错误', error: 'INTERNAL' })
      const failing = '**/api/{merchant,fairness}/**'
      const fail = (route: Route) => route.fulfill({ status: 500, contentType: 'application/json', body })
      await page.route(failing, fail)
      for (const place of ['appeals', 'orders', 'products', 'wheel', 'statistics', 'reviews']) {
        await goTo(page, place)
        await reads(page, 'main [role=alert]', 'This could not be read')
        expect([place, await page.locator('main').innerText()]).not.toEqual([place, expect.stringMatching(EMPTY)])
      }
      expect(await barriers(page)).toEqual([])
      const isRead = async () => !(await page.locator('main').innerText()).includes('This could not be read')
      await goTo(page, 'statistics')
      await reads(page, 'main [role=alert]', 'This could not be read')
      line.cut()
      await reads(page, 'main', 'The connection is lost')
      await page.unroute(failing)
      line.restore()
      await until(isRead)
      await page.route(failing, fail)
      await goTo(page, 'orders')
      await reads(page, 'main [role=alert]', 'This could not be read')
      await page.unroute(failing)
      await page.click('[data-act=again]')
      await until(isRead)
      expect(faults).toEqual([])
    } finally {
      await line.close()
    }
  })
})

test('the first time, while it is developed, a tour shows what is where; once', async () => {
  const { app, address } = await house({ NODE_ENV: 'development' })
  const merchant = await newMerchant(app)
  const { page, faults } = await openWindow(browser, address)
  await enterAsMerchant(page, merchant.mobile)
  await reads(page, '.el-tour', 'This is sample data')
  await picture(page, 'console-tour')
  for (const title of ['Reviews', 'Counter', 'Orders', 'Wheel', 'Statistics']) {
    await page.click('.el-tour-buttons button:last-child, .el-tour__footer button:last-child')
    await reads(page, '.el-tour', title)
  }
  await page.click('.el-tour__footer button:last-child')
  await until(async () => (await page.locator('.el-tour:visible').count()) === 0)
  await page.reload()
  await page.waitForSelector('nav.places')
  await settled(page)
  expect(await page.locator('.el-tour').count()).toBe(0)
  await page.click('text=/^Tour$/')
  await reads(page, '.el-tour', 'This is sample data')
  expect(faults).toEqual([])
})
