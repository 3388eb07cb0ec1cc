import { hexOf, type Received, type Sent, type SocketEvents, type Transport, Unsendable } from './transport.js'

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
    random: (bytes) => hexOf(crypto.getRandomValues(new Uint8Array(bytes)))
  }
}

async function send(request: Sent, options: FetchOptions): Promise<Received> {
  // `AbortSignal.timeout` is younger than some phones.
  const patience = new AbortController()
  const timer = setTimeout(() => patience.abort(), request.timeoutMs)
  try {
    const response = await (options.fetch ?? fetch)(request.url, {
      ...initOf(request, options),
      signal: patience.signal
    })
    return {
      status: response.status,
      header: (name) => response.headers.get(name) ?? undefined,
      // As it was sent: `text()` would take away the mark by which a spreadsheet knows that a file is in UTF-8.
      text: new TextDecoder('utf-8', { ignoreBOM: true }).decode(await response.arrayBuffer())
    }
  } finally {
    clearTimeout(timer)
  }
}

function initOf({ method, headers, body, form }: Sent, { credentials }: FetchOptions): RequestInit {
  const init: RequestInit = { method, headers, ...(credentials === undefined ? {} : { credentials }) }
  if (body !== undefined) init.body = body
  if (form !== undefined) {
    if (!(form.file instanceof Blob)) throw new Unsendable('a picture is a Blob here')
    const data = new FormData()
    for (const [name, value] of Object.entries(form.fields)) data.append(name, value)
    data.append(form.name, form.file, 'picture')
    init.body = data
  }
  return init
}

function listen(socket: SocketLike, { opened, heard, closed }: SocketEvents): void {
  socket.onopen = opened
  socket.onmessage = ({ data }: { data: unknown }) => heard(String(data))
  socket.onclose = ({ code }: { code?: number }) => closed(code ?? 1006)
  // What failed is closed, and told then.
  socket.onerror = () => {}
}
