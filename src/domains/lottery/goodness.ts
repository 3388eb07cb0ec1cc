import jStat from 'jstat'

/** How often something came, and how often it should have. */
interface Cell {
  readonly observed: number
  readonly expected: number
}

interface Goodness {
  readonly chiSquare: number
  readonly degreesOfFreedom: number
  /** The chance that fair dice stray as far or farther; null where the test would not hold. */
  readonly pValue: number | null
  readonly smallestExpected: number
}

/** Below this in any cell the statistic does not follow the chi-square distribution well enough to be judged by it. */
export const LEAST_EXPECTED = 5

/**
 * Pearson's test of counts against what they should be. Cells that should be 0 say nothing and are left out: each of
 * the others is a category, and all but one are free.
 */
export function goodnessOfFit(cells: readonly Cell[]): Goodness {
  const counted = cells.filter(({ expected }) => expected > 0)
  const smallestExpected = counted.reduce((least, { expected }) => Math.min(least, expected), Number.POSITIVE_INFINITY)
  const chiSquare = counted.reduce((sum, { observed, expected }) => sum + (observed - expected) ** 2 / expected, 0)
  const degreesOfFreedom = Math.max(0, counted.length - 1)
  const holds = degreesOfFreedom > 0 && smallestExpected >= LEAST_EXPECTED
  return {
    chiSquare,
    degreesOfFreedom,
    pValue: holds ? Math.min(1, Math.max(0, 1 - jStat.chisquare.cdf(chiSquare, degreesOfFreedom))) : null,
    smallestExpected: counted.length === 0 ? 0 : smallestExpected
  }
}
