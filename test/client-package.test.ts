import { spawnSync } from 'node:child_process'
import { cp, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { createContext, Script } from 'node:vm'
import { gzipSync } from 'node:zlib'
import { Value } from '@sinclair/typebox/value'
import type { FastifyInstance } from 'fastify'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { replies } from '../src/domains/realtime/messages.js'
import { PATH_ALIASES } from '../src/http/mini-program-tables.js'
import { PUSHES } from '../src/registry.js'
import { catalogue } from '../src/shared/catalogue.js'
import { createApp, newDiner, newMobile } from './helpers/app.js'
import { startBrowser } from './helpers/browser.js'
import { openSocket } from './helpers/socket.js'
import { createWx } from './helpers/wx.js'

const modules = path.resolve('node_modules')
const NAME = 'restaurant-points-client'
let root: string
let guide: string

/** A project that installed what `npm pack` gives. */
beforeAll(async () => {
  root = await mkdtemp(path.join(tmpdir(), 'client-package-'))
  const packed = spawnSync('npm', ['pack', path.resolve('dist/client'), '--json', '--pack-destination', root], {
    encoding: 'utf8'
  })
  const [{ filename }] = JSON.parse(packed.stdout) as [{ filename: string }]
  const installed = path.join(root, 'node_modules', NAME)
  await mkdir(installed, { recursive: true })
  spawnSync('tar', ['-xzf', path.join(root, filename), '-C', installed, '--strip-components=1'])
  guide = await readFile(path.join(installed, 'README.md'), 'utf8')
})
afterAll(() => rm(root, { recursive: true, force: true }))

const inPackage = (...names: string[]) => path.join(root, 'node_modules', NAME, ...names)

/** Compiles a mini-program of one file that uses the package; what the compiler says, empty when all is well. */
async function compile(source: string): Promise<string> {
  await writeFile(path.join(root, 'app.ts'), source)
  const compilerOptions = {
    strict: true,
    noEmit: true,
    target: 'ES2020',
    lib: ['ES2020'],
    module: 'ESNext',
    moduleResolution: 'bundler',
    types: [],
    skipLibCheck: true
  }
  const files = ['app.ts', path.join(modules, 'miniprogram-api-typings/index.d.ts')]
  await writeFile(path.join(root, 'tsconfig.json'), JSON.stringify({ compilerOptions, files }))
  return spawnSync(path.join(modules, '.bin/tsc'), ['-p', root], { encoding: 'utf8', cwd: root }).stdout
}

/** The mini-program that the guide shows, from its blocks. */
const sample = () => [...guide.matchAll(/^```ts\n(.*?)^```$/gms)].map(([, block]) => block).join('\n')

describe('the package', () => {
  test('has no dependency, its types, and less than 20 KB for whoever loads it', async () => {
    const manifest = JSON.parse(await readFile(inPackage('package.json'), 'utf8'))
    expect(manifest).toMatchObject({ name: NAME, miniprogram: 'miniprogram_dist', sideEffects: false })
    expect(Object.keys(manifest).filter((key) => /dependencies/i.test(key))).toEqual([])
    for (const files of [
      ['index.mjs', 'proof.mjs'],
      ['index.cjs', 'proof.cjs'],
      (await readdir(inPackage('miniprogram_dist'))).map((file) => `miniprogram_dist/${file}`)
    ]) {
      const whole = await Promise.all(files.map((file) => readFile(inPackage(file))))
      expect(gzipSync(Buffer.concat(whole)).length).toBeLessThan(20_000)
    }
  })

  test('is what require and import give', () => {
    for (const [flag, text] of [
      [
        'commonjs',
        `const { createClient, errors } = require('${NAME}'); console.log(typeof createClient, errors.NOT_FOUND.code)`
      ],
      [
        'module',
        `import { createClient, errors } from '${NAME}'; console.log(typeof createClient, errors.NOT_FOUND.code)`
      ]
    ] as const) {
      const ran = spawnSync(process.execPath, [`--input-type=${flag}`, '-e', text], { cwd: root, encoding: 'utf8' })
      expect(ran.stdout).toBe(`function ${catalogue.NOT_FOUND.code}\n`)
    }
  })

  test('has a guide whose mini-program compiles', async () => {
    expect(sample()).toContain('createClient')
    expect(await compile(sample())).toBe('')
  })

  test.each([
    ['a field of an answer', 'draw.user_points', 'draw.user_pionts'],
    ['a field of a result', 'result.prize_name', 'result.prizeName'],
    ['a field of a body', 'quantity: 1 }', 'quantitiy: 1 }'],
    ['a word', "draw_type: 'five'", "draw_type: 'six'"],
    ['a route', 'client.lottery.config()', 'client.lottery.konfig()'],
    ['an error', "'STOCK_INSUFFICIENT'", "'STOCK_INSUFICIENT'"],
    ['a push', "'points_update'", "'points_updated'"],
    ['a field of a push', '({ total_points }) =>', '({ points }) =>'],
    ['a field that is wanted', '{ photo: { filePath }, amount', '{ amount']
  ])('does not compile with %s misspelt', async (_what, right, wrong) => {
    expect(sample()).toContain(right)
    expect(await compile(sample().replace(right, wrong))).toMatch(/^app\.ts\(\d+,\d+\): error TS/)
  })

  test('has a guide that names every push, every other frame, and every alias', () => {
    for (const name of [...PUSHES.map((push) => push.name), ...Object.keys(replies)]) {
      expect(guide).toContain(`\`${name}\``)
    }
    for (const { path: alias, of } of PATH_ALIASES) {
      expect(guide).toContain(alias)
      expect(guide).toContain(of)
    }
  })
})

async function listening(): Promise<{ app: FastifyInstance; address: string }> {
  const app = await createApp()
  const address = await app.listen({ port: 0, host: '127.0.0.1' })
  return { app, address }
}

/** Does on a page what a person would, step by step; said of it: what came of each. */
const STORY = `
  const { code_hint: code } = await client.auth.sendCode({ mobile })
  const { user_info: user } = await client.auth.login({ mobile, code })
  const live = client.live()
  const pushes = []
  live.onFrame(({ type }) => pushes.push(type))
  for (let left = 3000; live.state !== 'open' && left > 0; left -= 1) await pause(20)
  const { fairness } = await client.lottery.config()
  const draw = await client.lottery.draw({ draw_type: 'triple' })
  for (let left = 3000; !pushes.includes('points_update') && left > 0; left -= 1) await pause(20)
  await client.lottery.fairnessRotate()
  let proof
  for (let left = 100; left > 0; left -= 1) {
    proof = await client.lottery.fairnessDrawsById({ draw_id: draw.draw_id })
    if (proof.inclusion !== null) break
    await advance()
  }
  const findings = await client.verify(proof, fairness.server_seed_hash)
  const refused = await client.merchant.reviewsPending().catch((err) => err.error)
  const seen = (await client.user.info()).total_points
  live.close()
  await client.auth.logout()
  return {
    opening: user.total_points, results: draw.results.length, points: draw.user_points === seen, pushes: [...new Set(pushes)].sort(),
    verdicts: [...new Set(findings.map(({ verdict }) => verdict))], refused, tokens: (await client.tokens()) === undefined
  }
`
const TOLD = {
  opening: 1000,
  results: 3,
  points: true,
  pushes: ['connected', 'lottery_result', 'points_update'],
  verdicts: ['right'],
  refused: 'MERCHANT_REQUIRED',
  tokens: true
}

/** Takes away what came after ES2020, and so is not there on a phone of that year (iOS 14). */
const OLD_PHONE = `
  const LATER = [
    [Array.prototype, ['at', 'findLast', 'findLastIndex', 'toReversed', 'toSorted', 'toSpliced', 'with']],
    [Uint8Array.prototype, ['at', 'findLast', 'findLastIndex', 'toReversed', 'toSorted', 'with', 'toHex', 'toBase64']],
    [String.prototype, ['at', 'replaceAll', 'isWellFormed', 'toWellFormed']],
    [Array, ['fromAsync']],
    [Object, ['hasOwn', 'groupBy']],
    [Promise, ['any', 'try', 'withResolvers']],
    [Map, ['groupBy']],
    [Set.prototype, ['union', 'intersection', 'difference', 'isSubsetOf']],
    [globalThis, ['AggregateError', 'Iterator', 'WeakRef', 'FinalizationRegistry']]
  ]
  for (const [owner, names] of LATER) for (const name of names) delete owner[name]
`

describe('the whole story', () => {
  test('in a browser', async () => {
    const { app, address } = await listening()
    const server = createServer(async (request, response) => {
      if (request.url === '/advance') {
        await app.publicLog.advance()
        return response.end()
      }
      const isModule = /\.mjs$/.test(request.url ?? '')
      const file = isModule ? inPackage(path.basename(request.url ?? '')) : undefined
      response.setHeader('content-type', file === undefined ? 'text/html' : 'text/javascript')
      response.end(file === undefined ? '<!doctype html><title>page</title>' : await readFile(file))
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    onTestFinished(() => void server.close())
    const browser = await startBrowser()
    onTestFinished(() => browser.close())
    const page = await browser.newPage()
    const { port } = server.address() as { port: number }
    await page.goto(`http://127.0.0.1:${port}/`)
    const told = await page.evaluate(
      async ([baseUrl, mobile, story, module]) => {
        // By itself: what stands here as an import is another one by the time that it gets to the page.
        const { createClient } = await new Function('module', 'return import(module)')(module)
        const pause = (ms: number) => new Promise((done) => setTimeout(done, ms))
        const work = new Function('client', 'mobile', 'pause', 'advance', `return (async () => {${story}})()`)
        return work(createClient({ baseUrl }), mobile, pause, () => fetch('/advance'))
      },
      [address, newMobile(), STORY, `http://127.0.0.1:${port}/index.mjs`] as const
    )
    expect(told).toEqual(TOLD)
  })

  test('in a mini-program, as WeChat’s npm build puts it there, with nothing but wx around', async () => {
    const { app, address } = await listening()
    // What the tools do with 构建 npm: the folder that `miniprogram` names is copied into miniprogram_npm.
    const miniprogramRoot = path.join(root, 'miniprogram')
    const { miniprogram } = JSON.parse(await readFile(inPackage('package.json'), 'utf8'))
    const built = path.join(miniprogramRoot, 'miniprogram_npm', NAME)
    await cp(inPackage(miniprogram), built, { recursive: true })
    const wx = createWx()
    onTestFinished(() => wx.dispose())
    const world = createContext({ wx, setTimeout, clearTimeout, Math, Date, console })
    new Script(OLD_PHONE).runInContext(world)
    const loaded = new Map<string, { exports: unknown }>()
    const sources = new Map<string, string>()
    for (const file of ['index.js', 'proof.js', 'defineProperty.js']) {
      sources.set(file, await readFile(path.join(built, file), 'utf8').catch(() => ''))
    }
    const load = (name: string): unknown => {
      const file = path.basename(name)
      const known = loaded.get(file)
      if (known !== undefined) return known.exports
      const module = { exports: {} as unknown }
      loaded.set(file, module)
      const wrapped = new Script(`(function (module, exports, require) {${sources.get(file)}\n})`, { filename: file })
      wrapped.runInContext(world)(module, module.exports, load)
      return module.exports
    }
    const { createClient } = load('index.js') as { createClient: (options: object) => unknown }
    const pause = (ms: number) => new Promise((done) => setTimeout(done, ms))
    const work = new Script(`(async (client, mobile, pause, advance) => {${STORY}})`).runInContext(world)
    const told = await work(createClient({ baseUrl: address }), newMobile(), pause, () => app.publicLog.advance())
    expect(JSON.parse(JSON.stringify(told))).toEqual(TOLD)
    expect(wx.getStorageSync('restaurant-points-tokens')).toBe('')
  })
})

test('frames that are no push have the shapes of the library', async () => {
  const { app } = await listening()
  const socket = await openSocket(app, (await newDiner(app)).access)
  socket.send({ type: 'ping', data: { timestamp: 7 } })
  socket.send({ type: 'subscribe', data: { target: 'products', product_ids: [1] } })
  socket.send('nonsense')
  for (const name of Object.keys(replies) as (keyof typeof replies)[]) {
    const [frame] = await socket.take(name)
    // TypeBox by itself knows no formats.
    const faults = [...Value.Errors(replies[name], frame?.data)].filter(({ message }) => !message.includes('format'))
    expect([name, faults]).toEqual([name, []])
  }
  socket.close()
})
