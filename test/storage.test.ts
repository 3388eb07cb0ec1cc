import crypto, { type BinaryLike, randomBytes, randomUUID } from 'node:crypto'
import { mkdir, mkdtemp, readdir, readFile, rm, symlink, utimes, writeFile } from 'node:fs/promises'
import { type IncomingHttpHeaders, request } from 'node:http'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import path from 'node:path'
import Fastify, { type FastifyInstance } from 'fastify'
import S3rver from 's3rver'
import { expect, onTestFinished, test } from 'vitest'
import { createLocalStorage } from '../src/adapters/storage/local.js'
import storagePlugin, { openStorage, type StorageOptions } from '../src/adapters/storage/plugin.js'
import { createS3Storage } from '../src/adapters/storage/s3.js'
import type { ObjectStorage } from '../src/adapters/storage/storage.js'
import docs from '../src/http/docs.js'
import errors from '../src/http/errors.js'
import { createApp, type Diner, databaseUrl, newDiner, newMerchant, newMobile, testConfig } from './helpers/app.js'
import { runScript } from './helpers/script.js'
import { multipart, picture } from './helpers/upload.js'

const JPEG = 'image/jpeg'
const LONG = 'public, max-age=31536000, immutable'
const BAD_KEYS = [
  '',
  '/etc/passwd',
  '../a.jpg',
  'photos/../../a.jpg',
  'photos/..',
  'photos/./a.jpg',
  'photos//a.jpg',
  'photos/a.jpg/',
  '.hidden',
  'photos/.a.jpg',
  'photos/a..jpg',
  'photos/A.jpg',
  'photos\\a.jpg',
  'photos/a%2e.jpg',
  'photos/a.jpg\0',
  'photos/a.jpg\n',
  'a'.repeat(256)
]

async function newFolder(): Promise<string> {
  const dir = await mkdtemp(path.join(tmpdir(), 'lottery-files-'))
  onTestFinished(() => rm(dir, { recursive: true, force: true }))
  return dir
}

/** Every file there is, ours or left over. */
async function filesBelow(dir: string): Promise<string[]> {
  const entries = await readdir(dir, { recursive: true, withFileTypes: true })
  return entries.filter((entry) => entry.isFile()).map((entry) => path.join(entry.parentPath, entry.name))
}

async function keysOf(storage: ObjectStorage, prefix: string): Promise<string[]> {
  const keys: string[] = []
  for await (const { key } of storage.list(prefix)) keys.push(key)
  return keys.sort()
}

test('local: what was put is read back, listed, and gone once removed', async () => {
  const dir = await newFolder()
  const storage = createLocalStorage({ dir: path.join(dir, 'made', 'when-missing') })
  expect(await keysOf(storage, '')).toEqual([])
  const body = randomBytes(5 * 1024 * 1024)
  const since = Date.now() - 2000
  await storage.put('photos/2026/11/a.jpg', body, JPEG)
  await storage.put('photos/2026/11/ab.jpg', Buffer.from('small'), JPEG)
  await storage.put('photos/2025/c.jpg', Buffer.from(''), JPEG)
  await storage.put('other/d.jpg', Buffer.from('d'), JPEG)
  expect((await readFile(path.join(dir, 'made/when-missing/photos/2026/11/a.jpg'))).equals(body)).toBe(true)
  await storage.put('other/d.jpg', Buffer.from('again'), JPEG)
  expect(await readFile(path.join(dir, 'made/when-missing/other/d.jpg'), 'utf8')).toBe('again')

  const all = ['photos/2025/c.jpg', 'photos/2026/11/a.jpg', 'photos/2026/11/ab.jpg']
  expect(await keysOf(storage, 'photos/')).toEqual(all)
  expect(await keysOf(storage, '')).toEqual(['other/d.jpg', ...all])
  expect(await keysOf(storage, 'photos/2026/11/a')).toEqual(all.slice(1))
  expect(await keysOf(storage, 'photos/20')).toEqual(all)
  expect(await keysOf(storage, 'photos/2026/11/a.jpg')).toEqual(['photos/2026/11/a.jpg'])
  expect(await keysOf(storage, 'photos/2024/')).toEqual([])
  for await (const { storedAt } of storage.list('')) expect(storedAt.getTime()).toBeGreaterThan(since)

  const there = ['photos/2026/11/a.jpg', 'photos/2026/11', 'photos/2026/11/none.jpg'].map((key) => storage.exists(key))
  expect(await Promise.all(there)).toEqual([true, false, false])
  await storage.remove('photos/2026/11/a.jpg')
  await storage.remove('photos/2026/11/a.jpg')
  await storage.remove('photos/never/there.jpg')
  expect(await keysOf(storage, 'photos/')).toEqual([all[0], all[2]])
  expect(storage.url('photos/a.jpg', 'https://api.example.com')).toBe('https://api.example.com/files/photos/a.jpg')
  await storage.check()
  expect(await filesBelow(dir)).toHaveLength(3)
})

