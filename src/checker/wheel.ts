import { type Bytes, hmacSha256, utf8 } from './platform.js'

const ROLLS = 10_000
/** 32-bit words from here up are skipped, or some rolls would be likelier than others. */
const FIRST_UNFAIR = Math.floor(2 ** 32 / ROLLS) * ROLLS

/** The roll of a draw: anybody who has the seed can throw the dice again. */
export async function throwDice(serverSeed: Bytes, clientSeed: string, nonce: number): Promise<number> {
  let block = 0
  while (true) {
    const digest = await hmacSha256(serverSeed, utf8([clientSeed, nonce, block].join(':')))
    const words = new DataView(digest.buffer)
    for (let at = 0; at < digest.length; at += 4) {
      const word = words.getUint32(at)
      if (word < FIRST_UNFAIR) return word % ROLLS
    }
    block += 1
  }
}

/** A rules version, as much of its snapshot as decides draws. */
export interface Wheel {
  readonly pityLimit: number
  readonly pityPrizeId: number
  readonly prizes: readonly { readonly id: number; readonly name: string; readonly rolls: number }[]
}

/** @throws Error when it is no snapshot of rules, or its odds are not those of a wheel */
export function readWheel(snapshot: string): Wheel {
  const told = JSON.parse(snapshot)
  const prizes = (told.prizes as { prize_id: number; prize_name: string; probability: number }[]).map((prize) => ({
    id: prize.prize_id,
    name: prize.prize_name,
    rolls: Math.round(prize.probability * ROLLS)
  }))
  if (prizes.reduce((sum, { rolls }) => sum + rolls, 0) !== ROLLS) throw new Error('the odds do not sum to 1')
  return { pityLimit: told.pity_limit, pityPrizeId: told.pity_prize_id, prizes }
}

/** Whether the guarantee decides a draw that comes after so many without its prize. */
export const isForced = ({ pityLimit }: Wheel, before: number): boolean => pityLimit > 0 && before + 1 >= pityLimit

/** The prize of a draw: the guarantee's where it is due, else the one its roll falls on. */
export function prizeOf(wheel: Wheel, roll: number, before: number): number {
  if (isForced(wheel, before)) return wheel.pityPrizeId
  let below = 0
  for (const { id, rolls } of wheel.prizes) {
    below += rolls
    if (roll < below) return id
  }
  throw new Error(`${roll} is no roll`)
}

/** Draws since the guarantee's prize, after one more. */
export const counted = ({ pityPrizeId }: Wheel, before: number, prizeId: number): number =>
  prizeId === pityPrizeId ? 0 : before + 1
