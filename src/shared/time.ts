export const DAY_MS = 24 * 60 * 60 * 1000
const MINUTE_MS = 60_000
const formatters = new Map<string, Intl.DateTimeFormat>()
/** The last answer of {@link businessDay}: a day starts with a minute wherever the restaurant is. */
let last = { minute: Number.NaN, timeZone: '', day: '' }

/** The business day an instant falls on, as `2026-11-22`: days start at midnight in `timeZone` (contract section 2). */
export function businessDay(instant: Date, timeZone: string): string {
  const minute = Math.floor(instant.getTime() / MINUTE_MS)
  if (minute === last.minute && timeZone === last.timeZone) return last.day
  let formatter = formatters.get(timeZone)
  if (formatter === undefined) {
    formatter = new Intl.DateTimeFormat('en-CA', { timeZone, year: 'numeric', month: '2-digit', day: '2-digit' })
    formatters.set(timeZone, formatter)
  }
  last = { minute, timeZone, day: formatter.format(instant) }
  return last.day
}

/** A `DATE` column's value as Prisma gives it (midnight UTC), or as a raw query gives it (text). */
export function dateColumn(value: Date | string | null): string | null {
  if (value === null) return null
  return typeof value === 'string' ? value.slice(0, 10) : value.toISOString().slice(0, 10)
}

/** A fraction to four decimals; 0 where there is nothing to divide by. */
export function rate(part: number, whole: number): number {
  return whole === 0 ? 0 : Math.round((part / whole) * 10_000) / 10_000
}

/** The instant at which a business day, `2026-11-22` say, starts where the restaurant is. */
export function dayStart(day: string, timeZone: string): Date {
  const utc = Date.parse(`${day}T00:00:00Z`)
  // The offset at the wanted instant is that of a first guess, but for the hour of a clock change: guess twice.
  const first = utc - offsetMs(new Date(utc), timeZone)
  return new Date(utc - offsetMs(new Date(first), timeZone))
}

/** The instants from the start of one business day to the end of another, for a filter; either may be left open. */
export function dayRange(
  from: string | undefined,
  to: string | undefined,
  timeZone: string
): { gte?: Date; lt?: Date } {
  const dayAfter = (day: string) => new Date(Date.parse(day) + DAY_MS).toISOString().slice(0, 10)
  return {
    ...(from === undefined ? {} : { gte: dayStart(from, timeZone) }),
    ...(to === undefined ? {} : { lt: dayStart(dayAfter(to), timeZone) })
  }
}

/** How far a time zone's clocks are ahead of UTC at an instant. */
function offsetMs(instant: Date, timeZone: string): number {
  const text = new Intl.DateTimeFormat('sv-SE', { timeZone, dateStyle: 'short', timeStyle: 'medium' }).format(instant)
  return Date.parse(`${text.replace(' ', 'T')}Z`) - Math.floor(instant.getTime() / 1000) * 1000
}
