import { createHash, randomInt } from 'node:crypto'
import type { FastifyInstance } from 'fastify'
import { describe, expect, test } from 'vitest'
import { fromHex, toHex } from '../src/checker/bytes.js'
import { isSigned, readCheckpoint } from '../src/checker/checkpoint.js'
import { CHECKS, checkProof } from '../src/checker/proof.js'
import { GrowingLog, hashLeaf, isConsistent, isIncluded } from '../src/checker/tree.js'
import { drawAll } from '../src/domains/lottery/draw.js'
import { readProof } from '../src/domains/lottery/fairness/proof.js'
import { publicStatistics } from '../src/domains/lottery/fairness/statistics.js'
import { createUser } from '../src/domains/user/accounts.js'
import {
  consistencySpans,
  inclusionSpans,
  leafHash,
  nodeHash,
  type Span,
  spanHash
} from '../src/transparency/merkle.js'
import { createSigner } from '../src/transparency/note.js'
import { createApp, type Diner, drawTools, newDiner, newMobile, sql } from './helpers/app.js'

describe('the tree', () => {
  const LEAVES = ['', '00', '10', '2021', '3031', '40414243', '5051525354555657', '606162636465666768696a6b6c6d6e6f']
  const hashes = LEAVES.map((hex) => leafHash(Buffer.from(hex, 'hex').toString('latin1')))
  const rootOf = (all: readonly Buffer[], span: Span = [0, all.length]): Buffer =>
    spanHash(span, ({ level, index }) => {
      const size = 2 ** level
      if (level === 0) return all[index] as Buffer
      const half = (side: number) =>
        rootOf(all, [index * size + (side * size) / 2, index * size + ((side + 1) * size) / 2])
      return nodeHash(half(0), half(1))
    })

  test('has the roots that RFC 9162’s vectors have', () => {
    expect(rootOf([]).toString('hex')).toBe('e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855')
    expect(rootOf(hashes.slice(0, 7)).toString('hex')).toBe(
      'ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c'
    )
    expect(rootOf(hashes).toString('hex')).toBe('5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328')
  })

  test('proves every leaf and every beginning of every log up to 40 leaves to a checker that shares no code', async () => {
    const leaves = Array.from({ length: 40 }, (_, n) => leafHash(`leaf ${n}`))
    const hex = (spans: readonly Span[]) => spans.map((span) => rootOf(leaves, span).toString('hex'))
    const root = (size: number) => Uint8Array.from(rootOf(leaves.slice(0, size)))
    const log = new GrowingLog()
    for (let size = 1; size <= 40; size += 1) {
      await log.add(`leaf ${size - 1}`)
      expect([log.size, toHex(await log.root())]).toEqual([size, toHex(root(size))])
      for (let index = 0; index < size; index += 1) {
        const proof = { index, size, hashes: hex(inclusionSpans(index, [0, size])) }
        const leaf = Uint8Array.from(leaves[index] as Buffer)
        expect(await isIncluded(leaf, proof, root(size))).toBe(true)
        expect(await isIncluded(Uint8Array.from(leaves[(index + 1) % 40] as Buffer), proof, root(size))).toBe(false)
        expect(await isIncluded(leaf, { ...proof, index: index + 1 }, root(size))).toBe(false)
      }
      for (let first = 0; first <= size; first += 1) {
        const [before, after] = [
          { size: first, root: root(first) },
          { size, root: root(size) }
        ]
        const proof = hex(consistencySpans(first, size))
        expect(await isConsistent(before, after, proof)).toBe(true)
        if (first === 0 || first === size) continue
        expect(await isConsistent({ ...before, root: root(first + 1) }, after, proof)).toBe(false)
        expect(await isConsistent(before, { ...after, root: root(size - 1) }, proof)).toBe(false)
        expect(await isConsistent(before, after, proof.slice(1))).toBe(false)
      }
    }
  })

  test('a checkpoint is a signed note that holds for its key and its text alone', async () => {
    const [signer, other] = [createSigner('log.example', '01'.repeat(32)), createSigner('log.example', '02'.repeat(32))]
    const note = signer.checkpoint(7, Buffer.alloc(32, 5))
    expect(note).toMatch(/^log\.example\n7\nBQUF.*=\n\n— log\.example \S+\n$/)
    expect(await isSigned(readCheckpoint(note), signer.verifierKey)).toBe(true)
    expect(await isSigned(readCheckpoint(note), other.verifierKey)).toBe(false)
    expect(await isSigned(readCheckpoint(note.replace('\n7\n', '\n8\n')), signer.verifierKey)).toBe(false)
    expect(note).toBe(signer.checkpoint(7, Buffer.alloc(32, 5)))
  })
})