test('local: what is no key is refused, and nothing is written', async () => {
  const dir = await newFolder()
  const storage = createLocalStorage({ dir: path.join(dir, 'files') })
  await writeFile(path.join(dir, 'a.jpg'), 'outside')
  for (const key of BAD_KEYS) {
    await expect(storage.put(key, Buffer.from('x'), JPEG), key).rejects.toThrow(TypeError)
    await expect(storage.remove(key), key).rejects.toThrow(TypeError)
  }
  for (const prefix of ['../', '/']) await expect(keysOf(storage, prefix), prefix).rejects.toThrow(TypeError)
  expect(await filesBelow(dir)).toEqual([path.join(dir, 'a.jpg')])
})

test('local: a put that fails leaves no file, also no temporary one', async () => {
  const dir = await newFolder()
  const storage = createLocalStorage({ dir })
  // All is written, and the last step, the renaming, is impossible.
  await mkdir(path.join(dir, 'photos/a.jpg/full'), { recursive: true })
  await expect(storage.put('photos/a.jpg', randomBytes(100_000), JPEG)).rejects.toThrow()
  // There is a file where a folder should be.
  await writeFile(path.join(dir, 'file'), 'x')
  await expect(storage.put('file/a.jpg', Buffer.from('x'), JPEG)).rejects.toThrow()
  await storage.remove('file/a.jpg')
  // The writing itself fails.
  await expect(storage.put('b.jpg', { not: 'bytes' } as unknown as Buffer, JPEG)).rejects.toThrow()
  expect(await filesBelow(dir)).toEqual([path.join(dir, 'file')])

  const nowhere = createLocalStorage({ dir: path.join(dir, 'file', 'below') })
  await expect(nowhere.check()).rejects.toThrow()
})

/** The plugin on a bare service. */
async function serve(dataDir: string, options: StorageOptions = {}, documented = false): Promise<FastifyInstance> {
  const app = Fastify({ routerOptions: { ignoreTrailingSlash: true } })
  onTestFinished(() => app.close())
  app.decorate('config', testConfig({ DATA_DIR: dataDir }))
  await app.register(errors)
  if (documented) await app.register(docs)
  await app.register(storagePlugin, options)
  await app.listen({ port: 0, host: '127.0.0.1' })
  return app
}

interface Answer {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly body: Buffer
}

/** A request whose path is sent as it is written: clients such as fetch would tidy it up first. */
function ask(app: FastifyInstance, target: string, headers: Record<string, string> = {}): Promise<Answer> {
  const { port } = app.server.address() as { port: number }
  return new Promise((resolve, reject) => {
    request({ host: '127.0.0.1', port, path: target, headers }, (response) => {
      const chunks: Buffer[] = []
      response.on('data', (chunk) => chunks.push(chunk))
      response.on('error', reject)
      response.on('end', () =>
        resolve({ status: response.statusCode ?? 0, headers: response.headers, body: Buffer.concat(chunks) })
      )
    })
      .on('error', reject)
      .end()
  })
}

