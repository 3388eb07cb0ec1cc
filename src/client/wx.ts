import type { SessionTokens, TokenStorage } from './session.js'
import type { Received, Sent, Transport } from './transport.js'

interface Outcome {
  readonly statusCode: number
  readonly data: unknown
  readonly header?: Readonly<Record<string, unknown>>
}
interface Failure {
  readonly errMsg: string
}
interface SocketTask {
  send(option: { data: string }): void
  close(option: { code?: number }): void
  onOpen(listener: () => void): void
  onMessage(listener: (result: { data: string | ArrayBuffer }) => void): void
  onClose(listener: (result: { code?: number }) => void): void
  onError(listener: () => void): void
}

/** As much of `wx` as is needed; the real one fits. */
export interface WxLike {
  request(option: {
    url: string
    method: 'GET'
    header: Record<string, string>
    data?: string
    dataType: 'text'
    timeout: number
    success: (result: Outcome) => void
    fail: (result: Failure) => void
  }): unknown
  uploadFile(option: {
    url: string
    filePath: string
    name: string
    formData: Record<string, string>
    header: Record<string, string>
    timeout: number
    success: (result: Outcome) => void
    fail: (result: Failure) => void
  }): unknown
  connectSocket(option: { url: string }): SocketTask
  getStorageSync(key: string): unknown
  setStorageSync(key: string, data: unknown): void
  removeStorageSync(key: string): void
}

/** For mini-programs. */
export function wxTransport(wx: WxLike): Transport {
  return {
    send: (request) => send(wx, request),
    connect(url, { opened, heard, closed }) {
      const task = wx.connectSocket({ url })
      let isOver = false
      const over = (code: number) => {
        if (isOver) return
        isOver = true
        closed(code)
      }
      task.onOpen(opened)
      task.onMessage(({ data }) => typeof data === 'string' && heard(data))
      task.onClose(({ code }) => over(code ?? 1006))
      task.onError(() => over(1006))
      return { send: (data) => task.send({ data }), close: () => task.close({ code: 1000 }) }
    },
    // Words and keys must differ; nobody need be unable to guess them.
    random: (bytes) => {
      let hex = ''
      while (hex.length < bytes * 2)
        hex += Math.floor(Math.random() * 0x100)
          .toString(16)
          .padStart(2, '0')
      return hex
    }
  }
}

function send(wx: WxLike, { method, url, headers, body, form, timeoutMs: timeout }: Sent): Promise<Received> {
  return new Promise((resolve, reject) => {
    const header = { ...headers }
    const answer = {
      header,
      timeout,
      success: ({ statusCode, data, header: got = {} }: Outcome) => {
        const named = Object.entries(got).map(([name, value]) => [name.toLowerCase(), String(value)] as const)
        const all = new Map(named)
        resolve({
          status: statusCode,
          header: (name) => all.get(name),
          text: typeof data === 'string' ? data : JSON.stringify(data)
        })
      },
      fail: ({ errMsg }: Failure) => reject(new Error(errMsg))
    }
    if (form === undefined) {
      wx.request({
        ...answer,
        url,
        method: method as 'GET',
        dataType: 'text',
        ...(body === undefined ? {} : { data: body })
      })
      return
    }
    if (!('filePath' in form.file)) throw new TypeError('a picture is a filePath here')
    wx.uploadFile({ ...answer, url, filePath: form.file.filePath, name: form.name, formData: { ...form.fields } })
  })
}

/** Keeps tokens in the storage of the mini-program. */
export function wxStorage(wx: WxLike, name = 'restaurant-points-tokens'): TokenStorage {
  return {
    read: () => {
      const kept = wx.getStorageSync(name)
      return typeof kept === 'object' && kept !== null ? (kept as SessionTokens) : undefined
    },
    write: (tokens) => (tokens === undefined ? wx.removeStorageSync(name) : wx.setStorageSync(name, tokens))
  }
}
