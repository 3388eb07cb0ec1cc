import swagger from '@fastify/swagger'
import swaggerUi from '@fastify/swagger-ui'
import fp from 'fastify-plugin'
import { catalogue } from '../shared/catalogue.js'
import { describeAliases } from './mini-program-docs.js'

/** The table of refusals, for the head of the document. */
function errorTable(): string {
  const rows = Object.entries(catalogue).map(
    ([name, { status, code, when }]) => `| ${status} | ${code} | ${name} | ${when.replaceAll('|', '\\|')} |`
  )
  return ['| HTTP | code | error | when |', '|---|---|---|---|', ...rows].join('\n')
}

const description = `Every answer is an envelope: \`{code: 0, msg, data}\` for a success, and for a failure
\`{code, msg, data: null, error, wechat_tip, solution, details?, request_id}\`. \`error\` is unique.

A mini-program, told by the Referer that WeChat sets, gets every failure below 500 under HTTP 200, and code 401 in place
of 2001 and 2002. What is marked as deprecated is an alias for clients in the field.

${errorTable()}

Live pushes come over \`/ws\`: see that route.`

/** /api/docs: the page, and /api/docs/json: the document. Registered before the routes it describes. */
export default fp(
  async (app) => {
    await app.register(swagger, {
      openapi: {
        openapi: '3.1.0',
        info: { title: 'Restaurant points lottery', version: '0.1.0', description },
        tags: [
          { name: 'auth', description: 'Log in and out' },
          { name: 'lottery', description: 'The wheel' },
          { name: 'fairness', description: 'The public log of draws, for everybody' },
          { name: 'user', description: 'The diner' },
          { name: 'photo', description: 'Receipts' },
          { name: 'exchange', description: 'The points shop' },
          { name: 'merchant', description: 'Reviews, products, orders, vouchers at the counter' },
          { name: 'admin', description: 'For admins' },
          { name: 'wechat', description: 'For whoever sets the mini-program up' },
          { name: 'realtime', description: 'Live pushes' },
          { name: 'operations', description: 'For those who run it' }
        ],
        components: { securitySchemes: { bearer: { type: 'http', scheme: 'bearer', bearerFormat: 'JWT' } } }
      },
      transform: ({ schema, url, route }) => {
        const isPublic = !url.startsWith('/api/') || route.config?.access === 'public'
        const secured = isPublic || schema?.hide === true ? {} : { security: [{ bearer: [] }] }
        return { schema: { ...schema, ...secured }, url }
      },
      transformObject: (document) =>
        'openapiObject' in document ? describeAliases(document.openapiObject) : document.swaggerObject
    })
    await app.register(swaggerUi, {
      routePrefix: '/api/docs',
      uiConfig: { persistAuthorization: true, docExpansion: 'list' },
      theme: { title: 'Restaurant points lottery' }
    })
  },
  { name: 'docs' }
)
