import { setTimeout as pause } from 'node:timers/promises'
import { Agent, FormData as Form, fetch } from 'undici'
import { WebSocket } from 'ws'
import { type Client, createClient, type Frame, fetchTransport, type Live, type Sent } from '../../src/client/index.js'
import { patient } from './patient.js'
import { Fault, say } from './print.js'

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

/** A form as undici's own fetch, which is told by which address to go, knows one. */
function formOf(body: unknown): unknown {
  if (!(body instanceof FormData)) return body
  const form = new Form()
  for (const [name, value] of body) form.append(name, value as string)
  return form
}

function tellWait({ method, url }: Sent, seconds: number): void {
  const { pathname } = new URL(url)
  say(`${method} ${pathname}: the limit of requests is reached; waiting ${seconds} s (none with RATE_LIMIT=off)`)
}

/** Somebody with a mini-program: the client library, and the frames of its socket in the order they came. */
export class Person {
  readonly frames: Frame[] = []
  readonly api: Client
  #live: Live | undefined

  constructor(
    readonly address: string,
    readonly name: string,
    private readonly onFrame: (person: Person, frame: Frame) => void
  ) {
    const dispatcher = ownAddress(address)
    const own = (url: string, init: RequestInit) =>
      fetch(url, { ...init, body: formOf(init.body), dispatcher } as object) as unknown as Promise<Response>
    this.api = createClient({
      baseUrl: address,
      transport: patient(fetchTransport({ fetch: own as never, WebSocket: WebSocket as never }), {
        statuses: [429],
        longestSeconds: LONGEST_WAIT_SECONDS,
        onWait: tellWait
      })
    })
  }

  /** Logs in as a mini-program does; outside production the server echoes the code it sent. */
  async login(mobile: string) {
    const { code_hint: code } = await this.api.auth.sendCode({ mobile })
    if (code === undefined) throw new Fault('The server is in production: it does not echo codes.')
    return this.api.auth.login({ mobile, code })
  }

  async open(): Promise<void> {
    this.#live = this.api.live()
    this.#live.onFrame((frame) => {
      this.frames.push(frame)
      this.onFrame(this, frame)
    })
    await this.waitFor((frame) => frame.type === 'connected')
  }

  /** The first frame that fits, be it here already or yet to come. */
  async waitFor(fits: (frame: Told) => boolean): Promise<void> {
    const deadline = Date.now() + FRAME_WITHIN_MS
    while (!this.frames.some((frame) => fits(frame as unknown as Told))) {
      if (Date.now() > deadline) throw new Fault('A push did not arrive.')
      await pause(5)
    }
  }

  close(): void {
    this.#live?.close()
  }
}

/** A frame of whatever kind, its data by name. */
export interface Told {
  readonly type: string
  readonly data: Readonly<Record<string, unknown>>
}
