import { once } from 'node:events'
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { removeOldLogs } from '../src/observe/log-files.js'
import { errorForLog, scrubbed, urlForLog } from '../src/observe/log-safety.js'
import { createLogger, logFiles } from '../src/observe/logger.js'
import { createApp, newAdmin, newDiner, newMobile, testConfig, until } from './helpers/app.js'
import { startNode } from './helpers/script.js'
import { openSocket } from './helpers/socket.js'
import { multipart, picture, storageWith, upload } from './helpers/upload.js'

test('after a full story with everything that can go wrong, no secret is in any line of the log', async () => {
  const lines: string[] = []
  const logger = createLogger(testConfig({ LOG_LEVEL: 'trace' }), { write: (line) => lines.push(line) })
  // The console's provider prints codes by design; a gateway would not.
  const codes: string[] = []
  const sms = { sendCode: async (_mobile: string, code: string) => void codes.push(code) }
  const failing = storageWith(async () => Promise.reject(new Error('storage down')))
  const app = await createApp({ logger, sms, alerts: { everyMs: 20 } })
  await app.listen({ host: '127.0.0.1', port: 0 })

  const planted = {
    password: 'Planted-Passw0rd!',
    address: '上海市徐汇区漕溪北路七七七号',
    licence: '91310000MA1KPLANTED',
    person: '种秘密',
    business: '暗号小馆',
    nickname: '不该见的名字',
    card: 'planted-cookie-value',
    forged: 'eyJhbGciOiJIUzI1NiJ9.eyJwbGFudGVkIjoxfQ.c2lnbmF0dXJlLXBsYW50ZWQ',
    opaque: 'planted-opaque-bearer',
    reason: '这条理由不入日志'
  }
  const mobiles = [newMobile(), newMobile(), newMobile()]
  const [mobile = '', other = '', contact = ''] = mobiles

  // The good part of the story.
  const diner = await newDiner(app, { points: 5000 })
  const admin = await newAdmin(app)
  await app.db.user.update({ where: { userId: admin.userId }, data: { isMerchant: true } })
  const draw = await diner.post('/api/lottery/draw', { draw_type: 'five' }, { 'idempotency-key': 'planted-key-5' })
  const vouchers = draw.json().data.results.map((result: { voucher_code: string | null }) => result.voucher_code)
  const receipt = (await upload(app, diner, { bytes: await picture(60, 60), description: planted.reason })).json().data
  const review = { upload_id: receipt.upload_id, action: 'approved', actual_amount: 60, reason: planted.reason }
  expect((await admin.post('/api/merchant/review', review)).statusCode).toBe(200)
  const form = {
    business_name: planted.business,
    contact_person: planted.person,
    contact_phone: contact,
    business_license: planted.licence,
    business_address: planted.address
  }
  expect((await diner.post('/api/merchant/apply', form)).statusCode).toBe(200)
  const put = (payload: object | string, headers = {}) =>
    app.inject({
      method: 'PUT',
      url: '/api/user/profile',
      payload,
      headers: { authorization: `Bearer ${diner.access}`, ...headers }
    })
  expect((await put({ nickname: planted.nickname })).statusCode).toBe(200)
  await admin.get(`/api/admin/users?search=${mobile}`)
  await admin.get(`/api/admin/users?search=${encodeURIComponent(planted.nickname)}`)
  const socket = await openSocket(app, diner.access)
  await socket.take('connected')
  socket.send(`${planted.opaque} is no frame`)
  await socket.take('error')

  // And what goes wrong.
  const post = (url: string, payload: object | string, headers: Record<string, string> = {}) =>
    app.inject({ method: 'POST', url, payload, headers })
  const json = { 'content-type': 'application/json' }
  await post('/api/auth/login', { mobile: other, code: '918273' })
  await post('/api/auth/login', { mobile: Number(other), code: planted.password })
  await post('/api/auth/login', `{"mobile":"${other}","code":"918273"`, json)
  await post('/api/auth/admin-login', { username: 'nobody', password: planted.password })
  await post('/api/auth/admin-login', { username: 'nobody', password: [planted.password] })
  await post('/api/auth/refresh', { refresh_token: planted.forged })
  await post('/api/auth/send-code', { mobile: `${other}0` }, { cookie: `session=${planted.card}` })
  await post(`/api/auth/login?mobile=${other}&code=918273&password=${planted.password}`, {})
  await post(`/api/unknown/${other}/${planted.forged}?address=${encodeURIComponent(planted.address)}`, {})
  await app.inject(`/api/%zz?token=${planted.forged}`)
  await app.inject({ url: '/api/user/info', headers: { authorization: `Bearer ${planted.forged}` } })
  await app.inject({ url: '/api/user/info', headers: { authorization: `Bearer ${planted.opaque}` } })
  await app.inject({ url: `/metrics?token=${planted.opaque}`, headers: { authorization: `Bearer ${planted.opaque}` } })
  await openSocket(app, planted.forged).catch(() => {})
  await openSocket(app, planted.opaque).catch(() => {})
  await post('/api/merchant/apply', { ...form, contact_person: 5 }, { authorization: `Bearer ${admin.access}` })
  await put(`{"nickname":"${planted.nickname}`, json)
  const spare = await multipart([
    ['amount', planted.password],
    ['photo', { bytes: Buffer.from(planted.address) }]
  ])
  await post('/api/photo/upload', spare.payload as never, { ...spare.headers, authorization: `Bearer ${diner.access}` })
  const raw = connect((app.server.address() as { port: number }).port, '127.0.0.1')
  raw.write(`NOT HTTP ${planted.password} ${other}\r\n\r\n`)
  await once(raw.resume(), 'close')

  // Faults of the database, which quotes what it was given, by a raw statement and by a model.
  const broken = await createApp({ logger, sms, storage: failing })
  await upload(broken, diner, { bytes: await picture(60, 60), description: planted.reason })
  for (const fault of [
    () => app.db.user.create({ data: { mobile: diner.mobile, nickname: planted.nickname } }),
    () => app.db.$executeRaw`UPDATE users SET user_id = ${planted.address} WHERE mobile = ${diner.mobile}`,
    () => app.db.$executeRaw`INSERT INTO users (mobile, nickname) VALUES (${diner.mobile}, ${planted.nickname})`,
    () => app.db.$queryRaw`SELECT nonsense(${planted.password}, ${mobile})`,
    () => app.db.user.findMany({ where: { nickname: planted.nickname, nonsense: planted.address } as never }),
    () =>
      app.tx(
        ({ tx }) =>
          tx.$executeRaw`INSERT INTO users (mobile) VALUES (${`${planted.person}${diner.mobile}${planted.licence}`})`
      )
  ]) {
    const err = await fault().then(
      () => new Error('it should have failed'),
      (reason: unknown) => reason
    )
    expect((err as Error).message).not.toContain('should have failed')
    app.log.error({ err }, 'request failed')
    app.log.error(err as Error)
    app.log.error({ error: err, password: planted.password, who: { mobile, token: planted.opaque } }, 'nested')
  }
  socket.close()
  await app.close()

  const log = lines.join('')
  const searched = [
    ...Object.values(planted),
    ...Object.values(planted).map(encodeURIComponent),
    ...mobiles,
    diner.mobile,
    admin.mobile,
    diner.access,
    diner.refresh,
    admin.access,
    ...codes,
    ...vouchers.filter((code: string | null) => code !== null),
    '918273',
    'right password'
  ]
  for (const secret of searched) {
    const found = lines.find((line) => line.includes(secret))
    expect(found, `${secret} is in the log`).toBeUndefined()
  }
  // The search had something to search: requests, their ends, faults and where they came from.
  expect(codes.length).toBe(1)
  expect(vouchers.some((code: string | null) => code !== null)).toBe(true)
  expect(lines.length).toBeGreaterThan(60)
  for (const part of ['incoming request', 'request completed', '"stack"', '/api/user/profile', '[redacted]', '****']) {
    expect(log).toContain(part)
  }
  expect(lines.filter((line) => !line.startsWith('{"level":'))).toEqual([])
})

