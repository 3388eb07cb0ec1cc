import { readFile } from 'node:fs/promises'
import type { FastifyInstance, InjectOptions } from 'fastify'
import { expect, test } from 'vitest'
import { parse } from 'yaml'
import { buildApp } from '../src/app.js'
import { createUser } from '../src/domains/user/accounts.js'
import { SystemNotice } from '../src/engine/push.js'
import { ALERTS } from '../src/observe/alert-board.js'
import { createLogger } from '../src/observe/logger.js'
import { createApp, type Diner, newAdmin, newDiner, newMobile, sql, testConfig, until } from './helpers/app.js'
import { holdLock } from './helpers/blocker.js'
import { collectGarbage } from './helpers/garbage.js'
import { scrape } from './helpers/metrics.js'
import { openSocket } from './helpers/socket.js'
import { watchStatements } from './helpers/statements.js'
import { multipart, picture, upload } from './helpers/upload.js'

const ask = async (app: FastifyInstance, options: InjectOptions = {}) => {
  const reply = await app.inject({ ...options, method: 'GET', url: '/metrics' })
  return reply.statusCode === 200 ? 'read' : [reply.statusCode, reply.json().code, reply.json().error]
}

test('metrics are for this machine, or for whoever has the token; a proxy makes nobody local', async () => {
  const token = 'a-token-for-the-scraper'
  const bearer = (text: string) => ({ headers: { authorization: `Bearer ${text}` } })
  const missing = [401, 2001, 'TOKEN_MISSING']
  const forbidden = [403, 2003, 'FORBIDDEN']

  const open = await createApp()
  expect(await ask(open)).toBe('read')
  expect(await ask(open, { remoteAddress: '::1' })).toBe('read')
  expect(await ask(open, { remoteAddress: '::ffff:127.0.0.1' })).toBe('read')
  expect(await ask(open, { remoteAddress: '192.168.1.9' })).toEqual(missing)
  for (const header of ['x-forwarded-for', 'forwarded', 'x-real-ip', 'via']) {
    expect(await ask(open, { headers: { [header]: '127.0.0.1' } })).toEqual(missing)
  }
  expect(await ask(open, bearer(token))).toEqual(forbidden)
  const diner = await newDiner(open)
  expect(await ask(open, bearer(diner.access))).toEqual(forbidden)
  expect(await ask(open, bearer((await newAdmin(open)).access))).toEqual(forbidden)

  const behind = await createApp({ config: { TRUST_PROXY: 'true', METRICS_TOKEN: token } })
  expect(await ask(behind)).toEqual(missing)
  expect(await ask(behind, { remoteAddress: '10.0.0.1', headers: { 'x-forwarded-for': '127.0.0.1' } })).toEqual(missing)
  expect(await ask(behind, { remoteAddress: '10.0.0.1', ...bearer(token) })).toBe('read')
  expect(await ask(behind, bearer(`${token}.`))).toEqual(forbidden)
  expect(await ask(behind, bearer(diner.access))).toEqual(forbidden)
})

test('a scrape is not rate limited, and comes in the format of Prometheus', async () => {
  const app = await createApp({ config: { RATE_LIMIT: true, RATE_LIMIT_GENERAL: 1, RATE_LIMIT_WINDOW_MAX: 1 } })
  for (let time = 0; time < 4; time += 1) expect(await ask(app)).toBe('read')
  const reply = await app.inject('/metrics')
  expect(reply.headers['content-type']).toBe('text/plain; version=0.0.4; charset=utf-8')
  expect(reply.payload).toContain('# TYPE http_request_duration_seconds histogram')
  expect(reply.payload).toContain('process_resident_memory_bytes')
})

