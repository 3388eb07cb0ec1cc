import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import path from 'node:path'
import type { FastifyInstance } from 'fastify'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { auditLog } from '../scripts/lib/audit-log.js'
import { type LogClient, logClient } from '../scripts/lib/log-client.js'
import { consistencySpans, type FullNode, leafHash, nodeHash, type Span, spanHash } from '../src/transparency/merkle.js'
import { createSigner, type Signer } from '../src/transparency/note.js'
import { createApp, type Diner, databaseUrl, newDiner, sql, testConfig } from './helpers/app.js'
import { runScript } from './helpers/script.js'

const FAIRNESS_KEY = '09'.repeat(32)
const quiet = { start() {}, done() {} }
let dir: string
beforeAll(async () => {
  dir = await mkdtemp(path.join(tmpdir(), 'audit-'))
})
afterAll(() => rm(dir, { recursive: true, force: true }))

let folders = 0
const newFolder = () => path.join(dir, String(++folders))
const audit = (log: LogClient, folder = newFolder()) => auditLog(log, folder, quiet)

const draw = async (diner: Diner, type: string) =>
  (await diner.post('/api/lottery/draw', { draw_type: type })).json().data
const rotate = (diner: Diner) => diner.post('/api/lottery/fairness/rotate')

/** Three diners draw tens and singles; the epochs of two are over. */
async function someDraws(app: FastifyInstance): Promise<void> {
  const diners = await Promise.all([0, 1, 2].map(() => newDiner(app, { points: 20_000 })))
  for (const [n, diner] of diners.entries()) {
    for (const type of ['ten', 'single', 'triple', 'ten', 'single']) await draw(diner, type)
    if (n < 2) await rotate(diner)
  }
  await app.publicLog.advance()
}

/** Any log that a house might show: whatever its lines are, they are signed, and proved, with its own key. */
function houseOf(lines: readonly string[], signer: Signer, rules: (version: number) => string): LogClient {
  const leaves = lines.map(leafHash)
  const full = ({ level, index }: FullNode): Buffer =>
    level === 0
      ? (leaves[index] as Buffer)
      : nodeHash(full({ level: level - 1, index: index * 2 }), full({ level: level - 1, index: index * 2 + 1 }))
  const hash = (span: Span): Buffer => spanHash(span, full)
  return {
    key: async () => signer.verifierKey,
    checkpoint: async () => signer.checkpoint(lines.length, hash([0, lines.length])),
    checkpointsAbove: async () => [
      { size: lines.length, note: signer.checkpoint(lines.length, hash([0, lines.length])) }
    ],
    entries: async (start, end) => lines.slice(start, end),
    consistency: async (from, to) => consistencySpans(from, to).map((span) => hash(span).toString('hex')),
    rules: async (version) => rules(version)
  }
}

// biome-ignore lint/suspicious/noExplicitAny: lines of many kinds are bent
type Entry = any