test('an address is logged with the names of its parameters, and the values that say nothing of a person', () => {
  expect(urlForLog('/a?page=2&search=张三&limit=5&code=1')).toBe('/a?page=2&search=[redacted]&limit=5&code=[redacted]')
  expect(urlForLog('/api/merchant/vouchers/RWTK6F94VFW6?x=1', '/api/merchant/vouchers/:code')).toBe(
    '/api/merchant/vouchers/:code?x=[redacted]'
  )
  expect(urlForLog('/a')).toBe('/a')
})

test('the last net catches tokens and mobiles, and leaves numbers alone', () => {
  expect(scrubbed('13812345678 113812345678 1795389443123 12812345678')).toBe(
    '138****5678 113812345678 1795389443123 12812345678'
  )
  expect(scrubbed('x eyJhbGciOiJIUzI1NiJ9.eyJ1IjoxfQ.abc-_1 y Bearer abc.def')).toBe('x [token] y Bearer [token]')
})

test('an error keeps what it is, where it came from and why, and nothing else', () => {
  const err = Object.assign(new TypeError('oops', { cause: new Error('inner') }), { code: 'E1', body: { a: 'secret' } })
  expect(errorForLog(err)).toMatchObject({
    type: 'TypeError',
    message: 'oops',
    code: 'E1',
    cause: { message: 'inner' }
  })
  expect(JSON.stringify(errorForLog(err))).not.toContain('secret')
  expect(errorForLog(err).stack).toMatch(/^TypeError: oops\n\s+at .*logs\.test/)
  const driver = Object.assign(
    new Error("(no: 1062) Duplicate entry 'a''b\nc' for key 'k'\nsql: INSERT 1 - parameters:['x']"),
    {
      sqlState: '23000',
      errno: 1062
    }
  )
  expect(errorForLog(driver)).toMatchObject({ message: "(no: 1062) Duplicate entry '…' for key '…'", errno: 1062 })
  expect(errorForLog('text')).toEqual({ type: 'string', message: 'text' })
})

