import { jsonRows, sqlTime } from '../../shared/sql.js'
import type { Tx } from '../../shared/tx.js'
import type { Vault } from '../../shared/vault.js'
import { expiryOf } from './rules.js'

/** A claim on the counter to be written. Exactly one of `recordId` and `orderId` is set. */
export interface NewVoucher {
  readonly userId: number
  readonly code: string
  readonly title: string
  readonly kind: 'coupon' | 'physical' | 'product'
  readonly source: 'lottery' | 'exchange'
  readonly recordId?: string
  readonly orderId?: number
}

/** Issues vouchers in the transaction of their cause, in one statement. Codes are kept encrypted. */
export async function issue(
  tx: Tx,
  vault: Vault,
  vouchers: readonly NewVoucher[],
  now: Date,
  days: number
): Promise<void> {
  if (vouchers.length === 0) return
  const rows = vouchers.map(({ userId, code, title, kind, source, recordId, orderId }) => ({
    userId,
    hmac: codeHmac(vault, code),
    enc: vault.encrypt(code),
    title,
    kind,
    source,
    recordId: recordId ?? null,
    orderId: orderId ?? null
  }))
  await tx.$executeRaw`
    INSERT INTO vouchers
      (user_id, code_hmac, code_enc, title, kind, source, record_id, order_id, issued_at, expires_at)
    SELECT j.user_id, j.code_hmac, j.code_enc, j.title, j.kind, j.source, j.record_id, j.order_id,
      ${sqlTime(now)}, ${sqlTime(expiryOf(now, days))}
    FROM JSON_TABLE(${jsonRows(rows)}, '$[*]' COLUMNS (
      n FOR ORDINALITY, user_id INT PATH '$.userId', code_hmac CHAR(64) PATH '$.hmac',
      code_enc VARCHAR(255) PATH '$.enc', title VARCHAR(100) PATH '$.title', kind VARCHAR(10) PATH '$.kind',
      source VARCHAR(10) PATH '$.source', record_id CHAR(36) PATH '$.recordId', order_id BIGINT PATH '$.orderId'
    )) AS j
    ORDER BY j.n`
}

/** By what a code is found without being readable in the table. */
export function codeHmac(vault: Vault, code: string): string {
  return vault.hmac('voucher', code)
}
