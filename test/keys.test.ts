import { createHmac } from 'node:crypto'
import type { FastifyInstance } from 'fastify'
import { expect, onTestFinished, test } from 'vitest'
import { withConnection } from '../scripts/lib/connection.js'
import { countLeft, rotateColumn } from '../scripts/lib/rotation.js'
import { openConnection } from '../src/engine/connection.js'
import { createCipher } from '../src/shared/cipher.js'
import { ENCRYPTED_COLUMNS, type EncryptedColumn } from '../src/shared/encrypted-columns.js'
import {
  createApp,
  databaseUrl,
  newAdmin,
  newDiner,
  newMobile,
  sql,
  type TestAppOptions,
  testConfig,
  until
} from './helpers/app.js'
import { runScript } from './helpers/script.js'
import { DELIVERY, LICENCE, type Story, tellStory } from './helpers/story.js'

const OLD = { JWT_SECRET: testConfig().JWT_SECRET, ENCRYPTION_KEY: testConfig().ENCRYPTION_KEY }
const NEW = { JWT_SECRET: 'the next secret, of more than thirty-two characters', ENCRYPTION_KEY: 'fe'.repeat(32) }
const previous = ({ JWT_SECRET, ENCRYPTION_KEY }: typeof OLD) => ({
  JWT_SECRET_PREVIOUS: JWT_SECRET,
  ENCRYPTION_KEY_PREVIOUS: ENCRYPTION_KEY
})
const appWith = (config: NonNullable<TestAppOptions['config']>) => createApp({ config })

const bearer = (token: string) => ({ authorization: `Bearer ${token}` })
const info = async (app: FastifyInstance, token: string) =>
  (await app.inject({ method: 'GET', url: '/api/user/info', headers: bearer(token) })).statusCode
const refresh = (app: FastifyInstance, token: string) =>
  app.inject({ method: 'POST', url: '/api/auth/refresh', payload: { refresh_token: token } })

const columnNamed = (name: string): EncryptedColumn => {
  const found = ENCRYPTED_COLUMNS.find(({ column }) => column === name)
  if (found === undefined) throw new Error(`no column ${name}`)
  return found
}

/** All that the story's people see of what is encrypted, asked of any instance. */
async function expectReadable(app: FastifyInstance, { diner, merchant, drawn, order }: Story): Promise<void> {
  const ask = async (who: { access: string }, url: string) =>
    (await app.inject({ method: 'GET', url, headers: bearer(who.access) })).json()
  const codes = drawn.answer.results.map(({ voucher_code: code }) => code)
  const wallet = (await ask(diner, '/api/user/vouchers?limit=50')).data.vouchers as { code: string }[]
  expect(wallet.map(({ code }) => code).sort()).toEqual([...codes, order.exchange_code].sort())
  for (const code of [codes[0], order.exchange_code]) {
    expect((await ask(merchant, `/api/merchant/vouchers/${code}`)).data).toMatchObject({ code, valid: true })
  }
  expect((await ask(diner, `/api/exchange/orders/${order.order_id}`)).data.delivery_info.recipient_name).toBe('王*')
  expect((await ask(diner, '/api/merchant/application')).data.contact_phone).toContain('*')
  const again = await app.inject({
    method: 'POST',
    url: '/api/lottery/draw',
    headers: { ...bearer(diner.access), 'idempotency-key': drawn.key },
    payload: { draw_type: 'ten' }
  })
  expect([again.headers['idempotent-replayed'], again.json().data]).toEqual(['true', drawn.answer])
}

test('every column with something encrypted in it is known to the rotation, and so is every keyed hash', async () => {
  const app = await appWith({})
  await tellStory(app)
  const columns = await sql<{ t: string; c: string }>(
    `SELECT TABLE_NAME AS t, COLUMN_NAME AS c FROM information_schema.COLUMNS
     WHERE TABLE_SCHEMA = DATABASE() AND DATA_TYPE IN ('char', 'varchar', 'tinytext', 'text', 'mediumtext', 'longtext', 'json')`
  )
  const found: string[] = []
  for (const { t, c } of columns) {
    const rows = await sql(`SELECT 1 FROM \`${t}\` WHERE \`${c}\` LIKE ? LIMIT 1`, [`%${app.cipher.keyId}.%`])
    if (rows.length > 0) found.push(`${t}.${c}`)
  }
  expect(found.sort()).toEqual(ENCRYPTED_COLUMNS.map(({ table, column }) => `${table}.${column}`).sort())
  const hashes = columns.filter(({ c }) => c.includes('hmac')).map(({ t, c }) => `${t}.${c}`)
  const rotated = ENCRYPTED_COLUMNS.flatMap(({ table, hmac }) =>
    hmac === undefined ? [] : [`${table}.${hmac.column}`]
  )
  expect(hashes.sort()).toEqual([...rotated, 'verification_codes.code_hmac'].sort())
  for (const { table, key } of ENCRYPTED_COLUMNS) {
    const primary = await sql<{ c: string }>(
      `SELECT COLUMN_NAME AS c FROM information_schema.STATISTICS
       WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = ? AND INDEX_NAME = 'PRIMARY' ORDER BY SEQ_IN_INDEX`,
      [table]
    )
    expect([table, primary.map(({ c }) => c)]).toEqual([table, key])
  }
})

