import { mkdir } from 'node:fs/promises'
import path from 'node:path'
import type { FastifyInstance } from 'fastify'
import type { Browser, Page } from 'playwright-core'
import { expect, onTestFinished } from 'vitest'
import { until } from './app.js'

/** Where pictures of the pages go, for whoever wants to look at them. */
const SCREENSHOTS = process.env.SCREENSHOTS

/** A window with the console in it, and what went wrong there. */
export interface Window {
  readonly page: Page
  /** Errors that nobody caught, and what the page's policy stopped. */
  readonly faults: readonly string[]
}

/** Opens a window of its own, with nobody logged in; closed when the test ends. */
export async function openWindow(
  browser: Browser,
  address: string,
  { width = 1280, locale = 'en-US', place = '' } = {}
): Promise<Window> {
  const context = await browser.newContext({ viewport: { width, height: width < 500 ? 812 : 860 }, locale })
  onTestFinished(() => context.close())
  const page = await context.newPage()
  const faults: string[] = []
  page.on('pageerror', (err) => faults.push(err.message))
  page.on('console', (message) => {
    if (/Content Security Policy|Refused to/.test(message.text())) faults.push(message.text())
  })
  // One machine, many pages: each is given time.
  page.setDefaultTimeout(60_000)
  await page.goto(`${address}/console${place}`)
  return { page, faults }
}

/** Logs in as a person does: the code, which tests are told, is filled in by itself. */
export async function enterAsMerchant(page: Page, mobile: string): Promise<void> {
  await page.fill('input[name=mobile]', mobile)
  await page.click('text=/Send a code|获取验证码/')
  await until(async () => (await page.inputValue('input[name=code]')).length === 6)
  await page.click('button[type=submit]')
  await page.waitForSelector('nav.places')
}

export async function enterAsAdmin(page: Page, username: string): Promise<void> {
  await page.click('text=/^(Admin|管理员)$/')
  await page.fill('input[name=username]', username)
  await page.fill('input[name=password]', 'right password')
  await page.click('button[type=submit]')
  await page.waitForSelector('nav.places')
}

/** The name by which the last admin that was made logs in. */
export async function lastAdmin(app: FastifyInstance): Promise<string> {
  const { username } = await app.db.adminUser.findFirstOrThrow({ orderBy: { adminId: 'desc' } })
  return username
}

export async function goTo(page: Page, place: string): Promise<void> {
  await page.click(`[data-place=${place}]`)
}

/** Waits until something that is shown reads so. */
export async function reads(page: Page, selector: string, text: string | RegExp): Promise<void> {
  const fits = (shown: string) => (typeof text === 'string' ? shown.includes(text) : text.test(shown))
  let shown = ''
  try {
    await until(async () => {
      // While one page makes way for another there is none to be read.
      shown = (
        await page
          .locator(selector)
          .allInnerTexts()
          .catch(() => [])
      ).join('\n')
      return fits(shown)
    })
  } catch {
    // What else the page says, an error in a corner say, tells why.
    expect(`${shown}\n\nof the page:\n${await page.locator('body').innerText()}`).toBe(String(text))
  }
}

export async function picture(page: Page, name: string): Promise<void> {
  if (SCREENSHOTS === undefined) return
  await mkdir(SCREENSHOTS, { recursive: true })
  await page.screenshot({ path: path.join(SCREENSHOTS, `${name}.png`) })
}
