import { spawnSync } from 'node:child_process'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { Value } from '@sinclair/typebox/value'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { writeClient } from '../scripts/client-types.js'
import { replies } from '../src/domains/realtime/messages.js'
import { PATH_ALIASES } from '../src/http/mini-program-tables.js'
import { PUSHES } from '../src/registry.js'
import { catalogue } from '../src/shared/catalogue.js'
import { createApp, newDiner } from './helpers/app.js'
import { openSocket } from './helpers/socket.js'

const modules = path.resolve('node_modules')
let root: string
let guide: string

beforeAll(async () => {
  root = await mkdtemp(path.join(tmpdir(), 'client-types-'))
  await writeClient(path.join(root, 'client'))
  guide = await readFile(path.join(root, 'client/README.md'), 'utf8')
})
afterAll(() => rm(root, { recursive: true, force: true }))

/** Compiles a mini-program of one file beside the kit; what the compiler says, empty when all is well. */
async function compile(source: string, options: object = {}): Promise<string> {
  await writeFile(path.join(root, 'app.ts'), source)
  const compilerOptions = {
    strict: true,
    noEmit: true,
    target: 'ES2020',
    lib: ['ES2020'],
    module: 'ESNext',
    moduleResolution: 'bundler',
    types: [],
    skipLibCheck: true,
    ...options
  }
  const files = ['app.ts', path.join(modules, 'miniprogram-api-typings/index.d.ts')]
  await writeFile(path.join(root, 'tsconfig.json'), JSON.stringify({ compilerOptions, files }))
  return spawnSync(path.join(modules, '.bin/tsc'), ['-p', root], { encoding: 'utf8', cwd: root }).stdout
}

/** The mini-program that the guide shows, from its blocks. */
const sample = () => [...guide.matchAll(/^```ts\n(.*?)^```$/gms)].map(([, block]) => block).join('\n')

describe('the client kit', () => {
  test('compiles by itself, declarations and all', async () => {
    await writeFile(path.join(root, 'whole.ts'), `export * from './client/index'\nexport * from './client/errors'\n`)
    const flags = ['--strict', '--noEmit', '--target', 'ES2020', '--module', 'ESNext', '--moduleResolution', 'bundler']
    const { stdout } = spawnSync(
      path.join(modules, '.bin/tsc'),
      [...flags, '--types', '', path.join(root, 'whole.ts')],
      {
        encoding: 'utf8',
        cwd: root
      }
    )
    expect(stdout).toBe('')
  })

  test('has a guide whose mini-program compiles', async () => {
    expect(sample()).toContain('wx.request')
    expect(await compile(sample())).toBe('')
  })

  test.each([
    ['a field of an answer', 'draw.user_points', 'draw.user_pionts'],
    ['a field of a result', 'result.prize_name', 'result.prizeName'],
    ['a field of a body', 'count: 5 }', 'cuont: 5 }'],
    ['a word', "draw_type: 'five'", "draw_type: 'six'"],
    ['a path', "'/api/lottery/config'", "'/api/lottery/konfig'"],
    ['a method', "request('get', '/api/lottery/config')", "request('post', '/api/lottery/config')"],
    ['a push', "'points_update'", "'points_updated'"],
    ['a field of a push', 'frame.data.total_points', 'frame.data.points']
  ])('does not compile with %s misspelt', async (_what, right, wrong) => {
    expect(sample()).toContain(right)
    expect(await compile(sample().replace(right, wrong))).toMatch(/^app\.ts\(\d+,\d+\): error TS/)
  })

  test('types every route, its query, its path and its errors', async () => {
    const program = `
      import type { ClientMessage, Body, Data, Input, Params, Push, Query, Route } from './client/index'
      import { errors, type ErrorName } from './client/errors'
      export const routes: [Route<'get'>, Route<'post'>, Route<'put'>, Route<'delete'>] =
        ['/api/user/vouchers', '/api/exchange/submit', '/api/user/profile', '/api/photo/{id}']
      export const order: Body<'post', '/api/exchange/submit'> = { product_id: 1 }
      export const page: Query<'get', '/api/exchange/products'> = { sort: 'hot', page: 2, in_stock: true }
      export const same: Input<'get', '/api/exchange/products'> = page
      export const named: Input<'put', '/api/user/profile'> = { nickname: '阿明' }
      export const which: Params<'get', '/api/photo/review/{id}'> = { id: 'x' }
      export const nothing: Data<'post', '/api/auth/logout'> = null
      export const stock = (push: Push) => (push.type === 'stock_update' ? push.data.stock : undefined)
      export const ping: ClientMessage = { type: 'subscribe', data: { target: 'products', product_ids: 'all' } }
      export const poor: 3002 = errors.POINTS_INSUFFICIENT.code
      export const names: ErrorName[] = ${JSON.stringify(Object.keys(catalogue))}
    `
    expect(await compile(program)).toBe('')
    const api = await readFile(path.join(root, 'client/api.d.ts'), 'utf8')
    for (const { path: alias } of PATH_ALIASES) expect(api).toContain(`"${alias}": {`)
    expect(api.match(/@deprecated/g)?.length).toBeGreaterThan(PATH_ALIASES.length)
  })

  test('has a guide that names every push, every other frame, and every alias', () => {
    for (const name of [...PUSHES.map((push) => push.name), ...Object.keys(replies)])
      expect(guide).toContain(`\`${name}\``)
    for (const { path: alias, of } of PATH_ALIASES) {
      expect(guide).toContain(alias)
      expect(guide).toContain(of)
    }
  })
})

test('frames that are no push have the shapes of the kit', async () => {
  const app = await createApp()
  await app.listen({ port: 0, host: '127.0.0.1' })
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
