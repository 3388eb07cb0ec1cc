import { setTimeout as pause } from 'node:timers/promises'
import { Agent, FormData as Form, fetch } from 'undici'
import { WebSocket } from 'ws'
import { Fault, say } from './print.js'

/** A frame as it came over /ws. */
export interface Frame {
  readonly type: string
  readonly data: Record<string, unknown>
  readonly timestamp: string
  readonly id: number
}

const FRAME_WITHIN_MS = 15_000
const LONGEST_WAIT_SECONDS = 60
let people = 0

/**
 * Each person of the tour comes from an address of their own, as diners do, or a code for each would be one too many
 * for the limit by address. Linux has all of 127.0.0.0/8; elsewhere, and to another machine, all come from one.
 */
function ownAddress(address: string): Agent {
  const isLoopback = process.platform === 'linux' && new URL(address).hostname === '127.0.0.1'
  people += 1
  return new Agent(isLoopback ? { localAddress: `127.0.0.${people + 1}` } : {})
}

/** A diner's mini-program: requests with a token, and a socket whose frames are kept in the order they came. */
export class DemoClient {
  readonly frames: Frame[] = []
  #token = ''
  #socket: WebSocket | undefined
  readonly #dispatcher: Agent

  constructor(
    readonly address: string,
    readonly name: string,
    private readonly onFrame: (client: DemoClient, frame: Frame) => void
  ) {
    this.#dispatcher = ownAddress(address)
  }

  /**
   * Sends a request, as JSON or as a form. One that comes too soon for a limit is sent again when its time has come.
   * @throws Fault when the answer is a failure
   */
  async request<T>(method: 'GET' | 'POST', path: string, body?: object): Promise<T> {
    const isForm = body instanceof Form
    const payload = isForm ? body : body === undefined ? null : JSON.stringify(body)
    const response = await fetch(`${this.address}${path}`, {
      method,
      dispatcher: this.#dispatcher,
      headers: {
        ...(this.#token === '' ? {} : { authorization: `Bearer ${this.#token}` }),
        ...(body === undefined || isForm ? {} : { 'content-type': 'application/json' })
      },
      body: payload
    })
    const answer = (await response.json()) as { code: number; msg: string; error?: string; data: T }
    if (answer.code === 0) return answer.data
    const wait = Number(response.headers.get('retry-after') ?? 0)
    if (response.status === 429 && wait <= LONGEST_WAIT_SECONDS) {
      say(`${method} ${path}: the limit of requests is reached; waiting ${wait} s (none with RATE_LIMIT=off)`)
      await pause(wait * 1000)
      return this.request(method, path, body)
    }
    throw new Fault(`${method} ${path} was refused: ${answer.code} ${answer.error} ${answer.msg}`)
  }

  /** Logs in as a mini-program does; outside production the server echoes the code it sent. */
  async login<T extends { access_token: string }>(mobile: string): Promise<T> {
    const sent = await this.request<{ code_hint?: string }>('POST', '/api/auth/send-code', { mobile })
    if (sent.code_hint === undefined) throw new Fault('The server is in production: it does not echo codes.')
    const entered = await this.request<T>('POST', '/api/auth/login', { mobile, code: sent.code_hint })
    this.#token = entered.access_token
    return entered
  }

  async open(): Promise<void> {
    const socket = new WebSocket(`${this.address.replace(/^http/, 'ws')}/ws?token=${this.#token}`)
    this.#socket = socket
    socket.on('message', (data) => {
      const frame = JSON.parse(data.toString()) as Frame
      this.frames.push(frame)
      this.onFrame(this, frame)
    })
    await new Promise<void>((resolve, reject) => {
      socket.once('open', resolve)
      socket.once('error', reject)
    })
    await this.waitFor((frame) => frame.type === 'connected')
  }

  /** The first frame that fits, be it here already or yet to come. */
  async waitFor(fits: (frame: Frame) => boolean): Promise<Frame> {
    const deadline = Date.now() + FRAME_WITHIN_MS
    for (;;) {
      const frame = this.frames.find(fits)
      if (frame !== undefined) return frame
      if (Date.now() > deadline) throw new Fault('A push did not arrive.')
      await pause(5)
    }
  }

  close(): void {
    this.#socket?.close()
    this.#dispatcher.close().catch(() => {})
  }
}
