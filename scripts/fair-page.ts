import { createHash } from 'node:crypto'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { rolldown } from 'rolldown'

const SOURCE = 'src/fair-page'
const TARGET = 'dist/fair.html'

/**
 * Makes the page that checks proofs: one file with its style and script in it, which runs from a disk too. Its policy
 * names both by their hashes, and lets it ask nobody but where it came from.
 */
async function buildPage(): Promise<void> {
  // Diners open it on phones, some of them old.
  const transform = { target: 'es2020' }
  const bundle = await rolldown({ input: path.join(SOURCE, 'page.ts'), platform: 'browser', transform })
  const { output } = await bundle.generate({ format: 'esm', minify: true })
  await bundle.close()
  const script = output[0].code.trim()
  const style = (await readFile(path.join(SOURCE, 'page.css'), 'utf8')).trim()
  const hash = (text: string) => `'sha256-${createHash('sha256').update(text).digest('base64')}'`
  const policy = [
    "default-src 'none'",
    `script-src ${hash(script)}`,
    `style-src ${hash(style)}`,
    "connect-src 'self'",
    "base-uri 'none'",
    "form-action 'none'"
  ].join('; ')
  const template = await readFile(path.join(SOURCE, 'page.html'), 'utf8')
  const page = template
    .replace('POLICY', () => policy)
    .replace(/\s*\/\* STYLE \*\/\s*/, () => style)
    .replace(/\s*\/\* SCRIPT \*\/\s*/, () => script)
  await mkdir(path.dirname(TARGET), { recursive: true })
  await writeFile(TARGET, page)
}

await buildPage()
