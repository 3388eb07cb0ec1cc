import fp from 'fastify-plugin'
import { docsEnabled } from '../config.js'
import { escapeHtml, plainPage } from './plain-page.js'

/** What stands at `/` while the service is developed: what runs here, and where to go (contract section 17). */
export default fp(
  async (app) => {
    const { config } = app
    if (config.NODE_ENV !== 'development') return
    const places: readonly (readonly [href: string, name: string, what: string])[] = [
      ...(docsEnabled(config)
        ? ([
            ['/api/docs', 'API reference', 'every route with examples, to be tried from the page'],
            ['/api/docs/errors', 'Errors', 'every way a request is refused']
          ] as const)
        : []),
      ['/console', 'Console', 'for merchants and admins: reviews, counter, orders, products, wheel'],
      ['/fair', 'Fair?', 'checks the proof of a draw, in the browser alone'],
      ['/health', 'Health', 'what the service needs, and how it does'],
      ['/metrics', 'Metrics', 'for Prometheus']
    ]
    const list = places.map(
      ([href, name, what]) => `<dt><a href="${href}">${name}</a></dt><dd>${escapeHtml(what)}</dd>`
    )
    const { html, policy } = plainPage(
      'Restaurant points lottery',
      `<h1>Restaurant points lottery</h1>
<p>The back end of a mini-program: diners, receipts, a wheel, a points shop. It runs here, for development.</p>
<dl>
${list.join('\n')}
</dl>
<h2>A merchant</h2>
<p>Mobile <code>13900000001</code>, and <code>13900000002</code> for appeals: log in with the code that
<code>send-code</code> answers with.</p>
<h2>An admin</h2>
<pre tabindex="0">npm run admin:create -- --username NAME --password PASS --mobile MOBILE</pre>
<h2>A tour</h2>
<pre>npm run demo</pre>`
    )
    app.get('/', { schema: { hide: true }, config: { access: 'public' } }, async (_request, reply) => {
      reply.header('content-security-policy', policy)
      return reply.type('text/html; charset=utf-8').send(html)
    })
  },
  { name: 'front-door' }
)
