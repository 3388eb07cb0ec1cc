import { insertInto, sqlTime } from '../../../engine/sql.js'
import { type RawTx, writeAll } from '../../../engine/tx.js'
import { Prisma } from '../../../generated/prisma/client.js'
import { DAY_MS } from '../../../shared/time.js'
import { bandsOf, hashColumn, MAX_DISTANCE, probesOf } from './bands.js'
import type { MatchKind } from './schemas.js'

/** How far back receipts are compared (contract section 15). */
export const COMPARED_DAYS = 180
/** Of the same diner, and the same amount. */
const SAME_AMOUNT_HOURS = 48
/** Of a kind; more are never shown. */
const MAX_OF_A_KIND = 10
/** The nearest of a picture that are looked at: some may be the same file, or too old. */
const NEAREST = 50

/** A receipt as the comparison wants it. */
export interface Compared {
  readonly upload_id: string
  readonly user_id: number
  readonly amount: number
  readonly sha256: string
  readonly created_at: Date
}

interface Match {
  readonly other_id: string
  readonly kind: MatchKind
  readonly distance: number | null
}

const insertBands = insertInto('picture_bands', ['band', 'part', 'upload_id', 'hash', 'created_at'], KEEP('band'))
const insertMatches = insertInto(
  'photo_matches',
  ['upload_id', 'other_id', 'kind', 'distance', 'created_at'],
  KEEP('distance')
)

function KEEP(column: string): string {
  return `ON DUPLICATE KEY UPDATE ${column} = ${column}`
}

/**
 * Writes down what a receipt looks like. In a transaction of its own, before {@link findMatches}: of two receipts that
 * are compared at once, each has then written before it looks, and one sees the other.
 * @returns false where the receipt is gone
 */
export async function writeBands(tx: RawTx, receipt: Compared, hash: string): Promise<boolean> {
  if (!(await hold(tx, receipt.upload_id))) return false
  const createdAt = sqlTime(receipt.created_at)
  const column = String(hashColumn(hash))
  const rows = bandsOf(hash).map((part, band) => ({
    band,
    part,
    upload_id: receipt.upload_id,
    hash: column,
    created_at: createdAt
  }))
  await writeAll(tx, insertBands(rows))
  return true
}

/**
 * Compares a receipt with those of the last 180 days, notes what is found, a pair once, and that it is compared. To do
 * it twice changes nothing.
 * @param hash what it looks like; undefined where its picture is gone
 */
export async function findMatches(tx: RawTx, receipt: Compared, hash: string | undefined, now: Date): Promise<void> {
  const found: Match[] = [
    ...(await sameFile(tx, receipt)),
    ...(hash === undefined ? [] : await similarPictures(tx, receipt, hash)),
    ...(await sameAmount(tx, receipt))
  ]
  if (!(await hold(tx, receipt.upload_id))) return
  const at = sqlTime(now)
  const rows = found.map(({ other_id: other, kind, distance }) => {
    const [first, second] = other > receipt.upload_id ? [other, receipt.upload_id] : [receipt.upload_id, other]
    return { upload_id: first, other_id: second, kind, distance, created_at: at }
  })
  await writeAll(tx, insertMatches(rows))
  await tx.$executeRaw`UPDATE photo_reviews SET compared_at = ${at} WHERE upload_id = ${receipt.upload_id}`
}

/** Holds a receipt's row, which keeps it from being withdrawn. @returns whether it is still there */
async function hold(tx: RawTx, uploadId: string): Promise<boolean> {
  const rows = await tx.$queryRaw<
    unknown[]
  >`SELECT upload_id FROM photo_reviews WHERE upload_id = ${uploadId} FOR UPDATE`
  return rows.length > 0
}

const since = ({ created_at: at }: Compared) => sqlTime(new Date(at.getTime() - COMPARED_DAYS * DAY_MS))

/** The same file: those first that may have got points for it. */
function sameFile(tx: RawTx, receipt: Compared): Promise<Match[]> {
  return tx.$queryRaw`
    SELECT upload_id AS other_id, 'same_file' AS kind, 0 AS distance FROM photo_reviews
    WHERE sha256 = ${receipt.sha256} AND created_at >= ${since(receipt)} AND upload_id <> ${receipt.upload_id}
    ORDER BY review_status IN ('pending', 'approved') DESC, created_at DESC LIMIT ${MAX_OF_A_KIND}`
}

/** Pictures that look alike, the nearest first. The index on bands answers all but who they are. */
function similarPictures(tx: RawTx, receipt: Compared, hash: string): Promise<Match[]> {
  return tx.$queryRaw`
    SELECT c.upload_id AS other_id, 'similar_picture' AS kind, c.distance AS distance
    FROM (${nearSql(hash)} ORDER BY distance LIMIT ${NEAREST}) AS c
    STRAIGHT_JOIN photo_reviews AS r ON r.upload_id = c.upload_id
    WHERE r.sha256 <> ${receipt.sha256} AND r.created_at >= ${since(receipt)}
    ORDER BY c.distance, r.created_at DESC LIMIT ${MAX_OF_A_KIND}`
}

/** The receipts whose hash is near, each once, with its distance: a range of the index for each probe of each band. */
export function nearSql(hash: string): Prisma.Sql {
  const column = hashColumn(hash)
  const bands = probesOf(hash).map(
    (parts, band) => Prisma.sql`
      SELECT upload_id, BIT_COUNT(hash ^ ${column}) AS distance FROM picture_bands
      WHERE band = ${band} AND part IN (${Prisma.join(parts)}) AND BIT_COUNT(hash ^ ${column}) <= ${MAX_DISTANCE}`
  )
  return Prisma.join(bands, ' UNION ')
}

/** The same amount of the same diner, within two days. */
function sameAmount(tx: RawTx, receipt: Compared): Promise<Match[]> {
  const [from, to] = [-1, 1].map((sign) =>
    sqlTime(new Date(receipt.created_at.getTime() + sign * SAME_AMOUNT_HOURS * 60 * 60 * 1000))
  )
  return tx.$queryRaw`
    SELECT upload_id AS other_id, 'same_amount' AS kind, NULL AS distance
    FROM photo_reviews
    WHERE user_id = ${receipt.user_id} AND created_at BETWEEN ${from} AND ${to} AND amount = ${receipt.amount}
      AND upload_id <> ${receipt.upload_id}
    ORDER BY created_at DESC LIMIT ${MAX_OF_A_KIND}`
}