test('local: files are handed out whole, to be kept for a year', async () => {
  const dataDir = await newFolder()
  const app = await serve(dataDir)
  const body = randomBytes(1_000_000)
  await app.storage.put('photos/2026/11/a.jpg', body, JPEG)
  const origin = `http://127.0.0.1:${(app.server.address() as { port: number }).port}`
  const url = app.storage.url('photos/2026/11/a.jpg', origin)
  const response = await fetch(url)
  expect(response.status).toBe(200)
  expect(Buffer.from(await response.arrayBuffer()).equals(body)).toBe(true)
  expect(Object.fromEntries(response.headers)).toMatchObject({
    'content-type': JPEG,
    'cache-control': LONG,
    'x-content-type-options': 'nosniff',
    'content-length': '1000000'
  })
  const etag = response.headers.get('etag') ?? ''
  expect((await ask(app, '/files/photos/2026/11/a.jpg?v=1', { 'if-none-match': etag })).status).toBe(304)
  const ranged = await ask(app, '/files/photos/2026/11/a.jpg', { range: 'bytes=9999999-' })
  expect([ranged.status, ranged.body.length]).toEqual([200, 1_000_000])
  const head = await fetch(url, { method: 'HEAD' })
  expect([head.status, head.headers.get('content-length')]).toEqual([200, '1000000'])
})

test('local: no listing, no climbing out, and an unknown file is the envelope', async () => {
  const dataDir = await newFolder()
  await writeFile(path.join(dataDir, 'secrets.json'), 'a secret')
  const app = await serve(dataDir)
  await app.storage.put('photos/2026/a.jpg', Buffer.from('known'), JPEG)
  await writeFile(path.join(dataDir, 'files/photos/index.html'), 'an index')
  await writeFile(path.join(dataDir, 'files/.hidden'), 'a secret')
  await symlink(dataDir, path.join(dataDir, 'files', '.up'))
  expect((await ask(app, '/files/photos/2026/a.jpg')).body.toString()).toBe('known')
  for (const target of [
    '/files',
    '/files/',
    '/files/photos',
    '/files/photos/',
    '/files/photos/2026/none.jpg',
    '/files/photos/2026/a.jpg/more',
    '/files/../secrets.json',
    '/files/photos/../../secrets.json',
    '/files/photos/../photos/2026/a.jpg',
    '/files/%2e%2e/secrets.json',
    '/files/%2E%2E%2Fsecrets.json',
    '/files/..%2fsecrets.json',
    '/files/..%5csecrets.json',
    '/files/..\\secrets.json',
    '/files/%252e%252e/secrets.json',
    '/files/....//secrets.json',
    '/files//etc/passwd',
    `/files/${encodeURIComponent(path.join(dataDir, 'secrets.json'))}`,
    '/files/photos%2f2026%2fa.jpg',
    '/files/./photos/2026/a.jpg',
    '/files/photos//2026/a.jpg',
    '/files/photos/2026/a.jpg%00',
    '/files/.hidden',
    '/files/.up/secrets.json',
    '/files/photos/2026/A.JPG',
    `/files/${'a'.repeat(300)}`
  ]) {
    const { status, headers, body } = await ask(app, target)
    expect([target, status, headers['content-type']]).toEqual([target, 404, 'application/json; charset=utf-8'])
    expect(JSON.parse(body.toString()), target).toMatchObject({
      error: 'NOT_FOUND',
      data: null,
      request_id: headers['x-request-id']
    })
    expect(headers['cache-control'], target).toBeUndefined()
  }
})

