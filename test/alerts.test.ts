import { createServer } from 'node:http'
import { expect, onTestFinished, test } from 'vitest'
import { AlertBoard, type Reading, Share, weComMessage } from '../src/observe/alert-board.js'
import { createLogger } from '../src/observe/logger.js'
import { createApp, databaseUrl, newDiner, sql, testConfig, until } from './helpers/app.js'
import { scrape } from './helpers/metrics.js'
import { createProxy } from './helpers/proxy.js'

const WELL: Reading = {
  slow: { total: 100, hits: 0 },
  failed: { total: 100, hits: 0 },
  memory: 0.4,
  databaseAnswers: true
}
/** What a board says to one reading after the other. */
const hear = (board: AlertBoard, ...readings: Partial<Reading>[]) =>
  readings.map((reading) => board.judge({ ...WELL, ...reading }).map(({ alert, state }) => `${alert} ${state}`))

test('a share forgets what is older than five minutes', () => {
  const share = new Share()
  const start = 1_800_000_000_000
  for (let second = 0; second < 300; second += 1) share.add(start + second * 1000, second % 2 === 0)
  expect(share.read(start + 299_000)).toEqual({ total: 300, hits: 150 })
  expect(share.read(start + 450_000).total).toBeLessThanOrEqual(150)
  expect(share.read(start + 600_000)).toEqual({ total: 0, hits: 0 })
  share.add(start + 3_600_000, true)
  expect(share.read(start + 3_600_000)).toEqual({ total: 1, hits: 1 })
})

test('slow answers and errors ring over 5 % of 20 requests or more, once, and stop ringing at 2.5 %', () => {
  for (const [alert, key] of [
    ['response_time', 'slow'],
    ['error_rate', 'failed']
  ] as const) {
    const share = (total: number, hits: number) => ({ [key]: { total, hits } })
    const said = hear(
      new AlertBoard(),
      share(19, 19),
      share(100, 5),
      share(100, 6),
      share(100, 50),
      share(100, 4),
      share(100, 6),
      share(10, 10),
      share(1000, 25),
      share(1000, 26),
      share(20, 2),
      share(0, 0)
    )
    const [raised, cleared] = [[`${alert} raised`], [`${alert} cleared`]]
    expect(said).toEqual([[], [], raised, [], [], [], [], cleared, [], raised, cleared])
  }
})

test('memory rings over 80 % of the limit, and stops at 70 %', () => {
  const said = hear(
    new AlertBoard(),
    { memory: 0.8 },
    { memory: 0.81 },
    { memory: 0.75 },
    { memory: 0.85 },
    { memory: 0.7 }
  )
  expect(said).toEqual([[], ['memory raised'], [], [], ['memory cleared']])
})

test('a database is lost after two looks in a row, and back after two', () => {
  const [away, back] = [{ databaseAnswers: false }, { databaseAnswers: true }]
  expect(hear(new AlertBoard(), away, back, away, away, away, back, away, back, back, back)).toEqual([
    [],
    [],
    [],
    ['database raised'],
    [],
    [],
    [],
    [],
    ['database cleared'],
    []
  ])
})

test('alerts are independent of each other', () => {
  expect(hear(new AlertBoard(), { memory: 0.9, failed: { total: 50, hits: 50 } }, { memory: 0.9 })).toEqual([
    ['error_rate raised', 'memory raised'],
    ['error_rate cleared']
  ])
})

test('a notice is what the robot of a WeCom group takes', () => {
  const notice = { alert: 'memory', state: 'raised', measured: '81.0 %' } as const
  const { markdown, ...rest } = weComMessage(notice, 'host (1)', new Date(0)) as { markdown: { content: string } }
  expect(rest).toEqual({ msgtype: 'markdown' })
  for (const part of ['[告警]', '内存使用率过高', 'warn', '81.0 %', 'host (1)', '1970-01-01T00:00:00.000Z']) {
    expect(markdown.content).toContain(part)
  }
  expect(JSON.stringify(weComMessage({ ...notice, state: 'cleared' }, '', new Date()))).toContain('[恢复]')
})

