import type { ServerResponse } from 'node:http'
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import websocket from '@fastify/websocket'
import { Type } from '@sinclair/typebox'
import type { FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'
import type { WebSocket } from 'ws'
import type { PushKind } from '../../engine/push.js'
import { newestPushIds, pushesAfter, type ResumePoint, resumePointOf } from '../../engine/push-log.js'
import { accessFault, type Principal } from '../../identity/principal.js'
import { bearerToken } from '../../shared/bearer.js'
import { refuse } from '../../shared/refusal.js'
import { failures } from '../../shared/schemas.js'
import { eventOf } from './frames.js'
import { Hub } from './hub.js'
import { DEFAULT_LIMITS, type HubLimits } from './limits.js'
import { PolicySocket } from './policy-socket.js'
import { SharedSocketRegistry } from './socket-registry.js'

declare module 'fastify' {
  interface FastifyInstance {
    readonly hub: Hub
  }
}

interface RealtimeOptions {
  /** Every push there is. */
  readonly pushes: readonly PushKind[]
  /** For tests, which cannot wait a minute for a silence. */
  readonly limits?: Partial<HubLimits>
}

const RETRY_AFTER_SECONDS = 5

/** Whether what is told to merchants is for somebody: for admins it is, as their routes are. */
const hearsMerchants = (who: Pick<Principal, 'role' | 'isMerchant'>) => accessFault('merchant', who) === undefined

const notAnUpgrade = () =>
  refuse('VALIDATION_FAILED', [{ field: 'upgrade', message: 'this is a WebSocket: send an upgrade' }])

const SocketQuery = Type.Object({
  token: Type.Optional(Type.String({ description: 'access token; an Authorization header serves too' })),
  since: Type.Optional(
    Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER, description: 'id of the last frame received' })
  )
})

interface Handshake {
  readonly who: Principal
  readonly release: () => void
  readonly start: ResumePoint
  readonly since: number | undefined
  readonly response: ServerResponse
}

/**
 * Ends a handshake whose socket is open: its place, an answer that is never sent, and the library's listener, which the
 * hub's takes the place of. Each would keep the request, and all that hooks put there, for as long as the socket lives.
 */
function letGo({ release, response }: Handshake, socket: WebSocket, request: FastifyRequest): void {
  release()
  response.detachSocket(request.raw.socket)
  socket.removeAllListeners('error')
}

const describe = (
  pushes: readonly PushKind[]
) => `A WebSocket. Frames are \`{type, data, timestamp, id}\`; ids rise on each connection.

After a lost connection, \`/ws?token=…&since=ID\` with the \`id\` of the last frame, whichever it was, sends
what its user was pushed meanwhile (\`lottery_result\`, \`points_update\`, \`review_result\`, \`system_notice\` to
them alone), in order and each once, and then goes live. Such an event has the same id on every connection. It is kept
for 24 hours; \`since=0\` asks for all of them. \`connected\` then has \`resumed\`: false when some may be gone, and the
client should fetch its state anew. \`stock_update\` and \`new_review\` are not sent again.

From the server: \`connected\`, \`pong\`, \`subscribed\`, \`error\`, and the pushes ${pushes
  .map(({ name }) => `\`${name}\``)
  .join(', ')}.

To it: \`ping\`; \`subscribe\` and \`unsubscribe\` \`{target: 'products', product_ids: [1, 2] | 'all'}\`.

It closes with 1001 (shutdown), 1008 (bad frames, or more than 20 a second), 1013 (too slow), 4001 (token expired or
revoked), 4003 (account disabled), 4008 (silent for a minute), 4009 (replaced by a newer socket).`