test('the storage is what the settings name, or the one handed in; its route is not documented', async () => {
  const dataDir = await newFolder()
  const failing: ObjectStorage = {
    ...createLocalStorage({ dir: dataDir }),
    put: async () => Promise.reject(new Error('disk full'))
  }
  const app = await serve(dataDir, { storage: failing }, true)
  await expect(app.storage.put('a.jpg', Buffer.from('x'), JPEG)).rejects.toThrow('disk full')
  const document = (await app.inject('/api/docs/json')).json()
  expect(Object.keys(document.paths ?? {}).filter((url) => url.startsWith('/files'))).toEqual([])

  const { settings } = await startS3()
  const remote = await openStorage(testConfig({ STORAGE: 's3', ...settings }))
  expect(remote.url('a.jpg', 'http://unused')).toBe(`${settings.S3_ENDPOINT}/photographs/a.jpg`)
  await remote.check()
})

/**
 * s3rver hides its page tokens with DES, which OpenSSL has retired. Triple DES with three times the same key is DES,
 * and is still there.
 */
function bringBackDes(): void {
  const { createCipheriv, createDecipheriv } = crypto
  const thrice = (key: Buffer) => Buffer.concat([key, key, key])
  const triple = {
    createCipheriv: (name: string, key: Buffer, iv: BinaryLike) =>
      name === 'des' ? createCipheriv('des-ede3-cbc', thrice(key), iv) : createCipheriv(name, key, iv),
    createDecipheriv: (name: string, key: Buffer, iv: BinaryLike) =>
      name === 'des' ? createDecipheriv('des-ede3-cbc', thrice(key), iv) : createDecipheriv(name, key, iv)
  }
  Object.assign(crypto, triple)
  onTestFinished(() => void Object.assign(crypto, { createCipheriv, createDecipheriv }))
}

/** A server that speaks S3, with the bucket `photographs`. */
async function startS3() {
  const directory = await newFolder()
  const server = new S3rver({
    address: '127.0.0.1',
    port: 0,
    directory,
    silent: true,
    vhostBuckets: false,
    configureBuckets: [{ name: 'photographs' }]
  })
  const { port } = await server.run()
  let running = true
  const stop = async () => {
    if (running) await server.close()
    running = false
  }
  onTestFinished(stop)
  const settings = {
    S3_ENDPOINT: `http://127.0.0.1:${port}`,
    S3_REGION: 'us-east-1',
    S3_BUCKET: 'photographs',
    S3_ACCESS_KEY: 'S3RVER',
    S3_SECRET_KEY: 'S3RVER'
  }
  return { settings, stop }
}

test('s3: the bytes that a client fetches are those that were put', async () => {
  const { settings } = await startS3()
  const storage = await createS3Storage(settings)
  await storage.check()
  for (const [key, body] of [
    ['photos/2026/11/large.jpg', randomBytes(5 * 1024 * 1024)],
    ['photos/2026/11/small.jpg', Buffer.from('small')]
  ] as const) {
    await storage.put(key, body, JPEG)
    const response = await fetch(storage.url(key, 'http://unused'))
    expect(response.status).toBe(200)
    const bytes = Buffer.from(await response.arrayBuffer())
    expect([bytes.length, bytes.equals(body)]).toEqual([body.length, true])
    expect(response.headers.get('content-type')).toBe(JPEG)
    expect(response.headers.get('cache-control')).toBe(LONG)
  }
  const since = Date.now() - 60_000
  expect([
    await storage.exists('photos/none.jpg'),
    await storage.exists((await keysOf(storage, 'photos/'))[0] ?? '')
  ]).toEqual([false, true])
  for await (const { storedAt } of storage.list('photos/')) expect(storedAt.getTime()).toBeGreaterThan(since)
  expect(await keysOf(storage, 'photos/2026/11/s')).toEqual(['photos/2026/11/small.jpg'])

  await storage.remove('photos/2026/11/small.jpg')
  await storage.remove('photos/2026/11/small.jpg')
  expect(await keysOf(storage, '')).toEqual(['photos/2026/11/large.jpg'])
  expect((await fetch(storage.url('photos/2026/11/small.jpg', ''))).status).toBe(404)
  for (const key of BAD_KEYS) await expect(storage.put(key, Buffer.from('x'), JPEG), key).rejects.toThrow(TypeError)

  const cdn = await createS3Storage({ ...settings, S3_PUBLIC_URL: 'https://cdn.example.com/p/' })
  expect(cdn.url('photos/a.jpg', 'http://unused')).toBe('https://cdn.example.com/p/photos/a.jpg')
})

