import { language, languageTag } from './i18n.js'

/** A time as the diner's and merchant's clocks show it, without the year where it is this one. */
export function time(iso: string | null | undefined): string {
  if (iso === null || iso === undefined) return '—'
  const date = new Date(iso)
  const isThisYear = date.getFullYear() === new Date().getFullYear()
  return new Intl.DateTimeFormat(languageTag(language()), {
    ...(isThisYear ? {} : { year: 'numeric' }),
    month: '2-digit',
    day: '2-digit',
    hour: '2-digit',
    minute: '2-digit',
    hour12: false
  }).format(date)
}

export function money(amount: number | null | undefined): string {
  return amount === null || amount === undefined ? '—' : `¥${amount.toFixed(2)}`
}

export function count(value: number): string {
  return new Intl.NumberFormat(languageTag(language())).format(value)
}

/** A share of one, in hundredths. */
export function percent(share: number, digits = 1): string {
  return `${(share * 100).toFixed(digits)}%`
}
