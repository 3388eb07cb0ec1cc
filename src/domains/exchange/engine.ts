import type { FastifyInstance } from 'fastify'
import { type BatchedTx, batchedTx } from '../../engine/batched-tx.js'
import type { OrderAnswer, OrderRequest, OrderTools } from './order-request.js'
import { submitAll } from './submit.js'

/**
 * Places orders for many diners at once, as {@link submitAll} places them: in a flash sale one write takes the stock
 * of all who wait.
 */
export function createOrderEngine(
  fastTx: FastifyInstance['fastTx'],
  tools: OrderTools
): BatchedTx<OrderRequest, OrderAnswer> {
  return batchedTx(fastTx, (uow, batch) => submitAll(uow, tools, batch))
}