test('s3: a listing goes on past its first page of a thousand', async () => {
  bringBackDes()
  const { settings } = await startS3()
  const storage = await createS3Storage(settings)
  const keys = Array.from({ length: 1030 }, (_, index) => `photos/${String(index).padStart(4, '0')}.jpg`)
  for (let from = 0; from < keys.length; from += 20) {
    await Promise.all(keys.slice(from, from + 20).map((key) => storage.put(key, Buffer.from(key), JPEG)))
  }
  expect(await keysOf(storage, 'photos/')).toEqual(keys)
})

test('s3: a server that is down, or silent, or lacks the bucket fails the call in time', async () => {
  const { settings, stop } = await startS3()
  const stranger = await createS3Storage({ ...settings, S3_BUCKET: 'another' })
  await expect(stranger.check()).rejects.toThrow()

  const storage = await createS3Storage(settings)
  await storage.check()
  await stop()
  const start = performance.now()
  await expect(storage.put('photos/a.jpg', randomBytes(1000), JPEG)).rejects.toThrow()
  await expect(storage.check()).rejects.toThrow()
  await expect(keysOf(storage, '')).rejects.toThrow()
  expect(performance.now() - start).toBeLessThan(30_000)

  // It takes every connection, and never says a word.
  let connections = 0
  const silent = createServer((socket) => {
    connections += 1
    socket.on('error', () => {})
    socket.resume()
  })
  await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => void silent.close())
  const endpoint = `http://127.0.0.1:${(silent.address() as { port: number }).port}`
  const waiting = await createS3Storage({ ...settings, S3_ENDPOINT: endpoint }, { connectMs: 500, requestMs: 500 })
  await expect(waiting.put('photos/a.jpg', randomBytes(1000), JPEG)).rejects.toThrow(/exceeded|time/i)
  expect(connections).toBe(3)
})

