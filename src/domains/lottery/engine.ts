import type { FastifyInstance } from 'fastify'
import { type BatchedTx, batchedTx } from '../../engine/batched-tx.js'
import { drawAll } from './draw.js'
import type { DrawAnswer, DrawRequest, DrawTools } from './draw-request.js'

/** Makes draws for many diners at once, as {@link drawAll} makes them. */
export function createDrawEngine(
  fastTx: FastifyInstance['fastTx'],
  tools: DrawTools
): BatchedTx<DrawRequest, DrawAnswer> {
  return batchedTx(fastTx, (uow, batch) => drawAll(uow, tools, batch))
}