test('a story leaves its figures: draws, points in and out, pushes, refusals, receipts, sockets, statements', async () => {
  const app = await createApp()
  await app.listen({ host: '127.0.0.1', port: 0 })
  const before = await scrape(app)
  expect(before.get('review_queue_length')).toBe(0)
  expect(before.get('review_queue_oldest_seconds')).toBe(0)

  const diner = await newDiner(app, { points: 700 })
  const socket = await openSocket(app, diner.access)
  await diner.post('/api/lottery/draw', { draw_type: 'single' }, { 'idempotency-key': 'once' })
  await diner.post('/api/lottery/draw', { draw_type: 'single' }, { 'idempotency-key': 'once' })
  await diner.post('/api/lottery/draw', { draw_type: 'five' })
  expect((await diner.post('/api/lottery/draw', { draw_type: 'ten' })).json().error).toBe('POINTS_INSUFFICIENT')
  await app.inject('/api/photo/review/not-a-known-one/13812345678')
  await socket.take('points_update', 2)

  const series = await scrape(app)
  expect(series.get('lottery_draws_total{draw_type="single"}')).toBe(1)
  expect(series.get('lottery_draws_total{draw_type="five"}')).toBe(1)
  const drawn = [...series].filter(([name]) => name.startsWith('lottery_results_total'))
  expect(drawn.reduce((sum, [, value]) => sum + value, 0)).toBe(6)
  expect(series.get('points_in_total{source="register"}')).toBe(700)
  expect(series.get('points_out_total{source="lottery"}')).toBe(600)
  expect(series.get('events_total{type="lottery_result"}')).toBe(2)
  expect(series.get('refusals_total{error="POINTS_INSUFFICIENT"}')).toBe(1)
  expect(series.get('refusals_total{error="NOT_FOUND"}')).toBe(1)
  expect(series.get('websocket_connections')).toBe(1)
  const drawRoute = 'method="POST",route="/api/lottery/draw"'
  expect(series.get(`http_request_duration_seconds_count{${drawRoute},status_code="200"}`)).toBe(3)
  expect(series.get(`http_request_duration_seconds_count{${drawRoute},status_code="409"}`)).toBe(1)
  const unknown = 'method="GET",route="__unknown__",status_code="404"'
  expect(series.get(`http_request_duration_seconds_count{${unknown}}`)).toBe(1)
  // The two draws, the account that was made, the login …
  expect(series.get('db_statement_duration_seconds_count{verb="commit"}')).toBeGreaterThanOrEqual(4)
  expect(series.get('db_pool_wait_seconds_count')).toBeGreaterThan(4)
  expect(series.get('db_pool_waiting')).toBe(0)
  // All are given back; another may be at work for a moment, for what is looked after.
  await until(async () => (await scrape(app)).get('db_pool_active_connections') === 0)
  socket.close()
})

test('what is rolled back is not counted', async () => {
  const app = await createApp()
  const undo = app.tx(async (uow) => {
    await createUser(uow, { mobile: newMobile(), points: 1000 })
    uow.outbox.push('everyone', SystemNotice, { title: 'a', content: 'b', type: 'c' })
    throw new Error('undone')
  })
  await expect(undo).rejects.toThrow('undone')
  const series = await scrape(app)
  expect(series.get('points_in_total{source="register"}')).toBeUndefined()
  expect(series.get('events_total{type="system_notice"}')).toBeUndefined()
})

test('the queue of receipts has a length and an age', async () => {
  const app = await createApp()
  const diner = await newDiner(app)
  const id = (await upload(app, diner, { bytes: await picture(40, 40) })).json().data.upload_id
  await sql('UPDATE photo_reviews SET created_at = UTC_TIMESTAMP(3) - INTERVAL 2 HOUR WHERE upload_id = ?', [id])
  const series = await scrape(app)
  expect(series.get('review_queue_length')).toBe(1)
  expect(series.get('review_queue_oldest_seconds')).toBeGreaterThanOrEqual(7100)
  expect(series.get('review_queue_oldest_seconds')).toBeLessThan(7500)
})

test('the public log has a length, and is so far behind', async () => {
  const app = await createApp()
  const diner = await newDiner(app)
  await app.publicLog.advance()
  const { draw_id: drawId } = (await diner.post('/api/lottery/draw')).json().data
  await sql('UPDATE lottery_draws SET created_at = UTC_TIMESTAMP(3) - INTERVAL 5 MINUTE WHERE draw_id = ?', [drawId])
  const before = await scrape(await createApp())
  expect(before.get('public_log_waiting_seconds')).toBeGreaterThanOrEqual(290)
  const added = await app.publicLog.advance()
  const after = await scrape(await createApp())
  expect(after.get('public_log_waiting_seconds')).toBe(0)
  expect(after.get('public_log_entries')).toBe((before.get('public_log_entries') ?? 0) + Number(added))
})