async function folder(): Promise<string> {
  const dir = await mkdtemp(path.join(tmpdir(), 'lottery-logs-'))
  onTestFinished(() => rm(dir, { recursive: true, force: true }))
  return dir
}
const quiet = { write: () => {} }

test('with LOG_DIR there are daily files, for all and for errors alone; a new one begins after 20 MB', async () => {
  const dir = path.join(await folder(), 'made/anew')
  const config = testConfig({ LOG_LEVEL: 'info', LOG_DIR: dir })
  const logger = createLogger(config, quiet, await logFiles(config))
  logger.info({ access_token: 'planted' }, 'all is well')
  logger.debug('not asked for')
  logger.error('all is lost')
  const names = async () => (await readdir(dir)).sort()
  const [application = '', error = '', ...more] = await names()
  expect(application).toMatch(/^application\.\d{4}-\d\d-\d\d\.1\.log$/)
  expect(error).toMatch(/^error\.\d{4}-\d\d-\d\d\.1\.log$/)
  expect(more).toEqual([])
  const messages = async (name: string) =>
    (await readFile(path.join(dir, name), 'utf8'))
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line).msg)
  expect(await messages(application)).toEqual(['all is well', 'all is lost'])
  expect(await messages(error)).toEqual(['all is lost'])
  expect(await readFile(path.join(dir, application), 'utf8')).not.toContain('planted')

  const line = 'x'.repeat(64 * 1024)
  for (let megabytes = 0; megabytes < 21; megabytes += 1 / 16) logger.info(line)
  await until(async () => (await names()).length === 3)
  expect((await names())[1]).toMatch(/^application\.\d{4}-\d\d-\d\d\.2\.log$/)
})

