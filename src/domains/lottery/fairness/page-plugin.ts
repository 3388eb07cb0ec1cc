import { readFile } from 'node:fs/promises'
import path from 'node:path'
import type { FastifyPluginAsync } from 'fastify'
import fp from 'fastify-plugin'
import { refuse } from '../../../shared/refusal.js'

/** Made by scripts/fair-page.ts; every task of the project builds before it runs. */
const PAGE = path.resolve('dist', 'fair.html')

/** GET /fair: the page that checks a proof, one file that needs nothing else. */
const fairPage: FastifyPluginAsync = async (app) => {
  const page = await readFile(PAGE, 'utf8').catch(() => undefined)
  const policy = /http-equiv="Content-Security-Policy" content="([^"]*)"/.exec(page ?? '')?.[1] ?? "default-src 'none'"
  const config = { access: 'public', cache: { seconds: 300, scope: 'public' } } as const
  app.get('/fair', { schema: { hide: true }, config }, async (_request, reply) => {
    if (page === undefined) throw refuse('NOT_FOUND')
    reply.header('content-security-policy', `${policy}; frame-ancestors 'none'`)
    return reply.type('text/html; charset=utf-8').send(page)
  })
}

export default fp(fairPage, { name: 'fair-page', dependencies: ['cache'], encapsulate: true })