/** A request whose transaction is its own, and waits for the lock of its diner. */
const rename = (diner: Diner, requestId: string) =>
  diner.send({
    method: 'PUT',
    url: '/api/user/profile',
    payload: { nickname: '阿明' },
    headers: { 'x-request-id': requestId }
  })

test('every statement of a request carries its route, raw ones and the transaction itself too; no other does', async () => {
  const { seen, onQuery } = watchStatements()
  const app = await createApp({ onQuery })
  const diner = await newDiner(app)
  seen.length = 0
  expect((await rename(diner, 'name-17')).statusCode).toBe(200)
  expect(seen.length).toBeGreaterThanOrEqual(4)
  expect(seen.filter((text) => !text.includes('/*PUT /api/user/profile*/'))).toEqual([])
  // Whoever draws at that moment shares a draw's statements: they carry no route.
  seen.length = 0
  expect((await diner.post('/api/lottery/draw', {}, { 'x-request-id': 'draw-17' })).statusCode).toBe(200)
  expect(seen.filter((text) => text.includes('/*POST') && text.includes('lottery'))).toEqual([])
  seen.length = 0
  await diner.get('/api/user/info')
  expect(seen.filter((text) => !text.includes('/*GET /api/user/info*/'))).toEqual([])
  seen.length = 0
  await app.db.user.count()
  expect(seen.join()).not.toContain('/*')

  // A body is read from the socket's events; the request is found again after it.
  seen.length = 0
  const { payload, headers } = await multipart([
    ['amount', '58.5'],
    ['photo', { bytes: await picture(40, 40) }]
  ])
  await app.inject({
    method: 'POST',
    url: '/api/photo/upload',
    payload,
    headers: { ...headers, authorization: `Bearer ${diner.access}`, 'x-request-id': 'upload-18' }
  })
  expect(seen.length).toBeGreaterThan(3)
  expect(seen.filter((text) => !text.includes('/*POST /api/photo/upload*/'))).toEqual([])
})

test('the process list of the server says which route holds it up, and by its connection the log says which request', async () => {
  const lines: Record<string, unknown>[] = []
  const logger = createLogger(testConfig({ LOG_LEVEL: 'warn' }), { write: (line) => lines.push(JSON.parse(line)) })
  const app = await createApp({ logger })
  const diner = await newDiner(app)
  const lock = await holdLock('SELECT * FROM users WHERE user_id = ? FOR UPDATE', [diner.userId])
  const renaming = rename(diner, 'stuck-19')
  let connection = 0
  const start = Date.now()
  await until(async () => {
    const rows = await sql<{ id: number }>(`SELECT ID AS id FROM information_schema.PROCESSLIST
      WHERE INFO LIKE '/*PUT /api/user/profile*/%' AND DB = DATABASE()`)
    connection = Number(rows[0]?.id ?? 0)
    return rows.length > 0
  })
  await until(() => Date.now() - start > 1200)
  await lock.release()
  expect((await renaming).statusCode).toBe(200)
  await until(() => lines.some((line) => line.msg === 'slow request'))
  const [slow] = lines.filter((line) => line.msg === 'slow request')
  expect(slow).toMatchObject({ reqId: 'stuck-19', method: 'PUT', route: '/api/user/profile', status: 200 })
  expect(slow?.connections).toContain(connection)
  // One more statement, or two, when the session had to be looked up first.
  expect(slow?.statements).toBeGreaterThanOrEqual(4)
  expect(slow?.statements).toBeLessThanOrEqual(8)
  expect(slow?.database_ms).toBeGreaterThanOrEqual(1000)
  expect(slow?.took_ms).toBeGreaterThanOrEqual(slow?.database_ms as number)
})

