import { catalogue, type ErrorName, type RefusalKind } from './catalogue.js'

/** Machine-readable facts that go with a refusal. */
type Details = Readonly<Record<string, unknown>> | readonly Readonly<Record<string, unknown>>[]

/** A request that is refused, and why. It knows nothing of HTTP but its entry in the catalogue. */
export class Refusal extends Error {
  override readonly name = 'Refusal'
  readonly entry: RefusalKind

  constructor(
    readonly error: ErrorName,
    readonly details?: Details,
    /** For `Retry-After`. */
    readonly retryAfterSeconds?: number
  ) {
    super(catalogue[error].when)
    this.entry = catalogue[error]
  }
}

/** A database that moves to another machine is back within seconds. */
const RETRY_AFTER: Partial<Record<ErrorName, number>> = { DATABASE_UNAVAILABLE: 2 }

/** A refusal by its name in the catalogue, to be thrown. */
export function refuse(
  error: ErrorName,
  details?: Details,
  retryAfterSeconds: number | undefined = RETRY_AFTER[error]
): Refusal {
  return new Refusal(error, details, retryAfterSeconds)
}

/** The body of a failed answer (contract section 1). */
export interface FailureBody {
  code: number
  msg: string
  data: null
  error: string
  wechat_tip: string
  solution: string
  details?: Details
  request_id: string
}

/** How many of a request's faults are told (contract section 2). */
export const MAX_DETAILS = 20

const isList = (details: Details): details is Extract<Details, readonly unknown[]> => Array.isArray(details)

/** What a client gets for a refusal. */
export function failureBody(
  { error, entry, details }: Pick<Refusal, 'error' | 'entry' | 'details'>,
  requestId: string
): FailureBody {
  return {
    code: entry.code,
    msg: entry.msg,
    data: null,
    error,
    wechat_tip: entry.tip,
    solution: entry.solution,
    ...(details === undefined ? {} : { details: isList(details) ? details.slice(0, MAX_DETAILS) : details }),
    request_id: requestId
  }
}
