import { randomBytes, randomUUID } from 'node:crypto'
import sharp from 'sharp'
import { buildApp } from '../../src/app.js'
import type { BenchOptions } from './index.js'
import { type Contender, measure, type Result, ratio } from './lib/harness.js'
import { Meter } from './lib/meter.js'
import { type Bar, figure, printTable, startSteps, writeResults } from './lib/report.js'
import { makeDiners, type World } from './lib/world.js'

const PHOTOS = 4
const IN_FLIGHT = 2

/** Receipts through the upload route against the same photographs through bare sharp, to the same two pictures. */
export async function main(world: World, { quick }: BenchOptions): Promise<Bar[]> {
  const app = await buildApp({ config: world.config, overload: { maxEventLoopDelayMs: 0 } })
  await app.ready()
  const { first: userId } = await makeDiners(world, 1)
  const [sid, jti, issuedAt] = [randomUUID(), randomUUID(), new Date()]
  await world.sql(
    'INSERT INTO sessions (sid, user_id, refresh_jti, refresh_issued_at, expires_at) VALUES (?, ?, ?, ?, ?)',
    [sid, userId, jti, issuedAt, new Date(issuedAt.getTime() + 86_400_000)]
  )
  const subject = { userId, mobile: '13800000000', isMerchant: false, role: 'user' as const, sid, jti, issuedAt }
  const token = app.tokens.mint(subject).access_token
  const photos = await Promise.all(Array.from({ length: PHOTOS }, phonePhoto))
  // Bytes after the end of the picture make each upload another one.
  const photo = (n: number) => Buffer.concat([photos[n % PHOTOS] ?? Buffer.alloc(0), randomBytes(16)])
  const contenders: Contender[] = [
    {
      name: 'upload route',
      async work(n) {
        const { payload, headers } = form(photo(n))
        const reply = await app.inject({
          method: 'POST',
          url: '/api/photo/upload',
          payload,
          headers: { ...headers, authorization: `Bearer ${token}` }
        })
        if (reply.statusCode !== 200) throw new Error(`an upload was answered with ${reply.statusCode}`)
      }
    },
    {
      name: 'bare sharp',
      async work(n) {
        const image = await sharp(photo(n))
          .autoOrient()
          .resize({ width: 1920, height: 1080, fit: 'inside', withoutEnlargement: true })
          .jpeg({ quality: 80 })
          .toBuffer()
        await sharp(image).resize({ width: 400, height: 400, fit: 'inside' }).jpeg({ quality: 80 }).toBuffer()
      }
    }
  ]
  const meter = await Meter.open(world.config.DATABASE_URL)
  const [rounds, sliceMs] = quick ? [2, 1500] : [5, 2000]
  const bar = startSteps('upload', (rounds + 1) * contenders.length)
  const results = await measure({ contenders, inFlight: IN_FLIGHT, rounds, sliceMs, meter, tick: bar.step })
  bar.stop()
  await meter.close()
  await app.close()
  const [route, bare] = results as [Result, Result]
  printTable(
    `Photographs of 12 megapixels, ${IN_FLIGHT} at a time`,
    ['', 'a second', '×', 'p50 ms', 'node ms', 'db ms'],
    results.map((result) => [
      result.name,
      ...[result.perSecond, ratio(result, bare), result.p50Ms, result.nodeMs, result.databaseMs].map(figure)
    ])
  )
  await writeResults('upload', { rounds, sliceMs, results, ratio: ratio(route, bare) })
  return []
}

/** What a phone takes: 12 megapixels, lying, to be turned upright. */
async function phonePhoto(): Promise<Buffer> {
  const noise = { type: 'gaussian', mean: 140, sigma: 25 } as const
  return sharp({ create: { width: 1008, height: 756, channels: 3, background: '#ffffff', noise } })
    .resize({ width: 4032, height: 3024 })
    .withMetadata({ orientation: 6 })
    .jpeg({ quality: 85 })
    .toBuffer()
}

const BOUNDARY = 'a-boundary-that-no-photograph-holds'
const HEAD = [
  `--${BOUNDARY}`,
  'Content-Disposition: form-data; name="amount"',
  '',
  '58.5',
  `--${BOUNDARY}`,
  'Content-Disposition: form-data; name="photo"; filename="receipt.jpg"',
  'Content-Type: image/jpeg',
  '',
  ''
].join('\r\n')
const TAIL = `\r\n--${BOUNDARY}--\r\n`

/**
 * Put together by hand: `FormData` makes so many copies of a photograph that collecting them took a third of the time.
 */
function form(bytes: Buffer): { payload: Buffer; headers: Record<string, string> } {
  return {
    payload: Buffer.concat([Buffer.from(HEAD), bytes, Buffer.from(TAIL)]),
    headers: { 'content-type': `multipart/form-data; boundary=${BOUNDARY}` }
  }
}