/** A stand-in for WeCom, which answers as `answers` say, and then well. */
async function robot(...answers: { status?: number; body?: object }[]) {
  const posts: { url: string; content: string }[] = []
  const server = createServer((request, response) => {
    let text = ''
    request.on('data', (chunk) => {
      text += chunk
    })
    request.on('end', () => {
      const { status = 200, body = { errcode: 0, errmsg: 'ok' } } = answers.shift() ?? {}
      posts.push({
        url: request.url ?? '',
        content: (JSON.parse(text) as { markdown: { content: string } }).markdown.content
      })
      response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body))
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => {
    server.closeAllConnections()
    server.close()
  })
  const url = `http://127.0.0.1:${(server.address() as { port: number }).port}/cgi-bin/webhook/send?key=the-robots-key`
  return { url, posts, taken: () => posts.map(({ content }) => content.split('\n')[0]) }
}

function logged() {
  const lines: string[] = []
  const logger = createLogger(testConfig({ LOG_LEVEL: 'info' }), { write: (line) => lines.push(line) })
  return { logger, text: () => lines.join('') }
}

test('the group hears once that the database is lost, and once that it is back; the log says it too', async () => {
  const proxy = await createProxy(new URL(databaseUrl()))
  onTestFinished(() => proxy.close())
  const group = await robot()
  const { logger, text } = logged()
  const config = { DATABASE_URL: proxy.url, ALERT_WEBHOOK_URL: group.url }
  const app = await createApp({ config, logger, alerts: { everyMs: 20 } })
  proxy.cut()
  await until(() => group.posts.length === 1)
  expect((await scrape(app)).get('alert_database_active')).toBe(1)
  expect(group.posts[0]?.url).toContain('key=the-robots-key')
  expect(group.posts[0]?.content).toContain('critical')
  proxy.restore()
  await until(() => group.posts.length === 2)
  expect((await scrape(app)).get('alert_database_active')).toBe(0)
  // Some more looks, at which nothing changes.
  const before = (await scrape(app)).get('nodejs_eventloop_lag_seconds')
  expect(before).toBeDefined()
  for (let look = 0; look < 20; look += 1) await app.ask('SELECT 1')
  expect(group.taken()).toEqual([
    '<font color="warning">[告警] 数据库连接失败</font>',
    '<font color="info">[恢复] 数据库连接失败</font>'
  ])
  expect(text()).toContain('alert: 数据库连接失败')
  expect(text()).toContain('alert over: 数据库连接失败')
  expect(text()).not.toContain('the-robots-key')
})

test('errors over 5 % are told, and five minutes later that they are over', async () => {
  const group = await robot()
  let later = 0
  const clock = () => new Date(Date.now() + later)
  const app = await createApp({ config: { ALERT_WEBHOOK_URL: group.url }, clock, alerts: { everyMs: 20 } })
  const diner = await newDiner(app)
  for (let time = 0; time < 30; time += 1) expect((await diner.get('/api/user/info')).statusCode).toBe(200)
  await sql('RENAME TABLE user_totals TO gone')
  for (let time = 0; time < 5; time += 1) expect((await diner.get('/api/user/info')).statusCode).toBe(500)
  await sql('RENAME TABLE gone TO user_totals')
  await until(() => group.posts.length === 1)
  expect(group.posts[0]?.content).toContain('[告警] 错误率过高')
  expect(group.posts[0]?.content).toMatch(/[2-5]\/\d\d 5xx/)
  later = 6 * 60_000
  await until(() => group.posts.length === 2)
  expect(group.posts[1]?.content).toContain('[恢复] 错误率过高')
})

test('memory over 80 % of the limit is told, with what was measured', async () => {
  const group = await robot()
  let bytes = 410 * 1024 * 1024
  const config = { ALERT_WEBHOOK_URL: group.url, MEMORY_LIMIT_MB: 500 }
  await createApp({ config, alerts: { everyMs: 20, memory: () => bytes } })
  await until(() => group.posts.length === 1)
  expect(group.posts[0]?.content).toContain('82.0 %')
  bytes = 300 * 1024 * 1024
  await until(() => group.posts.length === 2)
  expect(group.taken()[1]).toContain('[恢复] 内存使用率过高')
})

test('a robot that fails is tried again, and then given up; requests never wait for it, and its key stays secret', async () => {
  const group = await robot({ status: 500 }, { body: { errcode: 45009, errmsg: 'api freq out of limit' } })
  const { logger, text } = logged()
  const high = () => 490 * 1024 * 1024
  const config = { ALERT_WEBHOOK_URL: group.url, MEMORY_LIMIT_MB: 500 }
  await createApp({ config, logger, alerts: { everyMs: 20, memory: high, retryAfterMs: [10, 10] } })
  await until(() => group.posts.length === 3)
  expect(new Set(group.taken()).size).toBe(1)

  const nobody = { ALERT_WEBHOOK_URL: 'http://127.0.0.1:9/send?key=the-robots-key', MEMORY_LIMIT_MB: 500 }
  const app = await createApp({ config: nobody, logger, alerts: { everyMs: 20, memory: high, retryAfterMs: [10, 10] } })
  await until(() => text().includes('was given up'))
  expect((await app.inject('/health/live')).statusCode).toBe(200)
  expect(text()).toContain('45009')
  expect(text()).not.toContain('the-robots-key')
})

test('a service that stops does not wait for a robot that is silent', async () => {
  const silent = createServer(() => {})
  await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => {
    silent.closeAllConnections()
    silent.close()
  })
  let called = 0
  silent.on('request', () => {
    called += 1
  })
  const url = `http://127.0.0.1:${(silent.address() as { port: number }).port}/`
  const config = { ALERT_WEBHOOK_URL: url, MEMORY_LIMIT_MB: 500 }
  const app = await createApp({ config, alerts: { everyMs: 20, memory: () => 490 * 1024 * 1024 } })
  await until(() => called > 0)
  const start = Date.now()
  await app.close()
  expect(Date.now() - start).toBeLessThan(4000)
})