test('npm run storage:sweep finds orphans either way, and removes objects only when told to', async () => {
  const dataDir = await newFolder()
  const files = path.join(dataDir, 'files')
  const app = await createApp()
  const { userId } = await newDiner(app)
  const storage = createLocalStorage({ dir: files })
  const row = (uploadId: string) => ({
    uploadId,
    userId,
    imageUrl: `http://localhost/files/photos/${uploadId}.jpg`,
    thumbnailUrl: `http://localhost/files/photos/${uploadId}-s.jpg`,
    imageKey: `photos/${uploadId}.jpg`,
    thumbnailKey: `photos/${uploadId}-s.jpg`,
    amount: 10,
    pointsRate: 10,
    pointsMin: 50,
    pointsMax: 2000,
    fileSize: 5,
    sha256: '0'.repeat(64),
    phash: '0'.repeat(16)
  })
  // More rows than a batch has.
  const rows = Array.from({ length: 450 }, (_, index) => row(`sweep-${String(index).padStart(3, '0')}`))
  await app.db.receipt.createMany({ data: rows })
  onTestFinished(async () => void (await app.db.receipt.deleteMany({ where: { userId } })))
  const old = new Date(Date.now() - 25 * 60 * 60 * 1000)
  const put = async (key: string, storedAt: Date) => {
    await storage.put(key, Buffer.from(key), JPEG)
    await utimes(path.join(files, key), storedAt, storedAt)
  }
  for (const { imageKey, thumbnailKey } of rows) {
    await put(imageKey, old)
    await put(thumbnailKey, old)
  }
  const env = { DATA_DIR: dataDir, DATABASE_URL: databaseUrl() }
  const good = await runScript('storage-sweep', env)
  expect([good.stderr, good.code, good.stdout]).toEqual([expect.stringContaining('The storage agrees.'), 0, ''])
  expect(good.stderr).toContain('450 rows, 900 objects.')

  await put('photos/2026/orphan.jpg', old)
  await put('photos/2026/under-way.jpg', new Date(Date.now() - 23 * 60 * 60 * 1000))
  await put('elsewhere/not-ours.jpg', old)
  const dry = await runScript('storage-sweep', env)
  expect([dry.code, dry.stdout]).toEqual([
    0,
    expect.stringMatching(/^orphan photos\/2026\/orphan\.jpg: stored \S+Z, in no row\n$/)
  ])
  expect(await keysOf(storage, 'photos/2026/')).toHaveLength(2)

  await storage.remove('photos/sweep-300-s.jpg')
  const swept = await runScript('storage-sweep', env, ['--delete'])
  expect(swept.code).toBe(1)
  expect(swept.stdout.trim().split('\n')).toEqual([
    'missing photos/sweep-300-s.jpg: thumbnail of upload sweep-300',
    expect.stringMatching(/^removed photos\/2026\/orphan\.jpg: stored \S+Z, in no row$/)
  ])
  expect(await keysOf(storage, 'photos/2026/')).toEqual(['photos/2026/under-way.jpg'])
  expect(await keysOf(storage, 'photos/sweep-')).toHaveLength(899)
  expect(await keysOf(storage, 'elsewhere/')).toHaveLength(1)
  expect(await app.db.receipt.count({ where: { userId } })).toBe(450)

  await put('photos/sweep-300-s.jpg', old)
  const eager = await runScript('storage-sweep', env, ['--delete', '--older-than-minutes', '0'])
  expect([eager.code, eager.stdout]).toEqual([0, expect.stringMatching(/^removed photos\/2026\/under-way\.jpg: .*\n$/)])
  const wrong = await runScript('storage-sweep', env, ['--older-than-minutes', 'soon'])
  expect([wrong.code, wrong.stderr]).toEqual([1, expect.stringContaining('npm run storage:sweep')])
})

/**
 * Avatars and pictures of products as a diner, a merchant and time leave them in the storage, by their keys: those that
 * a row shows, and those that none does.
 */
