import { spawnSync } from 'node:child_process'
import { copyFile, mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { type OutputOptions, rolldown } from 'rolldown'

const SOURCE = 'src/client'
const TARGET = 'dist/client'

/** What each is for: Node and bundlers, `require`, and WeChat's npm build, which has no Web Crypto. */
const BUILDS: readonly (OutputOptions & { readonly file: string; readonly isMiniProgram?: boolean })[] = [
  { file: 'index.mjs', format: 'esm' },
  { file: 'index.cjs', format: 'cjs' },
  { file: 'miniprogram_dist/index.js', format: 'cjs', isMiniProgram: true }
]

/** Makes `dist/client`, the package that a mini-program or a page installs: no dependency, with its types. */
async function buildPackage(): Promise<void> {
  await rm(TARGET, { recursive: true, force: true })
  for (const { file, isMiniProgram = false, ...output } of BUILDS) {
    const bundle = await rolldown({
      input: { [path.basename(file).replace(/\.\w+$/, '')]: path.join(SOURCE, 'index.ts') },
      platform: 'neutral',
      // Phones are older than machines: nothing younger is called either, as a test of the package sees.
      transform: {
        target: 'es2020',
        ...(isMiniProgram ? { inject: { 'Object.hasOwn': [path.resolve('scripts/lib/has-own.ts'), 'hasOwn'] } } : {})
      },
      resolve: { extensionAlias: { '.js': ['.ts', '.js'] }, mainFields: ['module', 'main'] },
      plugins: isMiniProgram ? [withoutWebCrypto] : []
    })
    const extension = path.extname(file)
    await bundle.write({
      ...output,
      dir: path.join(TARGET, path.dirname(file)),
      entryFileNames: `[name]${extension}`,
      chunkFileNames: `[name]${extension}`,
      minify: true
    })
    await bundle.close()
  }
  const tsc = path.resolve('node_modules', '.bin', 'tsc')
  const options = ['--noEmit', 'false', '--emitDeclarationOnly', '--declaration', '--sourceMap', 'false']
  const { status, stdout } = spawnSync(tsc, ['-p', SOURCE, ...options, '--outDir', path.join(TARGET, 'types')], {
    encoding: 'utf8'
  })
  if (status !== 0) throw new Error(`the types of the client could not be made:\n${stdout}`)
  await mkdir(TARGET, { recursive: true })
  await copyFile(path.join(SOURCE, 'README.md'), path.join(TARGET, 'README.md'))
  const { version } = JSON.parse(await readFile('package.json', 'utf8')) as { version: string }
  await writeFile(path.join(TARGET, 'package.json'), `${JSON.stringify(manifest(version), null, 2)}\n`)
}

/** In place of what checks proofs by the browser's own means. */
const HASHES = `export {
  utf8Of as utf8, base64Bytes as fromBase64, sha256Of as sha256, hmacSha256Of as hmacSha256, holdsWith as holdsFor
} from ${JSON.stringify(path.resolve('scripts/lib/phone-hashes.ts'))}`
const withoutWebCrypto = {
  name: 'without-web-crypto',
  load: (id: string) => (id === '\0hashes' ? HASHES : null),
  resolveId: (id: string) => (/checker\/platform\.js$|^\.\/platform\.js$/.test(id) ? '\0hashes' : null)
}

const manifest = (version: string) => ({
  name: 'restaurant-points-client',
  version,
  description: 'The client of the restaurant points lottery: mini-programs, browsers, Node',
  license: 'UNLICENSED',
  type: 'module',
  sideEffects: false,
  main: './index.cjs',
  module: './index.mjs',
  types: './types/client/index.d.ts',
  // Where WeChat's npm build finds what it copies into miniprogram_npm.
  miniprogram: 'miniprogram_dist',
  exports: {
    '.': {
      types: './types/client/index.d.ts',
      import: './index.mjs',
      require: './index.cjs'
    }
  },
  files: ['*.mjs', '*.cjs', 'types', 'miniprogram_dist']
})

await buildPackage()
