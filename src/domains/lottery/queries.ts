import { openPage, ownRows, pageSql, type Sort } from '../../engine/keyset.js'
import { filtersOf, type Reads, type ReadsDb, readOf } from '../../engine/reads.js'
import { sumOf, totalsRead } from '../../engine/totals.js'
import { businessDay, rate } from '../../shared/time.js'
import { pityStatus } from './draw.js'
import { EPOCH_STANDING, type EpochDb, type EpochStanding, fairnessOf } from './fairness/queries.js'
import type { Fairness } from './fairness/schemas.js'
import { forEachKind, PRIZE_KINDS, type PrizeType, toConfigPrize } from './prize.js'
import { DRAWS, effectiveOdds, type Rules } from './rules.js'
import type { DrawType, LotteryConfig, LotteryRecord, PityStatus, RecordsQuery, Statistics } from './schemas.js'
import { type ResultLabel, resultTotals } from './totals.js'
import type { RuleBook } from './versions.js'

/** Which rules draw now, and how a diner stands: all but `version` is null where they have no pity row. */
interface Standing extends EpochStanding {
  readonly version: number
  readonly count: number | null
  readonly triggered: number | null
  readonly lastDrawTime: Date | null
  readonly day: string | null
  readonly dayCount: number | null
}

const STANDING = readOf<Standing, [userId: number]>(`
  SELECT c.version, p.current_count AS count, p.pity_triggered_count AS triggered, p.last_draw_time AS lastDrawTime,
    CAST(p.draw_day AS CHAR) AS day, p.day_count AS dayCount, ${EPOCH_STANDING.columns}
  FROM lottery_config AS c LEFT JOIN lottery_pity AS p ON p.user_id = ? ${EPOCH_STANDING.joins} WHERE c.id = 1`)

/** @throws Refusal LOTTERY_NOT_READY while the tables are at fault */
async function readStanding(db: ReadsDb, ruleBook: RuleBook, userId: number) {
  ruleBook.assertReady()
  const [[standing]] = await db.reads(STANDING(userId))
  const version = await ruleBook.get(db.db, standing?.version ?? null)
  return { version, rules: version.rules, standing }
}

/** How a diner stands before the wheel: what their {@link LotteryConfig} is made from, and told apart by. */
export interface WheelView {
  readonly rules: Rules
  readonly version: number
  readonly todayCount: number
  readonly pity: PityStatus
  readonly fairness: Fairness
}

/** Who looks, when, and where they would check what they drew. */
interface Looking {
  readonly userId: number
  readonly now: Date
  readonly timeZone: string
  readonly verifyUrl: string
}

/** @throws Refusal LOTTERY_NOT_READY */
export async function viewWheel(
  db: EpochDb,
  ruleBook: RuleBook,
  { userId, now, timeZone, verifyUrl }: Looking
): Promise<WheelView> {
  const { version, rules, standing } = await readStanding(db, ruleBook, userId)
  const todayCount = standing?.day === businessDay(now, timeZone) ? (standing.dayCount ?? 0) : 0
  const fairness = await fairnessOf(db, userId, version, verifyUrl, standing)
  return { version: version.version, rules, todayCount, pity: toPityStatus(rules, standing), fairness }
}

/** The wheel as it draws now, its published odds, and how the diner stands. */
export function toConfig({ rules, version, todayCount, pity, fairness }: WheelView): LotteryConfig {
  return { ...publishedWheel(rules), today_draw_count: todayCount, rules_version: version, user_pity: pity, fairness }
}

type PublishedWheel = Omit<LotteryConfig, 'today_draw_count' | 'rules_version' | 'user_pity' | 'fairness'>

/** What is the same for every diner is made once a version. */
const published = new WeakMap<Rules, PublishedWheel>()

function publishedWheel(rules: Rules): PublishedWheel {
  const known = published.get(rules)
  if (known !== undefined) return known
  const effective = effectiveOdds(rules)
  const wheel: PublishedWheel = {
    prizes: rules.prizes.map((prize) => toConfigPrize(prize, effective.get(prize.id) ?? 0, rules.costPoints)),
    costPerDraw: rules.costPoints,
    cost_points: rules.costPoints,
    totalPrizes: 8,
    daily_limit: rules.dailyLimit,
    is_active: rules.isActive,
    pitySystem: { enabled: rules.pityLimit > 0, pityLimit: rules.pityLimit, pityPrizeName: pityPrizeName(rules) },
    lottery_rules: ruleSentences(rules)
  }
  published.set(rules, wheel)
  return wheel
}

const pityPrizeName = (rules: Rules) => rules.prizes.find((prize) => prize.id === rules.pityPrizeId)?.name ?? ''

