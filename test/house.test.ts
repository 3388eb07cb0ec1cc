import { spawnSync } from 'node:child_process'
import { rmSync, writeFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { COUNTERS, PUSHES, SWEEPS } from '../src/registry.js'
import { circlesIn, parse, readSources, type SourceFile } from './helpers/source-tree.js'

/**
 * What each room may import, besides itself. Arrows point down: a room imports those above it in this list. Among the
 * domains the second table has the floors.
 */
const ROOMS: Readonly<Record<string, { readonly may: readonly string[]; readonly because: string }>> = {
  shared: { may: [], because: 'it knows nothing but the language: no I/O, no room' },
  engine: { may: ['shared', 'generated'], because: 'it runs transactions for domains it has never heard of' },
  config: { may: ['engine'], because: 'an address of a database is checked by whoever connects to it' },
  adapters: { may: ['shared', 'config'], because: 'what is outside is told of by settings, and known by nobody else' },
  observe: { may: ['shared', 'config', 'engine'], because: 'it is told what happened, and asks nobody' },
  identity: {
    may: ['shared', 'config', 'engine', 'generated'],
    because: 'sessions are rows, and every room above asks who acts'
  },
  checker: {
    may: [],
    because: 'whoever checks the service must share no code with it; browsers run it too'
  },
  'fair-page': { may: ['checker'], because: 'it is the checker in a browser' },
  client: { may: ['checker'], because: 'phones run it: it knows the service by what is sent and answered alone' },
  console: { may: ['client'], because: 'it is a client like any other, before people' },
  transparency: {
    may: ['shared', 'config', 'engine', 'generated'],
    because: 'a log that anybody can check knows lines and their places, and not what they tell of'
  },
  http: {
    may: ['shared', 'config', 'engine', 'identity', 'adapters'],
    because: 'limits are counted in Redis, and forms hold pictures'
  },
  domains: {
    may: ['shared', 'config', 'engine', 'identity', 'http', 'adapters', 'transparency', 'generated'],
    because: 'they are what all the rest is for'
  },
  registry: {
    may: ['shared', 'engine', 'identity', 'transparency', 'domains'],
    because: 'it joins what the domains declare'
  },
  app: {
    may: [
      'shared',
      'config',
      'engine',
      'adapters',
      'observe',
      'identity',
      'http',
      'transparency',
      'domains',
      'registry'
    ],
    because: 'it is the table of contents'
  },
  serve: { may: ['app', 'observe', 'shared'], because: 'it listens, and stops' },
  server: { may: ['config', 'engine', 'serve'], because: 'it is what the image runs' }
}

/** The domains, floor by floor: each may import those on floors before its own, never a neighbour. */
const FLOORS: readonly (readonly string[])[] = [
  ['audit', 'diagnostics', 'realtime'],
  ['points'],
  ['voucher'],
  ['lottery'],
  ['user'],
  ['auth', 'exchange', 'merchant', 'receipt'],
  ['counter']
]

/** The longest function there may be; those that were longer when the guard was made may only shrink. */
const LONGEST_FUNCTION = 60
const LONGER: Readonly<Record<string, number>> = {
  'src/adapters/storage/s3.ts createS3Storage': 89,
  'src/adapters/wechat/client.ts createWechat': 107,
  'src/domains/auth/plugin.ts auth': 61,
  'src/domains/exchange/merchant-plugin.ts merchantExchange': 193,
  'src/domains/exchange/plugin.ts exchange': 155,
  'src/domains/lottery/plugin.ts lottery': 109,
  'src/domains/realtime/plugin.ts realtime': 100,
  'src/domains/receipt/merchant-plugin.ts merchantReceipts': 152,
  'src/domains/receipt/plugin.ts receipt': 90,
  'src/domains/user/plugin.ts user': 78,
  'src/observe/alerts.ts (in fp)': 86,
  'src/observe/health.ts health': 63
}

const LONGEST_LINE = 120

const sources = readSources('src')
const users = [...sources, ...readSources('scripts'), ...readSources('test')]

/** `src/domains/points/ledger.ts` is in the room `domains`, and there in `points`. */
function roomOf(file: string): { room: string; domain: string | undefined } {
  const [, first = '', second = ''] = file.split('/')
  return { room: first.replace(/\.ts$/, ''), domain: first === 'domains' ? second : undefined }
}

const floorOf = (domain: string) => FLOORS.findIndex((floor) => floor.includes(domain))

function arrowsThatPointUp(files: readonly SourceFile[]): string[] {
  return files.flatMap(({ path: file, imports }) =>
    imports.flatMap(({ from }) => {
      const [own, other] = [roomOf(file), roomOf(from)]
      const sameRoom = own.room === other.room
      const isAllowed = sameRoom
        ? own.domain === undefined || own.domain === other.domain || floorOf(other.domain ?? '') < floorOf(own.domain)
        : ROOMS[own.room]?.may.includes(other.room) === true
      return isAllowed ? [] : [`${file} imports ${from}`]
    })
  )
}

function circlesOf(files: readonly SourceFile[]): string[][] {
  return circlesIn(new Map(files.map(({ path: file, imports }) => [file, new Set(imports.map(({ from }) => from))])))
}

/** What is for whoever installs the client library. */
const PACKAGE = 'src/client/index.ts'

/** Exports that no other file imports; what only tests import must at least be used where it stands. */
function deadExports(files: readonly SourceFile[], importers: readonly SourceFile[]): string[] {
  return files.flatMap((file) =>
    [...file.exports, ...(file.path === PACKAGE ? [] : file.passedOn)].flatMap((name) => {
      const by = importers.filter(
        ({ path: other, imports }) =>
          other !== file.path &&
          imports.some(({ from, names }) => from === file.path && (names.includes(name) || names.includes('*')))
      )
      const uses = file.text.match(new RegExp(`\\b${name.replaceAll('$', '\\$')}\\b`, 'g'))?.length ?? 0
      const isAlive = by.some(({ path: other }) => !other.startsWith('test/')) || (by.length > 0 && uses > 1)
      return isAlive ? [] : [`${file.path} ${name}`]
    })
  )
}

function longFunctions(files: readonly SourceFile[]): Record<string, number> {
  const long = files.flatMap(({ path: file, functions }) =>
    functions.flatMap(({ name, lines }) => (lines > LONGEST_FUNCTION ? [[`${file} ${name}`, lines] as const] : []))
  )
  return Object.fromEntries(long)
}

function longLines(files: readonly SourceFile[]): string[] {
  return files.flatMap(({ path: file, text }) =>
    text.split('\n').flatMap((line, at) => ([...line].length > LONGEST_LINE ? [`${file}:${at + 1}`] : []))
  )
}

/** Exported names that stand for two things; `examples` are each domain's own. */
function sharedNames(files: readonly SourceFile[]): string[] {
  const byName = new Map<string, Set<string>>()
  for (const { path: file, exports } of files) {
    for (const name of exports) byName.set(name, (byName.get(name) ?? new Set()).add(file))
  }
  return [...byName].filter(([name, where]) => where.size > 1 && name !== 'examples').map(([name]) => name)
}

/** Sections of the contract that comments cite, and documents that are not in the repository. */
function strayReferences(files: readonly SourceFile[]): string[] {
  return files.flatMap(({ path: file, text }) =>
    text.split('\n').flatMap((line, at) => (/\bspec(ification)? \d/.test(line) ? [`${file}:${at + 1}`] : []))
  )
}

describe('the house', () => {
  test('every room and every domain is in the tables', () => {
    const rooms = new Set(sources.map(({ path: file }) => roomOf(file).room))
    expect([...rooms].sort()).toEqual(Object.keys(ROOMS).sort())
    const domains = new Set(sources.flatMap(({ path: file }) => roomOf(file).domain ?? []))
    expect([...domains].sort()).toEqual(FLOORS.flat().sort())
  })

  test('all arrows point down', () => {
    expect(arrowsThatPointUp(sources)).toEqual([])
  })

  test('no files import one another in a circle', () => {
    expect(circlesOf(sources)).toEqual([])
  })

  test('every export is imported', () => {
    expect(deadExports(sources, users)).toEqual([])
  })

  test('no function grows: what is too long may only shrink, and its entry with it', () => {
    expect(longFunctions(sources)).toEqual(LONGER)
  })

  // The names of tests are sentences, and long ones.
  test(`no line is longer than ${LONGEST_LINE} characters`, () => {
    expect(longLines(users.filter(({ path: file }) => !file.startsWith('test/')))).toEqual([])
  })

  test('no two things go under one name', () => {
    expect(sharedNames(sources)).toEqual([])
  })

  test('every push, sweep and counter that a domain declares is registered', () => {
    const declared = (pattern: RegExp) => sources.reduce((sum, { text }) => sum + (text.match(pattern)?.length ?? 0), 0)
    expect(PUSHES).toHaveLength(declared(/^export const \w+ = pushKind\(/gm))
    expect(SWEEPS).toHaveLength(declared(/^export const \w+: Sweep = /gm))
    expect(COUNTERS).toHaveLength(declared(/^export const \w+: CounterKind</gm))
  })

  test('comments cite nothing that is not in the repository', () => {
    expect(strayReferences(users)).toEqual([])
  })
})

describe('each guard catches a fault that is planted', () => {
  const planted = (file: string, text: string) => parse(file, text)

  test('an arrow that points up: from the engine to a domain, from points to the wheel, between neighbours', () => {
    const files = [
      planted('src/engine/x.ts', "import { post } from '../domains/points/ledger.js'"),
      planted('src/domains/points/x.ts', "export * from '../lottery/draw.js'"),
      planted('src/domains/lottery/x.ts', "const x = await import('../exchange/orders.js')"),
      planted('src/domains/lottery/y.ts', "import type { Account } from '../points/account.js'")
    ]
    expect(arrowsThatPointUp(files)).toEqual([
      'src/engine/x.ts imports src/domains/points/ledger.ts',
      'src/domains/points/x.ts imports src/domains/lottery/draw.ts',
      'src/domains/lottery/x.ts imports src/domains/exchange/orders.ts'
    ])
  })

  test('a circle, of types too', () => {
    const files = [
      planted('src/a.ts', "import type { B } from './b.js'"),
      planted('src/b.ts', "import { c } from './c.js'"),
      planted('src/c.ts', "import './a.js'"),
      planted('src/d.ts', "import './a.js'")
    ]
    expect(circlesOf(files)).toEqual([['src/a.ts', 'src/b.ts', 'src/c.ts']])
  })

  test('a dead export, and one that only a test keeps alive', () => {
    const file = planted('src/a.ts', 'export const dead = 1\nexport const tested = 2\nexport function used() {}')
    const importers = [
      planted('src/b.ts', "import { used } from './a.js'"),
      planted('test/a.test.ts', "import { tested } from '../src/a.js'")
    ]
    expect(deadExports([file], importers)).toEqual(['src/a.ts dead', 'src/a.ts tested'])
    const passing = planted('src/c.ts', "export { one, two } from 'elsewhere'")
    const user = planted('src/d.ts', "import { two } from './c.js'")
    expect(deadExports([passing], [user])).toEqual(['src/c.ts one'])
  })

  test('a name for two things', () => {
    const files = [planted('src/a.ts', 'export const one = 1'), planted('src/b.ts', 'export function one() {}')]
    expect(sharedNames(files)).toEqual(['one'])
  })

  test('a promise that floats, which the linter finds', () => {
    const file = `test/planted-${process.pid}.ts`
    writeFileSync(file, 'async function f(): Promise<void> {}\nexport function g(): void {\n  f()\n}\n')
    try {
      const { status, stdout, stderr } = spawnSync('node_modules/.bin/biome', ['lint', file], { encoding: 'utf8' })
      expect(`${stdout}${stderr}`).toContain('noFloatingPromises')
      expect(status).toBe(1)
    } finally {
      rmSync(file)
    }
  })

  test('a long function, a long line, a reference to what is not there', () => {
    const body = Array.from({ length: LONGEST_FUNCTION }, (_, n) => `  void ${n}`).join('\n')
    expect(longFunctions([planted('src/a.ts', `function f() {\n${body}\n}`)])).toEqual({ 'src/a.ts f': 62 })
    expect(longLines([planted('src/a.ts', `${'x'.repeat(120)}\n${'x'.repeat(121)}`)])).toEqual(['src/a.ts:2'])
    expect(strayReferences([planted('src/a.ts', `// see spec ${1}.2`)])).toEqual(['src/a.ts:1'])
  })
})