/** Logs 20,000 lines, some long, an error now and then, once the file `go` is there. */
const WRITER = `
  import { existsSync } from 'node:fs'
  import { setTimeout } from 'node:timers/promises'
  import { createLogger, logFiles } from './dist/src/observe/logger.js'
  const { LOG_DIR, WHO, GO } = process.env
  const config = { LOG_DIR, LOG_LEVEL: 'info', NODE_ENV: 'production' }
  const logger = createLogger(config, { write() {} }, await logFiles(config))
  console.log('ready')
  while (!existsSync(GO)) await setTimeout(5)
  for (let n = 0; n < 20_000; n += 1) {
    const line = { who: WHO, n, fill: WHO.repeat(n % 1000 === 0 ? 200_000 : n % 100 === 0 ? 20_000 : 900) }
    if (n % 10 === 0) logger.error(line)
    else logger.info(line)
    if (n % 50 === 0) await setTimeout(0)
  }`

test('two processes share the files: no line is lost or torn, also where a new file begins', async () => {
  const dir = await folder()
  const LOG_DIR = path.join(dir, 'logs')
  const GO = path.join(dir, 'go')
  const writers = ['a', 'b'].map((WHO) => startNode(['--input-type=module', '-e', WRITER], { LOG_DIR, WHO, GO }))
  await until(() => writers.every(({ stdout, code }) => stdout.includes('ready') || code !== null))
  await writeFile(GO, '')
  await until(() => writers.every(({ code }) => code !== null))
  expect(writers.map(({ code, stderr }) => [code, stderr])).toEqual([
    [0, ''],
    [0, '']
  ])

  const names = (await readdir(LOG_DIR)).sort()
  const written = async (name: string): Promise<string[]> =>
    (await readFile(path.join(LOG_DIR, name), 'utf8'))
      .trimEnd()
      .split('\n')
      .map((line) => {
        const { who, n, fill } = JSON.parse(line)
        expect(fill === who.repeat(fill.length)).toBe(true)
        return `${who}${n}`
      })
  const lines = async (kind: string) => Promise.all(names.filter((name) => name.startsWith(kind)).map(written))
  const application = await lines('application')
  expect(application.length).toBeGreaterThan(1)
  for (const who of ['a', 'b']) expect(application[0]).toContain(`${who}0`)
  const expected = (step: number) =>
    ['a', 'b'].flatMap((who) => Array.from({ length: 20_000 / step }, (_, n) => `${who}${n * step}`)).sort()
  expect(application.flat().sort()).toEqual(expected(1))
  expect((await lines('error')).flat().sort()).toEqual(expected(10))
})

test('application logs are kept 30 days, error logs 90, and other files for ever', async () => {
  const dir = await folder()
  const now = new Date('2026-11-22T12:00:00Z')
  const day = (ago: number) => new Date(now.getTime() - ago * 86_400_000).toISOString().slice(0, 10)
  const keep = [`application.${day(0)}.1.log`, `application.${day(30)}.2.log`, `error.${day(90)}.1.log`, 'notes.txt']
  const remove = [`application.${day(32)}.1.log`, `application.${day(400)}.12.log`, `error.${day(92)}.1.log`]
  const others = [`other.${day(400)}.1.log`, `application.${day(400)}.1.log.gz`]
  for (const name of [...keep, ...remove, ...others]) await writeFile(path.join(dir, name), '')
  await removeOldLogs(dir, now)
  expect((await readdir(dir)).sort()).toEqual([...keep, ...others].sort())
})

test('a LOG_DIR that cannot be written is a fault of the settings', async () => {
  const file = path.join(await folder(), 'a-file')
  await writeFile(file, '')
  await expect(logFiles(testConfig({ LOG_DIR: path.join(file, 'logs') }))).rejects.toThrow(
    /LOG_DIR is .* cannot be written/
  )
})
