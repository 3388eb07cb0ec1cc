import { createHash } from 'node:crypto'
import { refuse } from '../../shared/refusal.js'
import type { Db, RawDb, Tx } from '../../shared/tx.js'
import { faultsOf, type Prize, type Rules, TOTAL_WEIGHT } from './rules.js'
import type { PrizeType } from './schemas.js'

/** Rules under their number. */
export interface RulesVersion {
  readonly version: number
  readonly rules: Rules
}

/** The text whose SHA-256 is kept with a version: every field in a fixed order, prizes by id. */
export function snapshotOf(rules: Rules): string {
  return JSON.stringify({
    is_active: rules.isActive,
    cost_points: rules.costPoints,
    daily_limit: rules.dailyLimit,
    pity_limit: rules.pityLimit,
    pity_prize_id: rules.pityPrizeId,
    prizes: [...rules.prizes]
      .sort((a, b) => a.id - b.id)
      .map((prize) => ({
        prize_id: prize.id,
        prize_name: prize.name,
        prize_type: prize.type,
        prize_value: prize.value,
        value_yuan: prize.valueYuan,
        angle: prize.angle,
        color: prize.color,
        probability: prize.weight / TOTAL_WEIGHT,
        is_activity: prize.isActivity
      }))
  })
}

interface Snapshot {
  is_active: boolean
  cost_points: number
  daily_limit: number
  pity_limit: number
  pity_prize_id: number
  prizes: {
    prize_id: number
    prize_name: string
    prize_type: PrizeType
    prize_value: number
    value_yuan: number
    angle: number
    color: string
    probability: number
    is_activity: boolean
  }[]
}

export function rulesFrom(snapshot: string): Rules {
  const whole = JSON.parse(snapshot) as Snapshot
  return {
    isActive: whole.is_active,
    costPoints: whole.cost_points,
    dailyLimit: whole.daily_limit,
    pityLimit: whole.pity_limit,
    pityPrizeId: whole.pity_prize_id,
    prizes: whole.prizes.map((prize) => ({
      id: prize.prize_id,
      name: prize.prize_name,
      type: prize.prize_type,
      value: prize.prize_value,
      valueYuan: prize.value_yuan,
      angle: prize.angle,
      color: prize.color,
      weight: weightOf(prize.probability),
      isActivity: prize.is_activity
    }))
  }
}

/** Odds with four decimals as a whole number out of 10,000; what has more decimals stays a fraction, and is a fault. */
export function weightOf(probability: number): number {
  const weight = probability * TOTAL_WEIGHT
  return Math.abs(weight - Math.round(weight)) < 1e-6 ? Math.round(weight) : weight
}

/** Keeps the versions that were read: they never change, so each is read once. */
export class RuleBook {
  readonly #versions = new Map<number, Rules>()
  #faults: readonly string[] = []

  /** What is wrong with the tables, by the last look at them; draws are refused while it is anything. */
  get faults(): readonly string[] {
    return this.#faults
  }

  /** @throws Refusal LOTTERY_NOT_READY while the tables are at fault */
  assertReady(): void {
    if (this.#faults.length > 0) throw refuse('LOTTERY_NOT_READY', { faults: this.#faults })
  }

  /** @throws Refusal LOTTERY_NOT_READY when there is no such version, or it may not be drawn under */
  async get(db: RawDb, version: number | null): Promise<RulesVersion> {
    if (version === null) throw refuse('LOTTERY_NOT_READY')
    const known = this.#versions.get(version)
    if (known !== undefined) return { version, rules: known }
    const [row] = await db.$queryRaw<{ snapshot: string; sha256: string }[]>`
      SELECT snapshot, sha256 FROM lottery_rule_versions WHERE version = ${version}`
    if (row === undefined) throw refuse('LOTTERY_NOT_READY')
    if (sha256(row.snapshot) !== row.sha256) throw refuse('LOTTERY_NOT_READY', { faults: ['the snapshot was altered'] })
    const rules = rulesFrom(row.snapshot)
    const faults = faultsOf(rules)
    if (faults.length > 0) throw refuse('LOTTERY_NOT_READY', { faults })
    this.#versions.set(version, rules)
    return { version, rules }
  }

  /** The version that draws now. */
  async current(db: Db): Promise<RulesVersion> {
    this.assertReady()
    const config = await db.lotteryConfig.findUnique({ where: { id: 1 }, select: { version: true } })
    return this.get(db, config?.version ?? null)
  }

  /**
   * Looks at the tables, and makes a new version when they are no longer what the last one says: a DB admin changed
   * them. Tables at fault make none, and close the wheel until they are mended and this is called again.
   * @returns the number of the version made now
   */
  async synchronise(tx: Tx, now: Date): Promise<number | undefined> {
    await tx.$queryRaw`SELECT id FROM lottery_config WHERE id = 1 FOR UPDATE`
    const rules = await rulesInTables(tx)
    this.#faults = rules === undefined ? ['the table lottery_config is empty'] : faultsOf(rules)
    if (rules === undefined || this.#faults.length > 0) return undefined
    const last = await tx.lotteryRuleVersion.findFirst({ orderBy: { version: 'desc' } })
    const snapshot = snapshotOf(rules)
    const isLast = last?.snapshot === snapshot
    const version = (last?.version ?? 0) + (isLast ? 0 : 1)
    if (!isLast) await recordVersion(tx, version, snapshot, now)
    await tx.lotteryConfig.update({ where: { id: 1 }, data: { version } })
    return isLast ? undefined : version
  }
}

/** Writes a version; who made it is null for a start-up. */
export async function recordVersion(
  tx: Tx,
  version: number,
  snapshot: string,
  now: Date,
  createdBy: number | null = null
): Promise<void> {
  await tx.lotteryRuleVersion.create({
    data: { version, snapshot, sha256: sha256(snapshot), validFrom: now, createdBy }
  })
}

const sha256 = (text: string) => createHash('sha256').update(text).digest('hex')

async function rulesInTables(db: Db): Promise<Rules | undefined> {
  const config = await db.lotteryConfig.findUnique({ where: { id: 1 } })
  if (config === null) return undefined
  const settings = await db.lotterySetting.findMany({ where: { isActive: true }, orderBy: { prizeId: 'asc' } })
  const prizes: Prize[] = settings.map((row) => ({
    id: row.prizeId,
    name: row.prizeName,
    type: row.prizeType,
    value: row.prizeValue.toNumber(),
    valueYuan: row.valueYuan.toNumber(),
    angle: row.angle,
    color: row.color,
    weight: weightOf(row.probability.toNumber()),
    isActivity: row.isActivity
  }))
  const { isActive, costPoints, dailyLimit, pityLimit, pityPrizeId } = config
  return { isActive, costPoints, dailyLimit, pityLimit, pityPrizeId, prizes }
}
