import { randomInt } from 'node:crypto'
import { toResult } from '../../../src/domains/lottery/draw.js'
import { decide, givesVoucher, type Outcome, type Pity, type Rules } from '../../../src/domains/lottery/rules.js'
import { lotteryResult, pointsUpdate } from '../../../src/domains/realtime/events.js'
import { newCode } from '../../../src/domains/voucher/rules.js'
import { codeHmac } from '../../../src/domains/voucher/vouchers.js'
import { lineOf } from '../../../src/engine/push-log.js'
import type { Vault } from '../../../src/shared/cipher.js'
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
  readonly vault: Vault
}

/**
 * What a diner is told of a draw, as the service keeps it until their socket has it: the result and the new balance,
 * a line each.
 */
export function told(
  { userId, drawId, balance, cost, now }: { userId: number; drawId: string; balance: number; cost: number; now: Date },
  { recordId, code, ...outcome }: Outcome & { recordId: string; code: string }
): string {
  const claim = givesVoucher(outcome.prize.type) ? code : null
  const results = [toResult(outcome, { sequence: 1, recordId, code: claim })]
  const draw = { draw_id: drawId, results, remaining_points: balance }
  return [
    lineOf({ type: 'lottery_result', data: lotteryResult(userId, draw, now) }),
    lineOf({ type: 'points_update', data: pointsUpdate(userId, balance, -cost, 'lottery', now) })
  ].join('\n')
}

/** What a draw decides, for the baselines that decide in Node: the rules and the voucher are those of the service. */
export function drawOnce({ rules, vault }: BaselineOptions, pity: Pity) {
  const code = newCode((below) => randomInt(below))
  const { outcomes, pity: next } = decide(rules, pity, 1, (below) => randomInt(below))
  const [outcome] = outcomes
  if (outcome === undefined) throw new Error('one draw has one outcome')
  return {
    ...outcome,
    pity: next,
    drawId: risingId(),
    recordId: risingId(),
    code,
    codeHmac: codeHmac(vault, code),
    codeEnc: vault.encrypt(code)
  }
}
