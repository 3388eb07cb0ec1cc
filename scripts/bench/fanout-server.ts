import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { pino } from 'pino'
import { WebSocket, WebSocketServer } from 'ws'
import { Hub } from '../../src/domains/realtime/hub.js'
import { DEFAULT_LIMITS } from '../../src/domains/realtime/limits.js'

// Sockets on the service's hub, or on ws alone: `{"kind":"hub"}` or `{"kind":"bare"}`. Each message is a broadcast.
const { kind } = JSON.parse(process.argv[2] ?? '{}') as { kind: 'hub' | 'bare' }
const http = createServer()
const server = new WebSocketServer({ server: http, perMessageDeflate: false, maxPayload: 4096 })
const hub = new Hub(
  { ...DEFAULT_LIMITS, maxConnections: 1_000_000, maxPerUser: 3 },
  pino({ level: 'silent' }),
  async () => [],
  undefined,
  new Map()
)
const plain = new Set<WebSocket>()
let lastUser = 0
server.on('connection', (socket) => {
  if (kind === 'bare') {
    plain.add(socket)
    socket.on('close', () => plain.delete(socket))
    socket.on('error', () => {})
    return
  }
  lastUser += 1
  const expiresAt = Date.now() + 3_600_000
  hub.admit(socket, { userId: lastUser, sid: `session ${lastUser}`, isMerchant: false, expiresAt }, { position: 0 })
})

const data = {
  commodity_id: 1,
  product_id: 1,
  product_name: '招牌酸梅汤',
  current_stock: 10,
  stock: 10,
  change_amount: -1,
  operation: 'exchange' as const,
  timestamp: new Date()
}
function broadcast(): void {
  if (kind === 'hub') {
    hub.deliver({ kind: 'push', audience: 'everyone', type: 'stock_update', data })
    return
  }
  const frame = Buffer.from(JSON.stringify({ type: 'stock_update', data, timestamp: new Date(), id: 1 }))
  for (const socket of plain) if (socket.readyState === WebSocket.OPEN) socket.send(frame, { binary: false })
}

/** The longest that the loop stood still, seen by a beat that wants to come every turn. */
async function longestBlock(work: () => void): Promise<number> {
  let longest = 0
  let last = performance.now()
  let watching = true
  const beat = () => {
    const now = performance.now()
    longest = Math.max(longest, now - last)
    last = now
    if (watching) setImmediate(beat)
  }
  setImmediate(beat)
  await new Promise((resolve) => setImmediate(resolve))
  longest = 0
  work()
  await new Promise((resolve) => setTimeout(resolve, 300))
  watching = false
  return longest
}

process.on('message', (message: { what: string }) => {
  if (message.what !== 'broadcast') return
  void longestBlock(broadcast).then((blockMs) => process.send?.({ blockMs }))
})
process.once('disconnect', () => process.exit(0))
http.listen(0, '127.0.0.1', () => process.send?.({ port: (http.address() as AddressInfo).port }))
