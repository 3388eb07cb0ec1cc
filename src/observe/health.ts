import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from '@sinclair/typebox'
import type { FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'
import { TOUCH_SQL } from '../engine/connection.js'
import { withDeadline } from '../shared/deadline.js'
import { DateTime, StringEnum } from '../shared/schemas.js'

const TAGS = ['operations']
const PROBE_MS = 2000

const Check = Type.Object({
  status: StringEnum(['healthy', 'unhealthy', 'disabled']),
  response_time: Type.Optional(Type.Number({ description: 'milliseconds' }))
})
const DatabaseCheck = Type.Composite([
  Check,
  Type.Object({
    host: Type.Optional(Type.String({ description: 'the one that is written, where DATABASE_URL names several' }))
  })
])
type Check = { status: 'healthy' | 'unhealthy' | 'disabled'; response_time?: number }

const Health = Type.Object(
  {
    status: StringEnum(['healthy', 'degraded', 'unhealthy']),
    checks: Type.Object({ app: Check, db: DatabaseCheck, redis: Check, storage: Check, websocket: Check }),
    timestamp: DateTime
  },
  {
    examples: [
      {
        status: 'healthy',
        checks: {
          app: { status: 'healthy', response_time: 0 },
          db: { status: 'healthy', response_time: 1.2 },
          redis: { status: 'disabled' },
          storage: { status: 'healthy', response_time: 0.4 },
          websocket: { status: 'healthy', response_time: 0 }
        },
        timestamp: '2026-11-22T12:00:00.000Z'
      }
    ]
  }
)
const Alive = Type.Object({ status: Type.String() }, { examples: [{ status: 'ready' }] })

async function timed(probe: () => Promise<unknown>): Promise<Check> {
  const start = performance.now()
  const took = () => Math.round((performance.now() - start) * 10) / 10
  try {
    await withDeadline(PROBE_MS, probe())
    return { status: 'healthy', response_time: took() }
  } catch {
    return { status: 'unhealthy', response_time: took() }
  }
}

/** The database host that is written, where there is more than one. */
const named = ({ all, written }: FastifyInstance['databaseHosts']) => (all.length > 1 ? { host: written.name } : {})

/** Bare answers for load balancers and orchestrators (contract section 11): no envelope, no token. */
const health: FastifyPluginAsyncTypebox = async (app) => {
  app.get(
    '/health',
    {
      logLevel: 'warn',
      config: { vital: true },
      schema: {
        tags: TAGS,
        summary: 'State of the service and of all it needs',
        response: { 200: Health, 503: Health }
      }
    },
    async (_request, reply) => {
      const link = app.redis
      const [db, storage, redis] = await Promise.all([
        timed(() => app.ask(TOUCH_SQL)),
        timed(() => app.storage.check()),
        link === undefined ? { status: 'disabled' as const } : timed(() => link.check())
      ])
      // Without its storage the service takes no photographs, and does everything else; without Redis each instance
      // keeps limits and tells events by itself.
      const well =
        storage.status === 'healthy' && redis.status !== 'unhealthy' ? ('healthy' as const) : ('degraded' as const)
      const status = db.status === 'healthy' ? well : ('unhealthy' as const)
      if (status === 'unhealthy') reply.code(503)
      return {
        status,
        checks: {
          app: { status: 'healthy' as const, response_time: 0 },
          db: { ...db, ...named(app.databaseHosts) },
          redis,
          storage,
          websocket: { status: 'healthy' as const, response_time: 0 }
        },
        timestamp: new Date()
      }
    }
  )
  app.get(
    '/health/live',
    {
      logLevel: 'warn',
      config: { vital: true },
      schema: { tags: TAGS, summary: 'The process runs', response: { 200: Alive } }
    },
    async () => ({ status: 'alive' })
  )
  app.get(
    '/health/ready',
    {
      logLevel: 'warn',
      config: { vital: true },
      schema: { tags: TAGS, summary: 'The service can take requests', response: { 200: Alive, 503: Alive } }
    },
    async (_request, reply) => {
      if (app.drain.isOn) return reply.code(503).send({ status: 'stopping' })
      const db = await timed(() => app.ask(TOUCH_SQL))
      if (db.status === 'healthy' && !app.isUnderPressure()) return { status: 'ready' }
      reply.code(503)
      return { status: 'not ready' }
    }
  )
}

export default fp(health, { name: 'health', dependencies: ['database', 'overload', 'storage', 'redis', 'drain'] })
