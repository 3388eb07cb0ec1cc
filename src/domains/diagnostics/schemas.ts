import { type Static, Type } from '@sinclair/typebox'
import { DateTime, StringEnum } from '../../shared/schemas.js'

const Domains = Type.Array(Type.String())

export const Diagnostics = Type.Object({
  domains: Type.Object(
    { request: Domains, socket: Domains, uploadFile: Domains, downloadFile: Domains },
    { description: 'what to register for the mini-program (开发管理 → 服务器域名)' }
  ),
  https: Type.Boolean({ description: 'whether this request came over HTTPS' }),
  problems: Type.Array(Type.String(), {
    description: 'why WeChat would not accept these domains; empty when it would'
  }),
  server_time: DateTime,
  websocket: Type.Object({
    url: Type.String(),
    status: StringEnum(['open', 'full']),
    max_connections: Type.Integer(),
    max_per_user: Type.Integer(),
    max_frame_bytes: Type.Integer(),
    ping_seconds: Type.Number({ description: 'how often the server pings' }),
    silence_seconds: Type.Number({ description: 'a socket silent for so long is closed with 4008' })
  }),
  errors: Type.Array(
    Type.Object({
      code: Type.Integer({ description: 'of wx.request or wx.connectSocket' }),
      meaning: Type.String(),
      solution: Type.String()
    })
  )
})
export type Diagnostics = Static<typeof Diagnostics>
