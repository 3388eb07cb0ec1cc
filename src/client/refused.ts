import type { ErrorName } from './generated/catalogue.js'

/** The service said no. `error` is unique; a `code` means something else in another module. */
export class Refused extends Error {
  override readonly name = 'Refused'

  /** @param body of the answer @param status of it; 200 where a mini-program is told by the body alone */
  constructor(
    readonly status: number,
    body: {
      readonly code: number
      readonly msg: string
      readonly error?: string
      readonly wechat_tip?: string
      readonly solution?: string
      readonly details?: unknown
      readonly request_id?: string
    },
    /** In how many seconds it may be asked again, where the service says so: of a limit, say. */
    readonly retryAfterSeconds?: number
  ) {
    super(body.msg)
    this.code = body.code
    this.error = (body.error ?? 'INTERNAL') as ErrorName
    this.tip = body.wechat_tip ?? body.msg
    this.solution = body.solution ?? ''
    this.details = body.details
    this.requestId = body.request_id
  }

  readonly code: number
  readonly error: ErrorName
  /** A few words for the diner. */
  readonly tip: string
  /** What helps. */
  readonly solution: string
  readonly details: unknown
  readonly requestId: string | undefined
}

/** There was no answer, for the `cause`: what was asked may have been done or not. With a key it can be sent again. */
export class Unanswered extends Error {
  override readonly name = 'Unanswered'
}
