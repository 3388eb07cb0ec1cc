import { type Browser, chromium } from 'playwright-core'
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
