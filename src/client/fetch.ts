import type { Received, Sent, SocketEvents, Transport } from './transport.js'

/** As much of a `WebSocket` as is needed, of a browser or of the package ws. */
interface SocketLike {
  send(text: string): void
  close(): void
  onopen: unknown
  onmessage: unknown
  onclose: unknown
  onerror: unknown
}

export interface FetchOptions {
  /** In place of the global one. */
  readonly fetch?: (url: string, init: RequestInit) => Promise<Response>
  /** In place of the global one, which Node has from version 22 on: `import { WebSocket } from 'ws'` before. */
  readonly WebSocket?: new (
    url: string
  ) => SocketLike
  /** Whether cookies go along, such as that of the console. */
  readonly credentials?: 'omit' | 'same-origin' | 'include'
}

/** For browsers and Node. */
export function fetchTransport(options: FetchOptions = {}): Transport {
  return {
    send: (request) => send(request, options),
    connect(url, events) {
      const Socket = options.WebSocket ?? (globalThis.WebSocket as unknown as NonNullable<FetchOptions['WebSocket']>)
      const socket = new Socket(url)
      listen(socket, events)
      return { send: (text) => socket.send(text), close: () => socket.close() }
    },
    random: (bytes) =>
      Array.from(crypto.getRandomValues(new Uint8Array(bytes)), (byte) => byte.toString(16).padStart(2, '0')).join('')
  }
}

async function send({ method, url, headers, body, form, timeoutMs }: Sent, options: FetchOptions): Promise<Received> {
  const init: RequestInit = {
    method,
    headers,
    signal: AbortSignal.timeout(timeoutMs),
    ...(options.credentials === undefined ? {} : { credentials: options.credentials })
  }
  if (body !== undefined) init.body = body
  if (form !== undefined) {
    if (!(form.file instanceof Blob)) throw new TypeError('a picture is a Blob here')
    const data = new FormData()
    for (const [name, value] of Object.entries(form.fields)) data.append(name, value)
    data.append(form.name, form.file, 'picture')
    init.body = data
  }
  const response = await (options.fetch ?? fetch)(url, init)
  return {
    status: response.status,
    header: (name) => response.headers.get(name) ?? undefined,
    text: await response.text()
  }
}

function listen(socket: SocketLike, { opened, heard, closed }: SocketEvents): void {
  socket.onopen = opened
  socket.onmessage = ({ data }: { data: unknown }) => heard(String(data))
  socket.onclose = ({ code }: { code?: number }) => closed(code ?? 1006)
  // What failed is closed, and told then.
  socket.onerror = () => {}
}
