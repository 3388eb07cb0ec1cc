import { mkdir } from 'node:fs/promises'
import path from 'node:path'
import type { FastifyInstance } from 'fastify'
import type { Browser } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { catalogue } from '../src/shared/catalogue.js'
import { createApp, newMobile } from './helpers/app.js'
import { barriers, startBrowser } from './helpers/browser.js'

/** Where pictures of the pages go, for whoever wants to look at them. */
const SCREENSHOTS = process.env.SCREENSHOTS

let browser: Browser
beforeAll(async () => {
  browser = await startBrowser()
})
afterAll(() => browser.close())

async function listening(
  changes: NonNullable<Parameters<typeof createApp>[0]>['config'] = {}
): Promise<[FastifyInstance, string]> {
  const app = await createApp({ config: { NODE_ENV: 'development', ...changes } })
  return [app, await app.listen({ port: 0, host: '127.0.0.1' })]
}

/** The parts of the reference, as a diner and then a merchant come upon them. */
const STORY = [
  'auth',
  'photo',
  'lottery',
  'fairness',
  'exchange',
  'user',
  'realtime',
  'merchant',
  'admin',
  'wechat',
  'operations'
]

/** Opens a page at a width; what it asked of others, and what went wrong on it, is told too. */
async function open(url: string, width: number) {
  const page = await browser.newPage({ viewport: { width, height: 900 } })
  const [elsewhere, faults]: [string[], string[]] = [[], []]
  page.on('request', (request) => {
    const { protocol, origin } = new URL(request.url())
    if (/^http/.test(protocol) && origin !== new URL(url).origin) elsewhere.push(request.url())
  })
  page.on('pageerror', (err) => faults.push(err.message))
  await page.goto(url)
  return { page, elsewhere, faults }
}

async function picture(page: Awaited<ReturnType<typeof open>>['page'], name: string): Promise<void> {
  if (SCREENSHOTS === undefined) return
  await mkdir(SCREENSHOTS, { recursive: true })
  await page.screenshot({ path: path.join(SCREENSHOTS, `${name}.png`) })
}

/** Whether everything of a page is within its width. */
const fits = (page: Awaited<ReturnType<typeof open>>['page']) =>
  page.evaluate('document.documentElement.scrollWidth <= document.documentElement.clientWidth')

describe.each([1280, 375])('at %i pixels', (width) => {
  test('the front door says what runs here, and each way from it leads somewhere', async () => {
    const [, address] = await listening()
    const { page, elsewhere, faults } = await open(`${address}/`, width)
    expect(await page.textContent('h1')).toBe('Restaurant points lottery')
    const hrefs = await page.$$eval('a', (links) => links.map((link) => (link as unknown as { href: string }).href))
    expect(hrefs.length).toBeGreaterThanOrEqual(5)
    for (const href of hrefs) expect([href, (await fetch(href)).status]).toEqual([href, 200])
    expect(await page.textContent('main')).toContain('npm run admin:create')
    expect([await fits(page), elsewhere, faults, await barriers(page)]).toEqual([true, [], [], []])
    await picture(page, `front-${width}`)
  })

  test('the page of errors has all of them', async () => {
    const [, address] = await listening()
    const { page, elsewhere, faults } = await open(`${address}/api/docs/errors`, width)
    const rows = await page.$$eval('tbody tr', (all) => all.map((row) => row.textContent ?? ''))
    const told = Object.entries(catalogue).map(
      ([name, { status, code, msg, when }]) => `${status}${code}${name}${msg}${when}`
    )
    expect(rows).toEqual(told)
    expect([await fits(page), elsewhere, faults, await barriers(page)]).toEqual([true, [], [], []])
    await picture(page, `errors-${width}`)
  })

  test('the reference is there with its parts in the order of the story, and asks nobody else', async () => {
    const [, address] = await listening()
    const { page, elsewhere, faults } = await open(`${address}/api/docs`, width)
    await page.getByText('a page of their own').waitFor({ timeout: 60_000 })
    const { tags } = (await (await fetch(`${address}/api/docs/json`)).json()) as { tags: { name: string }[] }
    expect(tags.map(({ name }) => name)).toEqual(STORY)
    if (width > 1000) {
      const shown = await page.locator('aside, nav').first().innerText()
      const places = STORY.map((part) => shown.search(new RegExp(`^${part}$`, 'm')))
      expect(places).toEqual([...places].sort((one, other) => one - other))
      expect(places[0]).toBeGreaterThanOrEqual(0)
    }
    expect([elsewhere, faults]).toEqual([[], []])
    await picture(page, `docs-${width}`)
  })
})

test('what the reference tells to do works in its own forms: a code, a login, the token, and a look at oneself', async () => {
  const [, address] = await listening()
  const { page } = await open(`${address}/api/docs`, 1280)
  const mobile = newMobile()
  await page
    .getByRole('button', { name: /^Test Request/ })
    .first()
    .click()
  const client = page.locator('[role=dialog]').first()
  /** Writes the body, where there is one, and sends. */
  const send = async (path: string, body?: object) => {
    if (body !== undefined) {
      await client.locator('.cm-content[contenteditable=true]').first().click()
      await page.keyboard.press('Control+A')
      await page.keyboard.insertText(JSON.stringify(body))
    }
    const [response] = await Promise.all([
      page.waitForResponse((each) => each.url().endsWith(path)),
      client.getByRole('button', { name: /send (get|post) request to/i }).click()
    ])
    return (await response.json()).data as Record<string, string>
  }
  const { code_hint: code } = await send('/api/auth/send-code', { mobile })
  await client.getByRole('button', { name: 'Show sidebar' }).click()
  await client.getByText('Log in by mobile and code').first().click()
  const { access_token: token = '' } = await send('/api/auth/login', { mobile, code })
  await client.getByText('user', { exact: true }).first().click()
  await client.getByText('The diner, with figures of what they have done').first().click()
  await client.getByPlaceholder('Token').first().fill(token)
  expect((await send('/api/user/info')).total_points).toBe(1000)
})

test('in production there is neither the front door of development nor the reference', async () => {
  const app = await createApp({ config: { NODE_ENV: 'production' } })
  expect((await app.inject('/')).headers.location).toBe('/console')
  for (const url of ['/api/docs', '/api/docs/errors']) {
    expect((await app.inject(url)).json().error).toBe('NOT_FOUND')
  }
})
