/** A column whose texts the cipher encrypted. */
export interface EncryptedColumn {
  readonly table: string
  /** The columns of the table's primary key, in their order. */
  readonly key: readonly [string, ...string[]]
  readonly column: string
  /** The column with the HMAC of what is encrypted, by which the row is found. */
  readonly hmac?: { readonly column: string; readonly purpose: string }
}

/**
 * Every column that holds something encrypted: what `npm run keys:rotate` goes through. A test looks for others.
 * (`verification_codes.code_hmac` is not among them: a code lives five minutes, and is not kept but as its HMAC.)
 */
export const ENCRYPTED_COLUMNS: readonly EncryptedColumn[] = [
  { table: 'vouchers', key: ['voucher_id'], column: 'code_enc', hmac: { column: 'code_hmac', purpose: 'voucher' } },
  { table: 'exchange_orders', key: ['order_id'], column: 'delivery_info' },
  { table: 'merchant_applications', key: ['application_id'], column: 'contact_phone' },
  { table: 'merchant_applications', key: ['application_id'], column: 'business_license' },
  { table: 'fairness_epochs', key: ['user_id', 'epoch'], column: 'server_seed' },
  { table: 'idempotency_keys', key: ['user_id', 'idem_key'], column: 'response' },
  { table: 'push_events', key: ['id'], column: 'data' }
]
