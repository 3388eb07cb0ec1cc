import swagger from '@fastify/swagger'
import fp from 'fastify-plugin'
import { errorsPage } from './errors-page.js'
import { describeAliases } from './mini-program-docs.js'

const PREFIX = '/api/docs'

const description = `Every answer is an envelope: \`{code: 0, msg, data}\` for a success, and for a failure
\`{code, msg, data: null, error, wechat_tip, solution, details?, request_id}\`. \`error\` is unique; all there are
stand on [a page of their own](${PREFIX}/errors).

**To try it**: *Send a verification code* answers outside production with the code itself (\`code_hint\`); *Log in*
with it gives an \`access_token\`; put that under *Authentication*, and every route of a diner can be sent from this
page. The sample merchant is \`13900000001\`.

A mini-program, told by the Referer that WeChat sets, gets every failure below 500 under HTTP 200, and code 401 in place
of 2001 and 2002. What is marked as deprecated is an alias for clients in the field. Live pushes come over \`/ws\`: see
that route. \`npm run build\` makes a typed client in \`dist/client\`.`

const KEY = {
  name: 'Idempotency-Key',
  in: 'header',
  required: false,
  description: 'up to 64 characters of your own: the same again, within 24 hours, answers the first result',
  schema: { type: 'string', minLength: 1, maxLength: 64 }
} as const

interface Operation {
  readonly description?: string
  readonly responses: object
  parameters?: object[]
}

/** Which routes take a key (contract section 2): those that say what becomes of it. */
function describeKeys<T extends object>(document: T): T {
  const { paths } = document as { paths: Record<string, Record<string, Operation>> }
  for (const methods of Object.values(paths)) {
    for (const operation of Object.values(methods)) {
      const told = JSON.stringify([operation.description, operation.responses])
      if (/IDEMPOTENCY_CONFLICT|Idempotency-Key/.test(told)) {
        operation.parameters = [...(operation.parameters ?? []), KEY]
      }
    }
  }
  return document
}

/** /api/docs: the page, and /api/docs/json: the document. Registered before the routes it describes. */
export default fp(
  async (app) => {
    await app.register(swagger, {
      openapi: {
        openapi: '3.1.0',
        info: { title: 'Restaurant points lottery', version: '0.1.0', description },
        tags: [
          { name: 'auth', description: 'Log in and out' },
          { name: 'photo', description: 'Receipts, and appeals against what became of them' },
          { name: 'lottery', description: 'The wheel' },
          { name: 'fairness', description: 'The public log of draws, for everybody' },
          { name: 'exchange', description: 'The points shop' },
          { name: 'user', description: 'The diner: points, vouchers, limits of their own' },
          { name: 'realtime', description: 'Live pushes' },
          { name: 'merchant', description: 'Reviews, appeals, products, orders, vouchers at the counter' },
          { name: 'admin', description: 'For admins' },
          { name: 'wechat', description: 'For whoever sets the mini-program up' },
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
        'openapiObject' in document ? describeAliases(describeKeys(document.openapiObject)) : document.swaggerObject
    })
    // Four megabytes, half a second: loaded where the document is shown, which production does not.
    const { default: apiReference } = await import('@scalar/fastify-api-reference')
    await app.register(apiReference, {
      routePrefix: PREFIX,
      openApiDocumentEndpoints: { json: '/json', yaml: '/yaml' },
      configuration: {
        pageTitle: 'Restaurant points lottery',
        persistAuth: true,
        // Nothing from elsewhere, and nothing to elsewhere.
        withDefaultFonts: false,
        telemetry: false,
        hideClientButton: true,
        showDeveloperTools: 'never',
        mcp: { disabled: true },
        agent: { disabled: true },
        authentication: { preferredSecurityScheme: 'bearer' }
      }
    })
    const page = errorsPage()
    app.get(`${PREFIX}/errors`, { schema: { hide: true }, config: { access: 'public' } }, async (_request, reply) => {
      reply.header('content-security-policy', page.policy)
      return reply.type('text/html; charset=utf-8').send(page.html)
    })
  },
  { name: 'docs' }
)
