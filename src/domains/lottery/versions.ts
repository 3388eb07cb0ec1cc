import { createHash } from 'node:crypto'
import type { Db, RawDb, Tx } from '../../engine/tx.js'
import type { UnitOfWork } from '../../engine/unit-of-work.js'
import type { LotteryRuleVersion } from '../../generated/prisma/client.js'
import { refuse } from '../../shared/refusal.js'
import { fromPrizeRow, fromSettingsPrize, toSettingsPrize } from './prize.js'
import { faultsOf, type Rules } from './rules.js'
import type { Snapshot } from './settings-schemas.js'

/** Rules under their number. */
export interface RulesVersion {
  readonly version: number
  /** Of its snapshot, in hexadecimal. */
  readonly sha256: string
  readonly rules: Rules
}

/** Rules spelled as the wire and the table of versions spell them: every field in a fixed order, prizes by id. */
export function toSnapshot(rules: Rules): Snapshot {
  return {
    is_active: rules.isActive,
    cost_points: rules.costPoints,
    daily_limit: rules.dailyLimit,
    pity_limit: rules.pityLimit,
    pity_prize_id: rules.pityPrizeId,
    prizes: [...rules.prizes].sort((a, b) => a.id - b.id).map(toSettingsPrize)
  }
}

/** The rules that a snapshot spells, prizes in its order. */
export function fromSnapshot(whole: Snapshot): Rules {
  return {
    isActive: whole.is_active,
    costPoints: whole.cost_points,
    dailyLimit: whole.daily_limit,
    pityLimit: whole.pity_limit,
    pityPrizeId: whole.pity_prize_id,
    prizes: whole.prizes.map(fromSettingsPrize)
  }
}

/** The text whose SHA-256 is kept with a version. */
export function snapshotOf(rules: Rules): string {
  return JSON.stringify(toSnapshot(rules))
}

export function rulesFrom(snapshot: string): Rules {
  return fromSnapshot(JSON.parse(snapshot) as Snapshot)
}

/**
 * A version as it was written down, whether or not it may be drawn under.
 * @throws Refusal LOTTERY_NOT_READY when there is no such version, or it was altered
 */
export async function readVersion(db: RawDb, version: number | null): Promise<RulesVersion> {
  if (version === null) throw refuse('LOTTERY_NOT_READY')
  const [row] = await db.$queryRaw<VersionRow[]>`
    SELECT version, snapshot, sha256 FROM lottery_rule_versions WHERE version = ${version}`
  if (row === undefined) throw refuse('LOTTERY_NOT_READY')
  return toVersion(row)
}

/** All versions from one number to another, by number. @throws Refusal LOTTERY_NOT_READY when one was altered */
export async function readVersions(db: Db, first: number, last: number): Promise<Map<number, Rules>> {
  const rows = await db.lotteryRuleVersion.findMany({ where: { version: { gte: first, lte: last } } })
  return new Map(rows.map((row) => [row.version, toVersion(row).rules]))
}

type VersionRow = Pick<LotteryRuleVersion, 'version' | 'snapshot' | 'sha256'>

function toVersion({ version, snapshot, sha256: hash }: VersionRow): RulesVersion {
  if (sha256(snapshot) !== hash) throw refuse('LOTTERY_NOT_READY', { faults: ['the snapshot was altered'] })
  return { version, sha256: hash, rules: rulesFrom(snapshot) }
}

/** Keeps the versions that were read: they never change, so each is read once. */
export class RuleBook {
  readonly #versions = new Map<number, RulesVersion>()
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
    const known = version === null ? undefined : this.#versions.get(version)
    if (known !== undefined) return known
    const read = await readVersion(db, version)
    const faults = faultsOf(read.rules)
    if (faults.length > 0) throw refuse('LOTTERY_NOT_READY', { faults })
    this.#versions.set(read.version, read)
    return read
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
  async synchronise({ tx, now }: UnitOfWork): Promise<number | undefined> {
    const current = await lockVersion(tx)
    const rules = await rulesInTables(tx)
    this.#faults = rules === undefined ? ['the table lottery_config is empty'] : faultsOf(rules)
    if (rules === undefined || this.#faults.length > 0) return undefined
    const last = await tx.lotteryRuleVersion.findFirst({ orderBy: { version: 'desc' } })
    const snapshot = snapshotOf(rules)
    const isLast = last?.snapshot === snapshot
    const version = (last?.version ?? 0) + (isLast ? 0 : 1)
    if (!isLast) await recordVersion(tx, version, snapshot, now)
    // Nothing is written where nothing changed: starts are many, and each would lock out the draws.
    if (version !== current) await tx.lotteryConfig.update({ where: { id: 1 }, data: { version } })
    return isLast ? undefined : version
  }
}

/** Locks the one row of rules until the transaction ends. @returns the version that draws now; null without the row */
export async function lockVersion(tx: Tx): Promise<number | null> {
  const [row] = await tx.$queryRaw<{ version: number }[]>`SELECT version FROM lottery_config WHERE id = 1 FOR UPDATE`
  return row?.version ?? null
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

/** What the tables say, fit to draw under or not. */
export async function rulesInTables(db: Db): Promise<Rules | undefined> {
  const config = await db.lotteryConfig.findUnique({ where: { id: 1 } })
  if (config === null) return undefined
  const settings = await db.lotterySetting.findMany({ where: { isActive: true }, orderBy: { prizeId: 'asc' } })
  const prizes = settings.map(fromPrizeRow)
  const { isActive, costPoints, dailyLimit, pityLimit, pityPrizeId } = config
  return { isActive, costPoints, dailyLimit, pityLimit, pityPrizeId, prizes }
}
