import { expect, test } from 'vitest'
import type { RawDb } from '../src/engine/tx.js'
import { SessionCache } from '../src/identity/session-states.js'
import { createApp, newAdmin, newDiner, until } from './helpers/app.js'
import { picture, upload } from './helpers/upload.js'

interface Document {
  paths: Record<string, Record<string, unknown>>
}

/** Routes under /api/merchant that a diner may use. */
const FOR_DINERS = new Set(['/api/merchant/apply', '/api/merchant/application'])

/** For everybody, without a token. */
const isOpen = (path: string) => path === '/api/wechat/diagnostics' || path.startsWith('/api/fairness/')
const NO_DRAW = '019ab1c2-7d00-7000-8000-000000000001'

test('every route lets in whom it should: a stranger, a diner, a merchant, an admin', async () => {
  const app = await createApp()
  const [diner, merchant, admin] = [await newDiner(app), await newDiner(app), await newAdmin(app)]
  await app.db.user.update({ where: { userId: merchant.userId }, data: { isMerchant: true } })
  app.bus.publish({ kind: 'user_changed', userId: merchant.userId })
  const { paths }: Document = (await app.inject('/api/docs/json')).json()
  const who = { diner, merchant, admin }
  let checked = 0
  for (const [path, methods] of Object.entries(paths)) {
    // Those of auth are public, and logging out would end the test.
    if (!path.startsWith('/api/') || path.startsWith('/api/auth/') || isOpen(path)) continue
    for (const method of Object.keys(methods)) {
      const url = path.replace('{id}', '2000000000').replace('{draw_id}', NO_DRAW)
      const ask = async (token?: string) => {
        const headers = token === undefined ? {} : { authorization: `Bearer ${token}` }
        const reply = await app.inject({ method: method.toUpperCase() as 'GET', url, headers })
        return reply.json<{ error?: string }>().error
      }
      expect([url, await ask()]).toEqual([url, 'TOKEN_MISSING'])
      for (const [role, { access }] of Object.entries(who)) {
        const error = await ask(access)
        const refused = ['TOKEN_MISSING', 'TOKEN_INVALID', 'FORBIDDEN', 'MERCHANT_REQUIRED'].includes(error ?? '')
        const needsAdmin = path.startsWith('/api/admin/')
        const needsMerchant = path.startsWith('/api/merchant/') && !FOR_DINERS.has(path)
        const expected =
          needsAdmin && role !== 'admin'
            ? 'FORBIDDEN'
            : needsMerchant && role === 'diner'
              ? 'MERCHANT_REQUIRED'
              : 'let in'
        expect([method, path, role, refused ? error : 'let in']).toEqual([method, path, role, expected])
        checked += 1
      }
    }
  }
  expect(checked).toBeGreaterThan(60)
})

test('nobody reaches what belongs to another by its id', async () => {
  const app = await createApp()
  const [owner, other, merchant] = [await newDiner(app), await newDiner(app), await newDiner(app)]
  await app.db.user.update({ where: { userId: merchant.userId }, data: { isMerchant: true } })
  app.bus.publish({ kind: 'user_changed', userId: merchant.userId })
  const id = (await upload(app, owner, { bytes: await picture(40, 40) })).json().data.upload_id
  for (const who of [other, merchant]) {
    expect((await who.get(`/api/photo/review/${id}`)).json().error).toBe('REVIEW_NOT_FOUND')
    const headers = { authorization: `Bearer ${who.access}` }
    const removed = await app.inject({ method: 'DELETE', url: `/api/photo/${id}`, headers })
    expect(removed.json().error).toBe('REVIEW_NOT_FOUND')
    expect((await who.get('/api/photo/history')).json().data.history).toEqual([])
    expect((await who.post('/api/lottery/draw', { userId: owner.userId })).json().error).toBe('FORBIDDEN')
  }
  expect((await owner.get(`/api/photo/review/${id}`)).json().data.status).toBe('pending')
})

test('a promotion is noticed at once where an event tells of it, and within 30 s where none does', async () => {
  const app = await createApp()
  const diner = await newDiner(app)
  const error = async () => (await diner.get('/api/merchant/statistics')).json().error
  expect(await error()).toBe('MERCHANT_REQUIRED')
  await app.db.user.update({ where: { userId: diner.userId }, data: { isMerchant: true } })
  app.bus.publish({ kind: 'user_changed', userId: diner.userId })
  expect(await error()).toBeUndefined()
  await app.db.user.update({ where: { userId: diner.userId }, data: { isMerchant: false } })
  await until(async () => (await error()) === 'MERCHANT_REQUIRED', 30_000)
})

test('a look-up of a session that a change overtook is not kept: whoever asks next is told of the change', async () => {
  const app = await createApp()
  const diner = await newDiner(app)
  const { sid } = await app.db.session.findFirstOrThrow({ where: { userId: diner.userId } })
  for (const forget of [
    (cache: SessionCache) => cache.forgetSession(sid),
    (cache: SessionCache) => cache.forgetUser(diner.userId),
    (cache: SessionCache) => cache.forgetAll()
  ]) {
    await app.db.session.update({ where: { sid }, data: { revokedAt: null } })
    let hold = (): void => {}
    let isHeld = true
    const held = new Promise<void>((resolve) => {
      hold = resolve
    })
    // The real database, whose first answer is on its way for a while.
    const slow: RawDb = {
      async $queryRaw<T>(query: Parameters<RawDb['$queryRaw']>[0], ...values: unknown[]) {
        const rows = await app.db.$queryRaw<T>(query as TemplateStringsArray, ...values)
        if (isHeld) await held
        return rows
      }
    }
    const cache = new SessionCache(slow, () => new Date())
    const overtaken = cache.get(sid)
    await until(async () => (await app.db.session.count({ where: { sid } })) === 1)
    await new Promise((resolve) => setImmediate(resolve))
    await app.db.session.update({ where: { sid }, data: { revokedAt: new Date() } })
    forget(cache)
    isHeld = false
    hold()
    await overtaken
    expect((await cache.get(sid))?.isValid).toBe(false)
    expect((await cache.get(sid))?.isValid).toBe(false)
  }
})