const SIZE = async (app: FastifyInstance) => readCheckpoint((await app.inject('/api/fairness/checkpoint')).body).size
const linesOf = async (app: FastifyInstance, start = 0): Promise<string[]> => {
  const reply = await app.inject(`/api/fairness/entries?start=${start}&end=${start + 1000}`)
  return reply.body.split('\n').filter((line) => line !== '')
}
// biome-ignore lint/suspicious/noExplicitAny: the tests look into lines of many kinds
const told = async (app: FastifyInstance): Promise<any[]> => (await linesOf(app)).map((line) => JSON.parse(line))
const draw = async (diner: Diner, body: object = {}) => (await diner.post('/api/lottery/draw', body)).json().data

describe('the log', () => {
  test('tells rules, draws and seeds in this order, each once, in canonical lines, without a name', async () => {
    const app = await createApp()
    const diner = await newDiner(app, { points: 9000 })
    const { server_seed_hash: c, client_seed: s } = (await diner.get('/api/lottery/fairness')).json().data
    const [five, one] = [await draw(diner, { draw_type: 'five' }), await draw(diner, { client_seed: '种子"' })]
    const { revealed } = (await diner.post('/api/lottery/fairness/rotate')).json().data
    const old = await newDiner(app)
    const before = await draw(old)
    await sql('UPDATE lottery_draws SET epoch = NULL WHERE draw_id = ?', [before.draw_id])
    await sql('UPDATE lottery_records SET nonce = NULL, roll = NULL WHERE draw_id = ?', [before.draw_id])
    await app.publicLog.advance()
    const lines = await linesOf(app)
    const entries = lines.map((line) => JSON.parse(line))
    expect(entries.map(({ t }) => t)).toEqual(['rules', 'draw', 'draw', 'draw0', 'seed'])
    const rows = (of: typeof five, name: string) => of.results.map((result: Record<string, unknown>) => result[name])
    const at = expect.any(Number)
    expect(entries.slice(1)).toEqual([
      {
        t: 'draw',
        id: five.draw_id,
        at,
        v: 1,
        c,
        s,
        n: 0,
        b: 0,
        r: rows(five, 'roll'),
        p: rows(five, 'prize_id'),
        f: [0, 0, 0, 0, 0]
      },
      {
        t: 'draw',
        id: one.draw_id,
        at,
        v: 1,
        c,
        s: '种子"',
        n: 5,
        b: one.results[0].pity_before,
        r: rows(one, 'roll'),
        p: rows(one, 'prize_id'),
        f: [0]
      },
      { t: 'draw0', id: before.draw_id, at, v: 1, p: rows(before, 'prize_id'), f: [0] },
      { t: 'seed', c, k: revealed.server_seed, n: 6, at }
    ])
    for (const line of lines) {
      const sorted = Object.fromEntries(Object.entries(JSON.parse(line)).sort(([a], [b]) => (a < b ? -1 : 1)))
      expect(line).toBe(JSON.stringify(sorted))
      for (const secret of [diner.mobile, String(diner.mobile).slice(-4), '用户'])
        expect(line).not.toContain(`"${secret}"`)
    }
    const log = new GrowingLog()
    for (const line of lines) await log.add(line)
    const checkpoint = readCheckpoint((await app.inject('/api/fairness/checkpoint')).body)
    expect([checkpoint.size, toHex(checkpoint.root)]).toEqual([5, toHex(await log.root())])
    // Nothing new, nothing signed.
    expect(await app.publicLog.advance()).toBe(0)
    expect(await SIZE(app)).toBe(5)
  })

  test('is continued by four sequencers at once while diners draw: each draw once, nonces in their order', async () => {
    const app = await createApp()
    const others = await Promise.all([createApp(), createApp(), createApp()])
    const diners = await Promise.all(Array.from({ length: 12 }, () => newDiner(app, { points: 5000 })))
    let isOn = true
    const drawing = Promise.all(
      diners.map(async (diner) => {
        for (let n = 0; n < 12; n += 1) {
          await draw(diner, { draw_type: n % 3 === 0 ? 'triple' : 'single' })
          if (n === 6) await diner.post('/api/lottery/fairness/rotate')
        }
      })
    ).finally(() => {
      isOn = false
    })
    const sequencing = Promise.all(
      [app, ...others].map(async ({ publicLog }) => {
        while (isOn) await publicLog.advance()
      })
    )
    await Promise.all([drawing, sequencing])
    // Whoever held it last may not be the one that is asked now.
    await Promise.all([app, ...others].map(({ publicLog }) => publicLog.advance()))
    const entries = await told(app)
    const ids = entries.filter(({ t }) => t.startsWith('draw')).map(({ id }) => id)
    const drawn = await app.db.lotteryDraw.findMany({ select: { drawId: true } })
    expect([...ids].sort()).toEqual(drawn.map(({ drawId }) => drawId).sort())
    const next = new Map<string, number>()
    for (const { t, c, n, r } of entries) {
      if (t === 'draw') {
        expect([c, n]).toEqual([c, next.get(c) ?? 0])
        next.set(c, n + r.length)
      }
      if (t === 'seed') expect([c, n]).toEqual([c, next.get(c) ?? 0])
    }
    const unplaced = await sql<{ n: bigint }>('SELECT COUNT(*) AS n FROM lottery_draws WHERE log_index IS NULL')
    expect(Number(unplaced[0]?.n)).toBe(0)
  })

  test('is proved by what is kept of it, over tiles of 256 leaves, at any size and from any size', async () => {
    const app = await createApp()
    const diners = await Promise.all(Array.from({ length: 14 }, () => newDiner(app, { points: 5000 })))
    for (const diner of diners) {
      for (let n = 0; n < 50; n += 1) await draw(diner)
      await app.publicLog.advance()
    }
    const size = await SIZE(app)
    expect(size).toBeGreaterThan(700)
    const nodes = await sql<{ level: number; n: bigint }>(
      'SELECT level, COUNT(*) AS n FROM fairness_nodes GROUP BY level'
    )
    expect(nodes.map(({ level, n }) => [level, Number(n)])).toEqual([
      [8, Math.floor(size / 256)],
      [9, Math.floor(size / 512)]
    ])
    const lines = await linesOf(app)
    const roots = new Map<number, Uint8Array<ArrayBuffer>>()
    const log = new GrowingLog()
    for (const line of lines) {
      await log.add(line)
      roots.set(log.size, await log.root())
    }
    const root = (at: number) => ({ size: at, root: roots.get(at) as Uint8Array<ArrayBuffer> })
    for (let round = 0; round < 60; round += 1) {
      const at = 1 + randomInt(size)
      const index = randomInt(at)
      const { data } = (await app.inject(`/api/fairness/inclusion?index=${index}&size=${at}`)).json()
      expect(data.leaf).toBe(lines[index])
      expect(await isIncluded(await hashLeaf(data.leaf), data, root(at).root)).toBe(true)
      const from = 1 + randomInt(at)
      const { data: grown } = (await app.inject(`/api/fairness/consistency?from=${from}&to=${at}`)).json()
      expect(await isConsistent(root(from), root(at), grown.hashes)).toBe(true)
    }
    const { checkpoints } = (await app.inject('/api/fairness/checkpoints?limit=100')).json().data
    const { verifier_key } = (await app.inject('/api/fairness/key')).json().data
    for (const { note } of checkpoints) {
      const checkpoint = readCheckpoint(note)
      expect(await isSigned(checkpoint, verifier_key)).toBe(true)
      expect(toHex(checkpoint.root)).toBe(toHex(root(checkpoint.size).root))
    }
  })

  test('a step that dies anywhere leaves the log as it was, and the next does all of it', async () => {
    const app = await createApp()
    const diner = await newDiner(app, { points: 5000 })
    await app.publicLog.advance()
    await draw(diner, { draw_type: 'triple' })
    await diner.post('/api/lottery/fairness/rotate')
    const size = await SIZE(app)
    const tables = ['fairness_leaves', 'lottery_draws', 'fairness_epochs', 'fairness_tallies', 'fairness_checkpoints']
    for (const table of tables) {
      const event = ['fairness_leaves', 'fairness_tallies', 'fairness_checkpoints'].includes(table)
        ? 'INSERT'
        : 'UPDATE'
      await sql(`CREATE TRIGGER stop_it BEFORE ${event} ON ${table} FOR EACH ROW SIGNAL SQLSTATE '45000'`)
      await expect(app.publicLog.advance()).rejects.toThrow()
      await sql('DROP TRIGGER stop_it')
      expect([table, await SIZE(app)]).toEqual([table, size])
      const [leaves] = await sql<{ n: bigint }>('SELECT COUNT(*) AS n FROM fairness_leaves')
      expect(Number(leaves?.n)).toBe(size)
    }
    expect(await app.publicLog.advance()).toBe(2)
    expect((await told(app)).slice(size).map(({ t }) => t)).toEqual(['draw', 'seed'])
  })

  test('is not continued with another key', async () => {
    const app = await createApp()
    const diner = await newDiner(app)
    await app.publicLog.advance()
    await draw(diner)
    const stranger = await createApp({ config: { FAIRNESS_KEY: 'ab'.repeat(32) } })
    const [row] = await sql<{ holder: string }>("SELECT holder FROM leases WHERE name = 'fairness-log'")
    await sql("DELETE FROM leases WHERE name = 'fairness-log'")
    await expect(stranger.publicLog.advance()).rejects.toThrow(/signed with another key/)
    expect(row?.holder).toBeTruthy()
    await sql("DELETE FROM leases WHERE name = 'fairness-log'")
    expect(await app.publicLog.advance()).toBeGreaterThan(0)
  })

  test('goes on by itself within seconds, by one instance of several, and by another when that is gone', async () => {
    const [first, second] = [
      await createApp({ publicLog: { everyMs: 50 } }),
      await createApp({ publicLog: { everyMs: 50 } })
    ]
    const diner = await newDiner(first)
    const isLogged = async (drawId: string) => {
      for (let n = 0; n < 600; n += 1) {
        const reply = await second.inject(`/api/fairness/inclusion?draw_id=${drawId}`)
        if (reply.statusCode === 200) return true
        await new Promise((resolve) => setTimeout(resolve, 100))
      }
      return false
    }
    expect(await isLogged((await draw(diner)).draw_id)).toBe(true)
    const { draw_id } = await draw(diner)
    await first.close()
    expect(await isLogged(draw_id)).toBe(true)
  })

  test.each([
    ['entries?start=5&end=5', 400, 'VALIDATION_FAILED'],
    ['entries?start=0&end=1001', 400, 'VALIDATION_FAILED'],
    ['entries?start=-1&end=1', 400, 'VALIDATION_FAILED'],
    ['inclusion', 400, 'VALIDATION_FAILED'],
    ['inclusion?index=0&draw_id=019ab1c2-7d00-7000-8000-000000000001', 400, 'VALIDATION_FAILED'],
    ['inclusion?index=0&size=100000000', 400, 'VALIDATION_FAILED'],
    ['inclusion?draw_id=019ab1c2-7d00-7000-8000-000000000001', 404, 'NOT_FOUND'],
    ['consistency?from=2&to=1', 400, 'VALIDATION_FAILED'],
    ['consistency?from=0&to=100000000', 400, 'VALIDATION_FAILED'],
    ['rules/999', 404, 'NOT_FOUND']
  ])('refuses %s', async (path, status, error) => {
    const app = await createApp()
    await app.publicLog.advance()
    const reply = await app.inject(`/api/fairness/${path}`)
    expect([reply.statusCode, reply.json().error]).toEqual([status, error])
    // A size that there is not yet will be there: a cache must not remember the refusal.
    expect(reply.headers['cache-control']).toBe('no-store')
  })

  test('publishes rules byte for byte, and what was drawn under each; what cannot change may be kept for ever', async () => {
    const app = await createApp()
    const diner = await newDiner(app, { points: 9000 })
    await app.publicLog.advance()
    const shares = async () => (await publicStatistics(app.db)).versions[0]
    const before = await shares()
    const { results } = await draw(diner, { draw_type: 'ten' })
    await app.publicLog.advance()
    const bare = await app.inject('/api/fairness/rules/1')
    const { versions } = (await app.inject('/api/fairness/rules')).json().data
    expect(versions[0].snapshot).toBe(bare.body)
    expect(createHash('sha256').update(bare.body).digest('hex')).toBe(versions[0].sha256)
    expect(bare.headers['cache-control']).toContain('immutable')
    const forced = results.filter((result: { is_pity: boolean }) => result.is_pity).length
    const after = await shares()
    expect(after).toMatchObject({
      version: 1,
      draws: (before?.draws ?? 0) + 10,
      chance_draws: (before?.chance_draws ?? 0) + 10 - forced,
      forced_draws: (before?.forced_draws ?? 0) + forced
    })
    expect(after?.prizes.reduce((sum, prize) => sum + prize.chance_draws, 0)).toBe(after?.chance_draws)
    const [told] = (await app.inject('/api/fairness/statistics')).json().data.versions
    expect(told).toEqual(after)
    const whole = await app.inject('/api/fairness/entries?start=0&end=1')
    expect(whole.headers['cache-control']).toContain('immutable')
    const open = await app.inject('/api/fairness/entries?start=0&end=1000')
    expect(open.headers['cache-control']).toBe('public, max-age=2')
  })
})

