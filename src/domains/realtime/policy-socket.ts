import type { WebsocketPluginOptions } from '@fastify/websocket'
import { WebSocket } from 'ws'

const TOO_BIG = 1009
const POLICY_VIOLATION = 1008

/**
 * ws refuses a frame over `maxPayload` before it is buffered, and closes with 1009; the contract (section 10) says
 * 1008 for every breach of the rules of conversation.
 */
class StrictSocket extends WebSocket {
  override close(code?: number, reason?: string | Buffer): void {
    super.close(code === TOO_BIG ? POLICY_VIOLATION : code, reason)
  }
}

/** For the `WebSocket` option of a ws server, whose type asks for statics that the server never uses. */
export const PolicySocket = StrictSocket as unknown as NonNullable<
  NonNullable<WebsocketPluginOptions['options']>['WebSocket']
>
