import type { BusEvent, EventBus } from './bus.js'

/** A channel to the other instances that may be away at any time; `src/adapters/redis` has one. */
interface Channel {
  /** Sends to the other instances, in the order of the calls; to nobody while it is away. */
  send(message: unknown): void
  /** @param listener gets what other instances send, as it came: it is for the listener to check */
  onMessage(listener: (message: unknown) => void): void
}

/**
 * The bus of several instances: what is published here is received here at once, as on a local bus, and by the others
 * over the channel, in the order of publication. While the channel is away the others receive nothing, so nobody may
 * depend on it: whoever needs to know reads the database when it is back, and from time to time.
 * @param isPushType whether there is a push of that name
 */
export function createSharedBus(
  local: EventBus,
  channel: Channel,
  { isPushType, onForeign }: { isPushType: (name: string) => boolean; onForeign: () => void }
): EventBus {
  channel.onMessage((message) => {
    if (isEvent(message, isPushType)) local.publish(message)
    else onForeign()
  })
  return {
    publish(event) {
      local.publish(event)
      channel.send(event)
    },
    subscribe: (listener) => local.subscribe(listener)
  }
}

/**
 * Whether it is an event, as far as listeners rely on it. The data of a push is only sent on: instants in it are text
 * by now, as they will be on the wire.
 */
function isEvent(message: unknown, isPushType: (name: string) => boolean): message is BusEvent {
  const { kind, ...event } = (message ?? {}) as Record<string, unknown>
  switch (kind) {
    case 'push':
      return (
        ['merchants', 'everyone'].includes(String(event.audience)) &&
        isPushType(String(event.type)) &&
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
