import type { FastifyInstance } from 'fastify'
import { type BatchedTx, batchedTx } from '../../engine/batched-tx.js'
import { type OrderAnswer, type OrderRequest, type OrderTools, submitAll } from './submit.js'

/**
 * Places orders for many diners at once, as {@link submitAll} places them: in a flash sale one write takes the stock
 * of all who wait.
 */
export function createOrderEngine(
  fastTx: FastifyInstance['fastTx'],
  tools: OrderTools
): BatchedTx<OrderRequest, OrderAnswer> {
  return batchedTx(fastTx, (tx, outbox, batch) => submitAll(tx, outbox, tools, batch))
}
