import { randomInt } from 'node:crypto'
import * as mariadb from 'mariadb'
import { Account, NEW_ACCOUNT } from '../../../src/domains/points/account.js'
import { pushBalance } from '../../../src/domains/points/pushes.js'
import { expiryOf, newVoucherCode } from '../../../src/domains/voucher/rules.js'
import { codeHmac } from '../../../src/domains/voucher/vouchers.js'
import { lineOf } from '../../../src/engine/push-log.js'
import type { Cipher } from '../../../src/shared/cipher.js'
import { pushesOnly } from './baseline.js'
import { inTransaction, keepPushes, poolOptions } from './pool.js'

/** Somebody who places orders for one product, to be measured. */
export interface Seller {
  order(userId: number): Promise<void>
  close(): Promise<void>
}

interface Row {
  total_points: number
  ledger_seq: number
  name: string
  category: string
  exchange_points: number
  stock: number
}

/**
 * An order as careful code by hand places it on the driver: the product's row is locked first, as the contract has it,
 * then the diner's; each statement is prepared and awaited.
 */
export function lockedRowSeller(options: { url: string; poolSize: number; cipher: Cipher; productId: number }): Seller {
  const { cipher, productId } = options
  const pool = mariadb.createPool(poolOptions(options))

  async function orderOn(connection: mariadb.PoolConnection, userId: number): Promise<void> {
    const [product] = await connection.execute<Row[]>(
      `SELECT name, category, exchange_points, stock FROM commodity_pool
       WHERE commodity_id = ? AND status = 'available' AND deleted_at IS NULL FOR UPDATE`,
      [productId]
    )
    if (product === undefined || product.stock < 1) throw new Error('sold out')
    const [user] = await connection.execute<Row[]>(
      `SELECT total_points, ledger_seq FROM users
       WHERE user_id = ? AND status = 'active' AND deleted_at IS NULL FOR UPDATE`,
      [userId]
    )
    const price = product.exchange_points
    if (user === undefined || user.total_points < price) throw new Error('not enough points')
    const [now, orderNo, code] = [new Date(), newVoucherCode(randomInt), newVoucherCode(randomInt)]
    await connection.execute(
      'UPDATE commodity_pool SET stock = stock - 1, sales_count = sales_count + 1 WHERE commodity_id = ?',
      [productId]
    )
    const placed = await connection.execute<{ insertId: number | bigint }>(
      `INSERT INTO exchange_orders
         (order_no, user_id, commodity_id, product_name, category, quantity, unit_points, total_points, created_at)
       VALUES (?, ?, ?, ?, ?, 1, ?, ?, ?)`,
      [orderNo, userId, productId, product.name, product.category, price, price, now]
    )
    await connection.execute(
      `UPDATE users SET total_points = total_points - ?, ledger_seq = ledger_seq + 1, push_seq = push_seq + 1
       WHERE user_id = ?`,
      [price, userId]
    )
    await connection.execute(
      `INSERT INTO points_records
         (user_id, seq, points, balance_after, type, source, description, related_id, hash, created_at)
       VALUES (?, ?, ?, ?, 'spend', 'exchange', '兑换', ?, '', ?)`,
      [userId, user.ledger_seq + 1, -price, user.total_points - price, orderNo, now]
    )
    await connection.execute(
      `INSERT INTO vouchers (user_id, code_hmac, code_enc, title, kind, source, order_id, issued_at, expires_at)
       VALUES (?, ?, ?, ?, 'product', 'exchange', ?, ?, ?)`,
      [userId, codeHmac(cipher, code), cipher.encrypt(code), product.name, placed.insertId, now, expiryOf(now, 30)]
    )
    const account = new Account(userId, { ...NEW_ACCOUNT, balance: user.total_points })
    account.debit(price, { source: 'exchange' })
    const uow = pushesOnly(cipher, now)
    pushBalance(uow, account, 'exchange')
    const text = uow.outbox.takeUnwritten().map(lineOf).join('\n')
    await keepPushes(connection, { cipher, userId, text, now })
  }

  return {
    close: () => pool.end(),
    order: (userId) => inTransaction(pool, (connection) => orderOn(connection, userId))
  }
}
