import { insertInto } from '../../../engine/sql.js'
import type { RawDb, RawTx, Write } from '../../../engine/tx.js'
import { Prisma } from '../../../generated/prisma/client.js'
import type { Cipher } from '../../../shared/cipher.js'
import type { LogSource } from '../../../transparency/source.js'
import { drawLine, type LeafDraw, type LeafResult, rulesLine, seedLine } from './leaves.js'

/** How much one step logs at the most. */
const DRAWS_A_STEP = 1000
const SEEDS_A_STEP = 200

interface DrawRow extends Omit<LeafDraw, 'results'>, LeafResult {
  readonly user_id: number
  readonly epoch: number | null
  readonly log_index: number | bigint | null
}

interface RulesRow {
  readonly version: number
  readonly sha256: string
  readonly valid_from: Date
  readonly log_index: number | bigint | null
}

interface SeedRow {
  readonly user_id: number
  readonly epoch: number
  readonly server_seed: string
  readonly server_seed_hash: string
  readonly draws: number
  readonly ended_at: Date
  readonly log_index: number | bigint | null
}

/** A draw as it waits to be logged, or was. */
interface LoggedDraw extends LeafDraw {
  readonly user_id: number
  readonly log_index: number | bigint | null
  readonly results: LeafResult[]
  /** 0, and -1, from before there were seeds. */
  readonly epoch: number
  readonly firstNonce: number
}

const DRAW_COLUMNS = Prisma.sql`d.draw_id, d.user_id, d.created_at, d.rules_version, d.log_index, d.epoch,
  COALESCE(d.client_seed, e.client_seed) AS client_seed, e.server_seed_hash,
  r.sequence, r.prize_id, r.is_pity, r.nonce, r.roll, r.pity_before`
const DRAW_JOINS = Prisma.sql`JOIN lottery_records AS r ON r.draw_id = d.draw_id
  LEFT JOIN fairness_epochs AS e ON e.user_id = d.user_id AND e.epoch = d.epoch`
const SEED_COLUMNS = Prisma.sql`user_id, epoch, server_seed, server_seed_hash, draws, ended_at, log_index`

/**
 * What the public log tells of: rules versions, draws, and seeds once their epoch is over, in that order. Each names
 * its place in a column of its own row, and so waits while that is NULL: nothing depends on the order of ids or
 * commits, and a draw that commits late is found like any other. Seeds are looked for first and told last: all draws
 * of their epochs were committed before. Draws are taken by user, so that those of one epoch are told in the order of
 * their nonces.
 */
export function fairnessSource(cipher: Pick<Cipher, 'decrypt'>): LogSource {
  /** Where the last step ended that could not take all. */
  let after = 0
  const toSeedLine = (row: SeedRow) =>
    seedLine({
      commitment: row.server_seed_hash,
      seed: cipher.decrypt(row.server_seed),
      draws: row.draws,
      endedAt: row.ended_at
    })
  return {
    async waiting(tx: RawTx) {
      const seeds = await tx.$queryRaw<SeedRow[]>`
        SELECT ${SEED_COLUMNS} FROM fairness_epochs
        WHERE log_index IS NULL AND ended_at > '2000-01-01' ORDER BY ended_at LIMIT ${SEEDS_A_STEP}`
      const found = await waitingDraws(tx, after)
      const isFull = found.length === DRAWS_A_STEP
      const isAll = !isFull && after === 0
      const draws = isFull ? withoutLastUser(found) : found
      after = isFull ? (draws.at(-1)?.user_id ?? 0) : 0
      const rules = await tx.$queryRaw<RulesRow[]>`
        SELECT version, sha256, valid_from, log_index FROM lottery_rule_versions WHERE log_index IS NULL
        ORDER BY version`
      const told = isAll ? seeds : []
      return {
        lines: [...rules.map(rulesLine), ...draws.map(drawLine), ...told.map(toSeedLine)],
        isAll: isAll && seeds.length < SEEDS_A_STEP,
        placed: (first) => [
          ...placeRules(rules, first),
          ...placeDraws(draws, first + rules.length),
          ...placeSeeds(told, first + rules.length + draws.length),
          ...addTallies(draws)
        ]
      }
    },
    async told(db: RawDb, from, to) {
      const lines = new Map<number, string>()
      const within = Prisma.sql`log_index >= ${from} AND log_index < ${to}`
      for (const row of await db.$queryRaw<RulesRow[]>`
        SELECT version, sha256, valid_from, log_index FROM lottery_rule_versions WHERE ${within}`) {
        lines.set(Number(row.log_index), rulesLine(row))
      }
      for (const draw of gather(
        await db.$queryRaw<DrawRow[]>`
          SELECT ${DRAW_COLUMNS} FROM lottery_draws AS d ${DRAW_JOINS}
          WHERE d.log_index >= ${from} AND d.log_index < ${to}`
      )) {
        lines.set(Number(draw.log_index), drawLine(draw))
      }
      for (const row of await db.$queryRaw<SeedRow[]>`SELECT ${SEED_COLUMNS} FROM fairness_epochs WHERE ${within}`) {
        lines.set(Number(row.log_index), toSeedLine(row))
      }
      return Array.from({ length: to - from }, (_, offset) => {
        const line = lines.get(from + offset)
        if (line === undefined) throw new Error(`what entry ${from + offset} of the public log tells of is gone`)
        return line
      })
    }
  }
}

