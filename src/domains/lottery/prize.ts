import { type Static, Type } from '@sinclair/typebox'
import { insertInto } from '../../engine/sql.js'
import type { Write } from '../../engine/tx.js'
import type { LotterySetting, PrizeType as StoredPrizeType } from '../../generated/prisma/client.js'
import { Id, Points, Rate, StringEnum } from '../../shared/schemas.js'
import { PLAIN_TEXT } from '../../shared/text.js'
import type { VoucherKind } from '../voucher/schemas.js'

/** What the wheel has to know of a kind of prize. */
interface PrizeKind {
  /** What whoever wins it claims it with; null where there is nothing to claim. */
  readonly voucher: VoucherKind | null
  /** The points that are credited for one of that value. */
  readonly points: (value: number) => number
  /** Whether a prize of the kind may have that value, besides being an amount; undefined when it may. */
  readonly fault: (value: number) => string | undefined
  /** Whether it is something, to whoever counts wins. */
  readonly isWin: boolean
}

const anyValue = () => undefined
const noPoints = () => 0

/**
 * The kinds of prizes, whole. To add one: a value of `PrizeType` in schema.prisma, a migration that adds it to the
 * columns, and a row here; everything else follows from this table, and the compiler asks for the row.
 */
export const PRIZE_KINDS: Readonly<Record<StoredPrizeType, PrizeKind>> = {
  points: {
    voucher: null,
    points: (value) => value,
    fault: (value) => (Number.isInteger(value) && value >= 1 ? undefined : 'must give a whole number of points'),
    isWin: true
  },
  coupon: { voucher: 'coupon', points: noPoints, fault: anyValue, isWin: true },
  physical: { voucher: 'physical', points: noPoints, fault: anyValue, isWin: true },
  empty: { voucher: null, points: noPoints, fault: anyValue, isWin: false }
}

const KIND_NAMES = Object.keys(PRIZE_KINDS) as StoredPrizeType[]

export const PrizeType = StringEnum(KIND_NAMES)
export type PrizeType = StoredPrizeType

export const STEP_DEGREES = 45
export const COLOR = '^#[0-9A-Fa-f]{6}$'

/**
 * The most that a set of rules may say. Ten draws at the highest price, and ten of the largest prize of points, stay
 * far within what a column holds; a prize is worth at most what the law allows (SAMR order 32 of 2020).
 */
export const MOST = {
  costPoints: 1_000_000,
  dailyLimit: 100_000,
  pityLimit: 1000,
  nameLength: 50,
  value: 1_000_000,
  valueYuan: 50_000
} as const

/** A prize as merchants set it. */
export const SettingsPrize = Type.Object({
  prize_id: Id,
  prize_name: Type.String({ minLength: 1, maxLength: MOST.nameLength, pattern: PLAIN_TEXT }),
  prize_type: PrizeType,
  prize_value: Type.Number({ minimum: 0, maximum: MOST.value, description: 'at most two decimals; points are whole' }),
  value_yuan: Type.Number({ minimum: 0, maximum: MOST.valueYuan, description: 'what it costs the house' }),
  angle: Type.Integer({ minimum: 0, maximum: 360 - STEP_DEGREES, multipleOf: STEP_DEGREES }),
  color: Type.String({ pattern: COLOR }),
  probability: Type.Number({ exclusiveMinimum: 0, maximum: 1, description: 'at most four decimals' }),
  is_activity: Type.Boolean()
})
export type SettingsPrize = Static<typeof SettingsPrize>

/** A value for each kind of prize. */
export function forEachKind<T>(of: (type: PrizeType) => T): Record<PrizeType, T> {
  return Object.fromEntries(KIND_NAMES.map((type) => [type, of(type)])) as Record<PrizeType, T>
}

/** A prize as a rules version has it. `probability` is kept as its weight out of 10,000. */
export interface Prize {
  readonly id: number
  readonly name: string
  readonly type: PrizeType
  /** What is won: points, a coupon's factor, or how much of a thing. */
  readonly value: number
  /** What it costs the house, in yuan. */
  readonly valueYuan: number
  readonly angle: number
  readonly color: string
  readonly weight: number
  readonly isActivity: boolean
}