test('statements of a request are prepared, and prepared once a connection', async () => {
  const { seen, onQuery } = watchStatements()
  const app = await createApp({ config: { DB_POOL: 2 }, onQuery })
  const diner = await newDiner(app)
  await diner.get('/api/user/points-records')
  seen.length = 0
  for (let time = 0; time < 5; time += 1) await diner.get('/api/user/points-records')
  expect(seen.filter((text) => text.startsWith('PREPARE'))).toEqual([])
  expect(seen.filter((text) => text.startsWith('EXECUTE')).length).toBeGreaterThanOrEqual(5)
  expect(seen.filter((text) => text.startsWith('QUERY'))).toEqual([])
})

test('a service that is closed is let go: what is measured of the process does not hold it', async () => {
  const build = async () => {
    const app = await buildApp({ config: testConfig() })
    await app.ready()
    expect(await app.meters.text()).toMatch(/^nodejs_gc_duration_seconds_count/m)
    await app.close()
    return new WeakRef(app)
  }
  const closed = [await build(), await build(), await build(), await build()]
  // The last one may still lie on the stack.
  await until(() => {
    collectGarbage()
    return closed.filter((app) => app.deref() !== undefined).length <= 1
  })
})

test('SQL_COMMENTS=off leaves the statements alone', async () => {
  const seen: string[] = []
  const app = await createApp({ config: { SQL_COMMENTS: false }, onQuery: (text) => seen.push(text) })
  await (await newDiner(app)).post('/api/lottery/draw', {})
  expect(seen.join()).not.toContain('/*')
})

/** Names of series in an expression of PromQL: what is neither a function, a label nor a word of the language. */
function namesIn(expression: string): string[] {
  const bare = expression.replace(/\{[^}]*\}/g, '').replace(/\b(?:by|without|on|ignoring)\s*\([^)]*\)/g, '')
  return [...bare.matchAll(/\b[a-zA-Z_:][\w:]*\b(?!\s*\()/g)]
    .map(([name]) => name)
    .filter((name) => !/^(?:and|or|unless|by|le|\d.*|[smhd]|inf|Inf|bool|offset)$/.test(name))
}

test('the dashboard and the rules under deploy/ ask only for what /metrics has', async () => {
  const app = await createApp()
  const { payload } = await app.inject('/metrics')
  const known = new Set<string>()
  for (const [, name = '', type] of payload.matchAll(/^# TYPE (\w+) (\w+)$/gm)) {
    const parts = type === 'histogram' ? ['_bucket', '_count', '_sum'] : ['']
    for (const part of parts) known.add(`${name}${part}`)
  }
  for (const alert of Object.keys(ALERTS)) expect(known).toContain(`alert_${alert}_active`)

  interface Panel {
    title: string
    gridPos: object
    targets?: { expr: string }[]
  }
  const dashboard = JSON.parse(await readFile('deploy/grafana-dashboard.json', 'utf8')) as {
    title: string
    uid: string
    schemaVersion: number
    panels: Panel[]
  }
  expect(dashboard).toMatchObject({
    title: expect.any(String),
    uid: expect.any(String),
    schemaVersion: expect.any(Number)
  })
  const asked = dashboard.panels.flatMap(({ title, targets = [] }) =>
    targets.map(({ expr }) => ({ where: title, expr }))
  )
  expect(asked.length).toBeGreaterThan(12)

  interface Rules {
    groups: { name: string; rules: { alert: string; expr: string; annotations: { summary: string } }[] }[]
  }
  const rules = (parse(await readFile('deploy/prometheus-alerts.yml', 'utf8')) as Rules).groups.flatMap(
    (group) => group.rules
  )
  expect(rules.length).toBeGreaterThanOrEqual(Object.keys(ALERTS).length)
  for (const { alert, expr, annotations } of rules) {
    expect(annotations.summary, alert).toBeTruthy()
    asked.push({ where: alert, expr })
  }
  for (const { where, expr } of asked) {
    const names = namesIn(expr).filter((name) => name !== 'up')
    expect(names.length + Number(expr.includes('up{')), where).toBeGreaterThan(0)
    expect(
      names.filter((name) => !known.has(name)),
      `${where}: ${expr}`
    ).toEqual([])
  }
})
