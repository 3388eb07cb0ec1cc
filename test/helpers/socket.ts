import type { FastifyInstance } from 'fastify'
import { type ClientOptions, WebSocket } from 'ws'
import { until } from './app.js'

export interface Frame {
  readonly type: string
  readonly data: Record<string, unknown>
  readonly timestamp: string
  readonly id: number
}

/** A client's end of /ws, with the frames it got and how it was closed. */
export interface TestSocket {
  readonly ws: WebSocket
  readonly frames: Frame[]
  closed: { code: number; reason: string } | undefined
  send(message: unknown): void
  /** The frames of a type, once there are that many. */
  take(type: string, count?: number): Promise<Frame[]>
  closeCode(): Promise<number>
  close(): void
}

/** An upgrade that was refused: what the server answered instead. */
export class UpgradeRefused extends Error {
  constructor(
    readonly status: number,
    readonly headers: Record<string, string | string[] | undefined>,
    readonly body: Record<string, unknown>
  ) {
    super(`upgrade refused with ${status}`)
  }
}

/** Opens a socket on a listening app. @throws UpgradeRefused */
export async function openSocket(
  app: Pick<FastifyInstance, 'server'>,
  token: string | undefined,
  { protocols = [], since, ...options }: ClientOptions & { protocols?: string[]; since?: number | string } = {}
): Promise<TestSocket> {
  const { port } = app.server.address() as { port: number }
  const parameters = {
    ...(token === undefined ? {} : { token }),
    ...(since === undefined ? {} : { since: String(since) })
  }
  const query = `?${new URLSearchParams(parameters)}`
  const ws = new WebSocket(`ws://127.0.0.1:${port}/ws${query}`, protocols, options)
  const socket: TestSocket = {
    ws,
    frames: [],
    closed: undefined,
    send: (message) => ws.send(typeof message === 'string' ? message : JSON.stringify(message)),
    async take(type, count = 1) {
      const fitting = () => socket.frames.filter((frame) => frame.type === type)
      await until(() => fitting().length >= count)
      return fitting()
    },
    async closeCode() {
      await until(() => socket.closed !== undefined)
      return socket.closed?.code ?? 0
    },
    close: () => ws.close()
  }
  ws.on('message', (data) => socket.frames.push(JSON.parse(data.toString())))
  ws.on('close', (code, reason) => {
    socket.closed = { code, reason: reason.toString() }
  })
  await new Promise<void>((resolve, reject) => {
    ws.once('open', resolve)
    ws.once('error', reject)
    ws.once('unexpected-response', (_request, response) => {
      let text = ''
      response.on('data', (chunk) => {
        text += chunk
      })
      response.on('end', () => reject(new UpgradeRefused(response.statusCode ?? 0, response.headers, JSON.parse(text))))
    })
  })
  return socket
}