/** Odds are integer weights out of this: four decimals, exactly. */
export const TOTAL_WEIGHT = 10_000

/** Odds with four decimals as a whole number out of 10,000; with more decimals NaN, which is a fault. */
export function weightOf(probability: number): number {
  const weight = Math.round(probability * TOTAL_WEIGHT)
  return weight / TOTAL_WEIGHT === probability ? weight : Number.NaN
}

/** A prize as versions and merchants spell it, every field in a fixed order: the hash of a version is over it. */
export function toSettingsPrize(prize: Prize): SettingsPrize {
  return {
    prize_id: prize.id,
    prize_name: prize.name,
    prize_type: prize.type,
    prize_value: prize.value,
    value_yuan: prize.valueYuan,
    angle: prize.angle,
    color: prize.color,
    probability: prize.weight / TOTAL_WEIGHT,
    is_activity: prize.isActivity
  }
}

/** The prize that {@link toSettingsPrize} spells. */
export function fromSettingsPrize(prize: SettingsPrize): Prize {
  return {
    id: prize.prize_id,
    name: prize.prize_name,
    type: prize.prize_type,
    value: prize.prize_value,
    valueYuan: prize.value_yuan,
    angle: prize.angle,
    color: prize.color,
    weight: weightOf(prize.probability),
    isActivity: prize.is_activity
  }
}

/** The prize of a row of `lottery_settings`. */
export function fromPrizeRow(row: LotterySetting): Prize {
  return {
    id: row.prizeId,
    name: row.prizeName,
    type: row.prizeType,
    value: row.prizeValue.toNumber(),
    valueYuan: row.valueYuan.toNumber(),
    angle: row.angle,
    color: row.color,
    weight: weightOf(row.probability.toNumber()),
    isActivity: row.isActivity
  }
}

const insertPrizes = insertInto(
  'lottery_settings',
  [
    'prize_id',
    'prize_name',
    'prize_type',
    'prize_value',
    'value_yuan',
    'angle',
    'color',
    'probability',
    'is_activity',
    'is_active'
  ],
  `ON DUPLICATE KEY UPDATE prize_name = VALUES(prize_name), prize_type = VALUES(prize_type),
    prize_value = VALUES(prize_value), value_yuan = VALUES(value_yuan), angle = VALUES(angle), color = VALUES(color),
    probability = VALUES(probability), is_activity = VALUES(is_activity), is_active = VALUES(is_active)`
)

/** The write that puts prizes on the wheel, as rows of `lottery_settings`. */
export function prizeWrites(prizes: readonly Prize[]): Write[] {
  return insertPrizes(
    prizes.map(toSettingsPrize).map((prize) => ({
      ...prize,
      prize_value: String(prize.prize_value),
      value_yuan: String(prize.value_yuan),
      probability: String(prize.probability),
      is_activity: Number(prize.is_activity),
      is_active: 1
    }))
  )
}

/** A prize of the wheel as diners see it. */
export const ConfigPrize = Type.Object({
  id: Id,
  name: Type.String(),
  type: PrizeType,
  value: Type.Number(),
  angle: Type.Integer({ minimum: 0, maximum: 315, multipleOf: 45 }),
  color: Type.String(),
  probability: Rate,
  effective_probability: Type.Number({
    minimum: 0,
    maximum: 1,
    description: 'the odds with the guaranteed prize counted in'
  }),
  isActivity: Type.Boolean(),
  costPoints: Points,
  prize_id: Id,
  prize_name: Type.String()
})

export function toConfigPrize(prize: Prize, effective: number, costPoints: number): Static<typeof ConfigPrize> {
  return {
    ...toDrawnPrize(prize),
    probability: prize.weight / TOTAL_WEIGHT,
    effective_probability: effective,
    isActivity: prize.isActivity,
    costPoints,
    prize_id: prize.id,
    prize_name: prize.name
  }
}

/** A prize as whoever wins it sees it. */
export const DrawnPrize = Type.Object({
  id: Id,
  name: Type.String(),
  type: PrizeType,
  value: Type.Number(),
  angle: Type.Integer(),
  color: Type.String()
})

export function toDrawnPrize({ id, name, type, value, angle, color }: Prize): Static<typeof DrawnPrize> {
  return { id, name, type, value, angle, color }
}