async function waitingDraws(tx: RawTx, after: number): Promise<LoggedDraw[]> {
  const rows = await tx.$queryRaw<DrawRow[]>`
    SELECT ${DRAW_COLUMNS} FROM (
      SELECT draw_id, user_id, created_at, rules_version, log_index, client_seed, epoch FROM lottery_draws
      WHERE log_index IS NULL AND user_id > ${after} ORDER BY user_id, draw_id LIMIT ${DRAWS_A_STEP}
    ) AS d ${DRAW_JOINS}`
  return gather(rows).sort(byNonce)
}

/** By user, and there in the order in which they were drawn; those from before there were seeds come first. */
function byNonce(a: LoggedDraw, b: LoggedDraw): number {
  const places = [a.user_id - b.user_id, a.epoch - b.epoch, a.firstNonce - b.firstNonce]
  return places.find((difference) => difference !== 0) ?? (a.draw_id < b.draw_id ? -1 : 1)
}

/** Rows of results, as draws, with the results of each in their order. */
function gather(rows: readonly DrawRow[]): LoggedDraw[] {
  const draws = new Map<string, LoggedDraw>()
  for (const row of rows) {
    const draw = draws.get(row.draw_id)
    if (draw !== undefined) {
      draw.results.push(row)
      continue
    }
    const { draw_id, user_id, created_at, rules_version, log_index, client_seed, server_seed_hash } = row
    const own = { draw_id, user_id, created_at, rules_version, log_index, client_seed, server_seed_hash }
    const [epoch, firstNonce] = [row.epoch ?? 0, row.nonce === null ? -1 : row.nonce - row.sequence + 1]
    draws.set(draw_id, { ...own, epoch, firstNonce, results: [row] })
  }
  for (const { results } of draws.values()) if (results.length > 1) results.sort((a, b) => a.sequence - b.sequence)
  return [...draws.values()]
}

/** More of the last user's may wait than were read, and among them earlier ones. */
function withoutLastUser(draws: readonly LoggedDraw[]): readonly LoggedDraw[] {
  const last = draws.at(-1)?.user_id
  const whole = draws.filter((draw) => draw.user_id !== last)
  return whole.length === 0 ? draws : whole
}

const placeRules = (rows: readonly RulesRow[], first: number): Write[] =>
  rows.map(({ version }, offset) => ({
    statement: Prisma.sql`UPDATE lottery_rule_versions SET log_index = ${first + offset} WHERE version = ${version}`
  }))

const placeSeeds = (rows: readonly SeedRow[], first: number): Write[] =>
  rows.map(({ user_id, epoch }, offset) => ({
    statement: Prisma.sql`
      UPDATE fairness_epochs SET log_index = ${first + offset} WHERE user_id = ${user_id} AND epoch = ${epoch}`
  }))

function placeDraws(draws: readonly LoggedDraw[], first: number): Write[] {
  if (draws.length === 0) return []
  const ids = draws.map((draw) => draw.draw_id)
  return [
    {
      // Made where it is needed alone: it is long.
      get statement() {
        const list = Prisma.join(ids)
        return Prisma.sql`
          UPDATE lottery_draws SET log_index = ${first - 1} + FIELD(draw_id, ${list}) WHERE draw_id IN (${list})`
      },
      bulk: {
        one: 'UPDATE lottery_draws SET log_index = ? WHERE draw_id = ?',
        rows: ids.map((id, offset) => [first + offset, id])
      }
    }
  ]
}

const insertTallies = insertInto(
  'fairness_tallies',
  ['version', 'prize_id', 'chance', 'forced'],
  'ON DUPLICATE KEY UPDATE chance = chance + VALUES(chance), forced = forced + VALUES(forced)'
)

/** Adds to what is published of each prize; by key, so that two who add do not wait for each other in a circle. */
function addTallies(draws: readonly LoggedDraw[]): Write[] {
  const sums = new Map<string, { version: number; prize_id: number; chance: number; forced: number }>()
  for (const { rules_version: version, results } of draws) {
    for (const { prize_id, is_pity } of results) {
      const sum = sums.get(`${version} ${prize_id}`) ?? { version, prize_id, chance: 0, forced: 0 }
      if (Number(is_pity) === 1) sum.forced += 1
      else sum.chance += 1
      sums.set(`${version} ${prize_id}`, sum)
    }
  }
  return insertTallies([...sums.values()].sort((a, b) => a.version - b.version || a.prize_id - b.prize_id))
}
