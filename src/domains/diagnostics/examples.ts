import { domainsOf, errorsOf } from './rules.js'
import type { Diagnostics } from './schemas.js'

const domains = domainsOf({ service: 'https://api.example.com', files: 'https://cdn.example.com' })

const diagnostics: Diagnostics = {
  domains,
  https: true,
  problems: [],
  server_time: new Date('2026-11-22T12:00:00.000Z'),
  websocket: {
    url: 'wss://api.example.com/ws',
    status: 'open',
    max_connections: 1000,
    max_per_user: 3,
    max_frame_bytes: 4096,
    ping_seconds: 30,
    silence_seconds: 60
  },
  errors: errorsOf(domains)
}

/** What the documentation shows of each answer. */
export const examples = { diagnostics }
