import type { Db } from '../../engine/tx.js'
import { businessDay, DAY_MS, dateColumn, dayStart, rate } from '../../shared/time.js'
import { oldestPendingMinutes } from './merchant-queries.js'
import type { MerchantStatistics } from './merchant-schemas.js'
import { REASON_CODES } from './reasons.js'

const DAYS_SHOWN = 30

interface Counts {
  uploads: number
  approved: number
  rejected: number
  revoked: number
}

interface Sums extends Counts {
  points: number
  waitSeconds: number
}

/**
 * The merchants' figures, from the summary that uploads and reviews keep up: a row a day, however many receipts.
 * A day's `total_reviews` are those uploaded on it, its approved and rejected those decided on it, whenever uploaded;
 * what is overturned or revoked later corrects the figures of the day of the decision.
 */
export async function merchantStatistics(db: Db, now: Date, timeZone: string): Promise<MerchantStatistics> {
  const today = businessDay(now, timeZone)
  const monthStart = `${today.slice(0, 7)}-01`
  const firstShown = businessDay(new Date(dayStart(today, timeZone).getTime() - (DAYS_SHOWN - 1) * DAY_MS), timeZone)
  const [overall, rows, pending, pendingToday, pendingMonth, oldest, reasons] = await Promise.all([
    sumsFrom(db),
    db.reviewDay.findMany({
      where: { day: { gte: new Date(firstShown < monthStart ? firstShown : monthStart) } },
      orderBy: { day: 'asc' }
    }),
    pendingSince(db),
    pendingSince(db, dayStart(today, timeZone)),
    pendingSince(db, dayStart(monthStart, timeZone)),
    oldestPendingMinutes(db, now),
    reasonsSince(db, firstShown)
  ])
  const byDay = new Map(rows.map((row) => [dateColumn(row.day) ?? '', row]))
  const sumOf = (from: string): Counts => {
    const since = rows.filter((row) => (dateColumn(row.day) ?? '') >= from)
    const total = (field: keyof Counts) => since.reduce((sum, row) => sum + row[field], 0)
    return {
      uploads: total('uploads'),
      approved: total('approved'),
      rejected: total('rejected'),
      revoked: total('revoked')
    }
  }
  const decided = overall.approved + overall.rejected
  return {
    overall: figures(overall, pending),
    today: figures(sumOf(today), pendingToday),
    monthly: figures(sumOf(monthStart), pendingMonth),
    points: {
      total_awarded: overall.points,
      average_per_approval: overall.approved === 0 ? 0 : Math.round((overall.points / overall.approved) * 100) / 100
    },
    efficiency: {
      average_minutes: decided === 0 ? 0 : Math.round((overall.waitSeconds / decided / 60) * 10) / 10,
      oldest_pending_minutes: oldest
    },
    reasons,
    daily: Array.from({ length: DAYS_SHOWN }, (_, index) => {
      const date = businessDay(new Date(dayStart(firstShown, timeZone).getTime() + index * DAY_MS), timeZone)
      const row = byDay.get(date)
      return {
        date,
        total: row?.uploads ?? 0,
        approved: row?.approved ?? 0,
        rejected: row?.rejected ?? 0,
        points_awarded: Number(row?.pointsAwarded ?? 0)
      }
    })
  }
}

/** Rejections from a business day on, by their reason. */
async function reasonsSince(db: Db, day: string): Promise<MerchantStatistics['reasons']> {
  const groups = await db.reviewReason.groupBy({
    by: ['reasonCode'],
    where: { day: { gte: new Date(day) } },
    _sum: { total: true }
  })
  const found = new Map(groups.map(({ reasonCode, _sum }) => [reasonCode, _sum.total ?? 0]))
  const counts = REASON_CODES.map((code) => [code, found.get(code) ?? 0])
  return Object.fromEntries(counts) as MerchantStatistics['reasons']
}

async function sumsFrom(db: Db): Promise<Sums> {
  const { _sum } = await db.reviewDay.aggregate({
    _sum: { uploads: true, approved: true, rejected: true, revoked: true, pointsAwarded: true, waitSeconds: true }
  })
  return {
    uploads: _sum.uploads ?? 0,
    approved: _sum.approved ?? 0,
    rejected: _sum.rejected ?? 0,
    revoked: _sum.revoked ?? 0,
    points: Number(_sum.pointsAwarded ?? 0),
    waitSeconds: Number(_sum.waitSeconds ?? 0)
  }
}

/** Receipts that wait, of those uploaded since an instant: few, and found by the index on state and time. */
function pendingSince(db: Db, since?: Date): Promise<number> {
  return db.receipt.count({
    where: { reviewStatus: 'pending', ...(since === undefined ? {} : { createdAt: { gte: since } }) }
  })
}

function figures({ uploads, approved, rejected, revoked }: Counts, pending: number): MerchantStatistics['overall'] {
  return {
    total_reviews: uploads,
    pending_reviews: pending,
    approved_reviews: approved,
    rejected_reviews: rejected,
    revoked_reviews: revoked,
    approval_rate: rate(approved, approved + rejected)
  }
}
