import { type Static, Type } from '@sinclair/typebox'
import { pushKind } from '../../engine/push.js'
import type { RawTx } from '../../engine/tx.js'
import type { UnitOfWork } from '../../engine/unit-of-work.js'
import { DateTime, Id, StringEnum } from '../../shared/schemas.js'

/** Why a product's stock, or the product, is not what it was. */
const StockOperation = StringEnum(['exchange', 'cancel', 'stock_in', 'stock_out', 'create', 'update', 'delete'])
export type StockOperation = Static<typeof StockOperation>

/** What is left of a product; both spellings of each field are in the field. */
export const StockUpdate = pushKind(
  'stock_update',
  Type.Object({
    commodity_id: Id,
    product_id: Id,
    product_name: Type.String(),
    current_stock: Type.Integer({ minimum: 0 }),
    stock: Type.Integer({ minimum: 0 }),
    change_amount: Type.Integer(),
    operation: StockOperation,
    timestamp: DateTime
  }),
  { productId: (data) => data.product_id }
)

/** Pushes to everyone what is left of a product. */
export function pushStock(
  uow: UnitOfWork<RawTx>,
  { id, name, stock }: { readonly id: number; readonly name: string; readonly stock: number },
  change: number,
  operation: StockOperation
): void {
  uow.outbox.push('everyone', StockUpdate, {
    commodity_id: id,
    product_id: id,
    product_name: name,
    current_stock: stock,
    stock,
    change_amount: change,
    operation,
    timestamp: uow.now
  })
}
