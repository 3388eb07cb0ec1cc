import { codeRequestSweep, codeSweep } from './domains/auth/codes.js'
import { StockUpdate } from './domains/exchange/pushes.js'
import { categoryTotals, orderTotals } from './domains/exchange/totals.js'
import { drawsTotal, resultsTotal } from './domains/lottery/counters.js'
import { fairnessSource } from './domains/lottery/fairness/log-source.js'
import { LotteryResult } from './domains/lottery/pushes.js'
import { resultTotals } from './domains/lottery/totals.js'
import { pointsIn, pointsOut } from './domains/points/ledger.js'
import { PointsUpdate } from './domains/points/pushes.js'
import { ledgerTotals } from './domains/points/totals.js'
import { NewAppeal } from './domains/receipt/appeals/pushes.js'
import { bandSweep } from './domains/receipt/evidence/sweep.js'
import { NewReview, ReviewDecided, ReviewResult } from './domains/receipt/pushes.js'
import { uploadTotals } from './domains/receipt/totals.js'
import { voucherSweep } from './domains/voucher/expiry.js'
import { voucherTotals } from './domains/voucher/totals.js'
import { answerSweep } from './engine/idempotency.js'
import { type PushKind, SystemNotice } from './engine/push.js'
import { pushLogSweep } from './engine/push-log.js'
import type { Sweep } from './engine/sweep.js'
import type { TotalKind } from './engine/tallies.js'
import type { CounterKind } from './engine/unit-of-work.js'
import { sessionSweep } from './identity/sessions.js'
import type { Cipher } from './shared/cipher.js'
import { checkpointSweep } from './transparency/checkpoint-sweep.js'
import type { LogSource } from './transparency/source.js'

/** Every push there is (contract section 10), for the sockets, the documentation and the client's types. */
export const PUSHES: readonly PushKind[] = [
  PointsUpdate,
  LotteryResult,
  StockUpdate,
  ReviewResult,
  NewReview,
  ReviewDecided,
  NewAppeal,
  SystemNotice
]

/** Everything that is removed or marked once it is past its time. */
export const SWEEPS: readonly Sweep[] = [
  answerSweep,
  codeSweep,
  codeRequestSweep,
  sessionSweep,
  voucherSweep,
  pushLogSweep,
  checkpointSweep,
  bandSweep
]

/** What transactions count, for /metrics. */
export const COUNTERS: readonly CounterKind[] = [drawsTotal, resultsTotal, pointsIn, pointsOut]

/** The figures that are kept for each user, for whoever checks them. */
export const TOTALS: readonly TotalKind[] = [
  ledgerTotals,
  resultTotals,
  orderTotals,
  categoryTotals,
  voucherTotals,
  uploadTotals
]

/** What the public log tells of. */
export const logSource: (cipher: Cipher) => LogSource = fairnessSource
