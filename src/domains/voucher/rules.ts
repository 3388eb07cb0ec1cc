import assert from 'node:assert/strict'
import { DAY_MS } from '../../shared/time.js'
import type { VoucherStatus } from './schemas.js'

/** Digits and letters that are not mistaken for one another at a counter: no 0 O, 1 I L, 5 S, 2 Z, 8 B. */
const ALPHABET = '34679ACDEFGHJKMNPQRTUVWXY'
const CODE_LENGTH = 12

/** A fresh code: 25^12, about 6 × 10^16, of them are as likely as each other (contract section 6). */
export function newVoucherCode(randomInt: (below: number) => number): string {
  const code = Array.from({ length: CODE_LENGTH }, () => ALPHABET[randomInt(ALPHABET.length)]).join('')
  assert.equal(code.length, CODE_LENGTH, 'the random numbers are numbers, and in range')
  return code
}

/** When a voucher issued at an instant expires. */
export function expiryOf(issuedAt: Date, days: number): Date {
  return new Date(issuedAt.getTime() + days * DAY_MS)
}

/** A code as it is kept, however it was typed or read out: `k7qx m4pt-rw9a` is `K7QXM4PTRW9A`. */
export function normalCode(typed: string): string {
  return typed.replace(/[\s-]/g, '').toUpperCase()
}

/** How a voucher stands: past its time it is expired, whether or not its row says so yet. */
export function voucherStatus(
  row: { readonly status: VoucherStatus; readonly expiresAt: Date },
  now: Date
): VoucherStatus {
  return row.status === 'unused' && row.expiresAt <= now ? 'expired' : row.status
}

/** The same as a filter of `vouchers`: of those that can be redeemed. */
export const usable = (now: Date) => ({ status: 'unused', expiresAt: { gt: now } }) as const
