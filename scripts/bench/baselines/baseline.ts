import { randomInt } from 'node:crypto'
import { toResult } from '../../../src/domains/lottery/draw.js'
import { PRIZE_KINDS, TOTAL_WEIGHT } from '../../../src/domains/lottery/prize.js'
import { pushResult } from '../../../src/domains/lottery/pushes.js'
import { decide, type Outcome, type Pity, type Rules } from '../../../src/domains/lottery/rules.js'
import { Account, NEW_ACCOUNT } from '../../../src/domains/points/account.js'
import { pushBalance } from '../../../src/domains/points/pushes.js'
import { newVoucherCode } from '../../../src/domains/voucher/rules.js'
import { codeHmac } from '../../../src/domains/voucher/vouchers.js'
import { lineOf } from '../../../src/engine/push-log.js'
import type { RawTx } from '../../../src/engine/tx.js'
import { UnitOfWork } from '../../../src/engine/unit-of-work.js'
import type { Cipher } from '../../../src/shared/cipher.js'
import { risingId } from '../../../src/shared/ids.js'

/** Somebody who makes single draws, to be measured. */
export interface Drawer {
  draw(userId: number): Promise<void>
  close(): Promise<void>
}

export interface BaselineOptions {
  readonly url: string
  readonly poolSize: number
  readonly rules: Rules
  readonly version: number
  readonly cipher: Cipher
}

/**
 * What is pushed to a diner of a draw, as the service keeps it until their socket has it: the result and the new
 * balance, a line each.
 */
export function pushedLines(
  { userId, drawId, balance, cost, now }: { userId: number; drawId: string; balance: number; cost: number; now: Date },
  { recordId, code, ...outcome }: Outcome & { recordId: string; code: string },
  cipher: Cipher
): string {
  const claim = PRIZE_KINDS[outcome.prize.type].voucher === null ? null : code
  const results = [toResult(outcome, { sequence: 1, recordId, code: claim, nonce: 0 })]
  const account = new Account(userId, { ...NEW_ACCOUNT, balance: balance + cost })
  account.debit(cost, { source: 'lottery' })
  const uow = pushesOnly(cipher, now)
  pushResult(uow, userId, { draw_id: drawId, results, remaining_points: balance })
  pushBalance(uow, account, 'lottery')
  return uow.outbox.takeUnwritten().map(lineOf).join('\n')
}

/** A unit of work that only collects pushes. */
export function pushesOnly(cipher: Cipher, now: Date): UnitOfWork<RawTx> {
  return new UnitOfWork<RawTx>({} as RawTx, { cipher, clock: () => now })
}

/** What a draw decides, for the baselines that decide in Node: the rules and the voucher are those of the service. */
export function drawOnce({ rules, cipher }: BaselineOptions, pity: Pity) {
  const code = newVoucherCode((below) => randomInt(below))
  const { outcomes, pity: next } = decide(rules, pity, 1, () => randomInt(TOTAL_WEIGHT))
  const [outcome] = outcomes
  if (outcome === undefined) throw new Error('one draw has one outcome')
  return {
    ...outcome,
    pity: next,
    drawId: risingId(),
    recordId: risingId(),
    code,
    codeHmac: codeHmac(cipher, code),
    codeEnc: cipher.encrypt(code)
  }
}
