import type { SessionTokens, TokenStorage } from './session.js'
import { hexOf, type Received, type Sent, type Transport, Unsendable } from './transport.js'

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
  /** From base library 2.15.0 on. */
  getRandomValues?(option: {
    length: number
    success: (result: { randomValues: ArrayBuffer }) => void
    fail: (result: Failure) => void
  }): unknown
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
    random: (length) => random(wx, length)
  }
}

/**
 * From the phone's own source, so that the house cannot tell a diner's next word from those before it, as it might of
 * `Math.random`. A phone too old for that (a base library before 2.15.0) still gets words and keys that differ.
 */
function random(wx: WxLike, length: number): Promise<string> {
  const poor = () => hexOf(Uint8Array.from({ length }, () => Math.random() * 0x100))
  return new Promise((resolve) => {
    if (wx.getRandomValues === undefined) return resolve(poor())
    wx.getRandomValues({
      length,
      success: ({ randomValues }) => resolve(hexOf(new Uint8Array(randomValues))),
      fail: () => resolve(poor())
    })
  })
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
    if (!('filePath' in form.file)) throw new Unsendable('a picture is a filePath here')
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