test('the secret of the tokens changes while everybody stays logged in', async () => {
  const before = await appWith(OLD)
  const diner = await newDiner(before)

  // All instances first learn the new secret, then sign with it: an instance that is still to be restarted reads both.
  const learned = await appWith({ ...OLD, ...previous(NEW) })
  const changed = await appWith({ ...NEW, ...previous(OLD) })
  expect([await info(learned, diner.access), await info(changed, diner.access)]).toEqual([200, 200])
  const renewed = (await refresh(changed, diner.refresh)).json().data
  expect(await info(changed, renewed.access_token)).toBe(200)
  expect(await info(learned, renewed.access_token)).toBe(200)
  expect(await info(before, renewed.access_token)).toBe(401)
  expect((await refresh(learned, renewed.refresh_token)).json().code).toBe(0)

  const after = await appWith(NEW)
  expect(await info(after, renewed.access_token)).toBe(200)
  expect(await info(after, diner.access)).toBe(401)
  expect((await refresh(after, diner.refresh)).json().error).toBe('TOKEN_INVALID')
})

test('under the other secret, a token has to pass every check too', async () => {
  const app = await appWith({ ...NEW, ...previous(OLD) })
  const before = await appWith(OLD)
  const diner = await newDiner(before)
  const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url')
  const claims = JSON.parse(Buffer.from(diner.access.split('.')[1] ?? '', 'base64url').toString())
  const signed = (header: object, payload: object, hash = 'sha256', secret = OLD.JWT_SECRET) => {
    const text = `${part(header)}.${part(payload)}`
    return `${text}.${createHmac(hash, secret).update(text).digest('base64url')}`
  }
  const hs256 = { alg: 'HS256', typ: 'JWT' }
  expect(await info(app, signed(hs256, claims))).toBe(200)
  const bad: Record<string, string> = {
    'another algorithm': signed({ alg: 'HS512', typ: 'JWT' }, claims, 'sha512'),
    'no signature': `${part({ alg: 'none', typ: 'JWT' })}.${part(claims)}.`,
    'another issuer': signed(hs256, { ...claims, iss: 'somebody' }),
    'an expired token': signed(hs256, { ...claims, exp: Math.floor(Date.now() / 1000) - 100 }),
    'a refresh token': diner.refresh,
    'a third secret': signed(hs256, claims, 'sha256', 'a third secret of more than thirty-two characters')
  }
  for (const [what, token] of Object.entries(bad)) expect([what, await info(app, token)]).toEqual([what, 401])
})

test('a code that was sent under the other key is good for a login, once', async () => {
  const [before, changed] = [await appWith(OLD), await appWith({ ...NEW, ...previous(OLD) })]
  const mobile = newMobile()
  const sent = await before.inject({ method: 'POST', url: '/api/auth/send-code', payload: { mobile } })
  const code = sent.json().data.code_hint
  const login = () => changed.inject({ method: 'POST', url: '/api/auth/login', payload: { mobile, code } })
  expect((await login()).json().code).toBe(0)
  expect((await login()).json().error).toBe('CODE_INVALID')
})

test('the key of what is encrypted changes beside a service at work; the rotation may be stopped, and says when it is done', async () => {
  await sql('DELETE FROM vouchers')
  await sql('DELETE FROM idempotency_keys')
  await sql('UPDATE exchange_orders SET delivery_info = NULL')
  await sql('DELETE FROM merchant_applications')
  await sql('DELETE FROM push_events')
  const before = await appWith(OLD)
  const story = await tellStory(before)
  const changed = await appWith({ ...NEW, ...previous(OLD) })
  await expectReadable(changed, story)
  const cipher = createCipher(NEW.ENCRYPTION_KEY, OLD.ENCRYPTION_KEY)
  const countAll = async () =>
    withConnection(databaseUrl(), async (connection) => {
      const counts: Record<string, number> = {}
      for (const target of ENCRYPTED_COLUMNS) counts[target.column] = await countLeft(connection, cipher, target)
      return counts
    })
  expect(await countAll()).toMatchObject({
    code_enc: 11,
    delivery_info: 1,
    contact_phone: 1,
    business_license: 1,
    response: 1
  })

  // A second voucher was redeemed under the old key, and a diner draws under the new one: neither is in the way.
  const redeemed = story.drawn.answer.results[1]?.voucher_code
  await story.merchant.post('/api/merchant/vouchers/redeem', { code: redeemed })
  const total = Object.values(await countAll()).reduce((sum, count) => sum + count, 0)
  const env = { DATABASE_URL: databaseUrl(), DATA_DIR: testConfig().DATA_DIR, ...NEW }
  const blind = await runScript('keys-rotate', env)
  expect([blind.code, blind.stdout.split('\n').filter((line) => line.startsWith('unreadable: '))]).toEqual([
    1,
    expect.objectContaining({ length: total })
  ])
  expect(blind.stderr).toContain('is ENCRYPTION_KEY_PREVIOUS the key they were written with?')
  expect((await countAll()).code_enc).toBe(11)

  const whole = await runScript('keys-rotate', { ...env, ...previous(OLD) })
  expect([whole.code, whole.stdout]).toEqual([0, ''])
  expect(whole.stderr).toContain(`${total} rows encrypted anew`)
  expect(whole.stderr).toMatch(/vouchers\.code_enc +11/)
  const again = await runScript('keys-rotate', { ...env, ...previous(OLD) })
  expect([again.code, again.stderr.includes('0 rows encrypted anew')]).toEqual([0, true])
  await expectReadable(changed, story)

  // Without the old key everything is there.
  const after = await appWith({ ...NEW, ...previous({ ...OLD, ENCRYPTION_KEY: 'cd'.repeat(32) }) })
  await expectReadable(after, story)
  const redeem = { code: story.drawn.answer.results[2]?.voucher_code }
  const used = await after.inject({
    method: 'POST',
    url: '/api/merchant/vouchers/redeem',
    headers: bearer(story.merchant.access),
    payload: redeem
  })
  expect(used.json().data).toMatchObject({ status: 'used' })
  const admin = await newAdmin(after)
  const applications = (await admin.get('/api/admin/merchant-applications')).json().data.applications
  expect(applications).toMatchObject([{ business_license: LICENCE }])
  const merchant = bearer(story.merchant.access)
  for (const step of ['confirm', 'ship']) {
    const at = `/api/merchant/orders/${story.order.order_id}/${step}`
    const reply = (await after.inject({ method: 'POST', url: at, headers: merchant })).json()
    if (step === 'ship') expect(reply.data.delivery_info).toEqual(DELIVERY)
  }
  // An instance that was forgotten still writes under the old key; the next run finds it.
  const forgotten = await newDiner(before)
  await forgotten.post('/api/lottery/draw')
  expect((await countAll()).code_enc).toBe(1)
})

