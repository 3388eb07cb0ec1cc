import { type Static, Type } from '@sinclair/typebox'
import { TypeCompiler } from '@sinclair/typebox/compiler'
import { Id } from '../../shared/schemas.js'

const Products = Type.Object({
  target: Type.Literal('products'),
  product_ids: Type.Union([Type.Array(Id, { maxItems: 200 }), Type.Literal('all')])
})

/** What a client may send (contract section 10). */
export const ClientMessage = Type.Union([
  Type.Object({ type: Type.Literal('ping'), data: Type.Optional(Type.Unknown()) }),
  Type.Object({ type: Type.Literal('subscribe'), data: Products }),
  Type.Object({ type: Type.Literal('unsubscribe'), data: Products })
])
export type ClientMessage = Static<typeof ClientMessage>

/** What a client hears that is no push, by name. */
export const replies = {
  connected: Type.Object({
    message: Type.String(),
    server_time: Type.String({ format: 'date-time' }),
    resumed: Type.Optional(
      Type.Boolean({
        description: 'answers `since`: whether all that was missed follows; if not, fetch the state anew'
      })
    )
  }),
  pong: Type.Object({
    timestamp: Type.Union([Type.String(), Type.Number()], { description: 'as the ping had it' }),
    server_time: Type.String({ format: 'date-time' })
  }),
  subscribed: Products,
  error: Type.Object({ code: Type.Integer(), msg: Type.String() })
}

const compiled = TypeCompiler.Compile(ClientMessage)

/** The message in a frame; undefined when it is none of ours. */
export function parseMessage(text: string): ClientMessage | undefined {
  try {
    const message: unknown = JSON.parse(text)
    return compiled.Check(message) ? message : undefined
  } catch {
    return undefined
  }
}

/** The most products on one client's list. */
export const MAX_SUBSCRIBED = 500

/** Whose stock a client hears of: `all`, or a list of products. */
export type Subscription = 'all' | ReadonlySet<number>

/**
 * The subscription after a message. Leaving single products while hearing of all changes nothing: there is no list
 * to take them from, and the answer says `all`.
 */
export function nextSubscription(current: Subscription, message: ClientMessage): Subscription {
  if (message.type === 'ping') return current
  const ids = message.data.product_ids
  if (message.type === 'subscribe') {
    return ids === 'all' ? 'all' : new Set([...(current === 'all' ? [] : current), ...ids])
  }
  if (ids === 'all') return new Set()
  return current === 'all' ? 'all' : new Set([...current].filter((id) => !ids.includes(id)))
}