describe('an audit', () => {
  const signer = createSigner('house.example', '07'.repeat(32))
  let lines: string[]
  let snapshot: string

  beforeAll(async () => {
    const app = await createLongApp()
    await someDraws(app)
    lines = await app.publicLog.source.told(app.db, 0, await sizeOf())
    snapshot = (await app.db.lotteryRuleVersion.findUniqueOrThrow({ where: { version: 1 } })).snapshot
    await app.close()
  })

  const sizeOf = async () => Number((await sql<{ n: bigint }>('SELECT COUNT(*) AS n FROM fairness_leaves'))[0]?.n)
  const house = (told: readonly string[], rules = () => snapshot) => houseOf(told, signer, rules)
  /** The lines after `change`, each written as it should be: only what they say is bent. */
  const bent = (change: (entries: Entry[]) => Entry[] | undefined) => {
    const entries = lines.map((line) => JSON.parse(line))
    return (change(entries) ?? entries).map((entry) => JSON.stringify(entry))
  }
  const faultsOf = async (told: readonly string[], rules?: () => string) => (await audit(house(told, rules))).faults

  test('of a log as it is finds nothing, at once or in two parts, and remembers where it was', async () => {
    expect(await faultsOf(lines)).toEqual([])
    const folder = newFolder()
    const half = Math.floor(lines.length / 2)
    expect(await audit(house(lines.slice(0, half)), folder)).toMatchObject({ faults: [], entries: half })
    const rest = await audit(house(lines), folder)
    expect(rest).toMatchObject({ faults: [], entries: lines.length - half, size: lines.length })
    expect(await audit(house(lines), folder)).toMatchObject({ faults: [], entries: 0 })
    const results = lines.map((line): Entry => JSON.parse(line)).reduce((sum, { p }) => sum + (p?.length ?? 0), 0)
    expect(rest.versions).toEqual([{ version: 1, draws: results, pValue: null }])
  })

  const ofEnded = (entries: Entry[]) => {
    const ended = new Set(entries.filter(({ t }) => t === 'seed').map(({ c }) => c))
    return entries.filter(({ t, c }) => t === 'draw' && ended.has(c))
  }

  test.each<[string, (entries: Entry[]) => Entry[] | undefined, RegExp]>([
    [
      'a roll is another, and the prize with it',
      (all) => {
        const draw = ofEnded(all).find(({ r, f }) => r[0] < 9000 && f[0] === 0)
        // Still on the same prize or not: the seed says what it was.
        draw.r[0] += 1
        return undefined
      },
      /the roll is \d+, where \d+ is right/
    ],
    [
      'a prize is another',
      (all) => {
        const draw = all.find(({ t, f }) => t === 'draw' && f[0] === 0)
        draw.p[0] = draw.p[0] === 8 ? 7 : 8
        return undefined
      },
      /the prize is \d, where \d is right/
    ],
    [
      'a draw is left out',
      (all) => {
        const left = ofEnded(all)[1]
        return all.filter((entry) => entry !== left)
      },
      /has the nonce \d+, where \d+ is next/
    ],
    [
      'the last draw of an epoch is left out',
      (all) => {
        const left = ofEnded(all).at(-1)
        return all.filter((entry) => entry !== left)
      },
      /ended after 25 draws, of which \d+ were told/
    ],
    [
      'a draw is told twice',
      (all) => [...all.slice(0, 3), all[2], ...all.slice(3)],
      /has the nonce \d+, where \d+ is next/
    ],
    [
      'a draw comes after its seed was told',
      (all) => [...all, ofEnded(all)[0]],
      /of an epoch whose seed was told before/
    ],
    [
      'a seed is swapped',
      (all) => {
        all.find(({ t }) => t === 'seed').k = 'ab'.repeat(32)
        return undefined
      },
      /is not the one that was committed to/
    ],
    [
      'a guaranteed prize is withheld',
      (all) => {
        const draw = all.find(({ f }) => f?.includes(1))
        draw.f[draw.f.indexOf(1)] = 0
        return undefined
      },
      /the guarantee was due after 9/
    ],
    [
      'a guaranteed prize is given before it is due',
      (all) => {
        const draw = all.find(({ f }) => f?.[0] === 0)
        draw.f[0] = 1
        return undefined
      },
      /the guarantee was not due after/
    ],
    [
      'the count towards the guarantee is set back',
      (all) => {
        const draw = all.find(({ t, b, n }) => t === 'draw' && n > 0 && b > 0)
        draw.b -= 1
        return undefined
      },
      /counts \d+ before it, where \d+ is right/
    ],
    [
      'a nonce is skipped',
      (all) => {
        const [first] = ofEnded(all)
        for (const entry of all) if (entry.c === first.c && entry.n > first.n) entry.n += 1
        return undefined
      },
      /has the nonce \d+, where \d+ is next/
    ],
    [
      'rules are told after the draws under them',
      (all) => [...all.slice(1), all[0]],
      /was not told before the first draw/
    ],
    ['rules are told twice', (all) => [all[0], ...all], /is told twice/],
    ['a line says something else', (all) => [...all, { t: 'gift' }], /no such kind of entry/]
  ])('finds that %s', async (_what, change, fault) => {
    expect((await faultsOf(bent(change))).join('\n')).toMatch(fault)
  })

  test('finds that a line is written in another way', async () => {
    const [first = '', ...rest] = lines
    expect((await faultsOf([first.replace(',', ', '), ...rest])).join()).toMatch(/not canonical/)
    expect((await faultsOf(['no line', ...lines])).join()).toMatch(/cannot be read/)
  })

  test('finds that odds are others than the version said, before any draw or after', async () => {
    const better = snapshot
      .replace('"probability":0.3,', '"probability":0.29,')
      .replace('"probability":0.005,', '"probability":0.015,')
    expect(better).not.toBe(snapshot)
    expect((await faultsOf(lines, () => better)).join()).toMatch(/rules version 1 is not what is published/)
    const folder = newFolder()
    expect((await audit(house(lines.slice(0, 5)), folder)).faults).toEqual([])
    expect(
      (
        await audit(
          house(lines, () => better),
          folder
        )
      ).faults.join()
    ).toMatch(/has changed|is not what/)
  })

  test('finds another history, a shorter log, another key, and a checkpoint that nobody signed', async () => {
    const folder = newFolder()
    expect((await audit(house(lines.slice(0, 9)), folder)).faults).toEqual([])
    const other = bent((all) => {
      all[3].at += 1
      return undefined
    })
    expect((await audit(house(other), folder)).faults.join()).toMatch(/the log is another/)
    expect((await audit(house(lines.slice(0, 8)), folder)).faults.join()).toMatch(
      /shorter than it was: 8 entries, where 9/
    )
    const stranger = createSigner('house.example', '08'.repeat(32))
    expect(
      (
        await audit(
          houseOf(lines, stranger, () => snapshot),
          folder
        )
      ).faults.join()
    ).toMatch(/key of the log has changed/)
    const unsigned = { ...house(lines), key: async () => stranger.verifierKey }
    expect((await audit(unsigned)).faults.join()).toMatch(/not signed/)
    const wrongRoot = { ...house(lines), entries: async (start: number, end: number) => other.slice(start, end) }
    expect((await audit(wrongRoot)).faults.join()).toMatch(/root of checkpoint/)
    // A fault is not remembered: what was right before still is.
    expect((await audit(house(lines), folder)).faults).toEqual([])
  })

  test('finds crooked dice by the odds, even of draws whose seeds are never told', async () => {
    const rules = JSON.parse(snapshot)
    const head = lines.slice(0, 1)
    let before = 0
    const crooked = Array.from({ length: 3000 }, (_, n) => {
      // No prize but those of the upper half.
      const roll = 4000 + ((n * 7919) % 6000)
      const forced = before >= 9
      let edge = 0
      const chance = rules.prizes.find((prize: Entry) => {
        edge += Math.round(prize.probability * 10_000)
        return roll < edge
      }).prize_id
      const prize = forced ? 2 : chance
      const entry = {
        at: 1,
        b: before,
        c: 'cd'.repeat(32),
        f: [forced ? 1 : 0],
        id: String(n),
        n,
        p: [prize],
        r: [roll],
        s: 's',
        t: 'draw',
        v: 1
      }
      before = prize === 2 ? 0 : before + 1
      return JSON.stringify(entry)
    })
    expect(await faultsOf([...head, ...crooked])).toEqual([
      expect.stringMatching(/version 1: the odds are not those published/)
    ])
  })
})

