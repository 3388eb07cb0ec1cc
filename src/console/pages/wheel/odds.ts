/** Odds are whole numbers of ten thousandths, so that a sum is a sum. */
export const WHOLE = 10_000

/** A prize that is shown can be won: no odds are less. */
const LEAST = 1

/**
 * Gives one prize other odds; the others share what that takes or leaves, each by its part, so that all are still one.
 * @param wanted ten thousandths; what cannot be, since others need theirs, is as near as may be
 */
export function withOdds(odds: readonly number[], at: number, wanted: number): number[] {
  const others = odds.length - 1
  const next = Math.min(WHOLE - others * LEAST, Math.max(LEAST, Math.round(wanted)))
  // Above the least that each keeps, they share what is left.
  const parts = odds.map((each, place) => (place === at ? 0 : each - LEAST))
  const left = WHOLE - next - others * LEAST
  const sum = parts.reduce((total, each) => total + each, 0)
  const exact = parts.map((part, place) => (place === at ? 0 : sum === 0 ? left / others : (left * part) / sum))
  const floors = exact.map(Math.floor)
  let missing = left - floors.reduce((total, each) => total + each, 0)
  const byRemainder = exact
    .map((share, place) => ({ place, rest: share - Math.floor(share) }))
    .filter(({ place }) => place !== at)
    .sort((a, b) => b.rest - a.rest || a.place - b.place)
  for (const { place } of byRemainder) {
    if (missing === 0) break
    floors[place] = (floors[place] ?? 0) + 1
    missing -= 1
  }
  return floors.map((share, place) => (place === at ? next : share + LEAST))
}

/** Moves the border between a prize and the one after it: what one gets, the other gives. */
export function withBorder(odds: readonly number[], border: number, by: number): number[] {
  const [before = 0, after = 0] = [odds[border], odds[border + 1]]
  const moved = Math.min(after - LEAST, Math.max(LEAST - before, Math.round(by)))
  return odds.map((each, at) => (at === border ? each + moved : at === border + 1 ? each - moved : each))
}
