import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { type Browser, chromium, type Page } from 'playwright-core'
import { findProgram, provide } from '../../scripts/lib/apt.js'

const CHOICES = `No Chromium was found, and it could not be installed here. Install it yourself:
  apt-get install chromium`

/** A browser without a window: Debian's own, installed by apt-get where it is missing. */
export function startBrowser(): Promise<Browser> {
  const executablePath = provide(() => findProgram('chromium'), {
    what: 'Chromium',
    packages: ['chromium'],
    choices: CHOICES
  })
  // Tests may run as root, in a container whose /dev/shm is small.
  return chromium.launch({ executablePath, args: ['--no-sandbox', '--disable-dev-shm-usage', '--disable-gpu'] })
}

const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')
const SERIOUS = ['serious', 'critical']

/** What axe finds that bars somebody. */
export async function barriers(page: Page): Promise<string[]> {
  await page.evaluate(AXE)
  const found = (await page.evaluate('axe.run(document, { resultTypes: ["violations"] })')) as {
    violations: { id: string; impact: string; nodes: { html: string; failureSummary: string }[] }[]
  }
  return found.violations
    .filter(({ impact }) => SERIOUS.includes(impact))
    .flatMap(({ id, nodes }) =>
      nodes.map(({ html, failureSummary }) => `${id}: ${html.slice(0, 150)} ${failureSummary}`)
    )
}