const realtime: FastifyPluginAsyncTypebox<RealtimeOptions> = async (app, { pushes, limits }) => {
  const allLimits = {
    ...DEFAULT_LIMITS,
    maxConnections: app.config.WS_MAX_CONNECTIONS,
    maxPerUser: app.config.WS_MAX_PER_USER,
    ...limits
  }
  const registry = app.redis && new SharedSocketRegistry(app.redis, app.bus, allLimits.maxPerUser)
  const read = (userId: number, position: number, limit: number) =>
    pushesAfter(app.db, app.cipher, { userId, position, limit, now: app.clock() })
  const hub = new Hub(allLimits, app.log, read, registry, new Map(pushes.map((push) => [push.name, push])))
  app.decorate('hub', hub)
  app.meters.gauge('websocket_connections', 'Open sockets', () => hub.size)
  app.bus.subscribe((event) => hub.deliver(event))

  await app.register(websocket, {
    options: { maxPayload: allLimits.maxFrameBytes, perMessageDeflate: false, WebSocket: PolicySocket },
    preClose: (done) => {
      hub.shutdown()
      app.websocketServer.close()
      done()
    }
  })

  // A ban or a new right that no event told of, such as one set in Prisma Studio, is found here; so is a push that
  // another instance made while Redis was away, or just before it was killed.
  const recheck = setInterval(recheckNow, hub.limits.recheckEveryMs)
  recheck.unref()
  app.addHook('onClose', async () => clearInterval(recheck))

  function recheckNow(): void {
    recheckSessions().catch((err: unknown) => app.log.error({ err }, 'sockets could not be rechecked'))
  }
  async function recheckSessions(): Promise<void> {
    const sids = hub.sessions()
    if (sids.length === 0) return
    hub.catchUp(await newestPushIds(app.db, hub.users()))
    const states = await app.identity.statesOf(sids)
    for (const sid of sids) {
      const state = states.get(sid)
      if (state === undefined || !state.isValid) hub.closeSession(sid, 'unauthorized')
      else if (state.isDisabled) hub.closeSession(sid, 'disabled')
      else hub.setMerchant(sid, hearsMerchants(state))
    }
  }
  app.bus.subscribe((event) => {
    if (event.kind === 'user_changed') recheckNow()
  })
  // What others told while Redis was away was missed.
  app.redis?.onReturn(() => {
    registry?.reenter(hub.entries)
    recheckNow()
  })

  const handshakes = new WeakMap<FastifyRequest, Handshake>()

  app.route({
    method: 'GET',
    url: '/ws',
    config: { limit: 'socket' },
    schema: {
      tags: ['realtime'],
      summary: 'Live pushes (WebSocket)',
      description: describe(pushes),
      querystring: SocketQuery,
      response: failures('VALIDATION_FAILED', 'TOKEN_MISSING', 'TOKEN_INVALID', 'ACCOUNT_DISABLED', 'OVERLOADED')
    },
    // Before the upgrade, so that a stranger gets an answer and not a socket.
    preHandler: async (request, reply) => {
      const token = request.query.token || bearerToken(request)
      request.claims = token === undefined ? undefined : app.tokens.read(token, 'access')
      await app.countRequest(request, reply)
      const who = await app.identity.authenticate(token, request.claims)
      // Only what becomes a socket takes a place.
      if (!request.ws) throw notAnUpgrade()
      const release = app.drain.isOn ? undefined : hub.reserve()
      if (release === undefined) throw refuse('OVERLOADED', undefined, RETRY_AFTER_SECONDS)
      request.raw.socket.once('close', release)
      // Before the upgrade too: a client that is let in hears of whatever happens from then on.
      const { since } = request.query
      const event = since === undefined ? undefined : eventOf(since)
      const start = await resumePointOf(app.db, who.userId, event, app.clock()).catch((err: unknown) => {
        release()
        throw err
      })
      handshakes.set(request, { who, release, start, since, response: reply.raw })
    },
    handler: async () => {
      throw notAnUpgrade()
    },
    wsHandler: (socket, request) => {
      const handshake = handshakes.get(request)
      if (handshake === undefined) return socket.close()
      letGo(handshake, socket, request)
      const { who, start, since } = handshake
      const { userId, sid, expiresAt } = who
      hub.admit(socket, { userId, sid, isMerchant: hearsMerchants(who), expiresAt: expiresAt * 1000 }, start, since)
    }
  })
}

export default fp(realtime, { name: 'realtime', dependencies: ['identity', 'rate-limit', 'redis', 'drain'] })