/** A service that several tests share; closed by them. */
async function createLongApp(): Promise<FastifyInstance> {
  const { buildApp } = await import('../src/app.js')
  const app = await buildApp({
    overload: { maxEventLoopDelayMs: 0 },
    publicLog: { everyMs: 0 },
    config: testConfig({ FAIRNESS_KEY })
  })
  await app.ready()
  return app
}

test('who reads the log waits where the service says so, and says what it answers otherwise', async () => {
  const answers: [number, Record<string, string>, string][] = [
    [429, { 'retry-after': '0' }, '{}'],
    [503, { 'retry-after': '0' }, '{}'],
    [200, {}, '{"code":0,"msg":"success","data":{"verifier_key":"a key"}}'],
    [500, {}, 'broken']
  ]
  const server = createServer((_request, response) => {
    const [status, headers, body] = answers.shift() ?? [404, {}, '']
    response.writeHead(status, headers).end(body)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => void server.close())
  const log = logClient(`http://127.0.0.1:${(server.address() as AddressInfo).port}`)
  expect(await log.key()).toBe('a key')
  await expect(log.key()).rejects.toThrow(/answers 500: broken/)
})

describe('the tools', () => {
  test('audit, verify and pack say what there is, exit 0, and 1 once a row was changed', async () => {
    const app = await createApp({ config: { FAIRNESS_KEY } })
    await someDraws(app)
    const diner = await newDiner(app, { points: 5000 })
    const { draw_id } = await draw(diner, 'ten')
    await rotate(diner)
    await app.publicLog.advance()
    const url = await app.listen({ port: 0, host: '127.0.0.1' })
    const proofFile = path.join(dir, 'proof.json')
    await writeFile(proofFile, (await diner.get(`/api/lottery/fairness/draws/${draw_id}`)).body)
    const folder = newFolder()
    const { ENCRYPTION_KEY, JWT_SECRET } = testConfig()
    const env = { DATABASE_URL: databaseUrl(), DATA_DIR: dir, ENCRYPTION_KEY, JWT_SECRET, FAIRNESS_KEY }
    const auditing = () => runScript('fairness-audit', {}, ['--url', url, '--state', folder])
    const verifying = (file: string) => runScript('fairness-verify', {}, ['--proof', file, '--url', url])

    const clean = await auditing()
    expect([clean.code, clean.stdout]).toEqual([0, expect.stringContaining('Everything agrees.')])
    const good = await verifying(proofFile)
    expect([good.code, good.stdout]).toEqual([0, expect.stringContaining('Everything agrees.')])
    expect(good.stdout).not.toMatch(/[✗…]/)
    const byUrl = await runScript('fairness-verify', {}, [
      '--url',
      `${url}/api/lottery/fairness/draws/${draw_id}`,
      '--token',
      diner.access
    ])
    expect([byUrl.code, byUrl.stdout]).toEqual([0, good.stdout])
    const bentFile = path.join(dir, 'bent.json')
    await writeFile(
      bentFile,
      (await readFile(proofFile, 'utf8')).replace(/"roll":(\d+)/, (_, roll) => `"roll":${(Number(roll) + 1) % 10_000}`)
    )
    const bad = await verifying(bentFile)
    expect([bad.code, bad.stdout]).toEqual([1, expect.stringMatching(/✗ Result 1: thrown again, the dice show/)])
    expect((await verifying(path.join(dir, 'nothing.json'))).stderr).toMatch(/cannot be read/)
    expect((await runScript('fairness-audit', {}, [])).code).toBe(1)

    const out = path.join(dir, 'pack')
    const today = new Date().toISOString().slice(0, 10)
    const [from, to] = [today, new Date(Date.now() + 86_400_000).toISOString().slice(0, 10)]
    const packing = (folder: string) => runScript('compliance-pack', env, ['--from', from, '--to', to, '--out', folder])
    const packed = await packing(out)
    expect([packed.code, packed.stdout, packed.stderr]).toEqual([
      0,
      expect.stringContaining('no contradiction'),
      expect.any(String)
    ])
    expect((await readdir(out)).sort()).toEqual([
      'checkpoints.csv',
      'draws.csv',
      'log.csv',
      'manifest.json',
      'orders.csv',
      'redemptions.csv',
      'rules.csv',
      'verdict.json'
    ])
    const draws = await readFile(path.join(out, 'draws.csv'), 'utf8')
    expect(draws).toContain(draw_id)
    for (const name of await readdir(out)) {
      const text = await readFile(path.join(out, name), 'utf8')
      expect([name, text.includes(diner.mobile), text.includes('用户')]).toEqual([name, false, false])
    }
    expect((await packing(out)).stderr).toMatch(/holds a pack already/)

    // A row is changed after it was logged: whoever kept a root sees it, and so does whoever did not.
    await sql('UPDATE lottery_records SET roll = (roll + 1) % 10000 WHERE draw_id = ? AND sequence = 1', [draw_id])
    const fresh = await runScript('fairness-audit', {}, ['--url', url, '--state', newFolder()])
    expect([fresh.code, fresh.stdout]).toEqual([
      1,
      expect.stringMatching(/the roll is \d+, where \d+ is right[\s\S]*root of checkpoint/)
    ])
    const broken = await packing(path.join(dir, 'pack2'))
    expect([broken.code, broken.stdout]).toEqual([1, expect.stringMatching(/the roll is/)])
    // Restored from a backup that is older than the last checkpoint.
    const last = (await sql<{ size: bigint }>('SELECT MAX(size) AS size FROM fairness_checkpoints'))[0]?.size
    await sql('DELETE FROM fairness_checkpoints WHERE size = ?', [last])
    const restored = await auditing()
    expect([restored.code, restored.stdout]).toEqual([1, expect.stringMatching(/shorter than it was/)])
    expect((await logClient(url).checkpointsAbove(0)).length).toBeGreaterThan(0)
  })
})
