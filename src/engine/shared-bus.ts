import type { FastifyBaseLogger } from 'fastify'
import type { RedisLink } from '../adapters/redis/link.js'
import { pushes } from '../domains/realtime/events.js'
import type { BusEvent, EventBus } from './bus.js'

/**
 * The bus of several instances: what is published here is heard here at once, as on a local bus, and by the others
 * over Redis, in the order of publication. While Redis is away the others hear nothing, so nobody may depend on
 * hearing: whoever needs to know looks the truth up in the database when Redis is back, and from time to time.
 */
export function createSharedBus(local: EventBus, link: RedisLink, log: FastifyBaseLogger): EventBus {
  link.onHearing((told) => {
    if (isEvent(told)) local.publish(told)
    else log.warn('an event on Redis that is none of ours was dropped')
  })
  return {
    publish(event) {
      local.publish(event)
      link.tell(event)
    },
    subscribe: (listener) => local.subscribe(listener)
  }
}

/**
 * Whether it is an event, as far as listeners rely on it. The data of a push is only sent on: instants in it are text
 * by now, as they will be on the wire.
 */
function isEvent(told: unknown): told is BusEvent {
  const { kind, ...event } = (told ?? {}) as Record<string, unknown>
  switch (kind) {
    case 'push':
      return (
        ['merchants', 'everyone'].includes(String(event.audience)) &&
        Object.hasOwn(pushes, String(event.type)) &&
        isObject(event.data)
      )
    case 'logged':
      return Array.isArray(event.userIds)
    case 'session_revoked':
      return typeof event.sid === 'string'
    case 'sockets_replaced':
      return Array.isArray(event.ids)
    case 'user_changed':
      return Number.isInteger(event.userId)
    default:
      return false
  }
}

const isObject = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null
