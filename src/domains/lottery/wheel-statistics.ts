import type { Db } from '../../engine/tx.js'
import { Prisma } from '../../generated/prisma/client.js'
import { refuse } from '../../shared/refusal.js'
import { dayRange, rate } from '../../shared/time.js'
import { goodnessOfFit, LEAST_EXPECTED } from './goodness.js'
import { type Prize, TOTAL_WEIGHT } from './prize.js'
import { exactShares, type Rules } from './rules.js'
import type { LotteryStats, StatsQuery } from './settings-schemas.js'
import { readVersions } from './versions.js'

/** Results that are alike, counted. */
interface Group {
  readonly version: number
  readonly prizeId: number
  /** Whether the guarantee decided them. */
  readonly isForced: boolean
  readonly draws: number
  readonly costPoints: number
  readonly pointsAwarded: number
}

/**
 * What was drawn in a range of business days, or under one version, against what the odds say.
 * @throws Refusal VALIDATION_FAILED for a version there never was; LOTTERY_NOT_READY when one was altered
 */
export async function wheelStatistics(db: Db, query: StatsQuery, timeZone: string): Promise<LotteryStats> {
  const groups = await countGroups(db, query, timeZone)
  const used = groups.map((group) => group.version)
  const shown = query.version ?? (used.length > 0 ? Math.max(...used) : await currentVersion(db))
  const versions = await readVersions(db, Math.min(shown, ...used), shown)
  if (!versions.has(shown)) {
    throw refuse('VALIDATION_FAILED', [{ field: 'version', message: 'there is no such version' }])
  }
  return statisticsOf(groups, versions, shown)
}

async function currentVersion(db: Db): Promise<number> {
  const { _max } = await db.lotteryRuleVersion.aggregate({ _max: { version: true } })
  if (_max.version === null) throw refuse('LOTTERY_NOT_READY')
  return _max.version
}

interface GroupRow {
  version: number
  prize_id: number
  is_pity: number | boolean
  draws: bigint
  cost: Prisma.Decimal
  awarded: Prisma.Decimal
}

async function countGroups(db: Db, { version, from, to }: StatsQuery, timeZone: string): Promise<Group[]> {
  const { gte, lt } = dayRange(from, to, timeZone)
  const filters = [
    ...(version === undefined ? [] : [Prisma.sql`d.rules_version = ${version}`]),
    ...(gte === undefined ? [] : [Prisma.sql`d.created_at >= ${gte}`]),
    ...(lt === undefined ? [] : [Prisma.sql`d.created_at < ${lt}`])
  ]
  const where = filters.length === 0 ? Prisma.empty : Prisma.sql`WHERE ${Prisma.join(filters, ' AND ')}`
  const rows = await db.$queryRaw<GroupRow[]>`
    SELECT d.rules_version AS version, r.prize_id, r.is_pity, COUNT(*) AS draws, SUM(r.points_cost) AS cost,
      SUM(r.points_awarded) AS awarded
    FROM lottery_draws AS d
    JOIN lottery_records AS r ON r.draw_id = d.draw_id
    ${where}
    GROUP BY d.rules_version, r.prize_id, r.is_pity`
  return rows.map((row) => ({
    version: row.version,
    prizeId: row.prize_id,
    isForced: Boolean(row.is_pity),
    draws: Number(row.draws),
    costPoints: Number(row.cost),
    pointsAwarded: Number(row.awarded)
  }))
}

/**
 * Judges counted results by the rules they were drawn under.
 *
 * The fit is of the draws that chance decided. Those that the guarantee decided would make any fair wheel look crooked
 * against the set odds, and against the effective odds the test would not hold: a forced draw depends on the nine
 * before it, while chi-square wants independent ones. Which draws chance decides is settled before each is rolled,
 * so leaving out the others bends nothing.
 *
 * What is expected of a prize is the sum, over the versions, of the draws made under each times its odds there.
 * Holding all draws against one version's odds would call every change of odds a crooked wheel. Over versions with
 * very different odds the sum strays a little less than chi-square supposes, so the p-value errs towards fair; asked
 * of one version alone, it does not.
 * @param versions every version among the groups, and `shown`, which is shown where nothing was drawn
 */