async function leavePictures(app: FastifyInstance) {
  const [diner, merchant] = [await newDiner(app), await newMerchant(app)]
  const bytes = await picture(60, 60)
  const send = async (who: Diner, url: string, field: string): Promise<string> => {
    const { payload, headers } = await multipart([[field, { bytes }]])
    const { data } = (await who.send({ method: 'POST', url, payload, headers })).json()
    return data.avatar_url ?? data.image_url
  }
  const avatar = () => send(diner, '/api/user/avatar', 'avatar')
  const image = () => send(merchant, '/api/merchant/images', 'image')
  const keyOf = (address: string) => address.slice(address.search(/(?:avatars|products)\//))
  const product = async (address: string): Promise<string> => {
    const body = { name: '酸梅汤', category: '饮品', exchange_points: 10, stock: 5, image: address }
    return `/api/merchant/products/${(await merchant.post('/api/merchant/products', body)).json().data.id}`
  }

  const replaced = await avatar()
  const shown = await avatar()
  const [ordered, unordered, current, gone, borrowed, unused] = [
    await image(),
    await image(),
    await image(),
    await image(),
    await image(),
    await image()
  ]
  // No object's name has capitals: to the storage this is another one.
  await product(current.replace(/[0-9a-f]{32}/, (name) => name.toUpperCase()))
  const at = await product(ordered)
  await diner.post('/api/exchange/submit', { product_id: Number(at.split('/').at(-1)) })
  await merchant.put(at, { image: unordered })
  await merchant.put(at, { image: current })
  await merchant.delete(await product(gone))
  // Its host is one of former times, and a CDN makes it small. More users have avatars elsewhere than a batch has.
  const foreign = Array.from({ length: 1001 }, () => ({ mobile: newMobile(), avatar: 'https://example.com/a.webp' }))
  await app.db.user.createMany({ data: foreign })
  const last = await newDiner(app)
  const small = `https://cdn.example.com/?src=${encodeURIComponent(`https://old.example.com/${keyOf(borrowed)}`)}&w=64`
  expect((await last.put('/api/user/profile', { avatar: small })).statusCode).toBe(200)
  return {
    shown: [shown, ordered, current, gone, borrowed].map(keyOf).sort(),
    forgotten: [replaced, unordered, unused].map(keyOf).sort()
  }
}

const removedBy = ({ stdout }: { stdout: string }) =>
  [...stdout.matchAll(/^removed (\S+): /gm)].map(([, key]) => key).sort()

test('npm run storage:sweep removes avatars and pictures of products that nothing shows, and no other', async () => {
  const dataDir = await newFolder()
  const files = path.join(dataDir, 'files')
  const app = await createApp({ config: { DATA_DIR: dataDir } })
  const { storage } = app
  const { shown, forgotten } = await leavePictures(app)
  const env = { DATA_DIR: dataDir, DATABASE_URL: databaseUrl() }
  const early = await runScript('storage-sweep', env, ['--delete'])
  expect([early.code, early.stdout]).toEqual([0, ''])

  // The rest of a put that was killed, and what the service never stored.
  const rest = `avatars/2026/11/${randomUUID()}.tmp`
  const others = ['products/2026/logo.webp', `products/2026/11/${'a'.repeat(32)}.jpg`]
  for (const key of [rest, ...others]) await storage.put(key, Buffer.from('x'), JPEG)
  const young = `products/2026/11/${'b'.repeat(32)}.webp`
  await storage.put(young, Buffer.from('to be used soon'), JPEG)
  const ago = (hours: number) => new Date(Date.now() - hours * 60 * 60 * 1000)
  for (const file of await filesBelow(files)) await utimes(file, ago(25), ago(25))
  await utimes(path.join(files, young), ago(23), ago(23))

  const looked = await runScript('storage-sweep', env)
  expect([looked.code, looked.stdout.match(/^orphan /gm)?.length]).toEqual([0, 4])
  expect(await filesBelow(files)).toHaveLength(shown.length + forgotten.length + 4)
  const swept = await runScript('storage-sweep', env, ['--delete'])
  expect([swept.code, removedBy(swept)]).toEqual([0, [...forgotten, rest].sort()])
  expect(await keysOf(storage, '')).toEqual([...shown, ...others, young].sort())
  expect((await runScript('storage-sweep', env)).stderr).toContain('The storage agrees.')
})

test('npm run storage:sweep works on a bucket too', async () => {
  const { settings, stop } = await startS3()
  const storage = await createS3Storage(settings)
  await storage.put('photos/2026/orphan.jpg', Buffer.from('x'), JPEG)
  const { shown, forgotten } = await leavePictures(await createApp({ storage }))
  const env = { DATA_DIR: await newFolder(), DATABASE_URL: databaseUrl(), STORAGE: 's3', ...settings }
  expect((await runScript('storage-sweep', env, ['--delete'])).stdout).toBe('')
  const swept = await runScript('storage-sweep', env, ['--delete', '--older-than-minutes', '0'])
  expect([swept.code, removedBy(swept)]).toEqual([0, [...forgotten, 'photos/2026/orphan.jpg'].sort()])
  expect(await keysOf(storage, '')).toEqual(shown)
  await stop()
  const down = await runScript('storage-sweep', env)
  expect([down.code, down.stderr]).toEqual([1, expect.stringContaining('The storage cannot be used')])
})
