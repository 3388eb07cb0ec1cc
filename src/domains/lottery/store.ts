import type { UserRequest } from '../../engine/batched-decisions.js'
import { answerWrites } from '../../engine/idempotency.js'
import { pushWrites } from '../../engine/push-log.js'
import { inList, insertInto, padded, sqlTime } from '../../engine/sql.js'
import { totalsWrites } from '../../engine/totals.js'
import type { RawTx, Write } from '../../engine/tx.js'
import type { UnitOfWork } from '../../engine/unit-of-work.js'
import { Prisma } from '../../generated/prisma/client.js'
import { type LockedAccount, type LockedAccounts, openAccounts } from '../points/accounts.js'
import { type CompanionUpdate, ledgerWrites } from '../points/ledger.js'
import { type NewVoucher, voucherWrites } from '../voucher/vouchers.js'
import type { BrakeColumns } from './brake.js'
import type { DecidedDraw, DrawTools } from './draw-request.js'
import { beginEpochs, type EpochColumns, turnWrites } from './fairness/epochs.js'
import { PRIZE_KINDS } from './prize.js'
import { resultTotals } from './totals.js'

/** What a draw reads with the account; all null but the version where the diner has no pity row yet. */
interface DrawState extends EpochColumns, BrakeColumns {
  readonly current_count: number | null
  readonly pity_triggered_count: number | null
  readonly draw_day: string | null
  readonly day_count: number | null
  /** Of the rules that draw now. */
  readonly version: number | null
}

/** A diner whose rows are locked. */
export type LockedDiner = LockedAccount<DrawState>

const DRAW_STATE = {
  columns: Prisma.sql`, p.current_count, p.pity_triggered_count, CAST(p.draw_day AS CHAR) AS draw_day, p.day_count,
    p.own_daily, p.own_pause_until, p.next_daily, p.next_pause_until, p.next_from, p.epoch, p.nonce,
    e.server_seed, e.server_seed_hash, e.client_seed, e.started_at,
    (SELECT c.version FROM lottery_config AS c WHERE c.id = 1) AS version`,
  joins: Prisma.sql`LEFT JOIN lottery_pity AS p ON p.user_id = u.user_id
    LEFT JOIN fairness_epochs AS e ON e.user_id = p.user_id AND e.epoch = p.epoch`
}

/** Locks the diners' accounts, their pity rows and epochs, and reads with them all that the decisions depend on. */
export async function lockDiners(
  uow: UnitOfWork<RawTx>,
  requests: readonly UserRequest[]
): Promise<LockedAccounts<DrawState>> {
  const diners = await openAccounts<DrawState>(uow, requests, DRAW_STATE)
  const missing = diners.all.filter(({ row }) => row.server_seed === null)
  if (missing.length === 0) return diners
  // A user made by hand, in Prisma Studio say, has no pity row yet; one from before has no epoch.
  const userIds = missing.map(({ row }) => row.user_id)
  const unknown = missing.filter(({ row }) => row.current_count === null)
  if (unknown.length > 0) {
    const added = inList(padded(unknown.map(({ row }) => row.user_id)))
    await uow.tx.$executeRaw`
      INSERT IGNORE INTO lottery_pity (user_id) SELECT user_id FROM users WHERE user_id IN (${added})`
  }
  await beginEpochs(uow, userIds)
  return openAccounts<DrawState>(uow, requests, DRAW_STATE)
}

/** One statement a table; the balances and the pity rows, both of the locked users, share theirs. */
export function* drawWrites(
  uow: UnitOfWork<RawTx>,
  { voucherDays }: Pick<DrawTools, 'voucherDays'>,
  decided: readonly DecidedDraw[]
): Generator<Write, void> {
  const at = sqlTime(uow.now)
  const accounts = decided.map(({ account }) => account)
  yield* ledgerWrites(uow, accounts, pityUpdate(decided, at))
  const turns = decided.flatMap(({ turn }) => turn ?? [])
  if (turns.length > 0) yield* turnWrites(uow, turns)
  yield* insertDraws(decided.map((one) => drawRow(one, at)))
  yield* insertRecords(decided.flatMap((one) => recordRows(uow, one, at)))
  yield* voucherWrites(uow, decided.flatMap(vouchersFor), voucherDays)
  const answers = decided.flatMap(({ request, draw }) =>
    request.keyed === undefined ? [] : [{ userId: request.userId, request: request.keyed, answer: draw }]
  )
  yield* answerWrites(uow, answers)
  yield* pushWrites(uow)
  yield* totalsWrites(uow)
}

