import { randomInt } from 'node:crypto'
import { decide, type Pity, type Rules } from '../../../src/domains/lottery/rules.js'
import { pointsUpdate } from '../../../src/domains/realtime/events.js'
import { newCode } from '../../../src/domains/voucher/rules.js'
import { codeHmac } from '../../../src/domains/voucher/service.js'
import { risingId } from '../../../src/shared/ids.js'
import type { Vault } from '../../../src/shared/vault.js'

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
  drawn: { recordId: string; code: string; prize: Rules['prizes'][number]; isPity: boolean }
): string {
  const { recordId, code, isPity } = drawn
  const { id, name, type, value, angle, color } = drawn.prize
  const result = {
    sequence: 1,
    record_id: recordId,
    voucher_code: type === 'coupon' || type === 'physical' ? code : null,
    prize_id: id,
    prize_name: name,
    prize_type: type,
    prize_value: value,
    angle,
    color,
    is_pity: isPity,
    points_awarded: 0,
    prize: { id, name, type, value, angle, color }
  }
  const results = {
    user_id: userId,
    draw_id: drawId,
    prize_name: name,
    prize_value: value,
    results: [result],
    remaining_points: balance,
    timestamp: now
  }
  return `lottery_result ${JSON.stringify(results)}\npoints_update ${JSON.stringify(pointsUpdate(userId, balance, -cost, 'lottery', now))}`
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