export function statisticsOf(
  groups: readonly Group[],
  versions: ReadonlyMap<number, Rules>,
  shown: number
): LotteryStats {
  const used = [...new Set([shown, ...groups.map(({ version }) => version)])].sort((a, b) => a - b)
  const drawnUnder = (version: number) => sum(groups, (group) => (group.version === version ? group.draws : 0))
  const lines = linesOf(groups, versions, used)
  const draws = sum(groups, (group) => group.draws)
  const natural = sum(groups, naturalDraws)
  const impossible = draws - sum(lines, (line) => line.draws)
  const fit = goodnessOfFit(lines.map((line) => ({ observed: line.natural, expected: line.expected })))
  return {
    total_draws: draws,
    natural_draws: natural,
    forced_draws: draws - natural,
    total_cost: sum(groups, (group) => group.costPoints),
    points_awarded: sum(groups, (group) => group.pointsAwarded),
    cost_yuan: twoDecimals(sum(lines, (line) => line.costYuan)),
    versions: used.map((version) => ({ version, draws: drawnUnder(version) })),
    prizes: lines.map((line) => ({
      prize_id: line.prize.id,
      prize_name: line.prize.name,
      draws: line.draws,
      drawn_share: rate(line.draws, draws),
      effective_probability: draws === 0 ? rate(line.share, 1) : rate(line.effective, draws),
      natural_draws: line.natural,
      natural_share: rate(line.natural, natural),
      probability: natural === 0 ? oddsOf(line.prize) : rate(line.expected, natural),
      expected_draws: twoDecimals(line.expected),
      cost_yuan: twoDecimals(line.costYuan)
    })),
    fit: {
      chi_square: natural === 0 ? null : twoDecimals(fit.chiSquare),
      degrees_of_freedom: fit.degreesOfFreedom,
      // What cannot come at all, and came, needs no test.
      p_value: impossible > 0 ? 0 : fit.pValue === null ? null : Math.round(fit.pValue * 1e6) / 1e6,
      enough_draws: fit.smallestExpected >= LEAST_EXPECTED,
      smallest_expected: twoDecimals(fit.smallestExpected),
      impossible_draws: impossible
    }
  }
}

/** A prize over all versions; `prize` and `share` are of the latest. */
interface Line {
  readonly prize: Prize
  readonly share: number
  readonly draws: number
  readonly natural: number
  readonly expected: number
  readonly effective: number
  readonly costYuan: number
}

/** @param used versions, rising */
function linesOf(groups: readonly Group[], versions: ReadonlyMap<number, Rules>, used: readonly number[]): Line[] {
  const lines = new Map<number, Line>()
  for (const version of used) {
    const rules = versions.get(version)
    if (rules === undefined) continue
    const under = groups.filter((group) => group.version === version)
    const [draws, natural] = [sum(under, (group) => group.draws), sum(under, naturalDraws)]
    const shares = exactShares(rules)
    for (const prize of rules.prizes) {
      const [earlier, own] = [lines.get(prize.id), under.filter(({ prizeId }) => prizeId === prize.id)]
      const [share, won] = [shares.get(prize.id) ?? 0, sum(own, (group) => group.draws)]
      lines.set(prize.id, {
        prize,
        share,
        draws: won + (earlier?.draws ?? 0),
        natural: sum(own, naturalDraws) + (earlier?.natural ?? 0),
        expected: natural * oddsOf(prize) + (earlier?.expected ?? 0),
        effective: draws * share + (earlier?.effective ?? 0),
        costYuan: won * prize.valueYuan + (earlier?.costYuan ?? 0)
      })
    }
  }
  return [...lines.values()].sort((a, b) => a.prize.id - b.prize.id)
}

const sum = <T>(list: readonly T[], of: (item: T) => number) => list.reduce((total, item) => total + of(item), 0)
const naturalDraws = ({ isForced, draws }: Group) => (isForced ? 0 : draws)
const oddsOf = (prize: Prize) => prize.weight / TOTAL_WEIGHT
const twoDecimals = (value: number) => Math.round(value * 100) / 100
