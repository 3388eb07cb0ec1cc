/** Another path of a route (contract section 9). */
export interface PathAlias {
  readonly method: 'GET' | 'POST' | 'PUT'
  readonly path: string
  /** The path that has the route. */
  readonly of: string
  /** Lists that the answer holds a second time, by their other names. */
  readonly also?: Readonly<Record<string, string>>
}

/** How clients in the field spell paths. Same handler, same limits, same rights, same keys of idempotency. */
export const PATH_ALIASES: readonly PathAlias[] = [
  { method: 'GET', path: '/api/auth/verify', of: '/api/auth/verify-token' },
  { method: 'POST', path: '/api/exchange/redeem', of: '/api/exchange/submit' },
  { method: 'GET', path: '/api/exchange/records', of: '/api/exchange/orders', also: { records: 'orders' } },
  { method: 'POST', path: '/api/upload', of: '/api/photo/upload' },
  {
    method: 'GET',
    path: '/api/upload/records',
    of: '/api/photo/history',
    also: { records: 'history', list: 'history' }
  },
  {
    method: 'GET',
    path: '/api/photo/records',
    of: '/api/photo/history',
    also: { records: 'history', list: 'history' }
  },
  { method: 'GET', path: '/api/merchant/pending-reviews', of: '/api/merchant/reviews/pending' },
  { method: 'POST', path: '/api/merchant/batch-review', of: '/api/merchant/reviews/batch' },
  { method: 'PUT', path: '/api/user/info', of: '/api/user/profile' }
]

/** Other names of fields, and other words for their values. */
export interface Spelling {
  /** Other name → name. Where a request has both, the name counts. */
  readonly names?: Readonly<Record<string, string>>
  /** Name → other word → word. */
  readonly words?: Readonly<Record<string, Readonly<Record<string, string>>>>
}

/** What else a route reads in its body. */
export interface FieldAliases extends Spelling {
  /** A list whose items are spelt like this. */
  readonly items?: Spelling & { readonly list: string }
  /** A list of ids that stands for a list of items, which have these fields of the body in common. */
  readonly spread?: {
    readonly from: string
    readonly list: string
    readonly id: string
    readonly common: readonly string[]
  }
  /** The field of a form that stands in for the Authorization header, if it comes ahead of the file. */
  readonly tokenField?: string
}

const REVIEW: Spelling = {
  names: { amount: 'actual_amount', review_reason: 'reason' },
  words: { action: { approve: 'approved', reject: 'rejected' } }
}

/** How clients in the field spell fields, by the route that has them; they hold on the route's other paths too. */
export const FIELD_ALIASES: Readonly<Record<string, FieldAliases>> = {
  'POST /api/auth/send-code': { names: { phone: 'mobile' } },
  'POST /api/auth/login': { names: { phone: 'mobile', verify_code: 'code', verification_code: 'code' } },
  'POST /api/photo/upload': { names: { file: 'photo', user_amount: 'amount' }, tokenField: 'access_token' },
  'POST /api/merchant/review': REVIEW,
  'POST /api/merchant/reviews/:id/approve': REVIEW,
  'POST /api/merchant/reviews/:id/reject': REVIEW,
  'POST /api/merchant/reviews/batch': {
    items: { list: 'reviews', ...REVIEW },
    // No amount goes with it, so by this form nothing can be approved.
    spread: { from: 'upload_ids', list: 'reviews', id: 'upload_id', common: ['action', 'reason', 'review_reason'] }
  }
}

/** What WeChat sets as `Referer` of each request of a mini-program; a mini-program cannot change it. */
export const WECHAT_REFERER = 'https://servicewechat.com/'

/** The refusals that a mini-program knows by another code: on 401, and nothing else, it renews its token. */
export const CODES_FOR_WECHAT: Readonly<Record<string, number>> = { TOKEN_MISSING: 401, TOKEN_INVALID: 401 }
