import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { pathToFileURL } from 'node:url'
import type { FastifyInstance } from 'fastify'
import type { Browser, Page } from 'playwright-core'
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest'
import { createApp, newDiner, until } from './helpers/app.js'
import { barriers, startBrowser } from './helpers/browser.js'

let browser: Browser
beforeAll(async () => {
  browser = await startBrowser()
})
afterAll(() => browser?.close())

/** A page of the browser's, in a language; what it asks for and complains of is noted. */
async function newPage({
  locale = 'en',
  width = 1280
} = {}): Promise<{ page: Page; asked: string[]; faults: string[] }> {
  const context = await browser.newContext({ locale, viewport: { width, height: 800 } })
  onTestFinished(() => context.close())
  const page = await context.newPage()
  const [asked, faults]: [string[], string[]] = [[], []]
  page.on('request', (request) => asked.push(request.url()))
  page.on('pageerror', (err) => faults.push(err.message))
  page.on('console', (message) => {
    if (message.type() === 'error') faults.push(message.text())
  })
  return { page, asked, faults }
}

/** A proof that is whole: its seed is told, and it is in the log. */
async function wholeProof(app: FastifyInstance): Promise<{ proof: string; commitment: string }> {
  const diner = await newDiner(app, { points: 5000 })
  const { server_seed_hash: commitment } = (await diner.get('/api/lottery/fairness')).json().data
  const { draw_id } = (await diner.post('/api/lottery/draw', { draw_type: 'ten', client_seed: '我的词' })).json().data
  await diner.post('/api/lottery/fairness/rotate')
  await app.publicLog.advance()
  return { proof: (await diner.get(`/api/lottery/fairness/draws/${draw_id}`)).body, commitment }
}

const verdict = (page: Page) => page.locator('#verdict').textContent()
const wrongLines = (page: Page) => page.locator('#findings .wrong.text').allTextContents()

/** Where screenshots go, for whoever wants to look at them. */
const shots = process.env.SCREENSHOTS
const shoot = (page: Page, name: string) =>
  shots === undefined ? undefined : page.screenshot({ path: path.join(shots, `${name}.png`), fullPage: true })

test('the page checks a proof, with the key it asks the service for, and names the line that is wrong', async () => {
  const app = await createApp()
  const { proof, commitment } = await wholeProof(app)
  const url = await app.listen({ port: 0, host: '127.0.0.1' })
  const { page, asked, faults } = await newPage()
  await page.goto(`${url}/fair`)
  expect(await page.locator('h1').textContent()).toBe('Check a draw')
  await page.fill('#proof', proof)
  await page.click('summary')
  await page.fill('#commitment', commitment)
  expect(asked).toEqual([`${url}/fair`])
  await page.click('#fetch')
  await until(async () => (await page.inputValue('#key')) !== '')
  await page.click('button[type=submit]')
  await page.waitForSelector('#findings li')
  expect(await verdict(page)).toBe('Everything agrees.')
  expect(await page.locator('#findings li').count()).toBe(6 + 5 * 10)
  expect(await page.locator('#rules tr').count()).toBe(9)
  await shoot(page, 'fair-right-1280')
  // One digit of one roll.
  await page.fill(
    '#proof',
    proof.replace(/"roll":(\d+)/, (_, roll) => `"roll":${(Number(roll) + 1) % 10_000}`)
  )
  await page.click('button[type=submit]')
  await page.waitForSelector('#findings .wrong')
  expect(await verdict(page)).toBe('This proof does not hold.')
  expect((await wrongLines(page))[0]).toMatch(/^Result 1: thrown again, the dice show \d+, where \d+ was told$/)
  await shoot(page, 'fair-wrong-1280')
  expect(await barriers(page)).toEqual([])
  expect(asked).toEqual([`${url}/fair`, `${url}/api/fairness/key`])
  expect(faults).toEqual([])
})

test('a saved page works without a connection, in Chinese, on a phone, and asks nobody', async () => {
  const app = await createApp()
  const { proof } = await wholeProof(app)
  const dir = await mkdtemp(path.join(tmpdir(), 'fair-'))
  onTestFinished(() => rm(dir, { recursive: true, force: true }))
  const [saved, file] = [path.join(dir, 'fair.html'), path.join(dir, 'proof.json')]
  await writeFile(saved, (await app.inject('/fair')).body)
  await writeFile(file, proof)
  const { page, asked, faults } = await newPage({ locale: 'zh-CN', width: 375 })
  await page.context().setOffline(true)
  await page.goto(pathToFileURL(saved).href)
  await page.setInputFiles('#file', file)
  await page.waitForSelector('#findings li')
  expect(await verdict(page)).toBe('目前可验证的部分全部一致。')
  expect(await page.locator('#findings .mark.open').count()).toBe(1)
  await shoot(page, 'fair-375')
  expect(await barriers(page)).toEqual([])
  await page.click('#language')
  expect(await verdict(page)).toBe('All that can be checked now agrees.')
  const widths = 'document.documentElement.scrollWidth - document.documentElement.clientWidth'
  const overflow = await page.evaluate(widths)
  expect(overflow).toBe(0)
  expect(asked.filter((url) => !url.startsWith('file:'))).toEqual([])
  expect(faults).toEqual([])
})

test('what a stranger wrote into a proof is shown as text, and nothing else is asked of the page', async () => {
  const app = await createApp()
  const { proof } = await wholeProof(app)
  const url = await app.listen({ port: 0, host: '127.0.0.1' })
  const { page, faults } = await newPage()
  await page.goto(`${url}/fair`)
  const evil = '<img src=x onerror=document.title=1><script>document.title=2</script>'
  const bent = JSON.parse(proof)
  bent.data.results[0].prize_name = evil
  bent.data.draw_id = evil
  bent.data.rules = bent.data.rules.replace('甜品1份', evil)
  await page.fill('#proof', JSON.stringify(bent))
  await page.click('button[type=submit]')
  await page.waitForSelector('#findings li')
  expect(await page.locator('#findings').textContent()).toContain(evil)
  expect(await page.locator('#answer img, #answer script').count()).toBe(0)
  expect(await page.title()).toBe('抽奖验证 · Check a draw')
  for (const text of ['', 'null', '{}', '<', '{"format":"restaurant-points-lottery/draw-proof/1"}']) {
    await page.fill('#proof', text)
    await page.click('button[type=submit]')
    await until(async () => (await page.locator('#findings li').count()) === 1)
    expect(await verdict(page)).toBe('This proof does not hold.')
  }
  expect(faults).toEqual([])
})

test('the page says by its policy that it runs its own script alone; a browser that has it is told so', async () => {
  const app = await createApp()
  const reply = await app.inject('/fair')
  expect(reply.headers['content-security-policy']).toMatch(
    /^default-src 'none'; script-src 'sha256-[^']+'; style-src 'sha256-[^']+'; connect-src 'self'; .*frame-ancestors 'none'$/
  )
  expect(reply.body).not.toMatch(/https?:\/\//)
  const again = await app.inject({ url: '/fair', headers: { 'if-none-match': String(reply.headers.etag) } })
  expect([again.statusCode, again.body]).toEqual([304, ''])
})
