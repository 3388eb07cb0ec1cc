import { randomInt } from 'node:crypto'
import { v7 as uuid } from 'uuid'
import { decide, type Pity, type Rules } from '../../../src/domains/lottery/rules.js'
import { newCode } from '../../../src/domains/voucher/rules.js'
import { codeHmac } from '../../../src/domains/voucher/service.js'
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

/** What a draw decides, for the baselines that decide in Node: the rules and the voucher are those of the service. */
export function drawOnce({ rules, vault }: BaselineOptions, pity: Pity) {
  const code = newCode((below) => randomInt(below))
  const { outcomes, pity: next } = decide(rules, pity, 1, (below) => randomInt(below))
  const [outcome] = outcomes
  if (outcome === undefined) throw new Error('one draw has one outcome')
  return {
    ...outcome,
    pity: next,
    drawId: uuid(),
    recordId: uuid(),
    codeHmac: codeHmac(vault, code),
    codeEnc: vault.encrypt(code)
  }
}
