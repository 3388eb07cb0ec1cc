/** A field of two snapshots that is not the same in both. */
export interface Difference {
  /** Whose it is; undefined where it is of the rules as a whole. */
  readonly prize?: string
  readonly field: string
  readonly was: unknown
  readonly is: unknown
}

interface Prize {
  readonly prize_id: number
  readonly prize_name?: string
}

const isPrizes = (value: unknown): value is readonly Prize[] => Array.isArray(value)

/** What a version of the rules changed of the one before. */
export function differences(before: object, after: object): Difference[] {
  const [old, now] = [before as Record<string, unknown>, after as Record<string, unknown>]
  const names = [...new Set([...Object.keys(old), ...Object.keys(now)])].filter((name) => name !== 'version')
  return names.flatMap((field) => {
    const [was, is] = [old[field], now[field]]
    if (isPrizes(was) && isPrizes(is)) return ofPrizes(was, is)
    return was === is ? [] : [{ field, was, is }]
  })
}

function ofPrizes(before: readonly Prize[], after: readonly Prize[]): Difference[] {
  const old = new Map(before.map((prize) => [prize.prize_id, prize]))
  return after.flatMap((prize) => {
    const name = prize.prize_name ?? `#${prize.prize_id}`
    return differences(old.get(prize.prize_id) ?? {}, prize).map((difference) => ({ prize: name, ...difference }))
  })
}
