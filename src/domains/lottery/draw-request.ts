import type { BatchAnswer } from '../../engine/batched-decisions.js'
import type { KeyedRequest } from '../../engine/idempotency-key.js'
import type { Account } from '../points/account.js'
import type { Epoch, EpochTurn } from './fairness/epochs.js'
import type { Pity } from './rules.js'
import type { Draw, DrawType } from './schemas.js'
import type { RuleBook } from './versions.js'

export interface DrawRequest {
  readonly userId: number
  readonly type: DrawType
  /** The price of one draw as the client knows it. */
  readonly costPoints?: number | undefined
  /** Stands in for the epoch's in this request; it has no fault. */
  readonly clientSeed?: string | undefined
  readonly keyed?: KeyedRequest | undefined
}

/** What became of a request. A refused one has changed nothing. */
export type DrawAnswer = BatchAnswer<Draw>

/** What a draw needs besides its transaction. */
export interface DrawTools {
  readonly ruleBook: RuleBook
  /** For voucher codes; the dice are thrown by seeds, see fairness/dice.ts. */
  readonly randomInt: (below: number) => number
  readonly timeZone: string
  readonly voucherDays: number
}

/** A draw that is decided, and not yet written. */
export interface DecidedDraw {
  readonly request: DrawRequest
  readonly account: Account
  readonly draw: Draw
  readonly pity: Pity
  /** The business day it counts for. */
  readonly today: string
  /** That its rolls are of, as it stood before them. */
  readonly epoch: Epoch
  /** Where the epoch before had to end first. */
  readonly turn: EpochTurn | undefined
}
