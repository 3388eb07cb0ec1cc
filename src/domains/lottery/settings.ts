import { SystemNotice } from '../../engine/push.js'
import { type Db, type Tx, writeAll } from '../../engine/tx.js'
import type { PrivilegedWork } from '../../engine/unit-of-work.js'
import { refuse } from '../../shared/refusal.js'
import { recordAct } from '../audit/audit.js'
import { previewOf } from './odds.js'
import { prizeWrites } from './prize.js'
import { faultsIn, type RuleFault, type Rules } from './rules.js'
import type { ChangedSettings, LotterySettings, SettingsBody, Snapshot } from './settings-schemas.js'
import {
  fromSnapshot,
  lockVersion,
  type RulesVersion,
  readVersion,
  recordVersion,
  rulesInTables,
  snapshotOf,
  toSnapshot
} from './versions.js'

/** A change that was judged: from what, to what. */
interface Plan {
  readonly from: RulesVersion
  readonly to: Rules
}

/**
 * Wheel and rules as they are in force, which is what the current version says. Tables at fault, which close the
 * wheel, do not hide it: a merchant is to see what a PUT would bring back.
 * @throws Refusal LOTTERY_NOT_READY when there is no version, or it was altered
 */
export async function readSettings(db: Db): Promise<LotterySettings> {
  const { version, rules } = await inForce(db, await versionInTables(db))
  return { version, ...toSnapshot(rules) }
}

/**
 * What a change would come to, before anything is saved.
 * @throws Refusal VALIDATION_FAILED, STATE_CONFLICT or LOTTERY_NOT_READY, as {@link changeSettings} would
 */
export async function previewSettings(db: Db, body: SettingsBody): Promise<ChangedSettings> {
  const plan = planFor(await inForce(db, await versionInTables(db)), body)
  return toChangedSettings(plan, plan.from.version)
}

/**
 * Changes wheel and rules, all or nothing, as a new version that draws from the commit on, on every instance: each
 * draw reads the current number in its locking statement. What differs in nothing makes no version. The tables are
 * written to say the same as the version in either case, so that a PUT mends tables at fault. Everyone is told.
 * @throws Refusal VALIDATION_FAILED; STATE_CONFLICT when the body's version is no longer the current;
 *   LOTTERY_NOT_READY when there is no version to change, or it was altered
 */
export async function changeSettings(uow: PrivilegedWork, body: SettingsBody): Promise<ChangedSettings> {
  const { tx, outbox } = uow
  const plan = planFor(await lockInForce(tx), body)
  const { from, to } = plan
  const isNew = snapshotOf(from.rules) !== snapshotOf(to)
  const tables = await rulesInTables(tx)
  if (!isNew && tables !== undefined && snapshotOf(tables) === snapshotOf(to))
    return toChangedSettings(plan, from.version)

  const version = isNew ? ((await lastVersion(tx)) ?? 0) + 1 : from.version
  if (isNew) await recordVersion(tx, version, snapshotOf(to), uow.now, uow.actor.userId)
  await writeTables(tx, version, to)
  const before = { version: from.version, ...toSnapshot(from.rules) }
  const after = { version, ...toSnapshot(to) }
  const act = { action: 'lottery_config.update', targetType: 'lottery_config', targetId: version } as const
  await recordAct(uow, { ...act, before, after })
  if (isNew) {
    outbox.push('everyone', SystemNotice, {
      title: '转盘更新',
      content: '抽奖转盘或规则已更新，请刷新后查看',
      type: 'lottery_config'
    })
  }
  return toChangedSettings(plan, version)
}

/** The version that draws; where the row that names it is gone, the last there was. */
async function inForce(db: Db, named: number | null): Promise<RulesVersion> {
  return readVersion(db, named ?? (await lastVersion(db)))
}

/**
 * Locks what is in force against other changes. Where the row that names it is gone there is nothing of it to lock:
 * the last version stands in for it, and whoever waited there may find the row back.
 */
async function lockInForce(tx: Tx): Promise<RulesVersion> {
  const named = await lockVersion(tx)
  if (named !== null) return readVersion(tx, named)
  await tx.$queryRaw`SELECT version FROM lottery_rule_versions ORDER BY version DESC LIMIT 1 FOR UPDATE`
  return inForce(tx, await lockVersion(tx))
}

async function versionInTables(db: Db): Promise<number | null> {
  const row = await db.lotteryConfig.findUnique({ where: { id: 1 }, select: { version: true } })
  return row?.version ?? null
}

async function lastVersion(db: Db): Promise<number | null> {
  const { _max } = await db.lotteryRuleVersion.aggregate({ _max: { version: true } })
  return _max.version
}

/** @throws Refusal STATE_CONFLICT or VALIDATION_FAILED */
function planFor(from: RulesVersion, body: SettingsBody): Plan {
  if (body.version !== undefined && body.version !== from.version) {
    throw refuse('STATE_CONFLICT', { version: from.version })
  }
  const to = fromSnapshot({ ...toSnapshot(from.rules), ...body })
  const faults = [...faultsIn(to), ...strangers(from.rules, to)]
  if (faults.length > 0)
    throw refuse(
      'VALIDATION_FAILED',
      faults.map(({ field, message }) => ({ field, message }))
    )
  return { from, to: fromSnapshot(toSnapshot(to)) }
}

/** A prize keeps its number for good: what was won by that number stays what it was. */
function strangers(from: Rules, to: Rules): RuleFault[] {
  const known = new Set(from.prizes.map(({ id }) => id))
  return to.prizes.flatMap(({ id }, index) =>
    known.has(id) ? [] : [{ field: `prizes.${index}.prize_id`, message: `${id} is no prize of this wheel` }]
  )
}

function toChangedSettings({ from, to }: Plan, version: number): ChangedSettings {
  return {
    version,
    ...toSnapshot(to),
    saved: version !== from.version,
    changes: changesBetween(toSnapshot(from.rules), toSnapshot(to)),
    preview: previewOf(to)
  }
}

/** The fields in which two snapshots differ: `cost_points`, or `prizes.3.probability` of the prize with that id. */
function changesBetween({ prizes: before, ...from }: Snapshot, { prizes: after, ...to }: Snapshot): string[] {
  return [
    ...differing(from, to),
    ...after.flatMap((prize) => {
      const earlier = before.find(({ prize_id: id }) => id === prize.prize_id) ?? {}
      return differing(earlier, prize).map((field) => `prizes.${prize.prize_id}.${field}`)
    })
  ]
}

function differing(before: object, after: object): string[] {
  const earlier = new Map(Object.entries(before))
  return Object.entries(after).flatMap(([field, value]) => (earlier.get(field) === value ? [] : [field]))
}

/** Makes the tables say what the rules say. Prizes that are not among them are kept, and off the wheel. */
async function writeTables(tx: Tx, version: number, rules: Rules): Promise<void> {
  const config = toSnapshot(rules)
  const ids = rules.prizes.map(({ id }) => id)
  await tx.lotterySetting.updateMany({ where: { prizeId: { notIn: ids } }, data: { isActive: false } })
  await writeAll(tx, prizeWrites(rules.prizes))
  const row = {
    version,
    isActive: config.is_active,
    costPoints: config.cost_points,
    dailyLimit: config.daily_limit,
    pityLimit: config.pity_limit,
    pityPrizeId: config.pity_prize_id
  }
  await tx.lotteryConfig.upsert({ where: { id: 1 }, create: row, update: row })
}