describe('a proof', () => {
  test('holds for whoever has it and the key, and says what is still open', async () => {
    const app = await createApp()
    const [diner, other] = [await newDiner(app, { points: 5000 }), await newDiner(app)]
    const { server_seed_hash: commitment } = (await diner.get('/api/lottery/fairness')).json().data
    const { draw_id } = await draw(diner, { draw_type: 'ten', client_seed: 'mine 种' })
    const proof = async () => (await diner.get(`/api/lottery/fairness/draws/${draw_id}`)).body
    const verdicts = async (text: string) =>
      new Map(
        (await checkProof(text, { commitment, verifierKey: app.publicLog.signer.verifierKey })).map((f) => [
          f.check,
          f.verdict
        ])
      )
    const early = await verdicts(await proof())
    expect([early.get('roll'), early.get('inclusion'), early.get('prize')]).toEqual(['open', 'open', 'right'])
    await diner.post('/api/lottery/fairness/rotate')
    await app.publicLog.advance()
    const late = await verdicts(await proof())
    expect([...late]).toEqual(CHECKS.map((check) => [check, 'right']))
    expect((await other.get(`/api/lottery/fairness/draws/${draw_id}`)).json().error).toBe('NOT_FOUND')
  })

  test('of every draw holds, when one diner draws on two instances at once, with keys that are used twice', async () => {
    const apps = [await createApp(), await createApp()] as const
    const diner = await newDiner(apps[0], { points: 9000 })
    const { server_seed_hash: commitment } = (await diner.get('/api/lottery/fairness')).json().data
    const drawAt = (n: number, key: string) =>
      apps[n % 2 === 0 ? 0 : 1].inject({
        method: 'POST',
        url: '/api/lottery/draw',
        headers: { authorization: `Bearer ${diner.access}`, 'idempotency-key': key },
        payload: { draw_type: 'triple', client_seed: key }
      })
    // Each key twice, on either instance.
    const replies = await Promise.all(Array.from({ length: 24 }, (_, n) => drawAt(n, `key ${Math.floor(n / 2)}`)))
    const draws = new Map(replies.map((reply) => [reply.json().data.draw_id, reply.json().data.fairness.nonce]))
    expect([...draws.values()].sort((a, b) => a - b)).toEqual(Array.from({ length: 12 }, (_, n) => n * 3))
    await diner.post('/api/lottery/fairness/rotate')
    await apps[1].publicLog.advance()
    const { verifierKey } = apps[0].publicLog.signer
    for (const drawId of draws.keys()) {
      const proof = (await diner.get(`/api/lottery/fairness/draws/${drawId}`)).body
      const findings = await checkProof(proof, { commitment, verifierKey })
      expect(findings.filter(({ verdict }) => verdict !== 'right')).toEqual([])
    }
  })

  test('of every draw holds, when 128 diners draw in one batch', async () => {
    const app = await createApp()
    const ids = await Promise.all(
      Array.from({ length: 128 }, () => app.tx((uow) => createUser(uow, { mobile: newMobile(), points: 1000 })))
    )
    const requests = ids.map((userId, n) => ({ userId, type: n % 2 === 0 ? ('single' as const) : ('five' as const) }))
    const answers = await app.fastTx((uow) => drawAll(uow, drawTools(app), requests))
    await app.publicLog.advance()
    for (const [n, answer] of answers.entries()) {
      if ('refusal' in answer) throw answer.refusal
      const userId = ids[n] ?? 0
      const proof = await readProof(app, app.cipher, userId, answer.answer.draw_id)
      const { serverSeed } = await app.db.fairnessEpoch.findFirstOrThrow({ where: { userId, epoch: 1 } })
      const told = JSON.stringify({ ...proof, server_seed: app.cipher.decrypt(serverSeed) })
      const findings = await checkProof(told, { verifierKey: app.publicLog.signer.verifierKey })
      expect(findings.filter(({ verdict }) => verdict !== 'right')).toEqual([])
    }
  })

  test('that is bent anywhere is refused, and the line that is wrong is named', async () => {
    const app = await createApp()
    const diner = await newDiner(app, { points: 5000 })
    const { draw_id } = await draw(diner, { draw_type: 'ten' })
    await diner.post('/api/lottery/fairness/rotate')
    await app.publicLog.advance()
    const { data } = (await diner.get(`/api/lottery/fairness/draws/${draw_id}`)).json()
    const { verifierKey } = app.publicLog.signer
    const wrong = async (change: (proof: typeof data) => void, commitment?: string) => {
      const bent = structuredClone(data)
      change(bent)
      const findings = await checkProof(JSON.stringify(bent), { verifierKey, commitment })
      return [...new Set(findings.filter(({ verdict }) => verdict === 'wrong').map(({ check }) => check))]
    }
    expect(await wrong(() => {})).toEqual([])
    const digit = (text: string) => text.replace(/.$/, (last) => (last === '0' ? '1' : '0'))
    expect(await wrong((proof) => (proof.results[3].roll = (proof.results[3].roll + 1) % 10_000))).toContain('roll')
    expect(await wrong((proof) => (proof.results[2].prize_id = (proof.results[2].prize_id % 8) + 1))).toContain('prize')
    expect(await wrong((proof) => (proof.results[1].nonce += 1))).toContain('nonce')
    expect(await wrong((proof) => (proof.results[4].forced = !proof.results[4].forced))).toContain('forced')
    expect(await wrong((proof) => (proof.results[5].pity_before += 1))).toContain('pity')
    expect(await wrong((proof) => (proof.server_seed = digit(proof.server_seed)))).toContain('commitment')
    expect(await wrong(() => {}, 'ab'.repeat(32))).toEqual(['commitment'])
    expect(await wrong((proof) => (proof.client_seed += 'x'))).toEqual(expect.arrayContaining(['roll', 'leaf']))
    expect(
      await wrong(
        (proof) =>
          (proof.rules = proof.rules.replace('0.0050', '0.005').replace('"cost_points":100', '"cost_points":1'))
      )
    ).toEqual(['rules'])
    expect(await wrong((proof) => (proof.leaf = proof.leaf.replace('"t":"draw"', '"t":"draws"')))).toEqual(
      expect.arrayContaining(['leaf', 'inclusion'])
    )
    expect(await wrong((proof) => (proof.inclusion.index += 1))).toEqual(['inclusion'])
    expect(
      await wrong((proof) => (proof.inclusion.checkpoint = proof.inclusion.checkpoint.replace('\n', 'x\n')))
    ).toContain('signature')
    expect(await wrong((proof) => (proof.drawn_at = '2026-01-01T00:00:00.000Z'))).toEqual(['leaf'])
    for (const text of ['', '{}', 'null', '[]', '{"format":"restaurant-points-lottery/draw-proof/1","results":[]}']) {
      expect((await checkProof(text)).map(({ check, verdict }) => [check, verdict])).toEqual([['format', 'wrong']])
    }
    expect(fromHex('00ff')).toEqual(Uint8Array.of(0, 255))
  })
})

test('checkpoints of more than a week ago are kept one an hour, the last of each; later ones all', async () => {
  let now = new Date('2026-12-24T12:00:00Z')
  const app = await createApp({ clock: () => now })
  await sql('DELETE FROM fairness_checkpoints')
  const at = [
    '2026-12-01 10:05',
    '2026-12-01 10:50',
    '2026-12-01 10:59',
    '2026-12-01 11:00',
    '2026-12-24 11:00',
    '2026-12-24 11:01'
  ]
  for (const [n, time] of at.entries()) {
    await sql('INSERT INTO fairness_checkpoints (size, note, created_at) VALUES (?, ?, ?)', [n + 1, 'a note', time])
  }
  const left = async () =>
    (await sql<{ size: bigint }>('SELECT size FROM fairness_checkpoints ORDER BY size')).map(({ size }) => Number(size))
  await app.sweepNow()
  expect(await left()).toEqual([3, 4, 5, 6])
  now = new Date('2027-01-24T12:00:00Z')
  await app.sweepNow()
  expect(await left()).toEqual([3, 4, 6])
})
