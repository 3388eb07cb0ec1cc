import type { TestWx } from './wx.js'

/** What a page shows of an answer that is none; `code` is undefined when there was no answer at all. */
export class Shown extends Error {
  constructor(
    msg: string,
    readonly code?: number
  ) {
    super(msg)
  }
}

type Envelope<T> = { code: number; msg: string; data: T }

interface Asked {
  readonly url: string
  readonly method?: 'GET' | 'POST' | 'PUT'
  readonly data?: object
  readonly header?: Record<string, string>
}

export interface Prize {
  readonly prize_id: number
  readonly prize_name: string
  readonly angle: number
}

export interface Receipt {
  readonly upload_id: string
  readonly amount: number
  readonly status: string
  readonly points_awarded: number
}

/**
 * The requests and screens of a mini-program as they are in the field: it reads a body on HTTP 200 alone, takes code 0
 * for success, renews its token on code 401 once and asks again, and shows `msg` for everything else.
 */
export class MiniClient {
  readonly toasts: string[] = []
  points = 0
  renewals = 0
  #renewing: Promise<void> | undefined

  constructor(
    readonly wx: TestWx,
    readonly baseUrl: string
  ) {}

  get token(): string {
    return this.wx.getStorageSync('access_token')
  }

  request<T>({ url, method = 'GET', data = {}, header = {} }: Asked, retried = false): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      this.wx.request<Envelope<T>>({
        url: `${this.baseUrl}${url}`,
        method,
        // They all send more than is asked for.
        data: { ...data, client_type: 'wechat', timestamp: Date.now() },
        header: { 'Content-Type': 'application/json', Authorization: `Bearer ${this.token}`, ...header },
        success: (res) => {
          if (res.statusCode !== 200) return reject(this.#show(`网络错误 ${res.statusCode}`, res.statusCode))
          const { code, msg, data: result } = res.data
          if (code === 0) return resolve(result)
          if (code === 401 && !retried) {
            const again = () => this.request<T>({ url, method, data, header }, true)
            return this.renew().then(again).then(resolve, reject)
          }
          reject(this.#show(msg, code))
        },
        fail: ({ errMsg }) => reject(new Shown(errMsg))
      })
    })
  }

  /** A request that may be sent again when no answer came: it goes out under one key, so that it acts once. */
  async insist<T>(asked: Asked, tries = 10): Promise<T> {
    const key = `${Date.now()}-${Math.random()}`
    for (let left = tries; ; left -= 1) {
      try {
        return await this.request<T>({ ...asked, header: { 'Idempotency-Key': key } })
      } catch (err) {
        if (left <= 1 || (err as Shown).code !== undefined) throw err
      }
    }
  }

  /** One renewal, however many requests wait for it. */
  renew(): Promise<void> {
    this.#renewing ??= this.request<{ access_token: string; refresh_token: string }>(
      { url: '/auth/refresh', method: 'POST', data: { refresh_token: this.wx.getStorageSync('refresh_token') } },
      true
    )
      .then((pair) => {
        this.#keep(pair)
        this.renewals += 1
      })
      .finally(() => {
        this.#renewing = undefined
      })
    return this.#renewing
  }

  /** The login page: code, login, and a look whether the token holds. */
  async login(phone: string): Promise<void> {
    const { code_hint } = await this.request<{ code_hint: string }>({
      url: '/auth/send-code',
      method: 'POST',
      data: { phone, dev_mode: true }
    })
    const entered = await this.request<{
      access_token: string
      refresh_token: string
      user_info: { total_points: number }
    }>({ url: '/auth/login', method: 'POST', data: { phone, verify_code: code_hint, skip_sms: true } })
    this.#keep(entered)
    this.points = entered.user_info.total_points
    const { valid } = await this.request<{ valid: boolean }>({ url: '/auth/verify' })
    if (!valid) throw this.#show('登录失败')
  }

  /** What a page does when it is shown, and after each reconnection: pushes that were missed are in here. */
  async resync(): Promise<void> {
    const { total_points } = await this.request<{ total_points: number }>({ url: '/user/info' })
    this.points = total_points
  }

  /** The wheel, drawn only if there are exactly eight prizes, each at its angle. */
  async wheel(): Promise<Prize[]> {
    const { prizes } = await this.request<{ prizes: Prize[] }>({ url: '/lottery/config' })
    if (prizes.length !== 8) throw this.#show('奖品配置错误')
    for (const [index, { angle }] of prizes.entries()) if (angle !== index * 45) throw this.#show('转盘角度错误')
    return prizes
  }

  async draw(draw_type: 'single' | 'triple' | 'five' | 'ten', count: number) {
    const drawn = await this.insist<{
      results: { prize_id: number; prize_name: string }[]
      user_points: number
      today_count: number
    }>({ url: '/lottery/draw', method: 'POST', data: { draw_type, count } })
    if (drawn.results.length !== count) throw this.#show('抽奖结果错误')
    this.points = drawn.user_points
    return drawn
  }

  async shop() {
    const data = { page: 1, pageSize: 20, category: '全部' }
    const { products, total } = await this.request<{
      products: { id: number; name: string; exchange_points: number; stock: number }[]
      total: number
    }>({ url: '/exchange/products', data })
    if (products.length !== total) throw this.#show('商品列表错误')
    return products
  }

  async redeem(product_id: number, quantity: number) {
    const order = await this.insist<{ order_no: string; exchange_code: string; remaining_points: number }>({
      url: '/exchange/redeem',
      method: 'POST',
      data: { product_id, quantity }
    })
    this.points = order.remaining_points
    return order
  }

  /** The camera page: the form has everything, the header nothing, and the answer is text. */
  camera(filePath: string, user_amount: number, retried = false): Promise<Receipt> {
    return new Promise((resolve, reject) => {
      this.wx.uploadFile({
        url: `${this.baseUrl}/upload`,
        filePath,
        name: 'file',
        formData: { user_amount, access_token: this.token },
        success: (res) => {
          const { code, msg, data }: Envelope<Receipt> = JSON.parse(res.data)
          if (res.statusCode === 200 && code === 0) return resolve(data)
          if (code !== 401 || retried) return reject(this.#show(msg, code))
          this.renew()
            .then(() => this.camera(filePath, user_amount, true))
            .then(resolve, reject)
        },
        fail: ({ errMsg }) => reject(new Shown(errMsg))
      })
    })
  }

  /** The pages of records, each by the name it reads its list under. */
  async records() {
    const data = { page: 1, limit: 50 }
    const uploads = await this.request<{ list: Receipt[]; records: Receipt[] }>({ url: '/upload/records', data })
    const orders = await this.request<{ records: { order_no: string; quantity: number }[] }>({
      url: '/exchange/records',
      data
    })
    const draws = await this.request<{ records: { prize_name: string }[] }>({ url: '/lottery/records', data })
    const points = await this.request<{ records: { points: number; balance_after: number }[] }>({
      url: '/user/points-records',
      data
    })
    return { uploads: uploads.list, orders: orders.records, draws: draws.records, points: points.records }
  }

  /** The merchant's page. */
  async pending(): Promise<Receipt[]> {
    return (await this.request<{ list: Receipt[] }>({ url: '/merchant/pending-reviews' })).list
  }

  async review(upload_id: string, action: 'approve' | 'reject', amount?: number, review_reason = '') {
    const data = { upload_id, action, review_reason, ...(amount === undefined ? {} : { amount }) }
    return this.insist<{ points_awarded: number }>({ url: '/merchant/review', method: 'POST', data })
  }

  async rejectAll(upload_ids: string[], reason: string) {
    const data = { upload_ids, action: 'reject', reason }
    return this.insist<{ success_count: number }>({ url: '/merchant/batch-review', method: 'POST', data })
  }

  #keep({ access_token, refresh_token }: { access_token: string; refresh_token: string }): void {
    this.wx.setStorageSync('access_token', access_token)
    this.wx.setStorageSync('refresh_token', refresh_token)
  }

  #show(msg: string, code?: number): Shown {
    this.toasts.push(msg)
    return new Shown(msg, code)
  }
}
