import { DAY_MS } from '../../shared/time.js'

/** Digits and letters that are not mistaken for one another at a counter: no 0 O, 1 I L, 5 S, 2 Z, 8 B. */
const ALPHABET = '34679ACDEFGHJKMNPQRTUVWXY'
const CODE_LENGTH = 12

/** A fresh code: 25^12, about 6 × 10^16, of them are as likely as each other (contract section 6). */
export function newCode(randomInt: (below: number) => number): string {
  return Array.from({ length: CODE_LENGTH }, () => ALPHABET[randomInt(ALPHABET.length)]).join('')
}

/** When a voucher issued at an instant expires. */
export function expiryOf(issuedAt: Date, days: number): Date {
  return new Date(issuedAt.getTime() + days * DAY_MS)
}

/** A code as it is kept, however it was typed or read out: `k7qx m4pt-rw9a` is `K7QXM4PTRW9A`. */
export function normalCode(typed: string): string {
  return typed.replace(/[\s-]/g, '').toUpperCase()
}