const PITY = ['pity_count INT', 'triggered INT', 'today DATE', 'today_count INT', 'epoch INT', 'nonce INT']
const insertDraws = insertInto('lottery_draws', [
  'draw_id',
  'user_id',
  'draw_type',
  'draw_count',
  'total_cost',
  'points_awarded',
  'rules_version',
  'created_at',
  'epoch',
  'client_seed'
])
const insertRecords = insertInto('lottery_records', [
  'record_id',
  'draw_id',
  'user_id',
  'sequence',
  'draw_type',
  'prize_id',
  'prize_name',
  'prize_type',
  'prize_value',
  'points_cost',
  'points_awarded',
  'is_pity',
  'created_at',
  'nonce',
  'roll',
  'pity_before'
])

/** Each diner's way to the guarantee, today's count and next nonce, as they stand after the draws. */
function pityUpdate(decided: readonly DecidedDraw[], at: string): CompanionUpdate {
  const values = new Map(
    decided.map(({ request, pity, today, draw, epoch }) => [
      request.userId,
      [pity.count, pity.triggered, today, draw.today_count, epoch.epoch, epoch.nonce + draw.results.length]
    ])
  )
  return {
    valuesOf: (userId) => values.get(userId) ?? [],
    columns: PITY,
    join: Prisma.sql`STRAIGHT_JOIN lottery_pity AS p FORCE INDEX (PRIMARY) ON p.user_id = j.user_id`,
    set: Prisma.sql`, p.current_count = j.pity_count, p.pity_triggered_count = j.triggered,
      p.last_draw_time = ${at}, p.draw_day = j.today, p.day_count = j.today_count, p.epoch = j.epoch,
      p.nonce = j.nonce`
  }
}

function drawRow({ request, draw, epoch }: DecidedDraw, at: string) {
  return {
    draw_id: draw.draw_id,
    user_id: request.userId,
    draw_type: request.type,
    draw_count: draw.results.length,
    total_cost: draw.total_cost,
    points_awarded: draw.points_awarded,
    rules_version: draw.rules_version,
    created_at: at,
    epoch: epoch.epoch,
    client_seed: request.clientSeed ?? null
  }
}

function recordRows(uow: UnitOfWork<RawTx>, { request: { userId, type }, draw }: DecidedDraw, at: string) {
  const cost = draw.total_cost / draw.results.length
  return draw.results.map((result) => {
    const { prize_type: kind, points_awarded: earned } = result
    uow.tallies.add(resultTotals, userId, `${type}:${kind}`, { total: 1, earned, spent: cost })
    return {
      record_id: result.record_id,
      draw_id: draw.draw_id,
      user_id: userId,
      sequence: result.sequence,
      draw_type: type,
      prize_id: result.prize_id,
      prize_name: result.prize_name,
      prize_type: kind,
      prize_value: String(result.prize_value),
      points_cost: cost,
      points_awarded: earned,
      is_pity: result.is_pity ? 1 : 0,
      created_at: at,
      nonce: result.nonce ?? null,
      roll: result.roll ?? null,
      pity_before: result.pity_before ?? null
    }
  })
}

function vouchersFor({ request: { userId }, draw }: DecidedDraw): NewVoucher[] {
  return draw.results.flatMap(({ prize_type: type, prize_name: title, voucher_code: code, record_id: recordId }) => {
    const kind = PRIZE_KINDS[type].voucher
    return code === null || kind === null ? [] : [{ userId, code, title, kind, source: 'lottery' as const, recordId }]
  })
}
