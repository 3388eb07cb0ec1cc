import { readdir, readFile, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { promisify } from 'node:util'
import { brotliCompress, constants, gzip } from 'node:zlib'
import { build } from 'vite'

const SOURCE = 'src/console'
const TARGET = 'dist/console'

/** Below so many bytes a header costs more than what is saved. */
const WORTH_IT = 1024

/** Makes `dist/console`: pages, scripts and styles, each beside what it is compressed to. */
async function buildConsole(): Promise<void> {
  await build({ configFile: path.join(SOURCE, 'vite.config.ts'), logLevel: 'warn' })
  const entries = await readdir(TARGET, { recursive: true, withFileTypes: true })
  const files = entries.filter((entry) => entry.isFile()).map((entry) => path.join(entry.parentPath, entry.name))
  await Promise.all(files.filter((file) => /\.(js|css|svg)$/.test(file)).map(compress))
}

/** Once, here, so that no request waits for it. */
async function compress(file: string): Promise<void> {
  const bytes = await readFile(file)
  if (bytes.length < WORTH_IT) return
  const best = { params: { [constants.BROTLI_PARAM_QUALITY]: 9, [constants.BROTLI_PARAM_SIZE_HINT]: bytes.length } }
  await writeFile(`${file}.br`, await promisify(brotliCompress)(bytes, best))
  await writeFile(`${file}.gz`, await promisify(gzip)(bytes, { level: 9 }))
}

await buildConsole()
