import type { CounterVoucher } from './schemas.js'

const issuedAt = new Date('2026-11-22T12:00:00.000Z')
const expiresAt = new Date('2026-12-22T12:00:00.000Z')

const unused: CounterVoucher = {
  code: 'K7QXM4PTRW9A',
  title: '甜品1份',
  kind: 'physical',
  source: 'lottery',
  status: 'unused',
  issued_at: issuedAt,
  expires_at: expiresAt,
  used_at: null,
  valid: true,
  reason: null,
  user: { nickname: '用户5678', mobile: '138****5678' },
  order: null
}

const redeemed: CounterVoucher = {
  ...unused,
  status: 'used',
  used_at: new Date('2026-11-23T04:30:00.000Z'),
  valid: false,
  reason: 'used'
}

/** What the documentation shows of each answer. */
export const examples = { unused, redeemed }
