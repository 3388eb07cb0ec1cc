/// <reference path="./wx-types.d.ts" />
import { readFile } from 'node:fs/promises'
import path from 'node:path'
import { Pool, request as send } from 'undici'
import { WebSocket } from 'ws'

/** What of `wx` a mini-program's network and memory need. */
export type Wx = Pick<
  WechatMiniprogram.Wx,
  | 'request'
  | 'uploadFile'
  | 'connectSocket'
  | 'getRandomValues'
  | 'getStorageSync'
  | 'setStorageSync'
  | 'removeStorageSync'
>

export interface TestWx extends Wx {
  /** Ends what is open, as when the phone takes the mini-program away. */
  dispose(): Promise<void>
}

const REFERER = 'https://servicewechat.com/wx0123456789abcdef/42/page-frame.html'
const TIMEOUT_MS = 10_000
const MAX_SOCKETS = 5

type Outcome = { statusCode: number; header: Record<string, unknown>; text: string }
interface Callbacks {
  readonly success?: (result: object) => void
  readonly fail?: (result: { errMsg: string; errno: number }) => void
  readonly complete?: (result: { errMsg: string }) => void
}

/** Tells success or failure as `wx` does: callbacks, never a throw. */
function settle(api: string, work: Promise<object>, option: object): void {
  const { success, fail, complete } = option as Callbacks
  work.then(
    (result) => {
      const told = { ...result, errMsg: `${api}:ok` }
      success?.(told)
      complete?.(told)
    },
    (err: Error) => {
      const told = { errMsg: `${api}:fail ${err.name === 'TimeoutError' ? 'timeout' : err.message}`, errno: 600001 }
      fail?.(told)
      complete?.(told)
    }
  )
}

/** On GET the data goes into the query, on other methods into the body as JSON. */
function withQuery(url: string, data: unknown): string {
  const pairs = Object.entries(data ?? {}).map(([name, value]) => `${name}=${encodeURIComponent(String(value))}`)
  return pairs.length === 0 ? url : `${url}${url.includes('?') ? '&' : '?'}${pairs.join('&')}`
}

/** Whatever a page passes, the Referer is WeChat's. */
function headersOf(given: object | undefined, more: Record<string, string> = {}): Record<string, string> {
  const own = Object.entries(given ?? {}).filter(([name]) => !/^(referer|content-length)$/i.test(name))
  return { ...more, ...Object.fromEntries(own.map(([name, value]) => [name.toLowerCase(), value])), referer: REFERER }
}

/** The `wx` of one phone, over undici and ws: as WeChat's developer documentation describes it, for what is used. */
export function createWx(): TestWx {
  const pools = new Map<string, Pool>()
  const storage = new Map<string, string>()
  const sockets = new Set<WebSocket>()

  async function exchange(
    url: string,
    method: string,
    headers: Record<string, string>,
    body: string | FormData | null,
    timeout = TIMEOUT_MS
  ): Promise<Outcome> {
    const { origin } = new URL(url)
    const dispatcher = pools.get(origin) ?? new Pool(origin, { connections: 10 })
    pools.set(origin, dispatcher)
    const encoded = body instanceof FormData ? new Response(body) : undefined
    const type = encoded?.headers.get('content-type')
    const reply = await send(url, {
      dispatcher,
      method: method as 'GET',
      headers: { ...headers, ...(type ? { 'content-type': type } : {}) },
      body: encoded === undefined ? (body as string | null) : Buffer.from(await encoded.arrayBuffer()),
      signal: AbortSignal.timeout(timeout)
    })
    return { statusCode: reply.statusCode, header: reply.headers, text: await reply.body.text() }
  }

  function request(option: WechatMiniprogram.RequestOption) {
    const { data, method = 'GET', header, timeout } = option
    const query = method === 'GET'
    const url = query ? withQuery(option.url, data) : option.url
    const body = query ? null : typeof data === 'string' ? data : JSON.stringify(data ?? {})
    const headers = headersOf(header, { 'content-type': 'application/json' })
    const work = exchange(url, method, headers, body, timeout).then(({ text, ...rest }) => ({
      ...rest,
      data: parsed(text),
      cookies: []
    }))
    settle('request', work, option)
  }

  function uploadFile(option: WechatMiniprogram.UploadFileOption) {
    const work = (async () => {
      const form = new FormData()
      for (const [name, value] of Object.entries(option.formData ?? {})) form.append(name, String(value))
      const bytes = new Uint8Array(await readFile(option.filePath))
      form.append(option.name, new Blob([bytes], { type: 'image/jpeg' }), path.basename(option.filePath))
      const reply = await exchange(option.url, 'POST', headersOf(option.header), form, option.timeout)
      // Of an upload the answer is text, whatever it is, and its headers are not told.
      return { statusCode: reply.statusCode, data: reply.text }
    })()
    settle('uploadFile', work, option)
  }

  function connectSocket(option: WechatMiniprogram.ConnectSocketOption) {
    const full = sockets.size >= MAX_SOCKETS
    const room = full ? Promise.reject(new Error('exceed max connect socket number')) : Promise.resolve({})
    settle('connectSocket', room, option)
    if (full) return idleTask
    const socket = new WebSocket(option.url, option.protocols ?? [], {
      headers: headersOf(option.header),
      handshakeTimeout: option.timeout ?? TIMEOUT_MS
    })
    sockets.add(socket)
    socket.once('close', () => sockets.delete(socket))
    // A socket that fails is told of by onError; without a listener the process would end.
    socket.on('error', () => {})
    return {
      send: ({ data, success, fail }: WechatMiniprogram.SocketTaskSendOption) =>
        socket.send(data as string, (err) => (err ? fail?.({ errMsg: err.message }) : success?.({ errMsg: 'ok' }))),
      close: ({ code, reason }: WechatMiniprogram.SocketTaskCloseOption = {}) => socket.close(code ?? 1000, reason),
      onOpen: (listener: (result: object) => void) => socket.on('open', () => listener({ header: {} })),
      onMessage: (listener: (result: { data: string }) => void) =>
        socket.on('message', (data) => listener({ data: data.toString() })),
      onClose: (listener: (result: { code: number; reason: string }) => void) =>
        socket.on('close', (code, reason) => listener({ code, reason: reason.toString() })),
      onError: (listener: (result: { errMsg: string }) => void) =>
        socket.on('error', (err) => listener({ errMsg: err.message }))
    }
  }

  return {
    request: request as unknown as Wx['request'],
    uploadFile: uploadFile as unknown as Wx['uploadFile'],
    connectSocket: connectSocket as unknown as Wx['connectSocket'],
    getRandomValues: ((option: WechatMiniprogram.GetRandomValuesOption) => {
      const { buffer: randomValues } = crypto.getRandomValues(new Uint8Array(option.length))
      settle('getRandomValues', Promise.resolve({ randomValues }), option)
    }) as unknown as Wx['getRandomValues'],
    getStorageSync: ((key: string) => parsed(storage.get(key) ?? '""')) as Wx['getStorageSync'],
    setStorageSync: ((key: string, value: unknown) =>
      void storage.set(key, JSON.stringify(value))) as Wx['setStorageSync'],
    removeStorageSync: ((key: string) => void storage.delete(key)) as Wx['removeStorageSync'],
    async dispose() {
      for (const socket of sockets) socket.terminate()
      await Promise.all([...pools.values()].map((pool) => pool.destroy()))
    }
  }
}

const nothing = () => {}
const idleTask = {
  send: nothing,
  close: nothing,
  onOpen: nothing,
  onMessage: nothing,
  onClose: nothing,
  onError: nothing
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return text
  }
}
