import { readFile } from 'node:fs/promises'
import path from 'node:path'
import fastifyStatic from '@fastify/static'
import fp from 'fastify-plugin'
import { refuse } from '../shared/refusal.js'

/** Made by scripts/console.ts; every task of the project builds before it runs. */
const FILES = path.resolve('dist', 'console')
const PREFIX = '/console'
const YEAR_MS = 365 * 24 * 60 * 60 * 1000
const STYLES_AND_SCRIPTS = /^[\w-]+(\.[\w-]+)*\.(js|css|svg)$/

/**
 * What the page may do: run and ask what is of this service, and show pictures, which may lie elsewhere: photographs in
 * a bucket, pictures of products wherever a merchant has them.
 */
const policyFor = (pictures: readonly string[]) =>
  [
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    ["img-src 'self' blob: https:", ...pictures].join(' '),
    "connect-src 'self'",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'"
  ].join('; ')

/**
 * /console: what merchants and admins do, in a browser (contract section 17). One page for every place in it; its
 * files are named by what is in them, lie compressed beside themselves, and are kept for ever.
 */
export default fp(
  async (app) => {
    const { config, storage } = app
    const built = await readFile(path.join(FILES, 'index.html'), 'utf8').catch(() => undefined)
    const page = built?.replace(
      'name="environment" content="production"',
      `name="environment" content="${config.NODE_ENV}"`
    )
    const own = 'http://localhost'
    const { origin } = new URL(storage.url('x', own))
    const policy = policyFor(origin === own ? [] : [origin])
    const settings = { schema: { hide: true }, config: { access: 'public' } } as const

    for (const place of [PREFIX, `${PREFIX}/*`]) {
      app.get(place, settings, async (_request, reply) => {
        if (page === undefined) throw refuse('NOT_FOUND')
        return reply
          .headers({ 'content-security-policy': policy, 'cache-control': 'no-cache' })
          .type('text/html; charset=utf-8')
          .send(page)
      })
    }
    if (config.NODE_ENV === 'production') {
      app.get('/', settings, async (_request, reply) => reply.redirect(PREFIX))
    }
    if (page === undefined) return
    await app.register(async (files) => {
      files.addHook('onRequest', async (request) => {
        const [pathname = ''] = request.url.split('?')
        if (!STYLES_AND_SCRIPTS.test(pathname.slice(`${PREFIX}/assets/`.length))) throw refuse('NOT_FOUND')
      })
      await files.register(fastifyStatic, {
        root: path.join(FILES, 'assets'),
        prefix: `${PREFIX}/assets/`,
        preCompressed: true,
        maxAge: YEAR_MS,
        immutable: true,
        index: false,
        decorateReply: false,
        schemaHide: true
      })
    })
  },
  { name: 'console', dependencies: ['errors', 'storage'] }
)