function ruleSentences(rules: Rules): LotteryConfig['lottery_rules'] {
  return {
    guarantee_rule:
      rules.pityLimit > 0
        ? `自上次获得${pityPrizeName(rules)}起，第${rules.pityLimit}次抽奖必得${pityPrizeName(rules)}`
        : '本活动不设保底',
    consumption_rule: `每次抽奖消耗${rules.costPoints}积分，三连抽、五连抽、十连抽按次数计算`,
    security_rule:
      '每次抽奖的结果由事先承诺的服务器种子与您的种子共同决定，按公示概率产生，并载入公开日志，任何人均可验证',
    daily_limit_rule: `每人每天最多抽奖${rules.dailyLimit}次，每日零点重新计算`
  }
}

function toPityStatus(rules: Rules, standing: Standing | undefined): PityStatus {
  const pity = { count: standing?.count ?? 0, triggered: standing?.triggered ?? 0 }
  return pityStatus(rules, pity, standing?.lastDrawTime ?? null)
}

export async function readPityStatus(db: ReadsDb, ruleBook: RuleBook, userId: number): Promise<PityStatus> {
  const { rules, standing } = await readStanding(db, ruleBook, userId)
  return toPityStatus(rules, standing)
}

/** Ids are UUIDs of version 7: they rise with time. */
const NEWEST = { direction: 'desc', columns: { recordId: 'text' } } as const satisfies Sort

const RECORD_COLUMNS = `r.record_id AS recordId, r.draw_id, r.draw_type, r.prize_id, r.prize_name, r.prize_type,
  r.prize_value, r.points_cost, r.is_pity, COALESCE(v.status, 'completed') AS status, r.created_at`

const TOTALS = totalsRead(resultTotals)

/** Of which draws and prizes a label of {@link resultTotals} tells. */
function partsOf(label: ResultLabel): { draw: DrawType; prize: PrizeType } {
  const [draw, prize] = label.split(':') as [DrawType, PrizeType]
  return { draw, prize }
}

/** A diner's results, newest first. */
export async function listRecords(reads: Reads, userId: number, query: RecordsQuery) {
  const filters = filtersOf({ 'r.draw_type = ?': query.draw_type, 'r.prize_type = ?': query.prize_type })
  const where = `WHERE r.user_id = ?${filters.sql}`
  const page = openPage(query, NEWEST)
  const part = pageSql(page, NEWEST, { recordId: 'r.record_id' })
  const [found, totals] = await reads(
    readOf<Omit<LotteryRecord, 'id' | 'is_pity'> & { recordId: string; is_pity: number }>(`
      SELECT ${RECORD_COLUMNS} FROM lottery_records AS r ${ownRows('PRIMARY')}
      LEFT JOIN vouchers AS v ON v.record_id = r.record_id ${where}${part.sql}`)(
      userId,
      ...filters.values,
      ...part.values
    ),
    TOTALS(userId)
  )
  const total = sumOf(totals, 'total', (label) => {
    const { draw, prize } = partsOf(label)
    return (query.draw_type ?? draw) === draw && (query.prize_type ?? prize) === prize
  })
  const { rows, ...rest } = page.close(found, total)
  const records = rows.map(
    ({ recordId, ...row }): LotteryRecord => ({ id: recordId, ...row, is_pity: row.is_pity === 1 })
  )
  return { records, ...rest }
}

/** A diner's wheel in figures. `win_rate`: the share of results that gave anything. */
export async function readStatistics(db: ReadsDb, ruleBook: RuleBook, userId: number): Promise<Statistics> {
  ruleBook.assertReady()
  const [[standing], totals] = await db.reads(STANDING(userId), TOTALS(userId))
  const { rules } = await ruleBook.get(db.db, standing?.version ?? null)
  const draws = sumOf(totals, 'total')
  const [spent, won] = [sumOf(totals, 'spent'), sumOf(totals, 'earned')]
  const lost = sumOf(totals, 'total', (label) => !PRIZE_KINDS[partsOf(label).prize].isWin)
  const typeStats = (type: DrawType) => {
    const ofType = (label: ResultLabel) => partsOf(label).draw === type
    return { count: sumOf(totals, 'total', ofType) / DRAWS[type], cost: sumOf(totals, 'spent', ofType) }
  }
  const pity = toPityStatus(rules, standing)
  return {
    total_draws: draws,
    total_cost: spent,
    total_points_spent: spent,
    total_points_won: won,
    net_points: won - spent,
    win_rate: rate(draws - lost, draws),
    draw_type_stats: {
      single: typeStats('single'),
      triple: typeStats('triple'),
      five: typeStats('five'),
      ten: typeStats('ten')
    },
    prize_distribution: forEachKind((prize) => sumOf(totals, 'total', (label) => partsOf(label).prize === prize)),
    last_draw_time: pity.last_draw_time,
    current_pity_count: pity.current_count,
    remaining_to_pity: pity.remaining_draws
  }
}