test('a batch goes from row to row by the whole primary key, and may be the last for today', async () => {
  await sql('DELETE FROM idempotency_keys')
  const before = await appWith(OLD)
  const diners = await Promise.all(Array.from({ length: 3 }, () => newDiner(before)))
  const sealed = before.cipher.encrypt('{}')
  const rows = diners.flatMap(({ userId }) =>
    Array.from({ length: 150 }, (_, index) => ({
      userId,
      idemKey: `k${index}`,
      requestHash: 'x'.repeat(64),
      response: sealed,
      createdAt: new Date(),
      expiresAt: new Date(Date.now() + 60_000)
    }))
  )
  await before.db.idempotencyKey.createMany({ data: rows })
  const cipher = createCipher(NEW.ENCRYPTION_KEY, OLD.ENCRYPTION_KEY)
  const target = columnNamed('response')
  await withConnection(databaseUrl(), async (connection) => {
    for await (const batch of rotateColumn(connection, cipher, target)) {
      expect(batch).toEqual({ done: 200, overtaken: 0, unreadable: [] })
      break
    }
    expect(await countLeft(connection, cipher, target)).toBe(250)
    const sizes: number[] = []
    for await (const { done } of rotateColumn(connection, cipher, target)) sizes.push(done)
    expect(sizes).toEqual([200, 50])
    expect(await countLeft(connection, cipher, target)).toBe(0)
  })
  for (const { response } of await before.db.idempotencyKey.findMany()) expect(cipher.decrypt(response)).toBe('{}')
})

test('what the service writes while a batch is under way is not written over', async () => {
  const before = await appWith(OLD)
  const diner = await newDiner(before)
  const data = {
    userId: diner.userId,
    idemKey: 'raced',
    requestHash: 'x'.repeat(64),
    createdAt: new Date(),
    expiresAt: new Date(Date.now() + 60_000)
  }
  await sql('DELETE FROM idempotency_keys')
  await before.db.idempotencyKey.create({ data: { ...data, response: before.cipher.encrypt('first') } })
  const cipher = createCipher(NEW.ENCRYPTION_KEY, OLD.ENCRYPTION_KEY)
  const service = await openConnection(databaseUrl())
  onTestFinished(() => service.end())
  await service.beginTransaction()
  await service.query('UPDATE idempotency_keys SET response = ?', [before.cipher.encrypt('second')])
  await withConnection(databaseUrl(), async (connection) => {
    const batch = rotateColumn(connection, cipher, columnNamed('response')).next()
    const waiting = "SELECT 1 FROM information_schema.PROCESSLIST WHERE INFO LIKE 'UPDATE `idempotency_keys` SET%'"
    await until(async () => (await sql(waiting)).length > 0)
    await service.commit()
    expect((await batch).value).toEqual({ done: 0, overtaken: 1, unreadable: [] })
    const [row] = await before.db.idempotencyKey.findMany()
    expect(cipher.decrypt(row?.response ?? '')).toBe('second')
    for await (const { done } of rotateColumn(connection, cipher, columnNamed('response'))) expect(done).toBe(1)
    const [rotated] = await before.db.idempotencyKey.findMany()
    expect(createCipher(NEW.ENCRYPTION_KEY).decrypt(rotated?.response ?? '')).toBe('second')
  })
})
